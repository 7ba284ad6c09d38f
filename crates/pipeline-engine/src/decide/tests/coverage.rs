//! Every row of every table is gone through.

use std::collections::BTreeSet;

use super::package::{KindGen, TaskGen, package};
use super::world::{Until, World, fails, gives};
use crate::decide::lifecycle::{RUN, TASK, coverage};
use crate::decide::{AttemptEnd, Event};

/// Goes through every transition by itself, so that it may run alone.
#[test]
fn every_transition_is_gone_through() {
    let condition = TaskGen::of(KindGen::Condition(vec![TaskGen::container()])).taking(0);
    let inner = vec![TaskGen::container().cached(), TaskGen::container().after(&[0])];
    let looped = TaskGen::of(KindGen::Loop {
        tasks: vec![TaskGen::container().cached()],
        items: 3,
        parallelism: 1,
    });
    let broken = TaskGen::of(KindGen::Loop {
        tasks: vec![TaskGen::container()],
        items: 1,
        parallelism: 0,
    });
    let tasks = [
        TaskGen::container().retried(1),
        condition,
        TaskGen::of(KindGen::Dag(inner)),
        looped,
        TaskGen::container().after(&[2]),
        broken,
    ];
    let package = package(&tasks);
    let flaky = |place: &str, launch| match place {
        "root.t0" if launch == 1 => fails(),
        "root.t0" => gives("odd"),
        "root.t2.t0" if launch == 1 => fails(),
        _ => gives("even"),
    };
    let mut world = World::new(&package, Box::new(flaky));
    world.tell(Event::Start, Until::End);
    world.run_to_end();
    world.tell(Event::Retry, Until::End);
    world.run_to_end();

    // Stopped at every point, then tried again.
    for events in 0..40 {
        let mut world = World::new(&package, Box::new(flaky));
        if events > 0 {
            world.tell(Event::Start, Until::End);
        }
        for _ in 1..events {
            let attached = world
                .processes
                .iter()
                .find(|(_, process)| process.attached)
                .map(|(key, _)| *key);
            if !world.lookups.is_empty() {
                world.answer(Until::End);
            } else if !world.queue.is_empty() && world.admitted.len() < 2 {
                world.admit(Until::End);
            } else if let Some((task, attempt)) = attached {
                world.finish(task, attempt);
                world.reap(task, attempt, Until::End);
            } else if !world.wakes.is_empty() {
                world.wake(Until::End);
            }
        }
        world.tell(Event::Terminate, Until::End);
        world.run_to_end();
        world.tell(Event::Retry, Until::End);
        world.run_to_end();
    }

    // A task whose inputs cannot be bound; a run that fails while it is stopped; one that succeeds then.
    let unbound = super::package::package(&[TaskGen::container()]).replace(
        r#""label":{"runtimeValue":{"constant":"root.t0"}}"#,
        r#""label":{"runtimeValue":{"constant":"{{$.inputs.parameters['absent']}}"}}"#,
    );
    let mut world = World::new(&unbound, Box::new(|_, _| gives("even")));
    world.tell(Event::Start, Until::End);
    for end in [gives("even"), AttemptEnd::Stopped] {
        let tasks = [TaskGen::container(), TaskGen::container()];
        let mut world = World::new(
            &super::package::package(&tasks),
            Box::new(move |_, _| end.clone()),
        );
        world.tell(Event::Start, Until::End);
        world.admit(Until::End);
        world.admit(Until::End);
        let keys: Vec<_> = world.processes.keys().copied().collect();
        for (task, attempt) in &keys {
            world.finish(*task, *attempt);
        }
        let first = keys[0];
        world.tell(
            Event::Ended {
                task: first.0,
                attempt: first.1,
                end: fails(),
                launcher: None,
            },
            Until::End,
        );
        world.tell(Event::Terminate, Until::End);
        world.reap(keys[1].0, keys[1].1, Until::End);
    }
    let mut world = World::new(
        &super::package::package(&[TaskGen::container()]),
        Box::new(|_, _| gives("even")),
    );
    world.tell(Event::Start, Until::End);
    world.admit(Until::End);
    let (task, attempt) = *world.processes.keys().next().unwrap();
    world.finish(task, attempt);
    world.tell(Event::Terminate, Until::End);
    world.reap(task, attempt, Until::End);

    let import = r#"{"importer":{"artifactUri":{"constant":"s3://bucket/data"}}}"#;
    let container =
        r#"{"container":{"command":["work","{{$.inputs.parameters['label']}}"],"image":"shell"}}"#;
    let sorted = r#"{"container":{"image":"shell","command":["work","{{$.inputs.parameters['label']}}"]}}"#;
    let imported = super::package::package(&[TaskGen::container()]);
    let imported = imported.replace(container, import).replace(sorted, import);
    let mut world = World::new(&imported, Box::new(|_, _| gives("even")));
    world.tell(Event::Start, Until::End);

    let runs = RUN.iter().map(|row| format!("{:?} {:?}", row.0, row.1));
    let tasks = TASK.iter().map(|row| format!("{:?} {:?}", row.0, row.1));
    let all: BTreeSet<String> = runs.chain(tasks).collect();
    let missing: Vec<_> = all.difference(&coverage::so_far()).cloned().collect();
    assert!(missing.is_empty(), "no test goes through {missing:?}");
}

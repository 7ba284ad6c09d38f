//! One behaviour a test.

use std::collections::BTreeMap;
use std::time::Duration;

use super::package::{KindGen, TaskGen, package};
use super::world::{Until, World, fails, gives};
use crate::decide::{AttemptEnd, Event};
use crate::model::{RunState, TaskState};

fn run(tasks: &[TaskGen], behaviour: impl Fn(&str, u32) -> AttemptEnd + 'static) -> World {
    let mut world = World::new(&package(tasks), Box::new(behaviour));
    world.tell(Event::Start, Until::End);
    world.run_to_end();
    world
}

fn state(world: &World, place: &str) -> TaskState {
    world.ends()[place]
}

#[test]
fn a_chain_hands_values_on() {
    let world = run(&[TaskGen::container(), TaskGen::container().taking(0)], |_, _| {
        gives("even")
    });
    assert_eq!(world.state(), RunState::Succeeded);
    let tasks = world.tasks();
    let taken = tasks[2]
        .input_parameters
        .iter()
        .find(|parameter| parameter.name == "in")
        .unwrap();
    assert_eq!(taken.value, "even");
    assert_eq!(world.outputs()["root"], "even");
}

#[test]
fn what_follows_a_failure_is_skipped_and_what_does_not_runs_on() {
    let tasks = [
        TaskGen::container(),
        TaskGen::container().after(&[0]),
        TaskGen::container().after(&[1]),
        TaskGen::container(),
        TaskGen::container().after(&[2]).completed(),
    ];
    let world = run(&tasks, |place, _| {
        if place == "root.t0" {
            fails()
        } else {
            gives("even")
        }
    });
    let states: Vec<_> = world.ends().into_values().collect();
    assert_eq!(
        states,
        [
            TaskState::Failed,
            TaskState::Failed,
            TaskState::Skipped,
            TaskState::Skipped,
            TaskState::Succeeded,
            TaskState::Succeeded
        ]
    );
    assert_eq!(world.state(), RunState::Failed);
    assert_eq!(world.record().error.as_deref(), Some("task `t0` failed"));
    assert_eq!(
        world.tasks()[2].message.as_deref(),
        Some("task `t0`, which it waits for, did not succeed")
    );
}

#[test]
fn a_condition_that_is_false_skips_its_tasks_and_the_run_succeeds() {
    let condition = TaskGen::of(KindGen::Condition(vec![TaskGen::container()])).taking(0);
    let after = TaskGen::container().after(&[1]);
    let world = run(
        &[TaskGen::container(), condition.clone(), after.clone()],
        |_, _| gives("odd"),
    );
    assert_eq!(world.state(), RunState::Succeeded);
    assert_eq!(
        world.ends().len(),
        4,
        "a task within a skipped scope is not even made"
    );
    assert_eq!(
        (state(&world, "root.t1"), state(&world, "root.t2")),
        (TaskState::Skipped, TaskState::Skipped)
    );
    let world = run(&[TaskGen::container(), condition, after], |_, _| gives("even"));
    assert_eq!(state(&world, "root.t1.t0"), TaskState::Succeeded);
    assert_eq!(state(&world, "root.t2"), TaskState::Succeeded);
}

#[test]
fn a_loop_collects_in_order_however_its_iterations_end() {
    let looped = |parallelism| {
        TaskGen::of(KindGen::Loop {
            tasks: vec![TaskGen::container()],
            items: 5,
            parallelism,
        })
    };
    for parallelism in [0, 1, 2] {
        let world = run(&[looped(parallelism)], |place, _| gives(place));
        let expected: Vec<_> = (0..5).map(|nth| format!("root.t0.{nth}.t0")).collect();
        assert_eq!(world.outputs()["root.t0"], serde_json::json!(expected));
    }
}

#[test]
fn a_loop_never_runs_more_iterations_at_once_than_allowed() {
    let tasks = [TaskGen::of(KindGen::Loop {
        tasks: vec![TaskGen::container()],
        items: 7,
        parallelism: 3,
    })];
    let mut world = World::new(&package(&tasks), Box::new(|_, _| gives("even")));
    world.tell(Event::Start, Until::End);
    while world.state() == RunState::Running {
        while !world.queue.is_empty() {
            world.admit(Until::End);
        }
        let running: Vec<_> = world
            .processes
            .iter()
            .filter(|(_, process)| process.attached)
            .map(|(key, _)| *key)
            .collect();
        assert!(
            !running.is_empty() && running.len() <= 3,
            "{} at once",
            running.len()
        );
        let (task, attempt) = running[running.len() / 2];
        world.finish(task, attempt);
        world.reap(task, attempt, Until::End);
    }
    assert_eq!(world.state(), RunState::Succeeded);
}

#[test]
fn a_nested_loop_is_one_list() {
    let inner = TaskGen::of(KindGen::Loop {
        tasks: vec![TaskGen::container()],
        items: 2,
        parallelism: 0,
    });
    let outer = TaskGen::of(KindGen::Loop {
        tasks: vec![inner],
        items: 2,
        parallelism: 0,
    });
    let world = run(&[outer], |place, _| gives(place.rsplit('.').nth(1).unwrap()));
    assert_eq!(
        world.outputs()["root.t0"],
        serde_json::json!(["0", "1", "0", "1"])
    );
}

#[test]
fn an_empty_loop_succeeds_with_an_empty_list() {
    let tasks = [TaskGen::of(KindGen::Loop {
        tasks: vec![TaskGen::container()],
        items: 0,
        parallelism: 0,
    })];
    let world = run(&tasks, |_, _| gives("even"));
    assert_eq!(
        (world.state(), &world.outputs()["root.t0"]),
        (RunState::Succeeded, &serde_json::json!([]))
    );
}

#[test]
fn a_failed_attempt_is_tried_again_as_often_as_allowed() {
    let tasks = [TaskGen::container().retried(2)];
    let world = run(
        &tasks,
        |_, launch| if launch < 3 { fails() } else { gives("even") },
    );
    assert_eq!(
        (world.state(), world.launches["root.t0"]),
        (RunState::Succeeded, 3)
    );
    let attempts = world.tasks()[1].attempts.clone();
    let waits: Vec<_> = attempts
        .windows(2)
        .map(|pair| {
            pair[1]
                .started_at
                .duration_since(pair[0].finished_at.unwrap())
                .as_secs()
        })
        .collect();
    assert!(waits[0] >= 1 && waits[1] >= 2, "the wait doubles: {waits:?}");
    let world = run(&tasks, |_, _| fails());
    assert_eq!((world.state(), world.launches["root.t0"]), (RunState::Failed, 3));
}

#[test]
fn what_is_wrong_with_a_task_itself_is_not_tried_again() {
    let world = run(&[TaskGen::container().retried(5)], |_, _| AttemptEnd::Failed {
        message: "no such image".into(),
        again: false,
    });
    assert_eq!((world.state(), world.launches["root.t0"]), (RunState::Failed, 1));
}

#[test]
fn a_lost_attempt_is_begun_again_but_not_for_ever() {
    let world = run(&[TaskGen::container()], |_, launch| {
        if launch < 3 {
            AttemptEnd::Lost
        } else {
            gives("even")
        }
    });
    assert_eq!(
        (world.state(), world.launches["root.t0"]),
        (RunState::Succeeded, 3)
    );
    let world = run(&[TaskGen::container()], |_, _| AttemptEnd::Lost);
    assert_eq!((world.state(), world.launches["root.t0"]), (RunState::Failed, 3));
}

#[test]
fn a_run_that_is_stopped_stops_what_runs_and_begins_nothing() {
    let looped = TaskGen::of(KindGen::Loop {
        tasks: vec![TaskGen::container()],
        items: 9,
        parallelism: 1,
    });
    let tasks = [
        TaskGen::container(),
        TaskGen::container().after(&[0]),
        looped,
        TaskGen::container().after(&[0]).completed(),
        TaskGen::container().cached(),
    ];
    let mut world = World::new(&package(&tasks), Box::new(|_, _| gives("even")));
    world.tell(Event::Start, Until::End);
    world.admit(Until::End);
    world.tell(Event::Terminate, Until::End);
    assert_eq!(world.state(), RunState::Canceling);
    assert_eq!(state(&world, "root.t1"), TaskState::Canceled);
    assert!(world.queue.is_empty(), "what had queued has left");
    world.tell(Event::Terminate, Until::End);
    world.run_to_end();
    assert_eq!(world.state(), RunState::Canceled);
    assert_eq!(world.launches.len(), 1);
    assert!(
        world.ends().values().all(|state| *state == TaskState::Canceled),
        "{:?}",
        world.ends()
    );
}

#[test]
fn a_task_that_ends_well_while_its_run_is_stopped_has_ended_well() {
    let mut world = World::new(&package(&[TaskGen::container()]), Box::new(|_, _| gives("even")));
    world.tell(Event::Start, Until::End);
    world.admit(Until::End);
    let (task, attempt) = *world.processes.keys().next().unwrap();
    world.finish(task, attempt);
    world.tell(Event::Terminate, Until::End);
    world.reap(task, attempt, Until::End);
    assert_eq!(world.state(), RunState::Succeeded);
}

#[test]
fn a_run_can_be_stopped_before_it_starts_and_tried_again() {
    let mut world = World::new(&package(&[TaskGen::container()]), Box::new(|_, _| gives("even")));
    world.tell(Event::Terminate, Until::End);
    assert_eq!(world.state(), RunState::Canceled);
    world.tell(Event::Start, Until::End);
    assert!(world.tasks().is_empty());
    world.tell(Event::Retry, Until::End);
    world.run_to_end();
    assert_eq!(world.state(), RunState::Succeeded);
}

#[test]
fn a_clock_that_is_set_back_postpones_neither_a_retry_nor_a_deadline() {
    let limit = Duration::from_secs(60);
    let package = package(&[TaskGen::container().retried(2)]);
    let behaviour = |_: &str, launch| if launch < 2 { fails() } else { gives("even") };
    let mut world = World::with_time_limit(&package, Box::new(behaviour), Some(limit));
    world.tell(Event::Start, Until::End);
    world.admit(Until::End);
    let (task, attempt) = *world.processes.keys().next().unwrap();
    world.finish(task, attempt);
    world.reap(task, attempt, Until::End);
    assert_eq!(world.wakes.len(), 1);

    world.clock -= Duration::from_secs(3600);
    world.crash();
    assert_eq!(world.deadline, Some(world.clock + limit));
    let (_, wake) = world.wakes[0];
    assert!(wake < world.clock + Duration::from_secs(10), "{wake}");
    world.run_to_end();
    assert_eq!(world.state(), RunState::Succeeded);
}

#[test]
fn past_its_deadline_a_run_fails() {
    let limit = Duration::from_secs(60);
    let package = package(&[TaskGen::container()]);
    let mut world = World::with_time_limit(&package, Box::new(|_, _| gives("even")), Some(limit));
    world.tell(Event::Start, Until::End);
    assert_eq!(world.deadline, Some(world.clock + limit));
    world.admit(Until::End);
    world.crash();
    let at = world.deadline.unwrap();
    world.tell(
        Event::DeadlinePassed {
            at: at - Duration::from_secs(1),
        },
        Until::End,
    );
    assert_eq!(
        world.state(),
        RunState::Running,
        "that was the deadline of an earlier try"
    );
    world.tell(Event::DeadlinePassed { at }, Until::End);
    world.crash();
    world.run_to_end();
    assert_eq!(world.state(), RunState::Failed);
    assert_eq!(
        world.record().error.as_deref(),
        Some("the deadline of the run has passed")
    );
    assert_eq!(state(&world, "root.t0"), TaskState::Canceled);
}

#[test]
fn trying_a_run_again_runs_what_failed_and_what_waited_for_that() {
    let inner = vec![TaskGen::container(), TaskGen::container().after(&[0])];
    let skipped = TaskGen::of(KindGen::Condition(vec![TaskGen::container()])).taking(0);
    let tasks = [
        TaskGen::container(),
        TaskGen::of(KindGen::Dag(inner)),
        TaskGen::container().after(&[1]),
        skipped,
    ];
    for crash in [false, true] {
        let mut world = World::new(
            &package(&tasks),
            Box::new(|place, launch| match (place, launch) {
                ("root.t1.t0", 1) => fails(),
                ("root.t0", _) => gives("odd"),
                _ => gives("even"),
            }),
        );
        world.tell(Event::Start, Until::End);
        world.run_to_end();
        assert_eq!(world.state(), RunState::Failed);
        assert_eq!(state(&world, "root.t1.t1"), TaskState::Skipped);
        if crash {
            world.crash();
        }
        world.tell(Event::Retry, Until::End);
        assert!(world.record().finished_at.is_none() && world.record().error.is_none());
        world.run_to_end();
        assert_eq!(world.state(), RunState::Succeeded);
        assert_eq!(
            state(&world, "root.t3"),
            TaskState::Skipped,
            "its condition is as false as it was"
        );
        let launches = BTreeMap::from_iter(
            world
                .launches
                .iter()
                .map(|(place, count)| (place.as_str(), *count)),
        );
        let expected = [
            ("root.t0", 1),
            ("root.t1.t0", 2),
            ("root.t1.t1", 1),
            ("root.t2", 1),
        ];
        assert_eq!(launches, BTreeMap::from(expected));
    }
}

#[test]
fn a_run_that_succeeded_is_not_tried_again() {
    let mut world = run(&[TaskGen::container()], |_, _| gives("even"));
    world.tell(Event::Retry, Until::End);
    assert_eq!(
        (world.state(), world.launches["root.t0"]),
        (RunState::Succeeded, 1)
    );
}

#[test]
fn a_result_is_taken_from_the_cache_also_after_a_retry() {
    let work = TaskGen::container().cached().retried(1);
    let looped = TaskGen::of(KindGen::Loop {
        tasks: vec![work],
        items: 3,
        parallelism: 1,
    });
    let world = run(
        &[looped],
        |_, launch| if launch == 1 { fails() } else { gives("even") },
    );
    assert_eq!(world.state(), RunState::Succeeded);
    // The item is no input of the task within: all three are the same work.
    assert_eq!(world.launches.values().sum::<u32>(), 2);
    let cached: Vec<_> = world
        .tasks()
        .into_iter()
        .filter(|task| task.state == TaskState::Cached)
        .collect();
    assert_eq!(cached.len(), 2);
    assert_eq!(cached[0].cached_from, Some(cached[0].run));
}

#[test]
fn an_end_that_comes_twice_or_too_late_changes_nothing() {
    let mut world = run(&[TaskGen::container().cached()], |_, _| gives("even"));
    let before = world.ends();
    let (task, attempt) = *world.processes.keys().next().unwrap();
    for event in [
        Event::Start,
        Event::Ended {
            task,
            attempt,
            end: fails(),
            launcher: None,
        },
        Event::Ended {
            task,
            attempt: attempt + 1,
            end: fails(),
            launcher: None,
        },
        Event::Admitted { task },
        Event::Woken { task },
        Event::Terminate,
        Event::DeadlinePassed { at: world.clock },
    ] {
        world.tell(event, Until::End);
        assert_eq!(
            (world.state(), world.ends()),
            (RunState::Succeeded, before.clone())
        );
    }
}

#[test]
fn a_loop_is_linear() {
    let time = |items| {
        let tasks = [TaskGen::of(KindGen::Loop {
            tasks: vec![TaskGen::container()],
            items,
            parallelism: 0,
        })];
        let mut world = World::new(&package(&tasks), Box::new(|_, _| gives("even")));
        let started = std::time::Instant::now();
        world.tell(Event::Start, Until::End);
        world.run_to_end();
        assert_eq!(world.state(), RunState::Succeeded);
        started.elapsed()
    };
    time(100);
    let (small, large) = (time(500), time(4000));
    // Eight times the items; a quadratic one would take sixty-four times as long.
    assert!(large < small * 24, "{small:?} for 500, {large:?} for 4000");
}

//! Random DAGs, random failures, a crash anywhere: the end is the same.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use proptest::prelude::*;

use super::package::{KindGen, TaskGen, package};
use super::world::{Until, World, fails, gives};
use crate::decide::{AttemptEnd, Event};
use crate::model::{RunState, TaskState};

fn tasks(depth: u32) -> BoxedStrategy<Vec<TaskGen>> {
    proptest::collection::vec(task(depth), 1..5)
        .prop_map(|mut tasks| {
            for (nth, task) in tasks.iter_mut().enumerate() {
                // A task waits for tasks before it only, so that there is no cycle.
                task.waits_for.retain(|other| *other < nth);
                task.waits_for.sort_unstable();
                task.waits_for.dedup();
            }
            tasks
        })
        .boxed()
}

fn task(depth: u32) -> BoxedStrategy<TaskGen> {
    let kind = if depth == 0 {
        Just(KindGen::Container).boxed()
    } else {
        prop_oneof![
            3 => Just(KindGen::Container),
            1 => tasks(depth - 1).prop_map(KindGen::Dag),
            1 => tasks(depth - 1).prop_map(KindGen::Condition),
            1 => (tasks(depth - 1), 0..4_u32, 0..3_u32).prop_map(|(tasks, items, parallelism)| KindGen::Loop {
                tasks,
                items,
                parallelism
            }),
        ]
        .boxed()
    };
    let waits_for = proptest::collection::vec(0..4_usize, 0..3);
    (kind, waits_for, any::<[bool; 3]>(), 0..3_u32)
        .prop_map(
            |(kind, waits_for, [takes_output, completed, cached], retries)| TaskGen {
                kind,
                waits_for,
                takes_output,
                completed,
                cached,
                retries,
            },
        )
        .boxed()
}

fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// What a place does by chance: the same in every iteration, since equal work may be taken from the cache.
fn chance(seed: u64, place: &str) -> u64 {
    let steps: Vec<_> = place
        .split('.')
        .filter(|part| part.parse::<u32>().is_err())
        .collect();
    hash((seed, steps))
}

/// Of ten places two fail once, one fails always; the rest hands back `even` or `odd`.
fn behaviour(seed: u64) -> impl Fn(&str, u32) -> AttemptEnd {
    move |place, launch| {
        let chance = chance(seed, place);
        match chance % 10 {
            0 => fails(),
            1 | 2 if launch == 1 => fails(),
            _ => gives(if chance & 16 == 0 { "even" } else { "odd" }),
        }
    }
}

/// Which of the things that can happen happens next, and how far the engine gets with it.
#[derive(Debug, Clone, Copy)]
struct Step {
    choice: usize,
    until: Until,
    terminate: bool,
}

fn step(terminates: bool) -> impl Strategy<Value = Step> {
    let until = prop_oneof![
        6 => Just(Until::End),
        1 => Just(Until::Rows),
        2 => (0..4_usize).prop_map(Until::Effects),
    ];
    let terminate = if terminates {
        prop::bool::weighted(0.05).boxed()
    } else {
        Just(false).boxed()
    };
    (any::<usize>(), until, terminate).prop_map(|(choice, until, terminate)| Step {
        choice,
        until,
        terminate,
    })
}

/// Takes the steps, over and over, until nothing more can happen.
fn play(world: &mut World, steps: &[Step]) {
    world.tell(Event::Start, steps[0].until);
    let mut steps = steps.iter().cycle();
    let mut taken = 0_u32;
    while !world.state().is_final() {
        taken += 1;
        assert!(taken < 20_000, "the run does not end: {:?}", world.ends());
        // Crashes become rare, so that a run gets anywhere between two of them.
        let Step {
            choice,
            until,
            terminate,
        } = *steps.next().unwrap();
        let until = if taken > 200 { Until::End } else { until };
        if terminate {
            world.tell(Event::Terminate, until);
            continue;
        }
        let attached: Vec<_> = world
            .processes
            .iter()
            .filter(|(_, process)| process.attached)
            .map(|(key, _)| *key)
            .collect();
        let room = world.admitted.len() < 4;
        let mut moves: Vec<Move> = Vec::new();
        moves.extend((!world.lookups.is_empty()).then_some(Move::Answer));
        moves.extend((!world.queue.is_empty() && room).then_some(Move::Admit));
        moves.extend((!world.wakes.is_empty()).then_some(Move::Wake));
        moves.extend(
            attached
                .into_iter()
                .map(|(task, attempt)| Move::Reap(task, attempt)),
        );
        assert!(
            !moves.is_empty(),
            "nothing can happen and the run has not ended: {:?}",
            world.ends()
        );
        match moves[choice % moves.len()] {
            Move::Answer => world.answer(until),
            Move::Admit => world.admit(until),
            Move::Wake => world.wake(until),
            Move::Reap(task, attempt) => {
                world.finish(task, attempt);
                world.reap(task, attempt, until);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Move {
    Answer,
    Admit,
    Wake,
    Reap(crate::model::TaskId, u32),
}

/// Where a crash comes between the launch of an attempt and its record of the cache, equal work may run twice or be
/// taken from the cache: the states are compared, a result from the cache counts as a success.
fn end(
    world: &World,
) -> (
    RunState,
    BTreeMap<String, TaskState>,
    BTreeMap<String, serde_json::Value>,
) {
    (world.state(), world.ends(), world.outputs())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_run_ends_the_same_whatever_comes_between(
        tasks in tasks(2),
        seed in any::<u64>(),
        steps in proptest::collection::vec(step(false), 1..60),
    ) {
        let package = package(&tasks);
        let mut calm = World::new(&package, Box::new(behaviour(seed)));
        calm.tell(Event::Start, Until::End);
        calm.run_to_end();
        let mut wild = World::new(&package, Box::new(behaviour(seed)));
        play(&mut wild, &steps);
        prop_assert!(calm.state().is_final());
        prop_assert_eq!(end(&wild), end(&calm));
    }

    #[test]
    fn a_run_that_is_stopped_anywhere_ends_and_can_be_tried_again(
        tasks in tasks(2),
        seed in any::<u64>(),
        steps in proptest::collection::vec(step(true), 1..60),
    ) {
        let mut world = World::new(&package(&tasks), Box::new(behaviour(seed)));
        play(&mut world, &steps);
        // What failed once succeeds the next time, and only then what waits for it is tried at all.
        for _ in 0..20 {
            prop_assert!(world.state().is_final());
            prop_assert!(world.ends().values().all(|state| state.is_final()), "{:?}", world.ends());
            prop_assert!(world.queue.is_empty() && world.admitted.is_empty());
            world.tell(Event::Retry, Until::End);
            world.run_to_end();
        }
        // Whatever could succeed has: only what fails always is left.
        let failed = |(place, state): (String, TaskState)| {
            let always = chance(seed, &place).is_multiple_of(10);
            (state == TaskState::Failed && !always).then_some(place)
        };
        let leaves: Vec<_> = world.tasks().into_iter().filter(|task| task.children.is_empty()).collect();
        let ends: Vec<_> = leaves.into_iter().map(|task| (task.scope_path, task.state)).collect();
        let wrong: Vec<_> = ends.into_iter().filter_map(failed).collect();
        prop_assert!(wrong.is_empty(), "{wrong:?}");
    }
}

//! Whose turn it is on the machine: first come, first served, within what tasks may use at once. One that does not fit
//! yet lets some others go ahead, and not for ever.

use std::collections::{BTreeMap, HashMap};

use crate::config::Capacity;
use crate::decide::Need;
use crate::model::{RunId, TaskId};

/// How many may overtake one that waits: on a small machine a large task would hold everything up until what runs has
/// ended, and without a bound it would never begin.
const OVERTAKEN: u32 = 100;
/// How far down the queue somebody is looked for who fits, so that a long queue costs no more than a short one.
const LOOKED_AT: usize = 64;

/// One that waits.
#[derive(Debug)]
struct Waiting {
    run: RunId,
    task: TaskId,
    need: Need,
    overtaken: u32,
}

/// The queue, and what runs.
#[derive(Debug)]
pub(super) struct Admission {
    capacity: Capacity,
    used: Need,
    running: HashMap<TaskId, Need>,
    queue: BTreeMap<u64, Waiting>,
    places: HashMap<TaskId, u64>,
    next: u64,
}

impl Admission {
    pub(super) fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            used: Need {
                cpu_millis: 0,
                memory: 0,
            },
            running: HashMap::new(),
            queue: BTreeMap::new(),
            places: HashMap::new(),
            next: 0,
        }
    }

    /// Takes a place at the end of the queue.
    pub(super) fn enqueue(&mut self, run: RunId, task: TaskId, need: Need) {
        self.places.insert(task, self.next);
        let waiting = Waiting {
            run,
            task,
            need,
            overtaken: 0,
        };
        self.queue.insert(self.next, waiting);
        self.next += 1;
    }

    /// Counts a task that runs already.
    pub(super) fn hold(&mut self, task: TaskId, need: Need) {
        let need = self.clamped(need);
        self.used.cpu_millis += need.cpu_millis;
        self.used.memory += need.memory;
        self.running.insert(task, need);
    }

    /// Gives a turn, or a place in the queue, back.
    pub(super) fn leave(&mut self, task: TaskId) {
        if let Some(need) = self.running.remove(&task) {
            self.used.cpu_millis -= need.cpu_millis;
            self.used.memory -= need.memory;
        }
        if let Some(place) = self.places.remove(&task) {
            self.queue.remove(&place);
        }
    }

    /// The next one in the queue that fits beside what runs, unless one before it was overtaken often enough.
    pub(super) fn admit(&mut self) -> Option<(RunId, TaskId)> {
        let place = self
            .queue
            .iter()
            .take(LOOKED_AT)
            .scan(true, |may_overtake, (&place, waiting)| {
                let looked_at = may_overtake.then_some((place, waiting));
                *may_overtake &= waiting.overtaken < OVERTAKEN;
                looked_at
            })
            .find(|(_, waiting)| self.fits(waiting.need))
            .map(|(place, _)| place)?;
        for (_, before) in self.queue.range_mut(..place) {
            before.overtaken += 1;
        }
        let Waiting { run, task, need, .. } = self.queue.remove(&place)?;
        self.places.remove(&task);
        self.hold(task, need);
        Some((run, task))
    }

    fn fits(&self, need: Need) -> bool {
        let need = self.clamped(need);
        self.used.cpu_millis + need.cpu_millis <= self.capacity.cpu_millis
            && self.used.memory + need.memory <= self.capacity.memory
    }

    /// Who asks for more than there is gets all there is, and then runs alone.
    fn clamped(&self, need: Need) -> Need {
        Need {
            cpu_millis: need.cpu_millis.min(self.capacity.cpu_millis),
            memory: need.memory.min(self.capacity.memory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunId = RunId(uuid::Uuid::nil());

    fn task(number: u128) -> TaskId {
        TaskId(uuid::Uuid::from_u128(number))
    }

    fn admission(tasks: &[(u128, u64, u64)]) -> Admission {
        let mut admission = Admission::new(Capacity {
            cpu_millis: 2000,
            memory: 100,
        });
        for (number, cpu_millis, memory) in tasks {
            let need = Need {
                cpu_millis: *cpu_millis,
                memory: *memory,
            };
            admission.enqueue(RUN, task(*number), need);
        }
        admission
    }

    fn admitted(admission: &mut Admission) -> Vec<u128> {
        std::iter::from_fn(|| admission.admit())
            .map(|(_, task)| task.0.as_u128())
            .collect()
    }

    #[test]
    fn the_first_come_first_as_many_as_fit() {
        let mut admission = admission(&[(1, 1000, 0), (2, 500, 0), (3, 1000, 0), (4, 100, 0), (5, 2000, 0)]);
        assert_eq!(
            admitted(&mut admission),
            [1, 2, 4],
            "3 does not fit, and lets 4 go ahead"
        );
        admission.leave(task(2));
        assert_eq!(admitted(&mut admission), [0; 0], "4 still runs");
        admission.leave(task(4));
        assert_eq!(admitted(&mut admission), [3]);
        admission.leave(task(5));
        admission.leave(task(1));
        admission.leave(task(3));
        assert_eq!(admitted(&mut admission), [0; 0], "5 has left the queue");
    }

    #[test]
    fn who_waits_is_not_overtaken_for_ever() {
        let mut admission = admission(&[(1, 1500, 0), (2, 1000, 0)]);
        assert_eq!(admitted(&mut admission), [1]);
        let small = Need {
            cpu_millis: 100,
            memory: 0,
        };
        let mut overtook = 0;
        for number in 3.. {
            admission.enqueue(RUN, task(number), small);
            if admitted(&mut admission).is_empty() {
                break;
            }
            admission.leave(task(number));
            overtook += 1;
        }
        assert_eq!(overtook, OVERTAKEN);
        admission.leave(task(1));
        assert_eq!(admitted(&mut admission).first(), Some(&2));
    }

    #[test]
    fn memory_counts_as_well() {
        let mut admission = admission(&[(1, 100, 60), (2, 100, 60)]);
        assert_eq!(admitted(&mut admission), [1]);
        admission.leave(task(1));
        assert_eq!(admitted(&mut admission), [2]);
    }

    #[test]
    fn who_asks_for_more_than_there_is_runs_alone() {
        let mut admission = admission(&[(1, 100, 0), (2, 9000, 9000), (3, 100, 0)]);
        assert_eq!(admitted(&mut admission), [1, 3]);
        admission.leave(task(1));
        assert_eq!(admitted(&mut admission), [0; 0]);
        admission.leave(task(3));
        assert_eq!(admitted(&mut admission), [2]);
    }
}

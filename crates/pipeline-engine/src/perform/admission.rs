//! Whose turn it is on the machine: first come, first served, within what tasks may use at once.

use std::collections::{BTreeMap, HashMap};

use crate::config::Capacity;
use crate::decide::Need;
use crate::model::{RunId, TaskId};

/// The queue, and what runs.
#[derive(Debug)]
pub(super) struct Admission {
    capacity: Capacity,
    used: Need,
    running: HashMap<TaskId, Need>,
    queue: BTreeMap<u64, (RunId, TaskId, Need)>,
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
        self.queue.insert(self.next, (run, task, need));
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

    /// The next one in the queue, if it fits beside what runs. Nobody overtakes, so that nobody starves.
    pub(super) fn admit(&mut self) -> Option<(RunId, TaskId)> {
        let (&place, &(run, task, need)) = self.queue.first_key_value()?;
        let need = self.clamped(need);
        let fits = self.used.cpu_millis + need.cpu_millis <= self.capacity.cpu_millis
            && self.used.memory + need.memory <= self.capacity.memory;
        if !fits {
            return None;
        }
        self.queue.remove(&place);
        self.places.remove(&task);
        self.hold(task, need);
        Some((run, task))
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
        let mut admission = admission(&[(1, 1000, 0), (2, 500, 0), (3, 1000, 0), (4, 100, 0)]);
        assert_eq!(admitted(&mut admission), [1, 2]);
        admission.leave(task(2));
        assert_eq!(
            admitted(&mut admission),
            [3],
            "4 would have fitted before and did not overtake"
        );
        admission.leave(task(4));
        admission.leave(task(1));
        assert_eq!(admitted(&mut admission), [0; 0], "4 has left the queue");
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
        assert_eq!(admitted(&mut admission), [1]);
        admission.leave(task(1));
        assert_eq!(admitted(&mut admission), [2]);
        admission.leave(task(2));
        assert_eq!(admitted(&mut admission), [3]);
    }
}

//! Trying a run again: what failed, was stopped, or was skipped because of that; what succeeded stays.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Decision, Machine, Phase, Place, Row, RunTrigger, Trigger};
use crate::program::Program;

impl Machine {
    pub(super) fn retry(&mut self, at: Timestamp, decision: &mut Decision) {
        if !self.change_run(RunTrigger::Retry, None, at, decision) {
            return;
        }
        self.tell_deadline(at, decision);
        if self.tasks.is_empty() {
            // It was stopped before it had begun.
            let root = self.make(Place::Root, None, at, decision);
            self.tasks[root].inputs = Some(Arc::new(self.run.inputs.clone()));
            return self.open_dag(root, Program::ROOT, at, decision);
        }
        // Scopes stand before what is in them: from the front for what goes on, from the back for what it counts.
        let again: Vec<bool> = (0..self.tasks.len()).map(|task| self.goes_again(task)).collect();
        for (task, _) in again.iter().enumerate().filter(|(_, again)| **again) {
            self.put_back(task, at, decision);
        }
        for task in 0..self.tasks.len() {
            self.recount(task);
        }
        for task in 0..self.tasks.len() {
            match self.tasks[task].phase {
                Phase::Waiting if self.tasks[task].waiting == 0 => self.ready.push_back(task),
                Phase::Open => {
                    self.refill(task, at, decision);
                    self.close_if_done(task, at, decision);
                }
                _ => {}
            }
        }
    }

    fn goes_again(&self, task: usize) -> bool {
        match self.tasks[task].phase {
            Phase::Failed | Phase::Canceled => true,
            // Skipped by its own condition it stays so; skipped because of others it may run now.
            Phase::Skipped => self.tasks[task]
                .blocked
                .is_some_and(|other| self.goes_again(other)),
            _ => false,
        }
    }

    fn put_back(&mut self, task: usize, at: Timestamp, decision: &mut Decision) {
        let is_scope = !self.tasks[task].children.is_empty();
        let trigger = if is_scope { Trigger::Open } else { Trigger::Reset };
        if !self.fire(task, trigger) {
            return;
        }
        let instance = &mut self.tasks[task];
        instance.failures = 0;
        instance.losses = 0;
        instance.outputs = None;
        if !is_scope {
            instance.inputs = None;
            instance.items = None;
            instance.key = None;
        }
        let change = self.told(task, at);
        decision.rows.push(Row::Task(Box::new(change)));
    }

    /// Counts anew what a task waits for, and what in it has not ended.
    pub(super) fn recount(&mut self, task: usize) {
        let children = self.tasks[task].children.clone();
        let phase = |child: &usize| self.tasks[*child].phase;
        let open = children.iter().filter(|child| !phase(child).is_final()).count();
        let failed = children
            .iter()
            .copied()
            .find(|child| phase(child) == Phase::Failed);
        let stopped = children.iter().any(|child| phase(child) == Phase::Canceled);
        let scope = &mut self.tasks[task];
        scope.open = u32::try_from(open).unwrap_or(u32::MAX);
        scope.failed = failed;
        scope.stopped = stopped;
        let (Some((dag, step)), Some(parent)) = (self.step_of(task), self.tasks[task].parent) else {
            return;
        };
        let program = Arc::clone(&self.program);
        let siblings = &self.tasks[parent].children;
        let before: Vec<usize> = program
            .step(dag, step)
            .waits_for
            .iter()
            .filter_map(|&other| siblings.get(other).copied())
            .collect();
        let waiting = before
            .iter()
            .filter(|other| !self.tasks[**other].phase.is_final())
            .count();
        let blocked = before
            .iter()
            .copied()
            .find(|&other| self.tasks[other].phase.is_final() && !self.tasks[other].phase.is_success());
        self.tasks[task].waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        self.tasks[task].blocked = blocked;
    }
}

//! Attempts: begun, ended, tried again.

use std::sync::Arc;

use jiff::Timestamp;
use processes::Launcher;

use super::{AttemptEnd, Decision, Effect, Machine, Phase, Row, TaskId, Trigger};
use crate::model::{AttemptState, CacheDecision, TaskKind};

/// Attempts of one task that may get lost before it fails: a task that takes its supervisor down with it, by using up
/// the memory say, would do so for ever.
const LOSSES: u32 = 3;

impl Machine {
    /// It is a task's turn.
    pub(super) fn admitted(&mut self, id: TaskId, at: Timestamp, decision: &mut Decision) {
        let Some(task) = self.find(id) else { return };
        if !self.fire(task, Trigger::Launch) {
            return;
        }
        self.tasks[task].attempt += 1;
        let number = self.tasks[task].attempt;
        let mut change = self.told(task, at);
        change.inputs.clone_from(&self.tasks[task].inputs);
        change.fingerprint = self.tasks[task].key.as_ref().map(|key| key.fingerprint.clone());
        decision.rows.push(Row::Task(Box::new(change)));
        decision.rows.push(Row::AttemptStarted { task: id, number, at });
        if number == 1 {
            let never = self
                .step_of(task)
                .is_none_or(|(dag, step)| !self.program.step(dag, step).cached);
            let cache = if never {
                CacheDecision::Off
            } else {
                CacheDecision::Miss
            };
            self.tell_cache(task, cache, self.tasks[task].reason.clone(), decision);
        }
        decision.effects.extend(self.order(task).map(Effect::Launch));
    }

    /// An attempt has ended, or an import.
    pub(super) fn attempt_ended(
        &mut self,
        id: TaskId,
        attempt: u32,
        (end, launcher): (AttemptEnd, Option<Launcher>),
        at: Timestamp,
        decision: &mut Decision,
    ) {
        let Some(task) = self.find(id) else { return };
        if self.tasks[task].phase != Phase::Running || self.tasks[task].attempt != attempt {
            return;
        }
        let is_container = self.kind_of(task) == TaskKind::Container;
        if is_container {
            decision.effects.push(Effect::Leave { task: id });
            decision.effects.push(Effect::Clear { task: id, attempt });
        }
        let stopping = self.is_stopping();
        let (state, message) = match &end {
            AttemptEnd::Succeeded(_) => (AttemptState::Succeeded, None),
            AttemptEnd::Failed { .. } if stopping => (AttemptState::Canceled, None),
            AttemptEnd::Failed { message, .. } => (AttemptState::Failed, Some(message.clone())),
            AttemptEnd::Stopped => (AttemptState::Canceled, None),
            AttemptEnd::NeverStarted => (AttemptState::NeverStarted, None),
            AttemptEnd::Lost => (AttemptState::Lost, None),
        };
        if is_container {
            decision.rows.push(Row::AttemptEnded {
                task: id,
                number: attempt,
                state,
                at,
                message,
                launcher,
            });
        }
        match end {
            AttemptEnd::Succeeded(outputs) => {
                let outputs = Arc::new(outputs);
                self.tasks[task].outputs = Some(Arc::clone(&outputs));
                if let (Some(key), true) = (&self.tasks[task].key, self.is_cached(task)) {
                    decision.rows.push(Row::CacheEntry {
                        fingerprint: key.fingerprint.clone(),
                        run: self.run.id,
                        task: id,
                        outputs,
                        at,
                    });
                }
                self.succeed(task, at, decision);
            }
            _ if stopping => self.cancel(task, at, decision),
            AttemptEnd::Failed { message, again } => self.failed(task, message, again, at, decision),
            AttemptEnd::Stopped => {
                let message = "it was stopped by somebody else than the engine".to_owned();
                self.failed(task, message, true, at, decision);
            }
            AttemptEnd::NeverStarted => self.begin_again(task, at, decision),
            AttemptEnd::Lost => {
                self.tasks[task].losses += 1;
                if self.tasks[task].losses < LOSSES {
                    self.begin_again(task, at, decision);
                } else {
                    let message = format!(
                        "its supervisor was killed {LOSSES} times before the task had ended, as it is when memory \
                         runs out"
                    );
                    self.fail(task, message, at, decision);
                }
            }
        }
    }

    /// Another attempt at once, which does not count as a retry.
    fn begin_again(&mut self, task: usize, at: Timestamp, decision: &mut Decision) {
        if self.fire(task, Trigger::BackOff) {
            let change = self.told(task, at);
            decision.rows.push(Row::Task(Box::new(change)));
            decision.effects.push(Effect::Wake {
                task: self.tasks[task].id,
                at,
            });
        }
    }

    fn is_cached(&self, task: usize) -> bool {
        self.step_of(task)
            .is_some_and(|(dag, step)| self.program.step(dag, step).cached)
    }

    fn failed(&mut self, task: usize, message: String, again: bool, at: Timestamp, decision: &mut Decision) {
        self.tasks[task].failures += 1;
        match self.retry_at(task, at).filter(|_| again) {
            Some(wake) => {
                if self.fire(task, Trigger::BackOff) {
                    let mut change = self.told(task, at);
                    change.message = Some(message);
                    decision.rows.push(Row::Task(Box::new(change)));
                    decision.effects.push(Effect::Wake {
                        task: self.tasks[task].id,
                        at: wake,
                    });
                }
            }
            None => self.fail(task, message, at, decision),
        }
    }

    /// When a task whose attempt failed at that time is tried again, if it is.
    pub(super) fn retry_at(&self, task: usize, failed: Timestamp) -> Option<Timestamp> {
        let (dag, step) = self.step_of(task)?;
        let policy = self.program.step(dag, step).retry.as_ref()?;
        let failures = self.tasks[task].failures;
        (failures <= policy.max_retry_count).then(|| {
            failed
                .checked_add(policy.backoff(failures))
                .unwrap_or(Timestamp::MAX)
        })
    }

    /// The wait before a retry is over.
    pub(super) fn woken(&mut self, id: TaskId, decision: &mut Decision) {
        if let Some(task) = self.find(id)
            && self.tasks[task].phase == Phase::BackingOff
        {
            self.enqueue(task, decision);
        }
    }
}

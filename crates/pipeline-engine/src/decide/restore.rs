//! A machine from its rows: what an engine that was killed had decided.
//!
//! Rows of one decision become durable together, so that the rows are always the state between two events, but for
//! what is not recorded: a task that asked the cache or queued is pending, and does so again.

use std::sync::Arc;

use jiff::Timestamp;

use pipeline_spec::ir::Executor;

use super::{Decision, Effect, Machine, Outputs, Phase, Place, RunFacts, Task};
use crate::bind::{self, Bound};
use crate::model::{AttemptState, RunRecord, RunState, TaskKind, TaskRecord, TaskState};
use crate::program::{DagNumber, Program, Work};

impl Machine {
    /// The machine of a run whose tasks are these, in the order they were made, and what to do to go on.
    pub(crate) fn restore(
        facts: RunFacts,
        program: Arc<Program>,
        run: &RunRecord,
        records: &[TaskRecord],
        now: Timestamp,
    ) -> (Self, Decision) {
        let mut machine = Self::new(facts, program);
        let mut decision = Decision::default();
        machine.state = run.state;
        machine.doom = run.error.clone().filter(|_| run.state == RunState::Canceling);
        for record in records {
            machine.take(record);
        }
        for task in 0..machine.tasks.len() {
            machine.recount(task);
            machine.resume_loop(task);
        }
        if run.state == RunState::Running {
            let started = run
                .history
                .iter()
                .rev()
                .find(|entry| entry.state == RunState::Running);
            // A row from the future is one of before the clock was set back.
            machine.tell_deadline(started.map_or(now, |entry| entry.at.min(now)), &mut decision);
        }
        if !run.state.is_final() {
            for (task, record) in records.iter().enumerate() {
                machine.go_on(task, record, now, &mut decision);
            }
            machine.settle(now, &mut decision);
        }
        (machine, decision)
    }

    fn take(&mut self, record: &TaskRecord) {
        let parent = record.parent.and_then(|parent| self.find(parent));
        let place = match (record.kind, parent) {
            (TaskKind::Iteration, _) => Place::Iteration {
                nth: record.iteration.unwrap_or_default(),
            },
            (_, Some(parent)) => match self.body(parent) {
                Some(dag) => Place::Step {
                    dag,
                    step: self.program.dag(dag).position(&record.name).unwrap_or_default(),
                },
                None => Place::Root,
            },
            (_, None) => Place::Root,
        };
        let mut task = Task::new(record.id, place, parent, record.scope_path.as_str().into(), 0);
        let is_leaf = matches!(record.kind, TaskKind::Container | TaskKind::Importer);
        task.phase = match record.state {
            TaskState::Pending => Phase::Waiting,
            TaskState::Running if is_leaf => Phase::Running,
            TaskState::Running => Phase::Open,
            TaskState::Retrying => Phase::BackingOff,
            TaskState::Succeeded => Phase::Succeeded,
            TaskState::Cached => Phase::Cached,
            TaskState::Skipped => Phase::Skipped,
            TaskState::Failed => Phase::Failed,
            TaskState::Canceled => Phase::Canceled,
        };
        if task.phase != Phase::Waiting {
            task.inputs = Some(Arc::new(Bound {
                parameters: record.input_parameters.clone(),
                artifacts: record.input_artifacts.clone(),
            }));
        }
        if task.phase.is_success() {
            task.outputs = Some(Arc::new(Outputs::from(Bound {
                parameters: record.output_parameters.clone(),
                artifacts: record.output_artifacts.clone(),
            })));
        }
        task.attempt = record.attempts.last().map_or(0, |attempt| attempt.number);
        // What counts is what happened since the run was last tried.
        let since = record
            .history
            .iter()
            .rev()
            .find(|entry| entry.state == TaskState::Pending)
            .map(|entry| entry.at);
        let recent = record
            .attempts
            .iter()
            .filter(|attempt| since.is_none_or(|since| attempt.started_at >= since));
        for attempt in recent {
            match attempt.state {
                AttemptState::Failed => task.failures += 1,
                AttemptState::Lost => task.losses += 1,
                AttemptState::Running
                | AttemptState::Succeeded
                | AttemptState::Canceled
                | AttemptState::NeverStarted => {}
            }
        }
        self.add(task);
    }

    /// The DAG whose steps are within a task.
    fn body(&self, task: usize) -> Option<DagNumber> {
        match self.tasks[task].place {
            Place::Root => Some(Program::ROOT),
            Place::Iteration { .. } => self.tasks[task].parent.and_then(|parent| self.body(parent)),
            Place::Step { dag, step } => match self.program.step(dag, step).work {
                Work::Dag(body) => Some(body),
                Work::Executor(_) => None,
            },
        }
    }

    fn resume_loop(&mut self, task: usize) {
        let Some((dag, step)) = self.step_of(task) else {
            return;
        };
        let iterator = self.program.step(dag, step).iterator.as_ref();
        let (Some(iterator), Some(inputs)) = (iterator, &self.tasks[task].inputs) else {
            return;
        };
        // They were read once from the same inputs.
        self.tasks[task].items = bind::items(&iterator.items, inputs).ok().map(Arc::new);
    }

    fn go_on(&mut self, task: usize, record: &TaskRecord, now: Timestamp, decision: &mut Decision) {
        match self.tasks[task].phase {
            Phase::Waiting if self.tasks[task].waiting == 0 => self.ready.push_back(task),
            Phase::Running => {
                self.restore_key(task);
                let Some(order) = self.order(task) else { return };
                if order.step().answered {
                    decision.effects.push(Effect::Answer(order));
                    return;
                }
                let (id, attempt) = (order.task, order.attempt);
                decision.effects.push(Effect::Hold {
                    task: id,
                    need: self.need_of(task),
                });
                decision.effects.push(Effect::Attach(order));
                if self.is_stopping() {
                    decision.effects.push(Effect::Stop { task: id, attempt });
                }
            }
            Phase::BackingOff => {
                self.restore_key(task);
                let failed = record
                    .attempts
                    .last()
                    .and_then(|attempt| attempt.finished_at)
                    .map_or(now, |finished| finished.min(now));
                let at = self.retry_at(task, failed).unwrap_or(now);
                decision.effects.push(Effect::Wake {
                    task: self.tasks[task].id,
                    at,
                });
            }
            Phase::Open => {
                self.refill(task, now, decision);
                self.close_if_done(task, now, decision);
            }
            _ => {}
        }
    }

    /// A result that comes in now is to be cached as if the engine had never stopped.
    fn restore_key(&mut self, task: usize) {
        let Some((dag, step)) = self.step_of(task) else {
            return;
        };
        let program = Arc::clone(&self.program);
        let step = program.step(dag, step);
        let Work::Executor(label) = &step.work else { return };
        if let Executor::Container(container) = program.executor(label) {
            // It was prepared once from the same rows, so that this does not fail; if it did, the attempt that runs
            // would go on all the same, uncached.
            let _ = self.prepare(task, step, label, container);
        }
    }
}

//! What is to be done: `decide(event) → decision`, without a clock, a file or a wait.
//!
//! A [`Machine`] is the state of one run. It takes events one at a time and answers with rows, which make its new state
//! durable, and effects, which the performer carries out once they are. Each event costs as much as it changes: what
//! follows from the end of a task is looked up at the tasks that wait for it and nowhere else.

mod attempt;
mod end;
mod lifecycle;
mod ready;
mod restore;
mod retry;
mod scope;
mod vocabulary;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pipeline_spec::placeholder::Facts;
use serde_json::Value;

use crate::bind::{Bound, Items, References};
use crate::cache::CacheKey;
use crate::model::{ArtifactRecord, Rerun, RunId, RunState, TaskId};
use crate::program::{DagNumber, Program};
use crate::rerun::Selection;

pub(crate) use lifecycle::Phase;
use lifecycle::{RunTrigger, Trigger, next, next_run};
pub(crate) use ready::{final_status, key_of};
pub(crate) use vocabulary::{
    Answer, AttemptEnd, CacheDecided, Decision, Effect, Event, Need, Order, Row, TaskChange, TaskMade,
};

/// The state of one run.
#[derive(Debug)]
pub(crate) struct Machine {
    run: RunFacts,
    program: Arc<Program>,
    /// Of a rerun: what each task does.
    selection: Option<Selection>,
    state: RunState,
    /// Why the run is being stopped, where nobody asked for it: it then fails.
    doom: Option<String>,
    /// When the run has to have ended.
    deadline: Option<Timestamp>,
    /// The root first; those within another behind it.
    tasks: Vec<Task>,
    places: HashMap<TaskId, usize>,
    /// Tasks that may have nothing left to wait for.
    ready: VecDeque<usize>,
    /// Tasks that have ended and whose end nobody has heard of.
    ended: VecDeque<usize>,
}

/// What of a run does not change.
#[derive(Debug, Clone)]
pub(crate) struct RunFacts {
    pub(crate) id: RunId,
    /// As placeholders name it.
    pub(crate) placeholders: Facts,
    /// Inputs of the root.
    pub(crate) inputs: Bound,
    /// The run that it does some tasks of once more.
    pub(crate) rerun: Option<Rerun>,
    /// How long it may take, from its start or its last retry.
    pub(crate) time_limit: Option<Duration>,
}

/// A task of a run.
#[derive(Debug)]
struct Task {
    id: TaskId,
    place: Place,
    parent: Option<usize>,
    scope_path: Arc<str>,
    phase: Phase,
    /// Tasks beside it that it still waits for.
    waiting: u32,
    /// The first task beside it that did not succeed.
    blocked: Option<usize>,
    /// Tasks within: of a DAG by step, of a loop by iteration.
    children: Vec<usize>,
    /// Tasks within that have not ended.
    open: u32,
    /// The first task within that failed.
    failed: Option<usize>,
    /// A task within was stopped.
    stopped: bool,
    inputs: Option<Arc<Bound>>,
    outputs: Option<Arc<Outputs>>,
    items: Option<Arc<Items>>,
    references: Arc<References>,
    key: Option<Arc<Fingerprinted>>,
    /// Why it was run though a cache was there.
    reason: String,
    /// Number of the latest attempt.
    attempt: u32,
    /// Attempts that failed, since the run was last tried.
    failures: u32,
    /// Attempts that were lost, since the run was last tried.
    losses: u32,
}

/// What a task is an instance of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The run itself.
    Root,
    /// A step of a DAG.
    Step { dag: DagNumber, step: usize },
    /// An iteration of the loop that is its parent.
    Iteration { nth: u32 },
}

/// What a task handed back.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Outputs {
    pub(crate) parameters: BTreeMap<String, Value>,
    pub(crate) artifacts: BTreeMap<String, Vec<ArtifactRecord>>,
}

impl From<Bound> for Outputs {
    fn from(bound: Bound) -> Self {
        Self {
            parameters: bound
                .parameters
                .into_iter()
                .map(|bound| (bound.name, bound.value))
                .collect(),
            artifacts: bound
                .artifacts
                .into_iter()
                .map(|bound| (bound.name, bound.artifacts))
                .collect(),
        }
    }
}

/// A cache key and its digest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fingerprinted {
    pub(crate) key: CacheKey,
    pub(crate) fingerprint: String,
}

impl Machine {
    /// A run that was made and of which nothing has happened yet.
    pub(crate) fn new(run: RunFacts, program: Arc<Program>) -> Self {
        Self {
            selection: run.rerun.as_ref().map(|rerun| Selection::of(rerun, &program)),
            run,
            program,
            state: RunState::Pending,
            doom: None,
            deadline: None,
            tasks: Vec::new(),
            places: HashMap::new(),
            ready: VecDeque::new(),
            ended: VecDeque::new(),
        }
    }

    /// The run's state.
    #[cfg(test)]
    pub(crate) fn state(&self) -> RunState {
        self.state
    }

    /// Takes an event and says what follows. An event that comes too late has no consequences.
    pub(crate) fn decide(&mut self, event: Event, now: Timestamp) -> Decision {
        let mut decision = Decision::default();
        match event {
            Event::Start => self.start(now, &mut decision),
            Event::LookedUp { task, answer } => self.looked_up(task, answer, now, &mut decision),
            Event::Admitted { task } => self.admitted(task, now, &mut decision),
            Event::Ended {
                task,
                attempt,
                end,
                launcher,
            } => {
                self.attempt_ended(task, attempt, (end, launcher), now, &mut decision);
            }
            Event::Woken { task } => self.woken(task, &mut decision),
            Event::Terminate => self.terminate(None, now, &mut decision),
            // A run that was tried again has a later one.
            Event::DeadlinePassed { at } if self.deadline != Some(at) => {}
            Event::DeadlinePassed { .. } => {
                let reason = "the deadline of the run has passed".to_owned();
                self.terminate(Some(reason), now, &mut decision);
            }
            Event::Retry => self.retry(now, &mut decision),
        }
        self.settle(now, &mut decision);
        decision
    }

    /// Follows up on what became ready and what ended until nothing more follows.
    fn settle(&mut self, now: Timestamp, decision: &mut Decision) {
        loop {
            if let Some(task) = self.ended.pop_front() {
                self.hear_of_end(task, now, decision);
            } else if let Some(task) = self.ready.pop_front() {
                self.consider(task, now, decision);
            } else {
                return;
            }
        }
    }

    fn start(&mut self, now: Timestamp, decision: &mut Decision) {
        if !self.change_run(RunTrigger::Start, None, now, decision) {
            return;
        }
        self.tell_deadline(now, decision);
        let root = self.make(Place::Root, None, now, decision);
        self.tasks[root].inputs = Some(Arc::new(self.run.inputs.clone()));
        self.open_dag(root, Program::ROOT, now, decision);
    }

    /// Has the performer tell when the time is over of a run that started then.
    fn tell_deadline(&mut self, started: Timestamp, decision: &mut Decision) {
        self.deadline = self
            .run
            .time_limit
            .map(|limit| started.checked_add(limit).unwrap_or(Timestamp::MAX));
        decision
            .effects
            .extend(self.deadline.map(|at| Effect::Deadline { at }));
    }

    /// Puts a run into its next state; `false` where the trigger does not apply.
    fn change_run(
        &mut self,
        trigger: RunTrigger,
        error: Option<String>,
        at: Timestamp,
        decision: &mut Decision,
    ) -> bool {
        let Some(state) = next_run(self.state, trigger) else {
            return false;
        };
        self.state = state;
        decision.rows.push(Row::Run {
            run: self.run.id,
            state,
            at,
            error,
        });
        true
    }

    /// Moves a task on; `false` where the trigger does not apply, and nothing has changed.
    fn fire(&mut self, task: usize, trigger: Trigger) -> bool {
        match next(self.tasks[task].phase, trigger) {
            Some(phase) => {
                self.tasks[task].phase = phase;
                true
            }
            None => false,
        }
    }

    /// The row that tells a task's phase.
    fn told(&self, task: usize, at: Timestamp) -> TaskChange {
        let task = &self.tasks[task];
        TaskChange {
            run: self.run.id,
            id: task.id,
            scope_path: Arc::clone(&task.scope_path),
            phase: task.phase,
            at,
            message: None,
            attempt: (task.attempt > 0).then_some(task.attempt),
            inputs: None,
            outputs: None,
            fingerprint: None,
            cached_from: None,
        }
    }

    /// The step that a task is of; `None` for the root and for iterations.
    fn step_of(&self, task: usize) -> Option<(DagNumber, usize)> {
        match self.tasks[task].place {
            Place::Step { dag, step } => Some((dag, step)),
            Place::Root | Place::Iteration { .. } => None,
        }
    }

    fn find(&self, task: TaskId) -> Option<usize> {
        self.places.get(&task).copied()
    }

    /// Placeholders of a task.
    fn facts_of(&self, task: usize) -> Facts {
        let step = self.step_of(task).map(|(dag, step)| self.program.step(dag, step));
        Facts {
            task_name: step.map(|step| step.name.clone()).unwrap_or_default(),
            task_uuid: self.tasks[task].id.to_string(),
            ..self.run.placeholders.clone()
        }
    }

    /// What the performer has to know of an attempt.
    fn order(&self, task: usize) -> Option<Order> {
        let (dag, step) = self.step_of(task)?;
        let instance = &self.tasks[task];
        Some(Order {
            run: self.run.id,
            task: instance.id,
            attempt: instance.attempt,
            scope_path: Arc::clone(&instance.scope_path),
            program: Arc::clone(&self.program),
            dag,
            step,
            inputs: instance.inputs.clone()?,
            references: Arc::clone(&instance.references),
            facts: self.facts_of(task),
        })
    }
}

//! Scopes: the root, nested DAGs, loops and their iterations. How they open, and what is in them.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Decision, Effect, Machine, Phase, Place, Row, Task, TaskMade, Trigger};
use crate::bind::{self, Items};
use crate::model::{TaskId, TaskKind};
use crate::program::{DagNumber, Work};

/// Iterations of an unbounded loop that are made ahead: enough to keep any machine busy, few enough that a long loop
/// takes memory as it goes.
const AHEAD: u32 = 256;

impl Machine {
    /// Makes a task, which waits.
    pub(super) fn make(
        &mut self,
        place: Place,
        parent: Option<usize>,
        at: Timestamp,
        decision: &mut Decision,
    ) -> usize {
        let index = self.tasks.len();
        let parent_path = parent.map(|parent| Arc::clone(&self.tasks[parent].scope_path));
        let (name, display_name, kind, waited_for, iteration) = match place {
            Place::Root => (
                "root".to_owned(),
                "root".to_owned(),
                TaskKind::Root,
                Vec::new(),
                None,
            ),
            Place::Iteration { nth } => (
                nth.to_string(),
                nth.to_string(),
                TaskKind::Iteration,
                Vec::new(),
                Some(nth),
            ),
            Place::Step { dag, step } => {
                let steps = &self.program.dag(dag).steps;
                let step = &steps[step];
                let waited_for = step
                    .waits_for
                    .iter()
                    .map(|&other| steps[other].name.clone())
                    .collect();
                (
                    step.name.clone(),
                    step.display_name.clone(),
                    step.kind,
                    waited_for,
                    None,
                )
            }
        };
        let scope_path: Arc<str> = match parent_path {
            Some(path) => format!("{path}.{name}").into(),
            None => name.as_str().into(),
        };
        let id = TaskId::of(self.run.id, &scope_path);
        let waiting = u32::try_from(waited_for.len()).unwrap_or(u32::MAX);
        decision.rows.push(Row::Made(Box::new(TaskMade {
            id,
            run: self.run.id,
            position: index as u64,
            parent: parent.map(|parent| self.tasks[parent].id),
            name,
            display_name,
            scope_path: Arc::clone(&scope_path),
            kind,
            waited_for,
            iteration,
            at,
        })));
        self.add(Task::new(id, place, parent, scope_path, waiting))
    }

    /// Takes a task in, at its parent as well.
    pub(super) fn add(&mut self, task: Task) -> usize {
        let index = self.tasks.len();
        self.places.insert(task.id, index);
        if let Some(parent) = task.parent {
            self.tasks[parent].children.push(index);
            if !task.phase.is_final() {
                self.tasks[parent].open += 1;
            }
        }
        self.tasks.push(task);
        index
    }

    /// Opens a task that is a DAG: its inputs are known, its steps are made.
    pub(super) fn open_dag(&mut self, task: usize, dag: DagNumber, at: Timestamp, decision: &mut Decision) {
        if !self.fire(task, Trigger::Open) {
            return;
        }
        let mut change = self.told(task, at);
        change.inputs.clone_from(&self.tasks[task].inputs);
        decision.rows.push(Row::Task(Box::new(change)));
        for step in 0..self.program.dag(dag).steps.len() {
            let child = self.make(Place::Step { dag, step }, Some(task), at, decision);
            if self.tasks[child].waiting == 0 {
                self.ready.push_back(child);
            }
        }
    }

    /// Opens a loop: its items are known, its first iterations are made.
    pub(super) fn open_loop(&mut self, task: usize, items: Items, at: Timestamp, decision: &mut Decision) {
        if !self.fire(task, Trigger::Open) {
            return;
        }
        self.tasks[task].items = Some(Arc::new(items));
        let mut change = self.told(task, at);
        change.inputs.clone_from(&self.tasks[task].inputs);
        decision.rows.push(Row::Task(Box::new(change)));
        self.refill(task, at, decision);
        self.close_if_done(task, at, decision);
    }

    /// Makes the iterations of a loop that there is room for.
    pub(super) fn refill(&mut self, task: usize, at: Timestamp, decision: &mut Decision) {
        let Some((dag, number)) = self.step_of(task) else {
            return;
        };
        let program = Arc::clone(&self.program);
        let step = program.step(dag, number);
        let (Work::Dag(body), Some(items), Some(inputs)) = (
            &step.work,
            self.tasks[task].items.clone(),
            self.tasks[task].inputs.clone(),
        ) else {
            return;
        };
        let room = match step.parallelism {
            0 => AHEAD,
            limit => limit,
        };
        while !self.is_stopping()
            && self.tasks[task].open < room
            && self.tasks[task].children.len() < items.len()
        {
            let nth = self.tasks[task].children.len();
            let place = Place::Iteration {
                nth: u32::try_from(nth).unwrap_or(u32::MAX),
            };
            let child = self.make(place, Some(task), at, decision);
            match bind::iteration(step, program.component(step), &inputs, &items, nth) {
                Ok(bound) => {
                    self.tasks[child].inputs = Some(Arc::new(bound));
                    self.open_dag(child, *body, at, decision);
                }
                Err(message) => self.fail(child, message, at, decision),
            }
        }
    }

    /// Whether every iteration of a loop that will be made has been.
    pub(super) fn is_exhausted(&self, task: usize) -> bool {
        let task = &self.tasks[task];
        task.items
            .as_ref()
            .is_none_or(|items| task.children.len() == items.len())
            || self.is_stopping()
    }

    /// Whether nothing new is to be begun.
    pub(super) fn is_stopping(&self) -> bool {
        self.state == crate::model::RunState::Canceling
    }

    /// Tells the run to stop: what waits is stopped at once, what runs is told to.
    pub(super) fn terminate(&mut self, doom: Option<String>, at: Timestamp, decision: &mut Decision) {
        if !self.change_run(super::RunTrigger::Terminate, doom.clone(), at, decision) {
            return;
        }
        if self.state.is_final() {
            decision.effects.push(Effect::Finished);
            return;
        }
        self.doom = doom;
        for task in 0..self.tasks.len() {
            match self.tasks[task].phase {
                Phase::Running if self.kind_of(task) == TaskKind::Container => {
                    let (task, attempt) = (self.tasks[task].id, self.tasks[task].attempt);
                    decision.effects.push(Effect::Stop { task, attempt });
                }
                Phase::Waiting | Phase::LookingUp | Phase::Queued | Phase::BackingOff | Phase::Running => {
                    self.cancel(task, at, decision);
                }
                _ => {}
            }
        }
        // A loop between two iterations has nothing within it whose end it would hear of.
        for task in 0..self.tasks.len() {
            self.close_if_done(task, at, decision);
        }
    }

    pub(super) fn kind_of(&self, task: usize) -> TaskKind {
        match self.tasks[task].place {
            Place::Root => TaskKind::Root,
            Place::Iteration { .. } => TaskKind::Iteration,
            Place::Step { dag, step } => self.program.step(dag, step).kind,
        }
    }
}

impl Task {
    pub(super) fn new(
        id: TaskId,
        place: Place,
        parent: Option<usize>,
        scope_path: Arc<str>,
        waiting: u32,
    ) -> Self {
        Self {
            id,
            place,
            parent,
            scope_path,
            phase: Phase::Waiting,
            waiting,
            blocked: None,
            children: Vec::new(),
            open: 0,
            failed: None,
            stopped: false,
            inputs: None,
            outputs: None,
            items: None,
            references: Arc::default(),
            key: None,
            reason: String::new(),
            attempt: 0,
            failures: 0,
            losses: 0,
        }
    }
}

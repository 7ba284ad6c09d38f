//! The end of a task, and what others make of it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::{Decision, Effect, Machine, Outputs, Phase, Place, Row, RunTrigger, Trigger};
use crate::program::{DagNumber, Program, Selection, Work};

impl Machine {
    pub(super) fn succeed(&mut self, task: usize, at: Timestamp, decision: &mut Decision) {
        self.end(task, Trigger::Succeed, None, at, decision);
    }

    pub(super) fn fail(&mut self, task: usize, message: String, at: Timestamp, decision: &mut Decision) {
        self.end(task, Trigger::Fail, Some(message), at, decision);
    }

    pub(super) fn skip(&mut self, task: usize, message: String, at: Timestamp, decision: &mut Decision) {
        self.end(task, Trigger::Skip, Some(message), at, decision);
    }

    pub(super) fn cancel(&mut self, task: usize, at: Timestamp, decision: &mut Decision) {
        let queued = self.tasks[task].phase == Phase::Queued;
        self.end(task, Trigger::Cancel, None, at, decision);
        if queued {
            decision.effects.push(Effect::Leave {
                task: self.tasks[task].id,
            });
        }
    }

    fn end(
        &mut self,
        task: usize,
        trigger: Trigger,
        message: Option<String>,
        at: Timestamp,
        decision: &mut Decision,
    ) {
        if !self.fire(task, trigger) {
            return;
        }
        let mut change = self.told(task, at);
        change.message = message;
        change.inputs.clone_from(&self.tasks[task].inputs);
        change.outputs.clone_from(&self.tasks[task].outputs);
        decision.rows.push(Row::Task(Box::new(change)));
        self.ended.push_back(task);
    }

    /// Tells those who wait for a task, and the scope around it, that it has ended.
    pub(super) fn hear_of_end(&mut self, task: usize, at: Timestamp, decision: &mut Decision) {
        let phase = self.tasks[task].phase;
        let Some(parent) = self.tasks[task].parent else {
            return self.end_run(phase, at, decision);
        };
        self.tasks[parent].open = self.tasks[parent].open.saturating_sub(1);
        match phase {
            Phase::Failed => {
                self.tasks[parent].failed.get_or_insert(task);
            }
            Phase::Canceled => self.tasks[parent].stopped = true,
            _ => {}
        }
        if let Place::Step { dag, step } = self.tasks[task].place {
            let program = Arc::clone(&self.program);
            for &other in &program.step(dag, step).unblocks {
                let other = self.tasks[parent].children[other];
                let waiting = &mut self.tasks[other];
                waiting.waiting = waiting.waiting.saturating_sub(1);
                if !phase.is_success() {
                    waiting.blocked.get_or_insert(task);
                }
                if waiting.waiting == 0 {
                    self.ready.push_back(other);
                }
            }
        }
        if matches!(self.tasks[task].place, Place::Iteration { .. }) {
            self.refill(parent, at, decision);
        }
        self.close_if_done(parent, at, decision);
    }

    /// Ends a scope once everything in it has ended.
    pub(super) fn close_if_done(&mut self, task: usize, at: Timestamp, decision: &mut Decision) {
        let scope = &self.tasks[task];
        if scope.phase != Phase::Open || scope.open > 0 || !self.is_exhausted(task) {
            return;
        }
        if let Some(failed) = self.tasks[task].failed {
            let message = format!("`{}` failed", self.name_of(failed));
            return self.fail(task, message, at, decision);
        }
        let unfinished = self.tasks[task]
            .items
            .as_ref()
            .is_some_and(|items| items.len() > self.tasks[task].children.len());
        if self.tasks[task].stopped || unfinished {
            return self.cancel(task, at, decision);
        }
        match self.outputs_of(task) {
            Ok(outputs) => {
                self.tasks[task].outputs = Some(Arc::new(outputs));
                self.succeed(task, at, decision);
            }
            Err(message) => self.fail(task, message, at, decision),
        }
    }

    /// What a scope hands back, of what its tasks did.
    fn outputs_of(&self, task: usize) -> Result<Outputs, String> {
        match (self.tasks[task].place, self.body_of(task)) {
            (Place::Step { .. }, Some(body)) if self.tasks[task].items.is_some() => {
                Ok(self.collected(task, body))
            }
            (_, Some(body)) => self.selected(task, body),
            (_, None) => Ok(Outputs::default()),
        }
    }

    /// The DAG that a scope runs.
    fn body_of(&self, task: usize) -> Option<DagNumber> {
        match self.tasks[task].place {
            Place::Root => Some(Program::ROOT),
            Place::Step { dag, step } => match self.program.step(dag, step).work {
                Work::Dag(body) => Some(body),
                Work::Executor(_) => None,
            },
            Place::Iteration { .. } => self.tasks[task].parent.and_then(|parent| self.body_of(parent)),
        }
    }

    fn selected(&self, task: usize, body: DagNumber) -> Result<Outputs, String> {
        let dag = self.program.dag(body);
        let mut outputs = Outputs::default();
        for (name, selections) in &dag.parameters {
            if let Some((selection, from)) = self.chosen(task, name, selections)?
                && let Some(value) = from.parameters.get(&selection.output)
            {
                outputs.parameters.insert(name.clone(), value.clone());
            }
        }
        for (name, selections) in &dag.artifacts {
            if let Some((selection, from)) = self.chosen(task, name, selections)?
                && let Some(artifacts) = from.artifacts.get(&selection.output)
            {
                outputs.artifacts.insert(name.clone(), artifacts.clone());
            }
        }
        Ok(outputs)
    }

    /// The selection that counts: the first whose task succeeded. Where the package offers a choice, one has to.
    fn chosen<'a>(
        &'a self,
        task: usize,
        output: &str,
        selections: &'a [Selection],
    ) -> Result<Option<(&'a Selection, &'a Outputs)>, String> {
        let chosen = selections.iter().find_map(|selection| {
            let child = *self.tasks[task].children.get(selection.step)?;
            self.tasks[child]
                .outputs
                .as_deref()
                .map(|outputs| (selection, outputs))
        });
        if chosen.is_none() && selections.len() > 1 {
            return Err(format!(
                "output `{output}`: none of the tasks it is chosen from succeeded"
            ));
        }
        Ok(chosen)
    }

    /// Lists over the iterations of a loop, in their order. An iteration that has no such output adds nothing; one
    /// whose output is such a list itself adds its elements, as in KFP.
    fn collected(&self, task: usize, body: DagNumber) -> Outputs {
        let dag = self.program.dag(body);
        let iterations: Vec<&Outputs> = self.tasks[task]
            .children
            .iter()
            .filter_map(|&child| self.tasks[child].outputs.as_deref())
            .collect();
        let mut outputs = Outputs::default();
        for (name, selections) in &dag.parameters {
            let flat = selections
                .first()
                .is_some_and(|first| self.program.is_collected(&dag.steps[first.step], &first.output));
            let mut list = Vec::with_capacity(iterations.len());
            for value in iterations
                .iter()
                .filter_map(|outputs| outputs.parameters.get(name))
            {
                match value {
                    Value::Array(items) if flat => list.extend(items.iter().cloned()),
                    value => list.push(value.clone()),
                }
            }
            outputs.parameters.insert(name.clone(), Value::Array(list));
        }
        for name in dag.artifacts.keys() {
            let lists = iterations
                .iter()
                .filter_map(|outputs| outputs.artifacts.get(name));
            outputs
                .artifacts
                .insert(name.clone(), lists.flatten().cloned().collect());
        }
        outputs
    }

    fn end_run(&mut self, root: Phase, at: Timestamp, decision: &mut Decision) {
        let (trigger, error) = match (root, self.doom.take()) {
            (Phase::Succeeded, _) => (RunTrigger::Succeed, None),
            (_, Some(doom)) => (RunTrigger::Fail, Some(doom)),
            (Phase::Canceled, None) => (RunTrigger::Stop, None),
            (_, None) => (RunTrigger::Fail, Some(self.first_failure())),
        };
        self.change_run(trigger, error, at, decision);
        decision.effects.push(Effect::Finished);
    }

    /// The innermost task that failed first, by its place.
    fn first_failure(&self) -> String {
        let mut task = 0;
        while let Some(inner) = self.tasks[task].failed {
            task = inner;
        }
        let place = self.tasks[task]
            .scope_path
            .strip_prefix("root.")
            .unwrap_or(&self.tasks[task].scope_path);
        format!("task `{place}` failed")
    }
}

//! A task that has nothing left to wait for: its inputs, its condition, its cache key, its turn.

use std::sync::Arc;

use jiff::Timestamp;
use pipeline_spec::ExecutorInput;
use pipeline_spec::ir::{ContainerSpec, Executor, TriggerStrategy};
use pipeline_spec::placeholder::{Facts, Template};
use serde_json::{Value, json};

use super::{
    Answer, CacheDecided, Decision, Effect, Fingerprinted, Machine, Need, Phase, Row, TaskId, Trigger,
};
use crate::bind::{self, Bound, References, Surroundings, Unbound, Unknown};
use crate::cache::{CacheKey, Ingredients};
use crate::model::{ArtifactRecord, CacheDecision};
use crate::program::{Program, Step, Work};
use crate::quantity;
use crate::rerun::Does;

/// What a task that asks for nothing counts as.
const DEFAULT_NEED: Need = Need {
    cpu_millis: 1000,
    memory: 0,
};

impl Machine {
    /// Looks whether a task can begin, and begins it.
    pub(super) fn consider(&mut self, task: usize, at: Timestamp, decision: &mut Decision) {
        let Some((dag, number)) = self.step_of(task) else {
            return;
        };
        if self.tasks[task].phase != Phase::Waiting || self.tasks[task].waiting > 0 || self.is_stopping() {
            return;
        }
        let program = Arc::clone(&self.program);
        let step = program.step(dag, number);
        if let (TriggerStrategy::AllUpstreamTasksSucceeded, Some(other)) =
            (step.strategy, self.tasks[task].blocked)
        {
            let how = match self.tasks[other].phase {
                Phase::Skipped => "was skipped",
                _ => "did not succeed",
            };
            let message = format!("task `{}`, which it waits for, {how}", self.name_of(other));
            return self.skip(task, message, at, decision);
        }
        let facts = self.facts_of(task);
        let bound = match bind::inputs(
            step,
            program.component(step),
            &Beside {
                machine: self,
                task,
                facts,
            },
        ) {
            Ok(bound) => bound,
            Err(Unbound::Wrong(message)) => return self.fail(task, message, at, decision),
            Err(Unbound::Unknown(unknown)) => {
                return self.fail(task, format!("{} is not there", unknown.on), at, decision);
            }
        };
        self.tasks[task].inputs = Some(Arc::new(bound));
        if let (Some(condition), Some(inputs)) = (&step.condition, &self.tasks[task].inputs) {
            match condition.holds(&inputs.to_inputs()) {
                Ok(true) => {}
                Ok(false) => {
                    return self.skip(
                        task,
                        format!("its condition is false: {}", condition.text()),
                        at,
                        decision,
                    );
                }
                Err(error) => return self.fail(task, format!("condition {error}"), at, decision),
            }
        }
        self.begin(task, step, at, decision);
    }

    fn begin(&mut self, task: usize, step: &Step, at: Timestamp, decision: &mut Decision) {
        let Some(inputs) = self.tasks[task].inputs.clone() else {
            return;
        };
        match (&step.work, &step.iterator) {
            (Work::Dag(_), Some(iterator)) => match bind::items(&iterator.items, &inputs) {
                Ok(items) => self.open_loop(task, items, at, decision),
                Err(message) => self.fail(task, message, at, decision),
            },
            (Work::Dag(dag), None) => self.open_dag(task, *dag, at, decision),
            (Work::Executor(_), _) if step.answered => self.begin_answer(task, at, decision),
            (Work::Executor(label), _) => {
                let program = Arc::clone(&self.program);
                match program.executor(label) {
                    Executor::Container(container) => {
                        self.begin_container(task, step, label, container, at, decision)
                    }
                    Executor::Importer(_) | Executor::Resolver(_) | Executor::CustomJob(_) => {
                        let message = "its executor is not run on one machine".to_owned();
                        self.fail(task, message, at, decision);
                    }
                }
            }
        }
    }

    fn begin_container(
        &mut self,
        task: usize,
        step: &Step,
        label: &str,
        container: &ContainerSpec,
        at: Timestamp,
        decision: &mut Decision,
    ) {
        if let Err(message) = self.prepare(task, step, label, container) {
            return self.fail(task, message, at, decision);
        }
        let Some(key) = self.tasks[task].key.clone() else {
            return;
        };
        let scope_path = Arc::clone(&self.tasks[task].scope_path);
        match self
            .selection
            .as_ref()
            .map(|selection| selection.does(&scope_path))
        {
            None | Some(Does::AsUsual) => {}
            Some(Does::Runs) => {
                self.tasks[task].reason = "a rerun asks for it".to_owned();
                return self.enqueue(task, decision);
            }
            Some(Does::Skips(message)) => return self.skip(task, message, at, decision),
            Some(Does::Takes(from)) => {
                if self.fire(task, Trigger::LookUp) {
                    decision.effects.push(Effect::Recall {
                        task: self.tasks[task].id,
                        from,
                        scope_path,
                    });
                }
                return;
            }
        }
        if !step.cached {
            self.tasks[task].reason = "it is never cached".to_owned();
            return self.enqueue(task, decision);
        }
        if self.fire(task, Trigger::LookUp) {
            decision.effects.push(Effect::LookUp {
                task: self.tasks[task].id,
                key,
            });
        }
    }

    /// Finds out what a container task reads from elsewhere, and what its result depends on.
    pub(super) fn prepare(
        &mut self,
        task: usize,
        step: &Step,
        label: &str,
        container: &ContainerSpec,
    ) -> Result<(), String> {
        let Some(inputs) = self.tasks[task].inputs.clone() else {
            return Ok(());
        };
        let program = Arc::clone(&self.program);
        let config = program.pipeline().kubernetes_executor(label);
        let facts = self.facts_of(task);
        let references = match bind::references(
            config,
            &Beside {
                machine: self,
                task,
                facts,
            },
        ) {
            Ok(references) => references,
            Err(Unbound::Wrong(message)) => return Err(message),
            Err(Unbound::Unknown(unknown)) => return Err(format!("{} is not there", unknown.on)),
        };
        let key = key_of(&program, step, container, &inputs, &references);
        self.tasks[task].references = Arc::new(references);
        self.tasks[task].key = Some(key);
        Ok(())
    }

    fn begin_answer(&mut self, task: usize, at: Timestamp, decision: &mut Decision) {
        if !self.fire(task, Trigger::Launch) {
            return;
        }
        let mut change = self.told(task, at);
        change.inputs.clone_from(&self.tasks[task].inputs);
        decision.rows.push(Row::Task(Box::new(change)));
        decision.effects.extend(self.order(task).map(Effect::Answer));
    }

    /// What the cache said.
    pub(super) fn looked_up(&mut self, id: TaskId, answer: Answer, at: Timestamp, decision: &mut Decision) {
        let Some(task) = self.find(id) else { return };
        match answer {
            Answer::Miss { reason } => {
                if self.tasks[task].phase == Phase::LookingUp {
                    self.tasks[task].reason = reason;
                    self.enqueue(task, decision);
                }
            }
            Answer::Hit { outputs, from } => {
                if !self.fire(task, Trigger::Hit) {
                    return;
                }
                let outputs = Arc::new(outputs);
                self.tasks[task].outputs = Some(Arc::clone(&outputs));
                let mut change = self.told(task, at);
                change.inputs.clone_from(&self.tasks[task].inputs);
                change.outputs = Some(outputs);
                change.fingerprint = self.tasks[task].key.as_ref().map(|key| key.fingerprint.clone());
                change.cached_from = Some(from);
                decision.rows.push(Row::Task(Box::new(change)));
                self.tell_cache(
                    task,
                    CacheDecision::Hit,
                    format!("its outputs are those of run `{from}`"),
                    decision,
                );
                self.ended.push_back(task);
            }
        }
    }

    /// Asks for the task's turn.
    pub(super) fn enqueue(&mut self, task: usize, decision: &mut Decision) {
        if self.fire(task, Trigger::Enqueue) {
            let need = self.need_of(task);
            decision.effects.push(Effect::Enqueue {
                task: self.tasks[task].id,
                need,
            });
        }
    }

    /// The row that tells what was decided about the cache.
    pub(super) fn tell_cache(
        &self,
        task: usize,
        cache: CacheDecision,
        reason: String,
        decision: &mut Decision,
    ) {
        let (Some((dag, step)), Some(key)) = (self.step_of(task), &self.tasks[task].key) else {
            return;
        };
        let step = self.program.step(dag, step);
        decision.rows.push(Row::CacheDecided(Box::new(CacheDecided {
            run: self.run.id,
            task: self.tasks[task].id,
            pipeline: self.program.pipeline().name().to_owned(),
            step: format!("{}/{}", step.component, step.name),
            key: Arc::clone(key),
            decision: cache,
            reason,
        })));
    }

    /// What a task asks of the machine. A quantity that is none was already refused as a failure of its launch; here
    /// it counts as nothing asked for.
    pub(super) fn need_of(&self, task: usize) -> Need {
        let Some((dag, step)) = self.step_of(task) else {
            return DEFAULT_NEED;
        };
        let step = self.program.step(dag, step);
        let (Work::Executor(label), Some(inputs)) = (&step.work, &self.tasks[task].inputs) else {
            return DEFAULT_NEED;
        };
        let Executor::Container(container) = self.program.executor(label) else {
            return DEFAULT_NEED;
        };
        let facts = self.facts_of(task);
        let cpu =
            filled(container.resources.cpu(), inputs, &facts).and_then(|text| quantity::cpu_millis(&text));
        let memory =
            filled(container.resources.memory(), inputs, &facts).and_then(|text| quantity::bytes(&text));
        Need {
            cpu_millis: cpu.unwrap_or(DEFAULT_NEED.cpu_millis),
            memory: memory.unwrap_or(DEFAULT_NEED.memory),
        }
    }

    pub(super) fn name_of(&self, task: usize) -> String {
        match self.step_of(task) {
            Some((dag, step)) => self.program.step(dag, step).name.clone(),
            None => self.tasks[task].scope_path.to_string(),
        }
    }
}

fn filled(text: Option<String>, inputs: &Bound, facts: &Facts) -> Option<String> {
    let input = ExecutorInput {
        inputs: inputs.to_inputs(),
        ..ExecutorInput::default()
    };
    Template::parse(&text?).fill(&input, facts).ok()
}

/// The cache key of a container task.
pub(crate) fn key_of(
    program: &Program,
    step: &Step,
    container: &ContainerSpec,
    inputs: &Bound,
    references: &References,
) -> Arc<Fingerprinted> {
    let key = CacheKey::of(&Ingredients {
        pipeline: program.pipeline().name(),
        component_name: &step.component,
        component: program.component(step),
        container,
        references,
        custom: step.cache_key.as_deref(),
        inputs,
    });
    Arc::new(Fingerprinted {
        fingerprint: key.fingerprint(),
        key,
    })
}

/// What surrounds a task of a running run: all of it is known.
struct Beside<'a> {
    machine: &'a Machine,
    task: usize,
    facts: Facts,
}

impl Beside<'_> {
    fn sibling(&self, name: &str) -> Option<usize> {
        let machine = self.machine;
        let (dag, _) = machine.step_of(self.task)?;
        let step = machine.program.dag(dag).position(name)?;
        machine.tasks[machine.tasks[self.task].parent?]
            .children
            .get(step)
            .copied()
    }

    fn outer(&self) -> Option<&Bound> {
        let parent = self.machine.tasks[self.task].parent?;
        self.machine.tasks[parent].inputs.as_deref()
    }
}

impl Surroundings for Beside<'_> {
    fn component_parameter(&self, name: &str) -> Result<Option<Value>, Unknown> {
        Ok(self.outer().and_then(|outer| outer.parameter(name)).cloned())
    }

    fn component_artifacts(&self, name: &str) -> Result<Option<Vec<ArtifactRecord>>, Unknown> {
        Ok(self
            .outer()
            .and_then(|outer| outer.artifacts(name))
            .map(<[_]>::to_vec))
    }

    fn output_parameter(&self, task: &str, output: &str) -> Result<Option<Value>, Unknown> {
        let outputs = self
            .sibling(task)
            .and_then(|task| self.machine.tasks[task].outputs.as_ref());
        Ok(outputs
            .and_then(|outputs| outputs.parameters.get(output))
            .cloned())
    }

    fn output_artifacts(&self, task: &str, output: &str) -> Result<Option<Vec<ArtifactRecord>>, Unknown> {
        let outputs = self
            .sibling(task)
            .and_then(|task| self.machine.tasks[task].outputs.as_ref());
        Ok(outputs.and_then(|outputs| outputs.artifacts.get(output)).cloned())
    }

    fn final_status(&self, task: &str) -> Result<Value, Unknown> {
        let phase = self.sibling(task).map(|task| self.machine.tasks[task].phase);
        Ok(final_status(phase, task, &self.facts))
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// A `PipelineTaskFinalStatus` as KFP 2.17 hands it on: the state is that of ML Metadata
/// (`resolveInputParameter` in `backend/src/v2/driver/resolve.go`).
pub(crate) fn final_status(phase: Option<Phase>, task: &str, facts: &Facts) -> Value {
    let state = match phase {
        Some(Phase::Succeeded) => "COMPLETE",
        Some(Phase::Cached) => "CACHED",
        Some(Phase::Canceled | Phase::Skipped) => "CANCELED",
        _ => "FAILED",
    };
    json!({
        "state": state,
        "error": {},
        "pipelineJobResourceName": facts.job_resource_name,
        "pipelineTaskName": task,
    })
}

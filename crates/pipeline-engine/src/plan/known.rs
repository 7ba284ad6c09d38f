//! Values that are known, and what the others depend on.

use std::collections::BTreeMap;

use pipeline_spec::placeholder::Facts;
use serde_json::Value;

use super::End;
use crate::bind::{Bound, Surroundings, Unknown, UnknownInputs};
use crate::decide::{Outputs, Phase, final_status};
use crate::model::ArtifactRecord;
use crate::program::{Dag, Program, Selection, Step, Work};

/// A value, or what it depends on.
pub(crate) type Known<T> = Result<T, Unknown>;

/// The inputs of a DAG, as far as they are known.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) bound: Bound,
    pub(super) unknown: UnknownInputs,
}

/// The outputs of a task, as far as they are known.
#[derive(Debug, Clone)]
pub(crate) struct KnownOutputs {
    known: Outputs,
    unknown: BTreeMap<String, Unknown>,
    /// What every output that is not named depends on.
    rest: Option<Unknown>,
}

impl From<Outputs> for KnownOutputs {
    fn from(known: Outputs) -> Self {
        Self {
            known,
            unknown: BTreeMap::new(),
            rest: None,
        }
    }
}

impl KnownOutputs {
    /// Nothing is known.
    pub(super) fn unknown(on: &Unknown) -> Self {
        Self {
            known: Outputs::default(),
            unknown: BTreeMap::new(),
            rest: Some(on.clone()),
        }
    }

    fn parameter(&self, name: &str) -> Known<Option<Value>> {
        match self.known.parameters.get(name) {
            Some(value) => Ok(Some(value.clone())),
            None => self.absent(name),
        }
    }

    fn artifacts(&self, name: &str) -> Known<Option<Vec<ArtifactRecord>>> {
        match self.known.artifacts.get(name) {
            Some(artifacts) => Ok(Some(artifacts.clone())),
            None => self.absent(name),
        }
    }

    fn absent<T>(&self, name: &str) -> Known<Option<T>> {
        match self.unknown.get(name).or(self.rest.as_ref()) {
            Some(on) => Err(on.clone()),
            None => Ok(None),
        }
    }
}

/// What surrounds a task in a plan.
pub(super) struct Around<'a> {
    pub(super) dag: &'a Dag,
    pub(super) given: &'a Given,
    pub(super) ends: &'a [Option<End>],
    pub(super) facts: Facts,
}

impl Around<'_> {
    fn end(&self, task: &str) -> Option<&End> {
        self.ends[self.dag.position(task)?].as_ref()
    }

    fn outputs<T>(&self, task: &str, of: impl FnOnce(&KnownOutputs) -> Known<Option<T>>) -> Known<Option<T>> {
        match self.end(task) {
            Some(End::Well { outputs, .. }) => of(outputs),
            Some(End::Open(on)) => Err(on.clone()),
            Some(End::Skipped | End::Failed) | None => Ok(None),
        }
    }
}

impl Surroundings for Around<'_> {
    fn component_parameter(&self, name: &str) -> Known<Option<Value>> {
        match self.given.unknown.get(name) {
            Some(on) => Err(on.clone()),
            None => Ok(self.given.bound.parameter(name).cloned()),
        }
    }

    fn component_artifacts(&self, name: &str) -> Known<Option<Vec<ArtifactRecord>>> {
        match self.given.unknown.get(name) {
            Some(on) => Err(on.clone()),
            None => Ok(self.given.bound.artifacts(name).map(<[_]>::to_vec)),
        }
    }

    fn output_parameter(&self, task: &str, output: &str) -> Known<Option<Value>> {
        self.outputs(task, |outputs| outputs.parameter(output))
    }

    fn output_artifacts(&self, task: &str, output: &str) -> Known<Option<Vec<ArtifactRecord>>> {
        self.outputs(task, |outputs| outputs.artifacts(output))
    }

    fn final_status(&self, task: &str) -> Known<Value> {
        let phase = match self.end(task) {
            Some(End::Well { cached: true, .. }) => Phase::Cached,
            Some(End::Well { .. }) => Phase::Succeeded,
            Some(End::Skipped) => Phase::Skipped,
            Some(End::Failed) => Phase::Failed,
            Some(End::Open(on)) => return Err(on.clone()),
            None => {
                return Err(Unknown {
                    on: format!("how task `{task}` ends"),
                });
            }
        };
        Ok(final_status(Some(phase), task, &self.facts))
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// How a DAG ends, of how its steps do.
pub(super) fn of_dag(dag: &Dag, ends: &[Option<End>]) -> End {
    if ends.iter().flatten().any(|end| matches!(end, End::Failed)) {
        return End::Failed;
    }
    let mut outputs = KnownOutputs::from(Outputs::default());
    for (name, selections) in &dag.parameters {
        match selected(selections, ends, KnownOutputs::parameter) {
            Ok(Some(value)) => {
                outputs.known.parameters.insert(name.clone(), value);
            }
            Ok(None) => {}
            Err(on) => {
                outputs.unknown.insert(name.clone(), on);
            }
        }
    }
    for (name, selections) in &dag.artifacts {
        match selected(selections, ends, KnownOutputs::artifacts) {
            Ok(Some(artifacts)) => {
                outputs.known.artifacts.insert(name.clone(), artifacts);
            }
            Ok(None) => {}
            Err(on) => {
                outputs.unknown.insert(name.clone(), on);
            }
        }
    }
    End::Well {
        outputs,
        cached: false,
    }
}

/// The output of the first selection whose task ends well.
fn selected<T>(
    selections: &[Selection],
    ends: &[Option<End>],
    of: impl Fn(&KnownOutputs, &str) -> Known<Option<T>>,
) -> Known<Option<T>> {
    for selection in selections {
        match &ends[selection.step] {
            Some(End::Well { outputs, .. }) => return of(outputs, &selection.output),
            // Whether it is this one or a later one is not known.
            Some(End::Open(on)) => return Err(on.clone()),
            Some(End::Skipped | End::Failed) | None => {}
        }
    }
    Ok(None)
}

/// How a loop ends, of how its iterations do.
pub(super) fn of_loop(program: &Program, step: &Step, iterations: &[End]) -> End {
    let Work::Dag(body) = &step.work else {
        return End::Failed;
    };
    if iterations.iter().any(|end| matches!(end, End::Failed)) {
        return End::Failed;
    }
    if let Some(on) = iterations.iter().find_map(|end| match end {
        End::Open(on) => Some(on.clone()),
        _ => None,
    }) {
        return End::Open(on);
    }
    let dag = program.dag(*body);
    let each: Vec<&KnownOutputs> = iterations
        .iter()
        .filter_map(|end| match end {
            End::Well { outputs, .. } => Some(outputs),
            _ => None,
        })
        .collect();
    let mut outputs = KnownOutputs::from(Outputs::default());
    for (name, selections) in &dag.parameters {
        let flat = selections
            .first()
            .is_some_and(|first| program.is_collected(&dag.steps[first.step], &first.output));
        let values: Known<Vec<Option<Value>>> = each.iter().map(|outputs| outputs.parameter(name)).collect();
        match values {
            Ok(values) => {
                let mut list = Vec::new();
                for value in values.into_iter().flatten() {
                    match value {
                        Value::Array(items) if flat => list.extend(items),
                        value => list.push(value),
                    }
                }
                outputs.known.parameters.insert(name.clone(), Value::Array(list));
            }
            Err(on) => {
                outputs.unknown.insert(name.clone(), on);
            }
        }
    }
    for name in dag.artifacts.keys() {
        let lists: Known<Vec<_>> = each.iter().map(|outputs| outputs.artifacts(name)).collect();
        match lists {
            Ok(lists) => {
                let all = lists.into_iter().flatten().flatten().collect();
                outputs.known.artifacts.insert(name.clone(), all);
            }
            Err(on) => {
                outputs.unknown.insert(name.clone(), on);
            }
        }
    }
    End::Well {
        outputs,
        cached: false,
    }
}

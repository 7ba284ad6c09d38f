//! How two runs differ: field by field, the first where they part.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use crate::cache::{CacheKey, identity};
use crate::model::{
    Aspect, BoundArtifact, BoundParameter, Difference, Origin, RunDifference, RunRecord, TaskId, TaskKind,
    TaskRecord, TaskState,
};

/// A run with all that is known of it.
pub(crate) struct Side {
    /// With its package.
    pub(crate) record: RunRecord,
    /// In the order they were made, the run itself first.
    pub(crate) tasks: Vec<TaskRecord>,
    /// Of those that came to the cache.
    pub(crate) keys: HashMap<TaskId, CacheKey>,
}

/// Where one run differs from another, in the order of what happened. A difference is told once: what a task was given
/// by another, or by the run, is told there.
pub(crate) fn compare(one: &Side, other: &Side) -> Vec<RunDifference> {
    let mut found = Found::default();
    let (name, other_name) = (&one.record.pipeline_name, &other.record.pipeline_name);
    found.see(None, Aspect::Given, "pipeline", Some(name), Some(other_name));
    let (tasks, others) = (in_order(&one.tasks), in_order(&other.tasks));
    let places: HashMap<&str, &TaskRecord> = tasks
        .iter()
        .map(|task| (task.scope_path.as_str(), *task))
        .collect();
    let twins: HashMap<&str, &TaskRecord> = others
        .iter()
        .map(|task| (task.scope_path.as_str(), *task))
        .collect();
    for task in &tasks {
        let twin = twins.get(task.scope_path.as_str()).copied();
        found.task(Some(task), twin, one, other);
    }
    for task in others {
        if !places.contains_key(task.scope_path.as_str()) {
            found.task(None, Some(task), one, other);
        }
    }
    // What a package has otherwise is told by the tasks that were given it; what only decides between them is not.
    if !found.0.iter().any(|told| told.aspect == Aspect::Given) {
        let package = |side: &Side| side.record.package.clone().unwrap_or_default();
        found.value("", &package(one), &package(other));
    }
    found.0
}

/// Tasks, each behind those that it waited for, and those within it behind it.
fn in_order(tasks: &[TaskRecord]) -> Vec<&TaskRecord> {
    let mut within: HashMap<Option<TaskId>, Vec<&TaskRecord>> = HashMap::new();
    for task in tasks {
        within.entry(task.parent).or_default().push(task);
    }
    let mut ordered = Vec::with_capacity(tasks.len());
    let mut open: Vec<Vec<&TaskRecord>> = vec![within.remove(&None).unwrap_or_default()];
    while let Some(siblings) = open.last_mut() {
        let waits = |task: &TaskRecord| {
            let waited_for = |other: &&TaskRecord| task.waited_for.contains(&other.name);
            siblings.iter().any(waited_for)
        };
        match siblings.iter().position(|task| !waits(task)) {
            Some(next) => {
                let task = siblings.remove(next);
                ordered.push(task);
                open.push(within.remove(&Some(task.id)).unwrap_or_default());
            }
            None => drop(open.pop()),
        }
    }
    ordered
}

#[derive(Default)]
struct Found(Vec<RunDifference>);

impl Found {
    fn task(&mut self, one: Option<&TaskRecord>, other: Option<&TaskRecord>, left: &Side, right: &Side) {
        let Some(task) = one.or(other) else { return };
        // Of the run itself its parameters are told; how it ended follows from its tasks.
        let place = Some(task.scope_path.as_str()).filter(|_| task.kind != TaskKind::Root);
        let key = |task: Option<&TaskRecord>, side: &Side| side.keys.get(&task?.id).cloned();
        if let (Some(before), Some(now)) = (key(one, left), key(other, right)) {
            for difference in now.differences(&before) {
                if !is_handed_on(&difference.field, one) && !is_handed_on(&difference.field, other) {
                    self.push(place, Aspect::Given, difference);
                }
            }
        } else if place.is_none() {
            fn given(task: Option<&TaskRecord>) -> &[BoundParameter] {
                task.map_or(&[], |task| &task.input_parameters)
            }
            self.parameters(place, Aspect::Given, given(one), given(other));
            return;
        }
        let (was, is) = (one.map(ended), other.map(ended));
        self.see(place, Aspect::Ended, "state", was.as_ref(), is.as_ref());
        // What a group gives is what its tasks give.
        if !matches!(task.kind, TaskKind::Container | TaskKind::Importer) || was != is {
            return;
        }
        fn parameters(task: Option<&TaskRecord>) -> &[BoundParameter] {
            task.map_or(&[], |task| &task.output_parameters)
        }
        fn artifacts(task: Option<&TaskRecord>) -> &[BoundArtifact] {
            task.map_or(&[], |task| &task.output_artifacts)
        }
        self.parameters(place, Aspect::Gave, parameters(one), parameters(other));
        self.artifacts(place, artifacts(one), artifacts(other));
    }

    fn parameters(
        &mut self,
        place: Option<&str>,
        aspect: Aspect,
        one: &[BoundParameter],
        other: &[BoundParameter],
    ) {
        fn value<'a>(name: &str, of: &'a [BoundParameter]) -> Option<&'a Value> {
            of.iter()
                .find(|parameter| parameter.name == name)
                .map(|parameter| &parameter.value)
        }
        for name in names(one.iter().map(|it| &it.name), other.iter().map(|it| &it.name)) {
            self.see(
                place,
                aspect,
                &format!("parameter {name}"),
                value(name, one),
                value(name, other),
            );
        }
    }

    fn artifacts(&mut self, place: Option<&str>, one: &[BoundArtifact], other: &[BoundArtifact]) {
        fn bytes(name: &str, of: &[BoundArtifact]) -> Option<Vec<String>> {
            let bound = of.iter().find(|bound| bound.name == name)?;
            Some(bound.artifacts.iter().map(identity).collect())
        }
        for name in names(one.iter().map(|it| &it.name), other.iter().map(|it| &it.name)) {
            let field = format!("artifact {name}");
            self.see(
                place,
                Aspect::Gave,
                &field,
                bytes(name, one).as_ref(),
                bytes(name, other).as_ref(),
            );
        }
    }

    /// Fields of two packages, each named by its path.
    fn value(&mut self, path: &str, one: &Value, other: &Value) {
        let below = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        match (one, other) {
            (Value::Object(left), Value::Object(right)) => {
                for name in names(left.keys(), right.keys()) {
                    match (left.get(name), right.get(name)) {
                        (Some(one), Some(other)) => self.value(&below(name), one, other),
                        (one, other) => self.see(None, Aspect::Package, &below(name), one, other),
                    }
                }
            }
            (one, other) => self.see(None, Aspect::Package, path, Some(one), Some(other)),
        }
    }

    fn see<T: Serialize + PartialEq>(
        &mut self,
        place: Option<&str>,
        aspect: Aspect,
        field: &str,
        was: Option<&T>,
        is: Option<&T>,
    ) {
        if was != is {
            let json =
                |value: &T| serde_json::to_string(value).expect("invariant: plain data has a JSON form");
            let difference = Difference {
                field: field.to_owned(),
                was: was.map(json),
                is: is.map(json),
            };
            self.push(place, aspect, difference);
        }
    }

    fn push(&mut self, place: Option<&str>, aspect: Aspect, difference: Difference) {
        self.0.push(RunDifference {
            scope_path: place.map(str::to_owned),
            aspect,
            difference,
        });
    }
}

/// Whether a field of a task's key is an input that another task gave, or the run.
fn is_handed_on(field: &str, task: Option<&TaskRecord>) -> bool {
    let Some(task) = task else { return false };
    let (parameters, artifacts) = (task.input_parameters.iter(), task.input_artifacts.iter());
    let parameter = field.strip_prefix("parameter ").and_then(|name| {
        let mut parameters = parameters.filter(|input| input.name == name);
        parameters.next().map(|input| &input.origin)
    });
    let artifact = field.strip_prefix("artifact ").and_then(|name| {
        let mut artifacts = artifacts.filter(|input| input.name == name);
        artifacts.next().map(|input| &input.origin)
    });
    matches!(parameter.or(artifact), Some(Origin::Task(_) | Origin::Component))
}

/// How a task ended. That it ran, or took what an earlier one had made, is no difference.
fn ended(task: &TaskRecord) -> TaskState {
    match task.state {
        TaskState::Cached => TaskState::Succeeded,
        state => state,
    }
}

/// Names of the one, then those that only the other has.
fn names<'a>(one: impl Iterator<Item = &'a String>, other: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut names: Vec<&str> = one.map(String::as_str).collect();
    for name in other {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

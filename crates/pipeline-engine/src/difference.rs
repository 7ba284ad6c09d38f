//! How two runs differ: field by field, the first where they part.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use crate::cache::{CacheKey, identity};
use crate::model::{
    Aspect, BoundArtifact, BoundParameter, Difference, RunDifference, RunRecord, TaskId, TaskKind,
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

/// Where one run differs from another, in the order of what happened.
pub(crate) fn compare(one: &Side, other: &Side) -> Vec<RunDifference> {
    let mut found = Found::default();
    found.see(
        None,
        Aspect::Given,
        "pipeline",
        Some(&one.record.pipeline_name),
        Some(&other.record.pipeline_name),
    );
    let twin_of = |task: &TaskRecord, tasks: &[TaskRecord]| {
        let position = tasks.iter().position(|twin| twin.scope_path == task.scope_path);
        position.map(|position| tasks[position].clone())
    };
    for task in &one.tasks {
        found.task(Some(task), twin_of(task, &other.tasks).as_ref(), one, other);
    }
    for task in &other.tasks {
        if twin_of(task, &one.tasks).is_none() {
            found.task(None, Some(task), one, other);
        }
    }
    let package = |side: &Side| side.record.package.clone().unwrap_or_default();
    found.value("", &package(one), &package(other));
    found.0
}

#[derive(Default)]
struct Found(Vec<RunDifference>);

impl Found {
    fn task(&mut self, one: Option<&TaskRecord>, other: Option<&TaskRecord>, left: &Side, right: &Side) {
        let Some(task) = one.or(other) else { return };
        // Of the run itself its parameters are told; how it ended follows from its tasks.
        let place = Some(task.scope_path.as_str()).filter(|_| task.kind != TaskKind::Root);
        let key = |task: Option<&TaskRecord>, side: &Side| side.keys.get(&task?.id).cloned();
        match (key(one, left), key(other, right)) {
            (Some(one), Some(other)) => {
                for difference in other.differences(&one) {
                    self.push(place, Aspect::Given, difference);
                }
            }
            (_, _) if task.kind == TaskKind::Container => {}
            (_, _) => {
                fn given(task: Option<&TaskRecord>) -> &[BoundParameter] {
                    task.map_or(&[], |task| &task.input_parameters)
                }
                self.parameters(place, Aspect::Given, "parameter", given(one), given(other));
            }
        }
        if place.is_none() {
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
        self.parameters(
            place,
            Aspect::Gave,
            "parameter",
            parameters(one),
            parameters(other),
        );
        self.artifacts(place, artifacts(one), artifacts(other));
    }

    fn parameters(
        &mut self,
        place: Option<&str>,
        aspect: Aspect,
        what: &str,
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
                &format!("{what} {name}"),
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

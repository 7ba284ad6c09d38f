//! Tasks: that their component is there, and that what is bound to its inputs is there and of the right type.

use super::Check;
use crate::expression::{Condition, Selector};
use crate::ir::{
    ArtifactSource, ComponentSpec, DagOutputParameter, DagSpec, Implementation, InputParameter,
    IteratorItems, ParameterSource, ParameterType, TaskSpec,
};
use crate::position::Path;

impl<'a> Check<'a> {
    pub(super) fn task(
        &mut self,
        path: &Path,
        parent: &ComponentSpec,
        dag: &DagSpec,
        name: &str,
        task: &TaskSpec,
    ) {
        let spec = self.spec;
        let Some(component) = spec.components.get(&task.component) else {
            self.refuse(
                path.key("componentRef").key("name"),
                format!("the pipeline has no component `{}`", task.component),
            );
            return;
        };
        for (nth, dependency) in task.dependent_tasks.iter().enumerate() {
            let path = path.key("dependentTasks").index(nth);
            if dependency == name {
                self.refuse(path, "a task cannot wait for itself");
            } else if !dag.tasks.contains_key(dependency) {
                self.refuse(path, format!("the DAG has no task `{dependency}`"));
            }
        }
        if let Some(condition) = &task.trigger.condition
            && let Err(error) = Condition::parse(condition)
        {
            self.refuse(path.key("triggerPolicy").key("condition"), error.to_string());
        }
        self.parameters(
            &path.key("inputs").key("parameters"),
            parent,
            dag,
            component,
            task,
        );
        self.artifacts(&path.key("inputs").key("artifacts"), parent, dag, component, task);
        self.iterator(path, component, task);
    }

    fn parameters(
        &mut self,
        path: &Path,
        parent: &ComponentSpec,
        dag: &DagSpec,
        component: &ComponentSpec,
        task: &TaskSpec,
    ) {
        for (name, input) in &task.inputs.parameters {
            let path = path.key(name);
            if let Some(selector) = &input.selector
                && let Err(error) = Selector::parse(selector)
            {
                self.refuse(path.key("parameterExpressionSelector"), error.to_string());
            }
            let Some(source) = self.parameter_type(&path, parent, dag, input) else {
                continue;
            };
            // An input that the component does not declare is there for an f-string or a condition.
            let Some(target) = component.inputs.parameters.get(name) else {
                continue;
            };
            let selected = input.selector.is_some();
            if !selected && !agree(source, target.parameter_type) {
                self.refuse(
                    path,
                    format!(
                        "a value of type {} where `{name}` takes {}",
                        source.name(),
                        target.parameter_type.name()
                    ),
                );
            }
        }
        for (name, target) in &component.inputs.parameters {
            let given = task.inputs.parameters.contains_key(name)
                || task
                    .iterator
                    .as_ref()
                    .is_some_and(|iterator| iterator.item == *name)
                || target.parameter_type == ParameterType::TaskConfig;
            if !given && !target.is_optional && target.default_value.is_none() {
                self.refuse(
                    path.clone(),
                    format!("the component's parameter `{name}` is given no value"),
                );
            }
        }
    }

    /// The type of what an input parameter is bound to; `None` where that is unknown, or wrong and reported.
    fn parameter_type(
        &mut self,
        path: &Path,
        parent: &ComponentSpec,
        dag: &DagSpec,
        input: &InputParameter,
    ) -> Option<ParameterType> {
        match &input.source {
            ParameterSource::Constant(value) => Some(match value {
                serde_json::Value::Bool(_) => ParameterType::Boolean,
                serde_json::Value::Number(number)
                    if number.as_f64().is_some_and(|float| float.fract() == 0.0) =>
                {
                    ParameterType::NumberInteger
                }
                serde_json::Value::Number(_) => ParameterType::NumberDouble,
                serde_json::Value::Array(_) => ParameterType::List,
                serde_json::Value::Object(_) => ParameterType::Struct,
                serde_json::Value::String(_) => ParameterType::String,
                serde_json::Value::Null => return None,
            }),
            ParameterSource::ComponentInput(name) => match parent.inputs.parameters.get(name) {
                Some(parameter) => Some(parameter.parameter_type),
                None => {
                    self.refuse(
                        path.clone(),
                        format!("the component has no input parameter `{name}`"),
                    );
                    None
                }
            },
            ParameterSource::FinalStatus { task } => {
                if !dag.tasks.contains_key(task) {
                    self.refuse(path.clone(), format!("the DAG has no task `{task}`"));
                    return None;
                }
                Some(ParameterType::TaskFinalStatus)
            }
            ParameterSource::TaskOutput { task, output } => {
                let (producer, component) = self.producer(path, dag, task)?;
                let Some(parameter) = component.outputs.parameters.get(output) else {
                    self.refuse(
                        path.clone(),
                        format!("task `{task}` has no output parameter `{output}`"),
                    );
                    return None;
                };
                // Outside a loop its outputs are lists, whatever one iteration hands back.
                Some(if producer.iterator.is_some() {
                    ParameterType::List
                } else {
                    parameter.parameter_type
                })
            }
        }
    }

    fn artifacts(
        &mut self,
        path: &Path,
        parent: &ComponentSpec,
        dag: &DagSpec,
        component: &ComponentSpec,
        task: &TaskSpec,
    ) {
        for (name, input) in &task.inputs.artifacts {
            let path = path.key(name);
            let is_list = match &input.source {
                ArtifactSource::ComponentInput(source) => match parent.inputs.artifacts.get(source) {
                    Some(artifact) => artifact.is_artifact_list,
                    None => {
                        self.refuse(path, format!("the component has no input artifact `{source}`"));
                        continue;
                    }
                },
                ArtifactSource::TaskOutput { task, output } => {
                    let Some((producer, component)) = self.producer(&path, dag, task) else {
                        continue;
                    };
                    match component.outputs.artifacts.get(output) {
                        Some(artifact) => artifact.is_artifact_list || producer.iterator.is_some(),
                        None => {
                            self.refuse(path, format!("task `{task}` has no output artifact `{output}`"));
                            continue;
                        }
                    }
                }
            };
            match component.inputs.artifacts.get(name) {
                None => self.refuse(
                    path,
                    format!("component `{}` has no input artifact `{name}`", task.component),
                ),
                Some(target) if is_list && !target.is_artifact_list => {
                    self.refuse(path, format!("a list of artifacts where `{name}` takes one"));
                }
                Some(_) => {}
            }
        }
        for (name, target) in &component.inputs.artifacts {
            let given = task.inputs.artifacts.contains_key(name)
                || task
                    .iterator
                    .as_ref()
                    .is_some_and(|iterator| iterator.item == *name);
            if !given && !target.is_optional {
                self.refuse(
                    path.clone(),
                    format!("the component's artifact `{name}` is given none"),
                );
            }
        }
    }

    fn producer<'d>(
        &mut self,
        path: &Path,
        dag: &'d DagSpec,
        name: &str,
    ) -> Option<(&'d TaskSpec, &'a ComponentSpec)> {
        let spec = self.spec;
        match dag.tasks.get(name) {
            // A component that is missing is reported where the task names it.
            Some(task) => spec
                .components
                .get(&task.component)
                .map(|component| (task, component)),
            None => {
                self.refuse(path.clone(), format!("the DAG has no task `{name}`"));
                None
            }
        }
    }

    fn iterator(&mut self, path: &Path, component: &ComponentSpec, task: &TaskSpec) {
        let Some(iterator) = &task.iterator else { return };
        let field = match iterator.items {
            IteratorItems::Artifact(_) => "artifactIterator",
            IteratorItems::Raw(_) | IteratorItems::Parameter(_) => "parameterIterator",
        };
        let path = path.key(field);
        if !matches!(component.implementation, Implementation::Dag(_)) {
            self.refuse(path.clone(), "only a task that is a DAG is iterated");
        }
        match &iterator.items {
            IteratorItems::Raw(text) => {
                let list =
                    serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| value.is_array());
                if !list {
                    self.refuse(path.key("items").key("raw"), "not readable as a JSON list");
                }
            }
            IteratorItems::Parameter(name) => {
                if !task.inputs.parameters.contains_key(name) {
                    self.refuse(
                        path.key("items").key("inputParameter"),
                        format!("the task has no input parameter `{name}`"),
                    );
                }
            }
            IteratorItems::Artifact(name) => {
                if !task.inputs.artifacts.contains_key(name) {
                    self.refuse(
                        path.key("items").key("inputArtifact"),
                        format!("the task has no input artifact `{name}`"),
                    );
                }
            }
        }
    }

    pub(super) fn dag_outputs(&mut self, path: &Path, component: &ComponentSpec, dag: &DagSpec) {
        for (name, output) in &dag.outputs.parameters {
            let path = path.key("parameters").key(name);
            if !component.outputs.parameters.contains_key(name) {
                self.refuse(
                    path.clone(),
                    format!("the component has no output parameter `{name}`"),
                );
            }
            if matches!(output, DagOutputParameter::OneOf(selectors) if selectors.is_empty()) {
                self.refuse(path.clone(), "a choice needs something to choose from");
            }
            for selector in output.selectors() {
                if let Some((_, producer)) = self.producer(&path, dag, &selector.producer_subtask)
                    && !producer
                        .outputs
                        .parameters
                        .contains_key(&selector.output_parameter_key)
                {
                    self.refuse(
                        path.clone(),
                        format!(
                            "task `{}` has no output parameter `{}`",
                            selector.producer_subtask, selector.output_parameter_key
                        ),
                    );
                }
            }
        }
        for (name, selectors) in &dag.outputs.artifacts {
            let path = path.key("artifacts").key(name);
            if !component.outputs.artifacts.contains_key(name) {
                self.refuse(
                    path.clone(),
                    format!("the component has no output artifact `{name}`"),
                );
            }
            if selectors.is_empty() {
                self.refuse(path.clone(), "a choice needs something to choose from");
            }
            for selector in selectors {
                if let Some((_, producer)) = self.producer(&path, dag, &selector.producer_subtask)
                    && !producer
                        .outputs
                        .artifacts
                        .contains_key(&selector.output_artifact_key)
                {
                    self.refuse(
                        path.clone(),
                        format!(
                            "task `{}` has no output artifact `{}`",
                            selector.producer_subtask, selector.output_artifact_key
                        ),
                    );
                }
            }
        }
    }
}

/// Whether a value of one type can be given where another is taken. What only its value decides is let through.
fn agree(source: ParameterType, target: ParameterType) -> bool {
    use ParameterType::{
        List, NumberDouble, NumberInteger, String, Struct, TaskConfig, TaskFinalStatus, Unspecified,
    };
    match (source, target) {
        // Every value can be text; a string constant may hold a placeholder for a value of any type.
        (Unspecified, _) | (_, Unspecified | String) | (_, TaskConfig) => true,
        (NumberDouble | NumberInteger, NumberDouble | NumberInteger) => true,
        (TaskFinalStatus | Struct, TaskFinalStatus | Struct) => true,
        // A loop's items may be named by a STRING that holds a JSON list.
        (String, List) => true,
        _ => source == target,
    }
}

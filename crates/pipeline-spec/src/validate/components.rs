//! Components and executors: that they can be what they say.

use super::Check;
use crate::ir::{ComponentSpec, DagSpec, Executor, Implementation, ValueOrParameter};
use crate::placeholder::{Argument, Name, Side, Template};
use crate::position::Path;

impl Check<'_> {
    pub(super) fn component(&mut self, path: &Path, component: &ComponentSpec, is_root: bool) {
        let inputs = path.key("inputDefinitions");
        for (name, parameter) in &component.inputs.parameters {
            if let Some(default) = &parameter.default_value {
                let typed = crate::parameter::coerce(name, default.clone(), parameter.parameter_type)
                    .and_then(|value| crate::parameter::admit(name, &value, parameter));
                if let (Err(error), false) = (typed, default.is_null()) {
                    self.refuse(
                        inputs.key("parameters").key(name).key("defaultValue"),
                        error.to_string(),
                    );
                }
            }
        }
        match &component.implementation {
            Implementation::Dag(dag) => self.dag(&path.key("dag"), component, dag),
            Implementation::Executor(_) if is_root => {
                self.refuse(path.key("executorLabel"), "the root of a pipeline is a `dag`");
            }
            Implementation::Executor(_) => {}
        }
    }

    fn dag(&mut self, path: &Path, component: &ComponentSpec, dag: &DagSpec) {
        if dag.tasks.is_empty() {
            self.refuse(path.clone(), "a DAG needs a task");
        }
        for (name, task) in &dag.tasks {
            self.task(&path.key("tasks").key(name), component, dag, name, task);
        }
        self.dag_outputs(&path.key("outputs"), component, dag);
        self.acyclic(path, dag);
    }

    /// That the placeholders of an executor name inputs and outputs of every component that uses it.
    pub(super) fn executor(&mut self, path: &Path, executor: &Executor, users: &[&ComponentSpec]) {
        match executor {
            Executor::Container(container) => {
                let path = path.key("container");
                if container.image.is_empty() {
                    self.refuse(path.key("image"), "a container needs an image");
                }
                let words = [("command", &container.command), ("args", &container.args)];
                for (key, words) in words {
                    for (nth, word) in words.iter().enumerate() {
                        let path = path.key(key).index(nth);
                        match Argument::parse(word) {
                            Ok(argument) => self.argument(&path, &argument, users),
                            Err(error) => self.refuse(path, error.to_string()),
                        }
                    }
                }
                for (nth, variable) in container.env.iter().enumerate() {
                    if variable.name.is_empty() || variable.name.contains(['=', '\0']) {
                        self.refuse(
                            path.key("env").index(nth).key("name"),
                            "an environment variable needs a name",
                        );
                    }
                }
            }
            Executor::Importer(importer) => {
                let known =
                    |name: &String| users.iter().all(|user| user.inputs.parameters.contains_key(name));
                if let ValueOrParameter::Parameter(name) = &importer.artifact_uri
                    && !known(name)
                {
                    self.refuse(
                        path.key("importer").key("artifactUri").key("runtimeParameter"),
                        format!("the component has no input parameter `{name}`"),
                    );
                }
            }
            Executor::Resolver(_) | Executor::CustomJob(_) => {}
        }
    }

    fn argument(&mut self, path: &Path, argument: &Argument, users: &[&ComponentSpec]) {
        for asked in argument.inputs_asked() {
            if users.iter().any(|user| {
                !user.inputs.parameters.contains_key(asked) && !user.inputs.artifacts.contains_key(asked)
            }) {
                self.refuse(path.clone(), format!("the component has no input `{asked}`"));
            }
        }
        for template in argument.templates() {
            self.template(path, template, users);
        }
    }

    fn template(&mut self, path: &Path, template: &Template, users: &[&ComponentSpec]) {
        for name in template.names() {
            let known = |user: &&ComponentSpec| match name {
                Name::InputParameter(key) => {
                    // What the SDK hands through for an f-string is an input of the task only.
                    user.inputs.parameters.contains_key(key) || key.starts_with("pipelinechannel--")
                }
                Name::OutputFile(key) => user.outputs.parameters.contains_key(key),
                Name::Artifact {
                    side: Side::Inputs,
                    name,
                    ..
                } => user.inputs.artifacts.contains_key(name),
                Name::Artifact {
                    side: Side::Outputs,
                    name,
                    ..
                } => user.outputs.artifacts.contains_key(name),
                _ => true,
            };
            if !users.iter().all(known) {
                self.refuse(
                    path.clone(),
                    format!("the component has no such input or output: `{name}`"),
                );
            }
        }
    }
}

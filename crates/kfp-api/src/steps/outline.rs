//! The tasks of a compiled pipeline in running order: only what a view of a run needs of the IR.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Pipelines in pipelines deeper than this are no pipelines a person wrote; a component that names itself is infinitely deep.
const DEPTH: usize = 32;

/// The tasks of a pipeline, parents before children, each DAG in running order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The tasks.
    pub tasks: Vec<PlannedTask>,
}

/// One task as the pipeline has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTask {
    /// Key in its DAG.
    pub name: String,
    /// Path in the pipeline, for example `root.condition-1.register`.
    pub path: String,
    /// Path of the task around it; `root` at the top.
    pub parent: String,
    /// Paths of the siblings it waits for.
    pub after: Vec<String>,
    /// What it is.
    pub kind: StepKind,
    /// Whether its outputs may come from the cache.
    pub cacheable: bool,
}

/// What a task is in the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// Runs something.
    Step,
    /// Runs what is in it if its condition holds.
    Condition,
    /// Runs what is in it for each item.
    Loop,
    /// A pipeline in a pipeline.
    Dag,
}

/// Why there is no outline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutlineError {
    /// Not a compiled KFP v2 pipeline.
    #[error("the pipeline spec has no root DAG: {0}")]
    NoDag(String),
    /// A component contains itself.
    #[error("component {0} is nested more than {DEPTH} deep")]
    TooDeep(String),
}

#[derive(Deserialize)]
struct Ir {
    #[serde(default)]
    components: BTreeMap<String, IrComponent>,
    root: IrComponent,
}

#[derive(Deserialize)]
struct IrComponent {
    dag: Option<IrDag>,
}

#[derive(Deserialize)]
struct IrDag {
    #[serde(default)]
    tasks: BTreeMap<String, IrTask>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IrTask {
    #[serde(default)]
    dependent_tasks: Vec<String>,
    component_ref: Option<IrReference>,
    caching_options: Option<IrCaching>,
    trigger_policy: Option<IrTrigger>,
    parameter_iterator: Option<Value>,
    artifact_iterator: Option<Value>,
}

#[derive(Deserialize)]
struct IrReference {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IrCaching {
    #[serde(default)]
    enable_cache: bool,
}

#[derive(Deserialize)]
struct IrTrigger {
    condition: Option<String>,
}

impl Outline {
    /// Of a compiled pipeline as JSON, alone or beside its platform spec (`{pipeline_spec, platform_spec}`).
    ///
    /// # Errors
    /// [`OutlineError`].
    pub fn of(spec: &Value) -> Result<Self, OutlineError> {
        let alone = spec.get("pipeline_spec").unwrap_or(spec);
        let ir = Ir::deserialize(alone).map_err(|error| OutlineError::NoDag(error.to_string()))?;
        let root = ir
            .root
            .dag
            .as_ref()
            .ok_or_else(|| OutlineError::NoDag("root is no DAG".to_owned()))?;
        let mut outline = Self::default();
        outline.add(&ir, root, "root", DEPTH)?;
        Ok(outline)
    }

    /// The task of that path.
    pub fn task(&self, path: &str) -> Option<&PlannedTask> {
        self.tasks.iter().find(|task| task.path == path)
    }

    fn add(&mut self, ir: &Ir, dag: &IrDag, parent: &str, depth: usize) -> Result<(), OutlineError> {
        for (name, task) in running_order(&dag.tasks) {
            let path = format!("{parent}.{name}");
            let component = task
                .component_ref
                .as_ref()
                .map_or("", |reference| reference.name.as_str());
            let inner = ir
                .components
                .get(component)
                .and_then(|component| component.dag.as_ref());
            let conditional = task
                .trigger_policy
                .as_ref()
                .is_some_and(|policy| policy.condition.as_ref().is_some_and(|text| !text.is_empty()));
            let kind = if task.parameter_iterator.is_some() || task.artifact_iterator.is_some() {
                StepKind::Loop
            } else if conditional && inner.is_some() {
                StepKind::Condition
            } else if inner.is_some() {
                StepKind::Dag
            } else {
                StepKind::Step
            };
            self.tasks.push(PlannedTask {
                name: name.to_owned(),
                path: path.clone(),
                parent: parent.to_owned(),
                after: task
                    .dependent_tasks
                    .iter()
                    .map(|sibling| format!("{parent}.{sibling}"))
                    .collect(),
                kind,
                cacheable: task
                    .caching_options
                    .as_ref()
                    .is_some_and(|options| options.enable_cache),
            });
            if let Some(inner) = inner {
                if depth == 0 {
                    return Err(OutlineError::TooDeep(component.to_owned()));
                }
                self.add(ir, inner, &path, depth - 1)?;
            }
        }
        Ok(())
    }
}

/// Dependencies first; ties as the IR has them, by name. A cycle, which no server accepts, comes last as it is.
fn running_order(tasks: &BTreeMap<String, IrTask>) -> Vec<(&str, &IrTask)> {
    let mut waiting: Vec<(&str, &IrTask)> = tasks.iter().map(|(name, task)| (name.as_str(), task)).collect();
    let mut ordered: Vec<(&str, &IrTask)> = Vec::with_capacity(waiting.len());
    loop {
        let ready = waiting.iter().position(|(_, task)| {
            task.dependent_tasks.iter().all(|dependency| {
                !tasks.contains_key(dependency) || ordered.iter().any(|(name, _)| name == dependency)
            })
        });
        match ready {
            Some(index) => ordered.push(waiting.remove(index)),
            None => {
                ordered.append(&mut waiting);
                return ordered;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// The recipe's shape: a chain, and two steps under a condition.
    pub(in crate::steps) fn recipe() -> Value {
        let step = |component: &str, after: &[&str], cached: bool| {
            json!({"componentRef": {"name": component}, "dependentTasks": after,
                "cachingOptions": if cached { json!({"enableCache": true}) } else { json!({}) }})
        };
        let mut condition = step("comp-condition-1", &["evaluate"], false);
        condition["triggerPolicy"] = json!({"condition": "inputs.parameter_values['x'] > 0.1"});
        json!({
            "components": {
                "comp-step": {"executorLabel": "exec-step"},
                "comp-condition-1": {"dag": {"tasks": {
                    "deploy": step("comp-step", &["register"], false),
                    "register": step("comp-step", &[], false),
                }}},
            },
            "root": {"dag": {"tasks": {
                "condition-1": condition,
                "evaluate": step("comp-step", &["train"], true),
                "extract": step("comp-step", &["ingest"], true),
                "ingest": step("comp-step", &[], false),
                "train": step("comp-step", &["extract"], true),
            }}},
        })
    }

    #[test]
    fn tasks_come_in_running_order() {
        let outline = Outline::of(&json!({"pipeline_spec": recipe(), "platform_spec": {}})).unwrap();
        let paths: Vec<_> = outline.tasks.iter().map(|task| task.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "root.ingest",
                "root.extract",
                "root.train",
                "root.evaluate",
                "root.condition-1",
                "root.condition-1.register",
                "root.condition-1.deploy"
            ]
        );
        let condition = outline.task("root.condition-1").unwrap();
        assert_eq!(condition.kind, StepKind::Condition);
        assert_eq!(condition.after, ["root.evaluate"]);
        assert!(outline.task("root.train").unwrap().cacheable);
        assert!(!outline.task("root.ingest").unwrap().cacheable);
    }

    #[test]
    fn a_component_that_contains_itself_is_refused() {
        let spec = json!({
            "components": {"comp-a": {"dag": {"tasks": {"a": {"componentRef": {"name": "comp-a"}}}}}},
            "root": {"dag": {"tasks": {"a": {"componentRef": {"name": "comp-a"}}}}},
        });
        assert_eq!(
            Outline::of(&spec),
            Err(OutlineError::TooDeep("comp-a".to_owned()))
        );
    }

    #[test]
    fn what_is_no_pipeline_says_so() {
        let error = Outline::of(&json!({"apiVersion": "argoproj.io/v1alpha1"})).unwrap_err();
        assert!(error.to_string().contains("missing field `root`"), "{error}");
    }
}

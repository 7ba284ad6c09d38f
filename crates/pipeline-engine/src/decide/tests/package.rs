//! Packages for tests, as values.

use serde_json::{Map, Value, json};

/// A task of a DAG.
#[derive(Debug, Clone)]
pub(super) struct TaskGen {
    pub(super) kind: KindGen,
    /// Tasks before it in the DAG that it waits for.
    pub(super) waits_for: Vec<usize>,
    /// The one of these whose output it takes.
    pub(super) takes_output: bool,
    /// Whether it runs however those before it ended.
    pub(super) completed: bool,
    pub(super) cached: bool,
    pub(super) retries: u32,
}

#[derive(Debug, Clone)]
pub(super) enum KindGen {
    Container,
    Dag(Vec<TaskGen>),
    /// Runs where its input is `even`.
    Condition(Vec<TaskGen>),
    Loop {
        tasks: Vec<TaskGen>,
        items: u32,
        parallelism: u32,
    },
}

impl TaskGen {
    pub(super) fn of(kind: KindGen) -> Self {
        Self {
            kind,
            waits_for: vec![],
            takes_output: false,
            completed: false,
            cached: false,
            retries: 0,
        }
    }

    pub(super) fn container() -> Self {
        Self::of(KindGen::Container)
    }

    pub(super) fn after(mut self, waits_for: &[usize]) -> Self {
        self.waits_for = waits_for.to_vec();
        self
    }

    pub(super) fn taking(mut self, from: usize) -> Self {
        self.waits_for = vec![from];
        self.takes_output = true;
        self
    }

    pub(super) fn completed(mut self) -> Self {
        self.completed = true;
        self
    }

    pub(super) fn retried(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    pub(super) fn cached(mut self) -> Self {
        self.cached = true;
        self
    }
}

/// A package of these tasks. Tasks are named `t0`, `t1`, … within their DAG; each has the output `Output`, `even` or
/// `odd`, and the input `in`.
pub(super) fn package(tasks: &[TaskGen]) -> String {
    let mut components = Map::new();
    components.insert(
        "comp-work".into(),
        json!({
            "executorLabel": "exec-work",
            "inputDefinitions": {"parameters": {
                "in": {"parameterType": "STRING", "isOptional": true, "defaultValue": ""},
                "label": {"parameterType": "STRING"},
            }},
            "outputDefinitions": {"parameters": {"Output": {"parameterType": "STRING"}}},
        }),
    );
    let dag = dag(tasks, "root", &mut components);
    json!({
        "pipelineInfo": {"name": "generated"},
        "schemaVersion": "2.1.0",
        "components": components,
        "deploymentSpec": {"executors": {"exec-work": {"container": {
            "image": "shell", "command": ["work", "{{$.inputs.parameters['label']}}"],
        }}}},
        "root": {
            "dag": dag,
            "outputDefinitions": {"parameters": {"Output": {"parameterType": "STRING"}}},
        },
    })
    .to_string()
}

fn dag(tasks: &[TaskGen], place: &str, components: &mut Map<String, Value>) -> Value {
    let mut written = Map::new();
    for (nth, task) in tasks.iter().enumerate() {
        written.insert(
            format!("t{nth}"),
            self::task(task, &format!("{place}.t{nth}"), components),
        );
    }
    let last = format!("t{}", tasks.len() - 1);
    json!({
        "tasks": written,
        "outputs": {"parameters": {"Output": {
            "valueFromParameter": {"producerSubtask": last, "outputParameterKey": "Output"},
        }}},
    })
}

fn task(task: &TaskGen, place: &str, components: &mut Map<String, Value>) -> Value {
    let source = match task.waits_for.first() {
        Some(from) if task.takes_output => {
            json!({"taskOutputParameter": {"producerTask": format!("t{from}"), "outputParameterKey": "Output"}})
        }
        _ => json!({"runtimeValue": {"constant": "even"}}),
    };
    let mut written = json!({
        "taskInfo": {"name": place},
        "dependentTasks": task.waits_for.iter().map(|nth| format!("t{nth}")).collect::<Vec<_>>(),
        "cachingOptions": {"enableCache": task.cached},
        "inputs": {"parameters": {"in": source}},
    });
    if task.completed {
        written["triggerPolicy"]["strategy"] = "ALL_UPSTREAM_TASKS_COMPLETED".into();
    }
    if task.retries > 0 {
        written["retryPolicy"] = json!({"maxRetryCount": task.retries, "backoffDuration": "1s"});
    }
    let component = match &task.kind {
        KindGen::Container => {
            written["inputs"]["parameters"]["label"] = json!({"runtimeValue": {"constant": place}});
            "comp-work".to_owned()
        }
        KindGen::Dag(inner) => scope(inner, place, &json!({}), components),
        KindGen::Condition(inner) => {
            written["triggerPolicy"]["condition"] = "inputs.parameter_values['in'] == 'even'".into();
            scope(inner, place, &json!({}), components)
        }
        KindGen::Loop {
            tasks,
            items,
            parallelism,
        } => {
            let list: Vec<u32> = (0..*items).collect();
            written["parameterIterator"] =
                json!({"itemInput": "item", "items": {"raw": serde_json::to_string(&list).unwrap()}});
            written["iteratorPolicy"] = json!({"parallelismLimit": parallelism});
            scope(
                tasks,
                place,
                &json!({"item": {"parameterType": "NUMBER_INTEGER"}}),
                components,
            )
        }
    };
    written["componentRef"] = json!({"name": component});
    written
}

fn scope(tasks: &[TaskGen], place: &str, more: &Value, components: &mut Map<String, Value>) -> String {
    let name = format!("comp-{place}");
    let dag = dag(tasks, place, components);
    let mut inputs = json!({"in": {"parameterType": "STRING", "isOptional": true, "defaultValue": ""}});
    if let (Some(inputs), Some(more)) = (inputs.as_object_mut(), more.as_object()) {
        inputs.extend(more.clone());
    }
    components.insert(
        name.clone(),
        json!({
            "dag": dag,
            "inputDefinitions": {"parameters": inputs},
            "outputDefinitions": {"parameters": {"Output": {"parameterType": "STRING"}}},
        }),
    );
    name
}

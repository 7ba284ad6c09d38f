//! Pipelines that KFP's compiler would have made, of as many steps as wanted.

use serde_json::{Map, Value, json};

use crate::server::IMAGE;

/// Native steps one after the other, each with a cache key of its own.
pub(super) fn chain(count: u32) -> Value {
    let tasks: Map<String, Value> = (0..count)
        .map(|nth| {
            let upstream: Vec<String> = nth
                .checked_sub(1)
                .map(|nth| format!("step-{nth}"))
                .into_iter()
                .collect();
            let mut task = step(&json!({"runtimeValue": {"constant": nth}}), true);
            task["dependentTasks"] = json!(upstream);
            (format!("step-{nth}"), task)
        })
        .collect();
    package(&json!({"comp-step": component()}), &native(), &tasks.into())
}

/// Native steps side by side, without the cache.
pub(super) fn native_loop(count: u32) -> Value {
    looped(count, &native(), &step(&item(), false))
}

/// Likewise, with the cache.
pub(super) fn cached_loop(count: u32) -> Value {
    looped(count, &native(), &step(&item(), true))
}

/// Conditions that do not hold.
pub(super) fn condition_loop(count: u32) -> Value {
    let mut task = step(&item(), false);
    task["triggerPolicy"] = json!({"condition": "1 == 2"});
    looped(count, &native(), &task)
}

/// Importers of the same file.
pub(super) fn importer_loop(count: u32, uri: &str) -> Value {
    let importer = json!({"importer": {
        "artifactUri": {"constant": uri},
        "typeSchema": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"},
    }});
    let mut package = looped(count, &importer, &step(&item(), false));
    package["components"]["comp-step"]["outputDefinitions"] = json!({"artifacts": {"artifact": {
        "artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"},
    }}});
    package
}

fn package(components: &Value, executor: &Value, tasks: &Value) -> Value {
    json!({
        "pipelineInfo": {"name": "bench"},
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.17.0",
        "components": components,
        "deploymentSpec": {"executors": {"exec-step": executor}},
        "root": {"dag": {"tasks": tasks}},
    })
}

/// A program that does nothing.
fn native() -> Value {
    json!({"container": {
        "image": IMAGE,
        "command": ["true"],
        // A machine's cores are not what limits a program that does nothing.
        "resources": {"cpuRequest": 0.1},
    }})
}

fn component() -> Value {
    json!({
        "executorLabel": "exec-step",
        "inputDefinitions": {"parameters": {"nth": {"parameterType": "NUMBER_INTEGER"}}},
    })
}

fn step(nth: &Value, may_be_cached: impl Into<Value>) -> Value {
    json!({
        "componentRef": {"name": "comp-step"},
        "cachingOptions": {"enableCache": may_be_cached.into()},
        "inputs": {"parameters": {"nth": nth}},
    })
}

fn item() -> Value {
    json!({"componentInputParameter": "item"})
}

fn looped(count: u32, executor: &Value, body: &Value) -> Value {
    let items: Vec<u32> = (0..count).collect();
    let components = json!({
        "comp-step": component(),
        "comp-loop": {
            "dag": {"tasks": {"step": body}},
            "inputDefinitions": {"parameters": {"item": {"parameterType": "NUMBER_INTEGER"}}},
        },
    });
    let tasks = json!({"loop": {
        "componentRef": {"name": "comp-loop"},
        "parameterIterator": {"itemInput": "item", "items": {"raw": json!(items).to_string()}},
    }});
    package(&components, executor, &tasks)
}

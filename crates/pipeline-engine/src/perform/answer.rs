//! What the engine does itself: imports, and volume claims, which are folders.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::Arc;

use pipeline_spec::ir::Executor;
use pipeline_spec::support::{CREATE_CLAIM, DELETE_CLAIM};
use serde_json::Value;

use super::{Shared, import};
use crate::config::EngineConfig;
use crate::decide::{AttemptEnd, Order, Outputs};
use crate::layout;
use crate::program::Work;

/// Carries it out. May be repeated: a claim that is there is made, one that is gone is deleted.
pub(super) async fn answer(shared: Arc<Shared>, order: Order) -> AttemptEnd {
    let answered = tokio::task::spawn_blocking(move || carried_out(&shared.config, &order)).await;
    match answered {
        Ok(Ok(outputs)) => AttemptEnd::Succeeded(outputs),
        Ok(Err(message)) => AttemptEnd::Failed {
            message,
            again: false,
        },
        Err(_) => AttemptEnd::NeverStarted,
    }
}

fn carried_out(config: &EngineConfig, order: &Order) -> Result<Outputs, String> {
    let Work::Executor(label) = &order.step().work else {
        return Err("it is a DAG".to_owned());
    };
    match order.program.executor(label) {
        Executor::Container(container) if container.image == CREATE_CLAIM => create_claim(config, order),
        Executor::Container(container) if container.image == DELETE_CLAIM => delete_claim(config, order),
        _ => {
            let mut outputs = import::outputs(&order.program, order.step(), &order.inputs, &order.facts)?;
            import::bring_into_workspace(config, order, &mut outputs)?;
            Ok(outputs)
        }
    }
}

/// Of several ways to say the name one, as KFP's driver (`createPVC` in `backend/src/v2/driver/k8s.go` at 2.17.0); a
/// generated name derives from the task, so that repeating it finds the same claim. Size, class and access modes say
/// nothing about a folder.
fn create_claim(config: &EngineConfig, order: &Order) -> Result<Outputs, String> {
    for input in ["data_source", "volume_name"] {
        let given = order.inputs.parameter(input);
        if given.is_some_and(|value| !matches!(value, Value::Null) && value.as_str() != Some("")) {
            return Err(format!(
                "input `{input}`: a volume claim is an empty folder here, of no earlier volume"
            ));
        }
    }
    let name = match (text(order, "pvc_name"), text(order, "pvc_name_suffix")) {
        (Some(_), Some(_)) => {
            return Err("only one of `pvc_name` and `pvc_name_suffix` can be given".to_owned());
        }
        (Some(name), None) => name.to_owned(),
        (None, suffix) => format!("{}{}", order.task, suffix.unwrap_or_default()),
    };
    let folder = layout::claim(&config.volumes, &name);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(Outputs {
        parameters: BTreeMap::from([("name".to_owned(), Value::String(name))]),
        artifacts: BTreeMap::new(),
    })
}

fn delete_claim(config: &EngineConfig, order: &Order) -> Result<Outputs, String> {
    let name = text(order, "pvc_name").ok_or("input `pvc_name` was given no value")?;
    let folder = layout::claim(&config.volumes, name);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", folder.display()))
        }
        _ => Ok(Outputs::default()),
    }
}

fn text<'o>(order: &'o Order, input: &str) -> Option<&'o str> {
    order
        .inputs
        .parameter(input)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

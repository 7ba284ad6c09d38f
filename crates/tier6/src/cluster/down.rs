//! Taking a rung on Kubernetes down.

use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, ListParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;

use super::apply::delete;
use super::connect::connect;
use super::forward;
use super::inventory::Inventory;
use super::kind::Kind;
use super::kinds::Kinds;
use super::record::{RungRecord, Target};
use crate::component::Pinned;
use crate::error::Tier6Error;
use crate::object::ObjectId;
use crate::state_dir::StateDir;

/// How long objects may take to go: a namespace waits for its pods.
const DEADLINE: Duration = Duration::from_secs(300);

/// What was taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The kind cluster of this name, with all that was in it.
    KindCluster(String),
    /// So many objects of a cluster that stays.
    Objects(usize),
    /// There was nothing.
    Nothing,
}

/// Takes away what was installed, and nothing else. On kind that is the cluster; on a cluster that stays it is every
/// object of the inventory, those that depend on others first. `say` hears what is waited for. Repeating is fine.
///
/// # Errors
/// [`Tier6Error::Tool`], [`Tier6Error::Kubernetes`], [`Tier6Error::Timeout`] where something does not go.
pub async fn down(
    state: &StateDir,
    pinned: &Pinned,
    record: &RungRecord,
    mut say: impl FnMut(&str),
) -> Result<Removed, Tier6Error> {
    let removed = match &record.target {
        Target::Kind => {
            let kind = Kind::of(state)?;
            if kind.delete()? {
                Removed::KindCluster(kind.name().to_owned())
            } else {
                Removed::Nothing
            }
        }
        // It was claimed, and never reached.
        Target::Cluster { .. } if !state.kubeconfig().exists() => Removed::Nothing,
        Target::Cluster { .. } => {
            forward::stop(state).await?;
            let client = connect(&state.kubeconfig()).await?;
            Removed::Objects(objects(&client, pinned, &mut say).await?)
        }
    };
    for path in [state.endpoints(), state.kubeconfig(), state.rung_record()] {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Tier6Error::file(path)(error));
            }
            _ => {}
        }
    }
    Ok(removed)
}

async fn objects(client: &Client, pinned: &Pinned, say: &mut dyn FnMut(&str)) -> Result<usize, Tier6Error> {
    let kinds = Kinds::new(client.clone());
    let inventory = Inventory::new(client.clone());
    let installed = inventory.read().await?;
    let deadline = Instant::now() + DEADLINE;
    // What people and steps made of our kinds goes while its controllers still run: they take off their finalizers.
    let namespaces: Vec<&ObjectId> = installed
        .values()
        .flat_map(|one| one.objects.keys())
        .filter(|id| id.kind == "Namespace")
        .collect();
    let definitions: Vec<&ObjectId> = installed
        .values()
        .flat_map(|one| one.objects.keys())
        .filter(|id| id.kind == "CustomResourceDefinition")
        .collect();
    for namespace in &namespaces {
        instances(client, &definitions, &namespace.name, deadline, say).await?;
    }
    let mut order: Vec<&str> = pinned
        .components
        .iter()
        .map(|component| component.name.as_str())
        .collect();
    order.reverse();
    let unknown = installed
        .keys()
        .map(String::as_str)
        .filter(|name| !order.contains(name));
    let names: Vec<&str> = unknown.chain(order.iter().copied()).collect();
    let mut count = 0;
    for name in names {
        let Some(one) = installed.get(name) else {
            continue;
        };
        let mut gone: Vec<&ObjectId> = one.objects.keys().collect();
        gone.sort_by_key(|id| std::cmp::Reverse(last(&id.kind)));
        say(&format!("{name}: {} objects", gone.len()));
        for id in &gone {
            if delete(&kinds, id).await? {
                count += 1;
            }
        }
        for id in gone.iter().filter(|id| last(&id.kind) < 2) {
            if let Some(api) = kinds.find(id).await? {
                is_gone(api, id, deadline).await?;
            }
        }
        inventory.forget(name).await?;
    }
    inventory.close().await?;
    Ok(count)
}

/// What goes last within a component: definitions take all their objects along, namespaces everything.
fn last(kind: &str) -> u8 {
    match kind {
        "Namespace" => 0,
        "CustomResourceDefinition" => 1,
        // First, so that what is deleted after it is judged by nobody who is going away.
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => 3,
        _ => 2,
    }
}

/// Deletes the objects of our kinds in one of our namespaces, and waits until they are gone.
async fn instances(
    client: &Client,
    definitions: &[&ObjectId],
    namespace: &str,
    deadline: Instant,
    say: &mut dyn FnMut(&str),
) -> Result<(), Tier6Error> {
    let kinds = Kinds::new(client.clone());
    for definition in definitions {
        let Some(api) = kinds.find(definition).await? else {
            continue;
        };
        let Some(found) = api
            .get_opt(&definition.name)
            .await
            .map_err(Tier6Error::kubernetes(definition.short()))?
        else {
            continue;
        };
        let spec = &found.data["spec"];
        if spec["scope"] != "Namespaced" {
            continue;
        }
        let versions = spec["versions"].as_array().map_or(&[][..], Vec::as_slice);
        let Some(version) = versions.iter().find(|version| version["storage"] == true) else {
            continue;
        };
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let mut id = ObjectId {
            api_version: format!("{}/{}", text(&spec["group"]), text(&version["name"])),
            kind: text(&spec["names"]["kind"]),
            namespace: Some(namespace.to_owned()),
            name: String::new(),
        };
        let Some(api) = kinds.find(&id).await? else {
            continue;
        };
        let list = api
            .list_metadata(&ListParams::default())
            .await
            .map_err(Tier6Error::kubernetes(id.short()))?;
        for object in list.items {
            id.name = object.name_any();
            say(&id.short());
            match api.delete(&id.name, &DeleteParams::background()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(Tier6Error::kubernetes(id.short())(error)),
                Ok(_) => is_gone(api.clone(), &id, deadline).await?,
            }
        }
    }
    Ok(())
}

async fn is_gone(api: Api<DynamicObject>, id: &ObjectId, deadline: Instant) -> Result<(), Tier6Error> {
    let gone = await_condition(api, &id.name, |found: Option<&DynamicObject>| found.is_none());
    match tokio::time::timeout_at(deadline, gone).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Tier6Error::Kubernetes {
            object: id.short(),
            reason: error.to_string(),
        }),
        Err(_) => Err(Tier6Error::Timeout {
            seconds: DEADLINE.as_secs(),
            waiting: format!("{} is still there", id.short()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_go_first_definitions_and_namespaces_last() {
        let mut kinds = [
            "Namespace",
            "Deployment",
            "CustomResourceDefinition",
            "MutatingWebhookConfiguration",
        ];
        kinds.sort_by_key(|kind| std::cmp::Reverse(last(kind)));
        assert_eq!(
            kinds,
            [
                "MutatingWebhookConfiguration",
                "Deployment",
                "CustomResourceDefinition",
                "Namespace"
            ]
        );
    }
}

//! Server-side apply of one object.

use std::time::Duration;

use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::changes::Action;
use super::inventory::{Applied, version};
use super::kinds::Kinds;
use super::{COMPONENT_LABEL, NAMESPACE};
use crate::error::Tier6Error;
use crate::object::{Object, ObjectId};

/// How soon an apply that a webhook could not judge is tried again. There is nothing to watch: whether the API server
/// reaches a webhook is only told by an answer of it.
const AGAIN: Duration = Duration::from_secs(2);

/// The field manager of a component. One each: what a component says no more, it gives up, and it never gives up what
/// another says.
pub(super) fn field_manager(component: &str) -> String {
    format!("{NAMESPACE}-{component}")
}

/// Applies an object as its component's field manager; says what that did, and what the object is now. One that is
/// there and not ours is refused. One that is as it was when this was applied last (`last`) is not sent again; else
/// the API server tells: it does not write what an apply leaves as it is, so that keeps its `resourceVersion`.
///
/// # Errors
/// [`Tier6Error::Foreign`], [`Tier6Error::Kubernetes`].
pub(super) async fn apply(
    kinds: &Kinds,
    component: &str,
    object: &Object,
    last: Option<&Applied>,
    deadline: Instant,
) -> Result<(Action, Applied), Tier6Error> {
    let id = object.id();
    let api = kinds.api(id).await?;
    let failed = Tier6Error::kubernetes(id.short());
    let before = api.get_metadata_opt(&id.name).await.map_err(&failed)?;
    if before
        .as_ref()
        .is_some_and(|found| !found.labels().contains_key(COMPONENT_LABEL))
    {
        return Err(Tier6Error::Foreign { object: id.short() });
    }
    let digest = object.digest()[..16].to_owned();
    if let (Some(found), Some(last)) = (&before, last)
        && found.metadata.deletion_timestamp.is_none()
        && last.digest == digest
        && last.version == version(&found.metadata)
    {
        return Ok((Action::Unchanged, last.clone()));
    }
    let manager = field_manager(component);
    let parameters = PatchParams::apply(&manager).force();
    let body = labelled(object.body().clone(), component);
    let after = loop {
        match api.patch(&id.name, &parameters, &Patch::Apply(&body)).await {
            Err(kube::Error::Api(status))
                if is_webhook_away(&status.message) && Instant::now() < deadline =>
            {
                tokio::time::sleep(AGAIN).await;
            }
            other => break other.map_err(&failed)?,
        }
    };
    let action = match before {
        None => Action::Created,
        Some(before) if before.resource_version() == after.resource_version() => Action::Unchanged,
        Some(_) => Action::Configured,
    };
    let applied = Applied {
        digest,
        version: version(&after.metadata),
    };
    Ok((action, applied))
}

/// Deletes an object that is ours; `false` where it is not there, or not ours.
///
/// # Errors
/// [`Tier6Error::Kubernetes`].
pub(super) async fn delete(kinds: &Kinds, id: &ObjectId) -> Result<bool, Tier6Error> {
    let Some(api) = kinds.find(id).await? else {
        return Ok(false);
    };
    let failed = Tier6Error::kubernetes(id.short());
    let found = api.get_metadata_opt(&id.name).await.map_err(&failed)?;
    if !found.is_some_and(|found| found.labels().contains_key(COMPONENT_LABEL)) {
        return Ok(false);
    }
    match api.delete(&id.name, &DeleteParams::background()).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// The object with its component's name on it.
pub(super) fn labelled(mut body: Value, component: &str) -> Value {
    if !body["metadata"]["labels"].is_object() {
        body["metadata"]["labels"] = json!({});
    }
    body["metadata"]["labels"][COMPONENT_LABEL] = component.into();
    body
}

/// What the API server says while a webhook's pod is not reachable yet (`failed calling webhook "…": failed to call
/// webhook: …`, apiserver/pkg/admission/plugin/webhook/errors/statuserror.go).
fn is_webhook_away(message: &str) -> bool {
    message.contains("failed calling webhook")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_joins_those_that_are_there() {
        let bare = labelled(json!({"metadata": {"name": "a"}}), "kfp");
        assert_eq!(bare["metadata"]["labels"], json!({COMPONENT_LABEL: "kfp"}));
        let labelled = labelled(json!({"metadata": {"labels": {"app": "x"}}}), "kfp");
        assert_eq!(
            labelled["metadata"]["labels"],
            json!({"app": "x", COMPONENT_LABEL: "kfp"})
        );
    }
}

//! Server-side apply of one object, and what it changed.

use std::fmt;
use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Object, ServingError};
use crate::objects::{FIELD_MANAGER, OWNER_LABEL};

/// What an apply did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The object was not there.
    Created,
    /// It was there and differed.
    Configured,
    /// It was as asked; its `resourceVersion` is the same as before.
    Unchanged,
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        })
    }
}

/// One object and what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The object.
    pub object: Object,
    /// What happened.
    pub action: Action,
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.object, self.action)
    }
}

/// Looks, then applies as [`FIELD_MANAGER`]. An API server does not write an object that an apply leaves as it is, so
/// an unchanged one keeps its `resourceVersion`. Fields of ours that somebody else has changed become ours again.
pub(crate) async fn apply<K>(api: &Api<K>, wanted: &K) -> Result<(K, Change), ServingError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let name = wanted.name_any();
    let object = Object::of::<K>(wanted.namespace().as_deref(), &name);
    let before = api
        .get_opt(&name)
        .await
        .map_err(|error| ServingError::api("get", object.clone(), &error))?;
    if let Some(found) = &before {
        let owner = found.labels().get(OWNER_LABEL);
        if owner.map(String::as_str) != Some(FIELD_MANAGER) {
            return Err(ServingError::Foreign {
                object,
                owner: owner.map_or("absent".to_owned(), |owner| format!("`{owner}`")),
            });
        }
    }
    let after = api
        .patch(
            &name,
            &PatchParams::apply(FIELD_MANAGER).force(),
            &Patch::Apply(wanted),
        )
        .await
        .map_err(|error| ServingError::api("apply", object.clone(), &error))?;
    let action = match before {
        None => Action::Created,
        Some(before) if before.resource_version() == after.resource_version() => Action::Unchanged,
        Some(_) => Action::Configured,
    };
    Ok((after, Change { object, action }))
}

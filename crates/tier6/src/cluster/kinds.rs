//! Kinds by discovery: how the API server names them, and whether they live in namespaces.

use std::collections::BTreeMap;

use kube::api::DynamicObject;
use kube::core::GroupVersion;
use kube::discovery::{ApiResource, Scope, oneshot};
use kube::{Api, Client};
use tokio::sync::Mutex;

use crate::error::Tier6Error;
use crate::object::ObjectId;

type Known = BTreeMap<String, Vec<(ApiResource, Scope)>>;

/// Asks once for each group and version.
pub(super) struct Kinds {
    client: Client,
    known: Mutex<Known>,
}

impl Kinds {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The API of an object's kind, in its namespace; `None` where the server does not have that kind.
    ///
    /// # Errors
    /// [`Tier6Error::Kubernetes`].
    pub(super) async fn find(&self, id: &ObjectId) -> Result<Option<Api<DynamicObject>>, Tier6Error> {
        let mut known = self.known.lock().await;
        let has = |known: &Known| {
            let kinds = known.get(&id.api_version)?;
            kinds.iter().find(|(kind, _)| kind.kind == id.kind).cloned()
        };
        if has(&known).is_none() {
            // Also where the group is known: a definition may have come since.
            let kinds = self.ask(id).await?;
            known.insert(id.api_version.clone(), kinds);
        }
        Ok(has(&known).map(|(kind, scope)| match (scope, &id.namespace) {
            (Scope::Namespaced, Some(namespace)) => {
                Api::namespaced_with(self.client.clone(), namespace, &kind)
            }
            _ => Api::all_with(self.client.clone(), &kind),
        }))
    }

    /// As [`Kinds::find`]; that the kind is not there is an error.
    ///
    /// # Errors
    /// [`Tier6Error::Kubernetes`].
    pub(super) async fn api(&self, id: &ObjectId) -> Result<Api<DynamicObject>, Tier6Error> {
        self.find(id).await?.ok_or_else(|| Tier6Error::Kubernetes {
            object: id.short(),
            reason: format!("the API server has no {} {}", id.api_version, id.kind),
        })
    }

    async fn ask(&self, id: &ObjectId) -> Result<Vec<(ApiResource, Scope)>, Tier6Error> {
        let version = GroupVersion::gv(id.group(), id.version());
        match oneshot::pinned_group(&self.client, &version).await {
            Ok(group) => Ok(group
                .versioned_resources(id.version())
                .into_iter()
                .map(|(kind, capabilities)| (kind, capabilities.scope))
                .collect()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
            Err(error) => Err(Tier6Error::kubernetes(id.short())(error)),
        }
    }
}

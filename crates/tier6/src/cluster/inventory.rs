//! What is installed, written down in the cluster: a ConfigMap a component in namespace `basecamp`.
//!
//! It is written before objects are applied, with all of them and all that were there before, and again when all are
//! applied and the rest is deleted: whenever an installation is interrupted, nothing of it is unknown.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::{COMPONENT_LABEL, NAMESPACE};
use crate::error::Tier6Error;
use crate::object::ObjectId;

const MANAGER: &str = "basecamp";
const OBJECTS: &str = "objects";
const STATE: &str = "state";
const WHOLE: &str = "whole";
const UNFINISHED: &str = "unfinished";

/// One component as it was installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Installed {
    /// Whether all of it is applied and was ready.
    pub(super) is_whole: bool,
    /// Its objects, and what each was when it was applied; `None`: not applied yet.
    pub(super) objects: BTreeMap<ObjectId, Option<Applied>>,
}

/// An object as it was when it was applied last. While both are the same, applying it again changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Applied {
    /// The first 16 digits of the digest of what was applied.
    pub(super) digest: String,
    /// What the API server changes when somebody changes the object ([`version`]).
    pub(super) version: String,
}

/// `metadata.generation`, which stays when only the status changes; for kinds without one, `metadata.resourceVersion`.
pub(super) fn version(metadata: &ObjectMeta) -> String {
    match (metadata.generation, &metadata.resource_version) {
        (Some(generation), _) => format!("g{generation}"),
        (None, Some(version)) => format!("r{version}"),
        (None, None) => String::new(),
    }
}

impl Installed {
    /// A line an object: `apps/v1 Deployment n/d<TAB>DIGEST<TAB>VERSION`.
    fn to_lines(&self) -> String {
        let lines: Vec<String> = self
            .objects
            .iter()
            .map(|(id, applied)| match applied {
                Some(Applied { digest, version }) => format!("{id}\t{digest}\t{version}"),
                None => id.to_string(),
            })
            .collect();
        lines.join("\n")
    }

    fn from_lines(is_whole: bool, text: &str) -> Self {
        let object = |line: &str| {
            let mut parts = line.split('\t');
            let id = ObjectId::parse(parts.next()?)?;
            let applied = match (parts.next(), parts.next()) {
                (Some(digest), Some(version)) => Some(Applied {
                    digest: digest.to_owned(),
                    version: version.to_owned(),
                }),
                _ => None,
            };
            Some((id, applied))
        };
        Self {
            is_whole,
            objects: text.lines().filter_map(object).collect(),
        }
    }
}

/// The inventory of one cluster.
pub(super) struct Inventory {
    client: Client,
}

impl Inventory {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// What is installed, by component.
    ///
    /// # Errors
    /// [`Tier6Error::Kubernetes`].
    pub(super) async fn read(&self) -> Result<BTreeMap<String, Installed>, Tier6Error> {
        let list = self
            .maps()
            .list(&ListParams::default().labels(COMPONENT_LABEL))
            .await
            .map_err(Tier6Error::kubernetes("the inventory"))?;
        Ok(list
            .items
            .into_iter()
            .filter_map(|map| {
                let component = map.labels().get(COMPONENT_LABEL)?.clone();
                let data = map.data.unwrap_or_default();
                let objects = data.get(OBJECTS).map(String::as_str).unwrap_or_default();
                let is_whole = data.get(STATE).is_some_and(|state| state == WHOLE);
                Some((component, Installed::from_lines(is_whole, objects)))
            })
            .collect())
    }

    /// Makes the namespace where it is not there.
    ///
    /// # Errors
    /// [`Tier6Error::Kubernetes`].
    pub(super) async fn prepare(&self) -> Result<(), Tier6Error> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
        api.patch(
            NAMESPACE,
            &PatchParams::apply(MANAGER).force(),
            &Patch::Apply(&body),
        )
        .await
        .map_err(Tier6Error::kubernetes(format!("Namespace {NAMESPACE}")))?;
        Ok(())
    }

    /// Writes down one component.
    ///
    /// # Errors
    /// [`Tier6Error::Kubernetes`].
    pub(super) async fn write(&self, component: &str, installed: &Installed) -> Result<(), Tier6Error> {
        let state = if installed.is_whole { WHOLE } else { UNFINISHED };
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": component, "namespace": NAMESPACE, "labels": {COMPONENT_LABEL: component}},
            "data": {STATE: state, OBJECTS: installed.to_lines()}});
        self.maps()
            .patch(
                component,
                &PatchParams::apply(MANAGER).force(),
                &Patch::Apply(&body),
            )
            .await
            .map_err(Tier6Error::kubernetes(format!(
                "ConfigMap {NAMESPACE}/{component}"
            )))?;
        Ok(())
    }

    /// Forgets one component, when nothing of it is left.
    ///
    /// # Errors
    /// [`Tier6Error::Kubernetes`].
    pub(super) async fn forget(&self, component: &str) -> Result<(), Tier6Error> {
        match self.maps().delete(component, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(Tier6Error::kubernetes(format!(
                "ConfigMap {NAMESPACE}/{component}"
            ))(error)),
            Ok(_) => Ok(()),
        }
    }

    /// Takes the namespace away, when nothing is left.
    ///
    /// # Errors
    /// [`Tier6Error::Kubernetes`].
    pub(super) async fn close(&self) -> Result<(), Tier6Error> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        match api.delete(NAMESPACE, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(Tier6Error::kubernetes(format!("Namespace {NAMESPACE}"))(error)),
            Ok(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inventory_is_read_back() {
        let applied = Applied {
            digest: "96919a9eb40036dd".into(),
            version: "g2".into(),
        };
        let installed = Installed {
            is_whole: false,
            objects: [
                (ObjectId::parse("apps/v1 Deployment n/d").unwrap(), Some(applied)),
                (ObjectId::parse("v1 Namespace n").unwrap(), None),
            ]
            .into(),
        };
        let lines = installed.to_lines();
        assert_eq!(
            lines,
            "apps/v1 Deployment n/d\t96919a9eb40036dd\tg2\nv1 Namespace n"
        );
        assert_eq!(Installed::from_lines(false, &lines), installed);
    }

    #[test]
    fn the_version_of_an_object_stays_while_only_its_status_changes() {
        let mut metadata = ObjectMeta {
            resource_version: Some("7".into()),
            ..ObjectMeta::default()
        };
        assert_eq!(version(&metadata), "r7");
        metadata.generation = Some(3);
        assert_eq!(version(&metadata), "g3");
    }
}

//! In which order a component's objects are applied, and which components can be worked on.

use std::collections::BTreeSet;

use crate::component::Component;
use crate::object::Object;

/// A component's objects, by when they can be applied.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stages<'a> {
    /// Namespaces and definitions; the rest waits until they are established.
    pub(super) definitions: Vec<&'a Object>,
    /// All else: first what others refer to, webhooks last. One inner list can be applied at once.
    pub(super) ranks: Vec<Vec<&'a Object>>,
    /// Objects of kinds that this component defines: its webhooks judge them, so they wait until its pods are ready.
    pub(super) own_kinds: Vec<&'a Object>,
}

/// Sorts a component's objects into stages.
pub(super) fn stages(objects: &[Object]) -> Stages<'_> {
    let own: BTreeSet<(&str, &str)> = objects.iter().filter_map(Object::defines).collect();
    let mut stages = Stages::default();
    let mut ranked: Vec<(u8, &Object)> = Vec::new();
    for object in objects {
        let id = object.id();
        if own.contains(&(id.group(), id.kind.as_str())) {
            stages.own_kinds.push(object);
            continue;
        }
        match rank(&id.kind) {
            None => stages.definitions.push(object),
            Some(rank) => ranked.push((rank, object)),
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    for group in ranked.chunk_by(|one, other| one.0 == other.0) {
        stages
            .ranks
            .push(group.iter().map(|(_, object)| *object).collect());
    }
    stages
}

/// What a pod needs to start comes before it; what judges other objects comes when its pods are on their way.
fn rank(kind: &str) -> Option<u8> {
    match kind {
        "Namespace" | "CustomResourceDefinition" => None,
        "ServiceAccount" | "PriorityClass" | "StorageClass" | "ClusterRole" | "Role" => Some(0),
        "ClusterRoleBinding"
        | "RoleBinding"
        | "ConfigMap"
        | "Secret"
        | "NetworkPolicy"
        | "PersistentVolumeClaim"
        | "Service" => Some(1),
        "MutatingWebhookConfiguration"
        | "ValidatingWebhookConfiguration"
        | "ValidatingAdmissionPolicy"
        | "ValidatingAdmissionPolicyBinding"
        | "APIService" => Some(4),
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => Some(2),
        _ => Some(3),
    }
}

/// Components that can be begun: all that they depend on is ready, and they are neither ready nor begun. What they
/// depend on and is not among `chosen` counts as ready.
pub(super) fn startable<'a>(
    chosen: &[&'a Component],
    ready: &BTreeSet<String>,
    begun: &BTreeSet<String>,
) -> Vec<&'a Component> {
    let is_ready =
        |name: &String| ready.contains(name) || !chosen.iter().any(|component| component.name == *name);
    chosen
        .iter()
        .filter(|component| !begun.contains(&component.name))
        .filter(|component| component.depends_on.iter().all(is_ready))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(api_version: &str, kind: &str, name: &str) -> Object {
        Object::new(
            json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "n"}}),
        )
        .unwrap()
    }

    fn definition(group: &str, kind: &str) -> Object {
        Object::new(
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": kind}, "spec": {"group": group, "names": {"kind": kind}}}),
        )
        .unwrap()
    }

    fn names<'a>(objects: impl IntoIterator<Item = &'a &'a Object>) -> Vec<&'a str> {
        objects
            .into_iter()
            .map(|object| object.id().name.as_str())
            .collect()
    }

    #[test]
    fn definitions_come_first_webhooks_after_workloads_and_own_kinds_last() {
        let objects = [
            object(
                "admissionregistration.k8s.io/v1",
                "ValidatingWebhookConfiguration",
                "judge",
            ),
            object("serving.kserve.io/v1alpha1", "ClusterStorageContainer", "default"),
            object("cert-manager.io/v1", "Certificate", "certificate"),
            object("apps/v1", "Deployment", "manager"),
            object("v1", "ConfigMap", "settings"),
            object("v1", "ServiceAccount", "account"),
            definition("serving.kserve.io", "ClusterStorageContainer"),
            object("v1", "Namespace", "home"),
        ];
        let stages = stages(&objects);
        assert_eq!(names(&stages.definitions), ["ClusterStorageContainer", "home"]);
        let ranks: Vec<Vec<&str>> = stages.ranks.iter().map(names).collect();
        assert_eq!(
            ranks,
            [
                vec!["account"],
                vec!["settings"],
                vec!["manager"],
                vec!["certificate"],
                vec!["judge"]
            ]
        );
        assert_eq!(names(&stages.own_kinds), ["default"]);
    }

    #[test]
    fn a_component_is_begun_once_all_it_depends_on_is_ready() {
        let component = |name: &str, depends_on: &[&str]| -> Component {
            let mut component: Component = serde_yaml::from_str(&format!(
                "{{description: d, dependsOn: [{}]}}",
                depends_on.join(",")
            ))
            .unwrap();
            component.name = name.into();
            component
        };
        let all = [
            component("base", &[]),
            component("left", &["base"]),
            component("top", &["left", "right"]),
            // `elsewhere` is on another rung.
            component("right", &["base", "elsewhere"]),
        ];
        let chosen: Vec<&Component> = all.iter().collect();
        let set = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<BTreeSet<_>>()
        };
        let begin = |ready: &[&str], begun: &[&str]| -> Vec<String> {
            startable(&chosen, &set(ready), &set(begun))
                .into_iter()
                .map(|component| component.name.clone())
                .collect()
        };
        assert_eq!(begin(&[], &[]), ["base"]);
        assert_eq!(begin(&[], &["base"]), Vec::<String>::new());
        assert_eq!(begin(&["base"], &["base"]), ["left", "right"]);
        assert_eq!(
            begin(&["base", "left"], &["base", "left", "right"]),
            Vec::<String>::new()
        );
        assert_eq!(
            begin(&["base", "left", "right"], &["base", "left", "right"]),
            ["top"]
        );
    }
}

//! The kinds as a server needs them: names, schema, columns, rules.

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::{ConfigMap, Event as CoreEvent, Secret};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::object::{HasSpec, HasStatus};
use kube::{CustomResourceExt, Resource};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::embedded::{self, Support};
use crate::{
    ClusterServingRuntime, Experiment, FieldError, HttpRoute, InferenceService, RayJob,
    cluster_serving_runtime, config, experiment, http_route, inference_service, ray_job, schema,
};

/// One kind.
#[derive(Clone, Debug)]
pub struct Definition {
    /// API group; empty for the core group.
    pub group: String,
    /// Version in the group.
    pub version: String,
    /// `Experiment`.
    pub kind: String,
    /// `experiments`.
    pub plural: String,
    /// `experiment`.
    pub singular: String,
    /// What `kubectl` takes for it: `isvc`.
    pub short_names: Vec<String>,
    /// Sets of kinds it belongs to: `all`.
    pub categories: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether it is one of Kubernetes' own kinds. These have no status here, may be updated without a version, and
    /// take strategic merge patches.
    pub built_in: bool,
    /// OpenAPI v3 schema of a whole object, self-contained.
    pub schema: Value,
    /// Columns of a table, for custom kinds.
    pub columns: Vec<Column>,
    /// The rules of an object, given the one it replaces.
    pub rules: fn(old: Option<&Value>, new: &Value) -> Vec<FieldError>,
    /// What the embedded rung honours; everything when absent.
    pub support: Option<&'static Support>,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its title.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean`, `date`.
    pub type_: String,
    /// What it shows, for people.
    pub description: String,
    /// 0 is always shown, more only when asked for (`-o wide`).
    pub priority: i32,
    /// Kubernetes' JSONPath without braces: `.status.conditions[-1:].type`.
    pub path: String,
}

impl Definition {
    /// `group/version`, or the version alone in the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// Every kind that a recipe uses. Events come twice, because Kubernetes has them in two groups.
#[must_use]
pub fn definitions() -> &'static [Definition] {
    static ALL: LazyLock<Vec<Definition>> = LazyLock::new(all);
    &ALL
}

fn all() -> Vec<Definition> {
    vec![
        built_in::<ConfigMap>(&["cm"], config::rules),
        built_in::<Secret>(&[], config::rules),
        built_in::<CoreEvent>(&["ev"], |_, _| Vec::new()),
        built_in::<Event>(&["ev"], |_, _| Vec::new()),
        custom::<Experiment>(),
        custom::<RayJob>(),
        custom::<InferenceService>(),
        custom::<ClusterServingRuntime>(),
        custom::<HttpRoute>(),
    ]
}

/// A custom kind's rules and limits.
trait Ruled:
    CustomResourceExt + HasSpec<Spec: JsonSchema> + HasStatus<Status: JsonSchema> + DeserializeOwned
{
    const SUPPORT: &'static Support;

    fn rules(old: Option<&Self>, new: &Self) -> Vec<FieldError>;
}

impl Ruled for Experiment {
    const SUPPORT: &'static Support = embedded::EXPERIMENT;

    fn rules(old: Option<&Self>, new: &Self) -> Vec<FieldError> {
        old.map_or_else(
            || experiment::validate(new),
            |old| experiment::validate_update(old, new),
        )
    }
}

impl Ruled for RayJob {
    const SUPPORT: &'static Support = embedded::RAY_JOB;

    fn rules(_: Option<&Self>, new: &Self) -> Vec<FieldError> {
        ray_job::validate(new)
    }
}

impl Ruled for InferenceService {
    const SUPPORT: &'static Support = embedded::INFERENCE_SERVICE;

    fn rules(_: Option<&Self>, new: &Self) -> Vec<FieldError> {
        inference_service::validate(new)
    }
}

impl Ruled for ClusterServingRuntime {
    const SUPPORT: &'static Support = embedded::CLUSTER_SERVING_RUNTIME;

    fn rules(_: Option<&Self>, new: &Self) -> Vec<FieldError> {
        cluster_serving_runtime::validate(new)
    }
}

impl Ruled for HttpRoute {
    const SUPPORT: &'static Support = embedded::HTTP_ROUTE;

    fn rules(_: Option<&Self>, new: &Self) -> Vec<FieldError> {
        http_route::validate(new)
    }
}

fn custom<K: Ruled>() -> Definition {
    let definition: CustomResourceDefinition = K::crd();
    let names = definition.spec.names;
    let version = definition
        .spec
        .versions
        .into_iter()
        .next()
        .expect("invariant: the derive makes one version");
    let columns = version
        .additional_printer_columns
        .unwrap_or_default()
        .into_iter()
        .map(|column| Column {
            name: column.name,
            type_: column.type_,
            description: column.description.unwrap_or_default(),
            priority: column.priority.unwrap_or(0),
            path: column.json_path,
        });
    Definition {
        group: definition.spec.group,
        version: version.name,
        kind: names.kind,
        plural: names.plural,
        singular: names.singular.unwrap_or_default(),
        short_names: names.short_names.unwrap_or_default(),
        categories: names.categories.unwrap_or_default(),
        namespaced: definition.spec.scope == "Namespaced",
        built_in: false,
        schema: schema::custom::<K::Spec, K::Status>(),
        columns: columns.collect(),
        rules: check::<K>,
        support: Some(K::SUPPORT),
    }
}

/// The rules of a kind, asked of plain data.
fn check<K: Ruled>(old: Option<&Value>, new: &Value) -> Vec<FieldError> {
    let new = match K::deserialize(new) {
        Ok(new) => new,
        // The schema has been checked before, so this is a value that fits its type and still says nothing.
        Err(error) => return vec![FieldError::new("", error.to_string())],
    };
    // What is stored may have been written under older rules: a change that mends it must pass.
    let old = old.and_then(|old| K::deserialize(old).ok());
    K::rules(old.as_ref(), &new)
}

fn built_in<K: Resource<DynamicType = ()> + JsonSchema>(
    short_names: &[&str],
    rules: fn(Option<&Value>, &Value) -> Vec<FieldError>,
) -> Definition {
    Definition {
        group: K::group(&()).into_owned(),
        version: K::version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
        plural: K::plural(&()).into_owned(),
        singular: K::kind(&()).to_lowercase(),
        short_names: short_names.iter().map(|&name| name.to_owned()).collect(),
        categories: Vec::new(),
        namespaced: true,
        built_in: true,
        schema: schema::built_in::<K>(),
        columns: Vec::new(),
        rules,
        support: None,
    }
}

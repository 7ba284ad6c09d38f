//! What is served now. `observedGeneration` is the stable Deployment's on KServe 0.20, so nothing should wait on it:
//! look at conditions and [`CanaryStatus`].

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::open_set::open_set;

/// What is served now.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InferenceServiceStatus {
    /// `Ready`, `PredictorReady`, `CanaryPredictorReady`, `IngressReady`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<ServiceCondition>,
    /// Where the stable predictor answers inside.
    pub address: Option<Addressable>,
    /// Where the ingress answers; leads nowhere when KServe makes none.
    pub url: Option<String>,
    /// By component, for example `predictor`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, ComponentStatus>,
    /// The canaries, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub canary_statuses: Vec<CanaryStatus>,
    /// How the model itself is.
    pub model_status: Option<ModelStatus>,
    /// How it was deployed: `Standard`.
    pub deployment_mode: Option<String>,
    /// The namespaced runtime in use.
    pub serving_runtime_name: Option<String>,
    /// The cluster's runtime in use.
    pub cluster_serving_runtime_name: Option<String>,
    /// Generation of the stable Deployment's spec.
    pub observed_generation: Option<i64>,
    /// Knative's place for more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl InferenceServiceStatus {
    /// Whether the condition of this type holds.
    #[must_use]
    pub fn holds(&self, type_: &str) -> bool {
        self.conditions
            .iter()
            .any(|condition| condition.type_ == type_ && condition.status == "True")
    }

    /// Whether the canary of this name answers; a canary that is not there does not.
    #[must_use]
    pub fn canary_ready(&self, name: &str) -> bool {
        self.canary_statuses
            .iter()
            .any(|canary| canary.name == name && canary.ready)
    }
}

/// One condition in Knative's shape (`knative.dev/pkg/apis.Condition`).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceCondition {
    /// What is told.
    #[serde(rename = "type")]
    pub type_: String,
    /// True, False or Unknown.
    pub status: String,
    /// Absent, or `Info` for what does not take part in Ready.
    pub severity: Option<String>,
    /// When its status last changed.
    pub last_transition_time: Option<Time>,
    /// Why, in one word.
    pub reason: Option<String>,
    /// Why, for people.
    pub message: Option<String>,
}

/// Something with a URL.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Addressable {
    /// Its name, where there are several.
    pub name: Option<String>,
    /// Its URL.
    pub url: Option<String>,
}

/// One component: predictor, transformer, explainer.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Where it answers.
    pub url: Option<String>,
    /// Where it answers REST.
    pub rest_url: Option<String>,
    /// Where it answers gRPC.
    pub grpc_url: Option<String>,
    /// Where it answers inside.
    pub address: Option<Addressable>,
    /// The last revision that was ready.
    pub latest_ready_revision: Option<String>,
    /// The last revision.
    pub latest_created_revision: Option<String>,
    /// The last revision that got all traffic.
    pub latest_rolledout_revision: Option<String>,
    /// The one before.
    pub previous_rolledout_revision: Option<String>,
}

/// One canary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanaryStatus {
    /// Its predictor's name.
    pub name: String,
    /// Whether one replica is available.
    #[serde(default)]
    pub ready: bool,
}

/// How the model itself is.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelStatus {
    /// Whether what is served is what is asked for.
    pub transition_status: Option<TransitionStatus>,
    /// The states of the served and of the wanted model.
    pub states: Option<ModelRevisionStates>,
    /// The last failure.
    pub last_failure_info: Option<FailureInfo>,
    /// Copies.
    pub copies: Option<ModelCopies>,
}

open_set! {
    /// Whether what is served is what is asked for.
    TransitionStatus {
        /// It is.
        UpToDate = "UpToDate",
        /// Not yet.
        InProgress = "InProgress",
        /// It cannot be: the last failure says why.
        BlockedByFailedLoad = "BlockedByFailedLoad",
        /// The spec asks for what cannot be.
        InvalidSpec = "InvalidSpec",
    }
}

open_set! {
    /// The state of a model.
    ModelState {
        /// Nothing done yet.
        Pending = "Pending",
        /// Not loaded, loads when asked.
        Standby = "Standby",
        /// Loads.
        Loading = "Loading",
        /// Answers.
        Loaded = "Loaded",
        /// Could not be loaded.
        FailedToLoad = "FailedToLoad",
    }
}

/// The states of the served and of the wanted model.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelRevisionStates {
    /// The one that answers.
    pub active_model_state: Option<ModelState>,
    /// The one that shall.
    pub target_model_state: Option<ModelState>,
}

/// A failure.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureInfo {
    /// Where: a pod.
    pub location: Option<String>,
    /// Why, in one word: `ModelLoadFailed`, `RuntimeUnhealthy`, `RuntimeDisabled`, `NoSupportingRuntime`,
    /// `RuntimeNotRecognized`, `InvalidPredictorSpec`.
    pub reason: Option<String>,
    /// Why, for people.
    pub message: Option<String>,
    /// The revision.
    pub model_revision_name: Option<String>,
    /// When.
    pub time: Option<Time>,
    /// The exit code of the container.
    pub exit_code: Option<i32>,
}

/// Copies of a model.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelCopies {
    /// That failed.
    #[serde(default)]
    pub failed_copies: i32,
    /// All.
    pub total_copies: Option<i32>,
}

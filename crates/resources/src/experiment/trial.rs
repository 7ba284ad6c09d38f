//! What a trial runs, and where its metrics are read.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, HTTPGetAction};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::open_set::open_set;
use crate::schema::any_object;

/// What each trial runs.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrialTemplate {
    /// Keep what a trial ran in (and its logs) after its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retain: bool,
    /// The object of one trial, with `${trialParameters.NAME}` where values go.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub trial_spec: Option<serde_json::Value>,
    /// Where the object of one trial is kept instead.
    pub config_map: Option<ConfigMapSource>,
    /// What the template's placeholders stand for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub trial_parameters: Vec<TrialParameterSpec>,
    /// Labels of the pods whose metrics count.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub primary_pod_labels: BTreeMap<String, String>,
    /// The container whose metrics count.
    pub primary_container_name: Option<String>,
    /// GJSON expression over the trial's object: it has succeeded.
    pub success_condition: Option<String>,
    /// GJSON expression over the trial's object: it has failed.
    pub failure_condition: Option<String>,
}

/// A trial template kept in a ConfigMap.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapSource {
    /// Name of the ConfigMap.
    pub config_map_name: Option<String>,
    /// Namespace of the ConfigMap.
    pub config_map_namespace: Option<String>,
    /// Key in the ConfigMap.
    pub template_path: Option<String>,
}

/// A placeholder of the trial template.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrialParameterSpec {
    /// Name of the placeholder: `${trialParameters.NAME}`.
    pub name: String,
    /// What it is, for people.
    pub description: Option<String>,
    /// Name of the parameter whose value it takes, or `${trialSpec.Name}` and its like.
    #[serde(default)]
    pub reference: String,
}

/// Where metrics are read.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricsCollectorSpec {
    /// What is read, and by which format.
    pub source: Option<SourceSpec>,
    /// Who reads it; StdOut when absent.
    pub collector: Option<CollectorSpec>,
}

/// What a collector reads.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceSpec {
    /// A page in Prometheus' text format.
    pub http_get: Option<HTTPGetAction>,
    /// A file or folder.
    pub file_system_path: Option<FileSystemPath>,
    /// How lines are read.
    pub filter: Option<FilterSpec>,
}

/// How lines are read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilterSpec {
    /// Regular expressions with two groups: name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub metrics_format: Vec<String>,
}

/// A file or folder with metrics.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileSystemPath {
    /// Absolute path in the trial's container.
    pub path: Option<String>,
    /// File or folder.
    pub kind: Option<FileSystemKind>,
    /// Lines of text or of JSON.
    pub format: Option<FileFormat>,
}

open_set! {
    /// File or folder.
    FileSystemKind {
        /// A folder, for TensorFlow events.
        Directory = "Directory",
        /// A file.
        File = "File",
    }
}

open_set! {
    /// How a metrics file is written.
    FileFormat {
        /// `name=value` lines, or by the filter.
        Text = "TEXT",
        /// One JSON object a line.
        Json = "JSON",
    }
}

/// Who reads the metrics.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectorSpec {
    /// The kind of collector.
    pub kind: Option<CollectorKind>,
    /// The container of a Custom collector.
    pub custom_collector: Option<Container>,
}

open_set! {
    /// The kind of a metrics collector.
    CollectorKind {
        /// `name=value` in the trial's standard output.
        StdOut = "StdOut",
        /// A file.
        File = "File",
        /// TensorFlow's event files.
        TensorFlowEvent = "TensorFlowEvent",
        /// A page in Prometheus' text format.
        PrometheusMetric = "PrometheusMetric",
        /// A container of one's own.
        Custom = "Custom",
        /// The trial reports by itself.
        Push = "Push",
    }
}

//! What is searched, for what, and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::open_set::open_set;

/// One parameter of the search space.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParameterSpec {
    /// Its name, referred to by the trial template.
    pub name: String,
    /// The kind of its values.
    pub parameter_type: Option<ParameterType>,
    /// The values it may take.
    #[serde(default)]
    pub feasible_space: FeasibleSpace,
}

open_set! {
    /// The kind of a parameter's values.
    ParameterType {
        /// Real numbers between min and max.
        Double = "double",
        /// Whole numbers between min and max.
        Int = "int",
        /// Numbers from a list.
        Discrete = "discrete",
        /// Words from a list.
        Categorical = "categorical",
        /// Left open; Katib accepts the word.
        Unknown = "unknown",
    }
}

/// The values a parameter may take. Numbers are strings, as upstream has them.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeasibleSpace {
    /// Largest value of a double or int parameter.
    pub max: Option<String>,
    /// Smallest value of a double or int parameter.
    pub min: Option<String>,
    /// The values of a discrete or categorical parameter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub list: Vec<String>,
    /// Distance between two values of an int or double parameter.
    pub step: Option<String>,
    /// How values spread between min and max; uniform when absent.
    pub distribution: Option<Distribution>,
}

open_set! {
    /// How a parameter's values spread between min and max.
    Distribution {
        /// Evenly.
        Uniform = "uniform",
        /// Evenly in the logarithm.
        LogUniform = "logUniform",
        /// Around the middle.
        Normal = "normal",
        /// Around the middle of the logarithm.
        LogNormal = "logNormal",
        /// Left open; Katib accepts the word.
        Unknown = "unknown",
    }
}

/// What is optimised.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectiveSpec {
    /// The direction.
    #[serde(rename = "type")]
    pub type_: Option<ObjectiveType>,
    /// A value that ends the search early. Leave it out to run all trials.
    pub goal: Option<f64>,
    /// The metric that is optimised.
    pub objective_metric_name: Option<String>,
    /// Metrics that are collected beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub additional_metric_names: Vec<String>,
    /// Which of a trial's values counts, by metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub metric_strategies: Vec<MetricStrategy>,
}

impl ObjectiveSpec {
    /// Which of a trial's values counts for `metric`: as declared, else min when minimising, max when maximising
    /// (upstream's defaulting, `experiment_defaults.go@v0.19.0`).
    #[must_use]
    pub fn strategy(&self, metric: &str) -> MetricStrategyType {
        let declared = self
            .metric_strategies
            .iter()
            .find(|strategy| strategy.name == metric);
        match (declared.and_then(|strategy| strategy.value.clone()), &self.type_) {
            (Some(declared), _) => declared,
            (None, Some(ObjectiveType::Minimize)) => MetricStrategyType::Min,
            (None, Some(ObjectiveType::Maximize)) => MetricStrategyType::Max,
            (None, _) => MetricStrategyType::Latest,
        }
    }
}

open_set! {
    /// The direction of an objective.
    ObjectiveType {
        /// Smaller is better.
        Minimize = "minimize",
        /// Larger is better.
        Maximize = "maximize",
    }
}

/// Which of a trial's values of a metric counts.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricStrategy {
    /// The metric.
    pub name: String,
    /// The value that counts.
    pub value: Option<MetricStrategyType>,
}

open_set! {
    /// The value of a metric that counts for its trial.
    MetricStrategyType {
        /// The smallest.
        Min = "min",
        /// The largest.
        Max = "max",
        /// The last.
        Latest = "latest",
    }
}

/// How the next trial is chosen.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlgorithmSpec {
    /// Katib's name of the algorithm, for example `tpe`.
    pub algorithm_name: Option<String>,
    /// Its settings, for example `random_state`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub algorithm_settings: Vec<Setting>,
}

/// When a trial is given up before its end.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EarlyStoppingSpec {
    /// Katib's name of the algorithm, for example `medianstop`.
    pub algorithm_name: Option<String>,
    /// Its settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub algorithm_settings: Vec<Setting>,
}

/// A named setting of an algorithm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value, whatever its kind, as a string.
    #[serde(default)]
    pub value: String,
}

//! Tasks: a component with its inputs bound, and when and how often it runs.

use std::collections::HashSet;
use std::time::Duration;

use serde::Deserialize;

use super::binding::{ArtifactSource, ParameterSource, TaskInputs};
use super::scalar;

/// A task of a DAG.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct TaskSpec {
    /// Name to show.
    pub display_name: Option<String>,
    /// The component it runs, by name.
    pub component: String,
    /// Its inputs.
    pub inputs: TaskInputs,
    /// Tasks it waits for though it takes no output of theirs.
    pub dependent_tasks: Vec<String>,
    /// Whether its result may be taken from the cache.
    pub caching: CachingOptions,
    /// When it runs once what it waits for has ended.
    pub trigger: TriggerPolicy,
    /// Fans it out over a list.
    pub iterator: Option<Iterator>,
    /// Bounds the fan-out.
    pub iterator_policy: IteratorPolicy,
    /// What happens when it fails.
    pub retry: Option<RetryPolicy>,
}

impl TaskSpec {
    /// The tasks that this one waits for: those it names, and those whose outputs or end it takes. Each once, in order.
    pub fn waits_for(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.dependent_tasks.iter().map(String::as_str).collect();
        for parameter in self.inputs.parameters.values() {
            match &parameter.source {
                ParameterSource::TaskOutput { task, .. } | ParameterSource::FinalStatus { task } => {
                    names.push(task);
                }
                ParameterSource::Constant(_) | ParameterSource::ComponentInput(_) => {}
            }
        }
        for artifact in self.inputs.artifacts.values() {
            if let ArtifactSource::TaskOutput { task, .. } = &artifact.source {
                names.push(task);
            }
        }
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(*name));
        names
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(default)]
    task_info: TaskInfo,
    #[serde(default)]
    inputs: TaskInputs,
    #[serde(default)]
    dependent_tasks: Vec<String>,
    #[serde(default)]
    caching_options: CachingOptions,
    component_ref: ComponentRef,
    #[serde(default)]
    trigger_policy: TriggerPolicy,
    artifact_iterator: Option<ArtifactIterator>,
    parameter_iterator: Option<ParameterIterator>,
    retry_policy: Option<RetryPolicy>,
    #[serde(default)]
    iterator_policy: IteratorPolicy,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct TaskInfo {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ComponentRef {
    name: String,
}

impl TryFrom<Written> for TaskSpec {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let iterator = match (written.artifact_iterator, written.parameter_iterator) {
            (None, None) => None,
            (Some(artifact), None) => Some(Iterator {
                items: IteratorItems::Artifact(artifact.items.input_artifact),
                item: artifact.item_input,
            }),
            (None, Some(parameter)) => Some(Iterator {
                items: match (parameter.items.raw, parameter.items.input_parameter) {
                    (Some(raw), None) => IteratorItems::Raw(raw),
                    (None, Some(name)) => IteratorItems::Parameter(name),
                    _ => return Err("`parameterIterator.items` needs one of `raw`, `inputParameter`"),
                },
                item: parameter.item_input,
            }),
            (Some(_), Some(_)) => {
                return Err("a task has one iterator: `artifactIterator` or `parameterIterator`");
            }
        };
        Ok(Self {
            display_name: written.task_info.name,
            component: written.component_ref.name,
            inputs: written.inputs,
            dependent_tasks: written.dependent_tasks,
            caching: written.caching_options,
            trigger: written.trigger_policy,
            iterator,
            iterator_policy: written.iterator_policy,
            retry: written.retry_policy,
        })
    }
}

/// Whether a task's result may come from the cache.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CachingOptions {
    /// It may.
    pub enable_cache: bool,
    /// Stands for the whole key where it is given.
    pub cache_key: Option<String>,
}

/// When a task runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TriggerPolicy {
    /// A CEL expression over the task's inputs; false skips the task.
    pub condition: Option<String>,
    /// Which ends of the tasks before it let it run.
    pub strategy: TriggerStrategy,
}

/// Which ends of the tasks before it let a task run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TriggerStrategy {
    /// All have succeeded.
    #[default]
    #[serde(alias = "TRIGGER_STRATEGY_UNSPECIFIED")]
    AllUpstreamTasksSucceeded,
    /// All have ended, however they did.
    AllUpstreamTasksCompleted,
}

/// What happens when a task fails.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Attempts after the first.
    #[serde(deserialize_with = "scalar::count")]
    pub max_retry_count: u32,
    /// Wait before the first retry; none where absent.
    #[serde(deserialize_with = "scalar::duration")]
    pub backoff_duration: Option<Duration>,
    /// Factor on the wait from retry to retry; 2 where absent or 0.
    pub backoff_factor: f64,
    /// Upper bound of the waiting; an hour where absent.
    #[serde(deserialize_with = "scalar::duration")]
    pub backoff_max_duration: Option<Duration>,
}

impl RetryPolicy {
    /// How long to wait before the retry of that number, from 1.
    pub fn backoff(&self, retry: u32) -> Duration {
        /// The proto's default of `backoff_factor`.
        const FACTOR: f64 = 2.0;
        /// The proto's default of `backoff_max_duration`.
        const MAX: Duration = Duration::from_secs(3600);
        let max = self
            .backoff_max_duration
            .filter(|max| !max.is_zero())
            .unwrap_or(MAX);
        let factor = if self.backoff_factor > 0.0 {
            self.backoff_factor
        } else {
            FACTOR
        };
        let exponent = i32::try_from(retry.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.backoff_duration.unwrap_or_default().as_secs_f64() * factor.powi(exponent);
        Duration::try_from_secs_f64(seconds).unwrap_or(max).min(max)
    }
}

/// Fans a task out over a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iterator {
    /// The list.
    pub items: IteratorItems,
    /// The input that takes the item.
    pub item: String,
}

/// The list that a task is fanned out over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IteratorItems {
    /// A JSON list as text.
    Raw(String),
    /// An input parameter of the task.
    Parameter(String),
    /// An input artifact of the task, a list.
    Artifact(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ArtifactIterator {
    items: ArtifactItems,
    item_input: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ArtifactItems {
    input_artifact: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ParameterIterator {
    items: ParameterItems,
    item_input: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ParameterItems {
    raw: Option<String>,
    input_parameter: Option<String>,
}

/// Bounds a fan-out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IteratorPolicy {
    /// Iterations at once; 0 for no bound.
    #[serde(deserialize_with = "scalar::count")]
    pub parallelism_limit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::none_given(RetryPolicy::default(), 3, 0.0)]
    #[case::doubles(RetryPolicy { backoff_duration: Some(Duration::from_secs(2)), ..Default::default() }, 3, 8.0)]
    #[case::own_factor(
        RetryPolicy { backoff_duration: Some(Duration::from_secs(2)), backoff_factor: 1.0, ..Default::default() },
        9,
        2.0
    )]
    #[case::bounded(RetryPolicy { backoff_duration: Some(Duration::from_secs(10)), ..Default::default() }, 400, 3600.0)]
    #[case::own_bound(
        RetryPolicy {
            backoff_duration: Some(Duration::from_secs(10)),
            backoff_max_duration: Some(Duration::from_secs(15)),
            ..Default::default()
        },
        2,
        15.0
    )]
    fn the_wait_before_a_retry(#[case] policy: RetryPolicy, #[case] retry: u32, #[case] seconds: f64) {
        assert_eq!(policy.backoff(retry), Duration::from_secs_f64(seconds));
    }
}

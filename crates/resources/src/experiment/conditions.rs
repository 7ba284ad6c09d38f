//! The conditions of an experiment, marked the way Katib marks them
//! (`pkg/apis/controller/experiments/v1beta1/util.go@v0.19.0`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::ExperimentStatus;
use crate::open_set::open_set;

/// Why a condition holds (`pkg/controller.v1beta1/experiment/util/status_util.go@v0.19.0`).
pub mod reason {
    /// The controller has seen it.
    pub const CREATED: &str = "ExperimentCreated";
    /// Trials are made.
    pub const RUNNING: &str = "ExperimentRunning";
    /// A finished experiment goes on with a larger cap.
    pub const RESTARTING: &str = "ExperimentRestarting";
    /// The objective's goal was met.
    pub const GOAL_REACHED: &str = "ExperimentGoalReached";
    /// The cap was met.
    pub const MAX_TRIALS_REACHED: &str = "ExperimentMaxTrialsReached";
    /// The algorithm has nothing more to try.
    pub const SUGGESTION_END_REACHED: &str = "ExperimentSuggestionEndReached";
    /// Too many trials failed.
    pub const FAILED: &str = "ExperimentFailed";
}

/// One condition; unlike Kubernetes' own it carries `lastUpdateTime`.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentCondition {
    /// What is told.
    #[serde(rename = "type")]
    pub type_: ExperimentConditionType,
    /// True, False or Unknown.
    pub status: String,
    /// Why, in one word.
    pub reason: Option<String>,
    /// Why, for people.
    pub message: Option<String>,
    /// When it was last written.
    pub last_update_time: Option<Time>,
    /// When its status last changed.
    pub last_transition_time: Option<Time>,
}

open_set! {
    /// What a condition of an experiment tells.
    ExperimentConditionType {
        /// The controller has seen it.
        Created = "Created",
        /// Trials are made.
        Running = "Running",
        /// A finished experiment goes on.
        Restarting = "Restarting",
        /// It has ended well.
        Succeeded = "Succeeded",
        /// It has ended badly.
        Failed = "Failed",
    }
}

impl ExperimentStatus {
    /// The condition of this type, whatever its status.
    #[must_use]
    pub fn condition(&self, type_: &ExperimentConditionType) -> Option<&ExperimentCondition> {
        self.conditions.iter().find(|condition| condition.type_ == *type_)
    }

    /// Whether the condition of this type holds.
    #[must_use]
    pub fn holds(&self, type_: &ExperimentConditionType) -> bool {
        self.condition(type_)
            .is_some_and(|condition| condition.status == "True")
    }

    /// Whether it has ended, well or badly.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.holds(&ExperimentConditionType::Succeeded) || self.holds(&ExperimentConditionType::Failed)
    }

    /// Sets Created.
    pub fn mark_created(&mut self, message: &str, now: &Time) {
        self.set(
            ExperimentConditionType::Created,
            "True",
            reason::CREATED,
            message,
            now,
        );
    }

    /// Sets Running.
    pub fn mark_running(&mut self, message: &str, now: &Time) {
        self.set(
            ExperimentConditionType::Running,
            "True",
            reason::RUNNING,
            message,
            now,
        );
    }

    /// Sets Succeeded with one of [`reason`], ends Running, and notes the time.
    pub fn mark_succeeded(&mut self, reason: &str, message: &str, now: &Time) {
        self.end(ExperimentConditionType::Succeeded, reason, message, now);
    }

    /// Sets Failed, ends Running, and notes the time.
    pub fn mark_failed(&mut self, message: &str, now: &Time) {
        self.end(ExperimentConditionType::Failed, reason::FAILED, message, now);
    }

    fn end(&mut self, type_: ExperimentConditionType, reason: &str, message: &str, now: &Time) {
        if let Some(running) = self.condition(&ExperimentConditionType::Running).cloned() {
            self.set(
                ExperimentConditionType::Running,
                "False",
                running.reason.as_deref().unwrap_or_default(),
                running.message.as_deref().unwrap_or_default(),
                now,
            );
        }
        self.set(type_, "True", reason, message, now);
        self.completion_time.get_or_insert_with(|| now.clone());
    }

    /// As upstream's `setCondition`: nothing changes while status and reason stay; the one that changed moves last.
    fn set(&mut self, type_: ExperimentConditionType, status: &str, reason: &str, message: &str, now: &Time) {
        let current = self.condition(&type_);
        if current.is_some_and(|c| c.status == status && c.reason.as_deref() == Some(reason)) {
            return;
        }
        let last_transition_time = current
            .filter(|c| c.status == status)
            .and_then(|c| c.last_transition_time.clone())
            .or_else(|| Some(now.clone()));
        self.conditions.retain(|condition| condition.type_ != type_);
        self.conditions.push(ExperimentCondition {
            type_,
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_update_time: Some(now.clone()),
            last_transition_time,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        Time(text.parse().unwrap())
    }

    fn types(status: &ExperimentStatus) -> Vec<(&str, &str)> {
        status
            .conditions
            .iter()
            .map(|c| (c.type_.as_str(), c.status.as_str()))
            .collect()
    }

    #[test]
    fn a_life_leaves_katibs_trail() {
        let mut status = ExperimentStatus::default();
        status.mark_created("Experiment is created", &at("2026-01-01T00:00:00Z"));
        status.mark_running("Experiment is running", &at("2026-01-01T00:00:01Z"));
        let before = status.clone();
        status.mark_running("Experiment is running", &at("2026-01-01T00:00:02Z"));
        assert_eq!(status, before, "an unchanged condition is not written again");
        status.mark_succeeded(reason::MAX_TRIALS_REACHED, "cap", &at("2026-01-01T00:00:03Z"));
        assert_eq!(
            types(&status),
            [("Created", "True"), ("Running", "False"), ("Succeeded", "True")]
        );
        assert_eq!(status.completion_time, Some(at("2026-01-01T00:00:03Z")));
        assert!(status.is_completed());
    }

    #[test]
    fn before_any_result_the_optimal_trial_is_an_empty_observation() {
        let json = serde_json::to_value(ExperimentStatus::default()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"currentOptimalTrial": {"observation": {}}})
        );
    }
}

//! The Experiment's status, from its trials.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use resources::experiment::{ExperimentStatus, ObjectiveType, Observation, OptimalTrial};

use super::record::{Kind, Record, State, Verdict};

/// The status that tells these trials and this verdict. `before` is what was told last: times and conditions that still
/// hold stay as they are, so that an unchanged world gives an equal status.
pub(crate) fn status(
    before: &ExperimentStatus,
    objective: Option<&ObjectiveType>,
    records: &[Record],
    verdict: Option<&Verdict>,
    now: &Time,
) -> ExperimentStatus {
    let names = |wanted: State| -> Vec<String> {
        let matching = records.iter().filter(|record| record.state == wanted);
        matching.map(|record| record.name.clone()).collect()
    };
    let mut status = ExperimentStatus {
        start_time: before.start_time.clone().or_else(|| Some(now.clone())),
        completion_time: before.completion_time.clone(),
        last_reconcile_time: before.last_reconcile_time.clone(),
        conditions: before.conditions.clone(),
        current_optimal_trial: best(objective, records).map_or_else(OptimalTrial::default, |record| {
            OptimalTrial {
                best_trial_name: Some(record.name.clone()),
                parameter_assignments: record.assignments.clone(),
                observation: Observation {
                    metrics: record.observation.clone(),
                },
            }
        }),
        pending_trial_list: names(State::Pending),
        running_trial_list: names(State::Running),
        succeeded_trial_list: names(State::Succeeded),
        failed_trial_list: names(State::Failed),
        metrics_unavailable_trial_list: names(State::MetricsUnavailable),
        killed_trial_list: names(State::Killed),
        trials: count(records.len()),
        ..ExperimentStatus::default()
    };
    status.trials_pending = count(status.pending_trial_list.len());
    status.trials_running = count(status.running_trial_list.len());
    status.trials_succeeded = count(status.succeeded_trial_list.len());
    status.trials_failed = count(status.failed_trial_list.len());
    status.trial_metrics_unavailable = count(status.metrics_unavailable_trial_list.len());
    status.trials_killed = count(status.killed_trial_list.len());

    status.mark_created("Experiment is created", now);
    if !records.is_empty() && !status.is_completed() {
        status.mark_running("Experiment is running", now);
    }
    match verdict {
        Some(verdict) if verdict.kind == Kind::Succeeded => {
            status.mark_succeeded(&verdict.reason, &verdict.message, &verdict.time);
        }
        Some(verdict) => status.mark_failed(&verdict.message, &verdict.time),
        None => {}
    }
    status
}

/// The first of the best: a later trial that is only as good changes nothing, as in Katib.
fn best<'a>(objective: Option<&ObjectiveType>, records: &'a [Record]) -> Option<&'a Record> {
    let sign = match objective {
        Some(ObjectiveType::Maximize) => -1.0,
        _ => 1.0,
    };
    records
        .iter()
        .filter_map(|record| record.objective.map(|value| (sign * value, record)))
        .min_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, record)| record)
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;

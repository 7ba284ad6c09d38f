//! A list of runs.

use jiff::Timestamp;
use kfp_api::run::{Run, RuntimeState};

use super::columns;

/// Runs, one a line.
pub(crate) fn list(runs: &[Run], now: Timestamp) -> String {
    if runs.is_empty() {
        return "no runs yet; `cargo xtask recipe train-deploy` makes one\n".to_owned();
    }
    let mut rows = vec![["RUN", "NAME", "STATE", "CREATED", "SECONDS"].map(str::to_owned)];
    rows.extend(runs.iter().map(|run| {
        let seconds = run.created_at.map(|created| {
            let end = run.finished_at.unwrap_or(now);
            format!("{:.1}", end.duration_since(created).as_secs_f64().max(0.0))
        });
        [
            run.run_id.clone(),
            run.display_name.clone(),
            state(run).to_owned(),
            run.created_at
                .map(|created| created.strftime("%Y-%m-%d %H:%M:%S").to_string())
                .unwrap_or_default(),
            seconds.unwrap_or_default(),
        ]
    }));
    columns(&rows)
}

/// The state in KFP's words; one that was stopped, which 2.17 calls failed, says so where its history does.
pub(crate) fn state(run: &Run) -> &'static str {
    let stopped = || {
        run.state_history
            .iter()
            .any(|status| status.state == RuntimeState::Canceling)
    };
    match run.state {
        RuntimeState::Pending => "PENDING",
        RuntimeState::Running => "RUNNING",
        RuntimeState::Succeeded => "SUCCEEDED",
        RuntimeState::Skipped => "SKIPPED",
        RuntimeState::Failed if stopped() => "CANCELED",
        RuntimeState::Failed => "FAILED",
        RuntimeState::Canceling => "CANCELING",
        RuntimeState::Canceled => "CANCELED",
        RuntimeState::Paused => "PAUSED",
        RuntimeState::Unspecified => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::same;

    #[test]
    fn runs_are_listed_as_given() {
        let run = |id: &str, state: &str, finished: Option<&str>, history: &[&str]| -> Run {
            serde_json::from_value(serde_json::json!({
                "run_id": id, "display_name": "train-deploy", "state": state,
                "created_at": "2027-01-15T08:00:00Z", "finished_at": finished,
                "state_history": history.iter().map(|state| serde_json::json!({"state": state})).collect::<Vec<_>>(),
            }))
            .unwrap()
        };
        let now = "2027-01-15T08:01:14.5Z".parse().unwrap();
        let runs = [
            run("6f0c8a52", "RUNNING", None, &["RUNNING"]),
            run(
                "11",
                "FAILED",
                Some("2027-01-15T08:00:12Z"),
                &["RUNNING", "CANCELING"],
            ),
        ];
        same(
            &list(&runs, now),
            "\
RUN       NAME          STATE     CREATED              SECONDS
6f0c8a52  train-deploy  RUNNING   2027-01-15 08:00:00  74.5
11        train-deploy  CANCELED  2027-01-15 08:00:00  12.0
",
        );
        same(
            &list(&[], now),
            "no runs yet; `cargo xtask recipe train-deploy` makes one\n",
        );
    }
}

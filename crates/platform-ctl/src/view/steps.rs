//! The steps of a run.

use jiff::Timestamp;
use kfp_api::{StepKind, StepState, StepView};

/// Characters of a log line that are shown.
const PROGRESS: usize = 100;

/// Characters that the names of these steps take, indentation included.
pub(crate) fn width(steps: &[StepView]) -> usize {
    steps
        .iter()
        .map(|step| label(step).chars().count())
        .max()
        .unwrap_or(0)
}

/// One step as it is now.
pub(crate) fn line(step: &StepView, progress: Option<&str>, width: usize, now: Timestamp) -> String {
    let seconds = match step.state {
        StepState::Pending | StepState::Skipped => String::new(),
        _ => format!("{:.1} s", step.seconds(now)),
    };
    let told = told(step, progress);
    let line = format!(
        "  {:width$}  {:<9}  {seconds:>8}  {told}",
        label(step),
        state(step)
    );
    line.trim_end().to_owned()
}

/// What is worth a line of its own: a step that starts, gets on or ends.
pub(crate) fn news(step: &StepView, progress: Option<&str>, width: usize, now: Timestamp) -> String {
    match step.state {
        StepState::Pending => String::new(),
        StepState::Running => {
            let told = told(step, progress);
            let line = format!("  {:width$}  {:<9}  {:>8}  {told}", label(step), state(step), "");
            line.trim_end().to_owned()
        }
        _ => line(step, None, width, now),
    }
}

/// The state in KFP's words; one that was taken from the cache says so.
pub(crate) fn state(step: &StepView) -> &'static str {
    match step.state {
        StepState::Succeeded if step.cached => "CACHED",
        StepState::Succeeded => "SUCCEEDED",
        StepState::Pending => "PENDING",
        StepState::Running => "RUNNING",
        StepState::Skipped => "SKIPPED",
        StepState::Failed => "FAILED",
        StepState::Canceled => "CANCELED",
    }
}

/// What is in a DAG or under a condition stands below it, indented.
fn label(step: &StepView) -> String {
    let depth = step.path.matches('.').count().saturating_sub(1);
    format!("{}{}", "  ".repeat(depth), step.name)
}

fn told(step: &StepView, progress: Option<&str>) -> String {
    let text = match step.state {
        StepState::Running if step.kind == StepKind::Step => progress,
        StepState::Failed | StepState::Canceled => {
            step.error.as_deref().and_then(|error| error.lines().next())
        }
        _ => None,
    };
    let text: String = text
        .unwrap_or_default()
        .chars()
        .filter(|character| !character.is_control())
        .collect();
    match text.char_indices().nth(PROGRESS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Said when the server has gone away.
pub(crate) const SILENCE: &str =
    "no answer from the pipelines server; `cargo xtask up` brings it back, and the run goes on";

/// What Ctrl-C did and did not do.
pub(crate) fn interrupted(run_id: &str) -> String {
    format!(
        "\nrun {run_id} goes on\n  watch      cargo platform-ctl pipeline watch {run_id}\n  terminate  cargo platform-ctl \
         pipeline terminate {run_id}\n"
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::view::same;

    pub(in crate::view) fn step(path: &str, state: StepState, seconds: i64) -> StepView {
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let ended = matches!(
            state,
            StepState::Succeeded | StepState::Failed | StepState::Canceled
        );
        StepView {
            name: path.rsplit('.').next().unwrap().to_owned(),
            path: path.to_owned(),
            kind: if path.ends_with("-1") {
                StepKind::Condition
            } else {
                StepKind::Step
            },
            state,
            cached: false,
            started_at: Some(start),
            ended_at: ended.then(|| Timestamp::from_second(1_800_000_000 + seconds).unwrap()),
            node: None,
            error: None,
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_031).unwrap()
    }

    fn steps() -> Vec<StepView> {
        let mut steps = vec![
            step("root.ingest", StepState::Succeeded, 4),
            step("root.extract", StepState::Succeeded, 0),
            step("root.tune", StepState::Running, 0),
            step("root.train", StepState::Pending, 0),
            step("root.condition-1", StepState::Pending, 0),
            step("root.condition-1.register", StepState::Pending, 0),
        ];
        steps[1].cached = true;
        steps
    }

    #[test]
    fn a_run_under_way() {
        let steps = steps();
        let width = width(&steps);
        let table: String = steps
            .iter()
            .map(|step| {
                format!(
                    "{}\n",
                    line(step, Some("trials 7/20, best mae 3.21"), width, now())
                )
            })
            .collect();
        same(
            &table,
            "  \
  ingest       SUCCEEDED     4.0 s
  extract      CACHED        0.0 s
  tune         RUNNING      31.0 s  trials 7/20, best mae 3.21
  train        PENDING
  condition-1  PENDING
    register   PENDING
",
        );
    }

    #[test]
    fn news_have_no_clock_in_them_while_a_step_runs() {
        let steps = steps();
        let width = width(&steps);
        let news: Vec<_> = steps
            .iter()
            .map(|step| news(step, Some("trials 7/20"), width, now()))
            .filter(|news| !news.is_empty())
            .collect();
        same(
            &(news.join("\n") + "\n"),
            "  \
  ingest       SUCCEEDED     4.0 s
  extract      CACHED        0.0 s
  tune         RUNNING              trials 7/20
",
        );
    }

    #[test]
    fn a_failure_shows_the_first_line_of_its_reason() {
        let mut failed = step("root.train", StepState::Failed, 12);
        failed.error = Some("exit code 1: no space left on device\nTraceback".to_owned());
        same(
            &(line(&failed, None, 5, now()) + "\n"),
            "  train  FAILED       12.0 s  exit code 1: no space left on device\n",
        );
    }

    #[test]
    fn a_log_cannot_draw_on_the_terminal_or_over_its_edge() {
        let running = step("root.train", StepState::Running, 0);
        let progress = format!("\u{1b}[2Jgone {}", "x".repeat(500));
        let line = line(&running, Some(&progress), 5, now());
        assert!(!line.contains('\u{1b}'));
        assert!(line.chars().count() < 140, "{line}");
    }

    #[test]
    fn ctrl_c_says_how_to_go_on() {
        same(
            &interrupted("6f0c"),
            "
run 6f0c goes on
  watch      cargo platform-ctl pipeline watch 6f0c
  terminate  cargo platform-ctl pipeline terminate 6f0c
",
        );
    }
}

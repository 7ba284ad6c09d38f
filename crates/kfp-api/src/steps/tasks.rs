//! Steps of a run whose server lists tasks.

use jiff::Timestamp;

use super::outline::{Outline, PlannedTask};
use super::{StepState, StepView};
use crate::run::{Run, RuntimeState};
use crate::task::{PipelineTask, TaskPodType, TaskState};

/// The pipeline's tasks in running order, with what the server tells of them.
pub fn steps_of_tasks(outline: &Outline, run: &Run, tasks: &[PipelineTask]) -> Vec<StepView> {
    let mut steps: Vec<StepView> = Vec::with_capacity(outline.tasks.len());
    for planned in &outline.tasks {
        let parent = steps
            .iter()
            .find(|step| step.path == planned.parent)
            .map(|step| step.state);
        let mut told = tasks.iter().filter(|task| is_of(planned, outline, task));
        let step = match told.next() {
            None => StepView::untold(planned, run, parent),
            // Iterations of a loop share their place in the pipeline and are told as one.
            Some(first) => told.fold(view(planned, run, first), |sum, next| {
                together(sum, view(planned, run, next))
            }),
        };
        steps.push(step);
    }
    steps
}

fn is_of(planned: &PlannedTask, outline: &Outline, task: &PipelineTask) -> bool {
    if !task.scope_path.is_empty() {
        return task.scope_path == planned.path;
    }
    // Without a scope only a name that is unique in the pipeline tells the place.
    task.name == planned.name
        && outline
            .tasks
            .iter()
            .filter(|other| other.name == planned.name)
            .count()
            == 1
}

fn view(planned: &PlannedTask, run: &Run, task: &PipelineTask) -> StepView {
    let state = match task.state {
        TaskState::Running if run.state == RuntimeState::Canceled => StepState::Canceled,
        TaskState::Running => StepState::Running,
        TaskState::Succeeded | TaskState::Cached => StepState::Succeeded,
        TaskState::Skipped => StepState::Skipped,
        TaskState::Failed => StepState::Failed,
        TaskState::Unspecified => StepState::Pending,
    };
    StepView {
        name: planned.name.clone(),
        path: planned.path.clone(),
        kind: planned.kind,
        state,
        cached: task.state == TaskState::Cached,
        started_at: started(task),
        ended_at: task.end_time,
        node: task
            .pods
            .iter()
            .find(|pod| pod.kind == TaskPodType::Executor)
            .map(|pod| pod.name.clone()),
        error: task
            .status_metadata
            .as_ref()
            .map(|metadata| metadata.message.clone())
            .filter(|message| !message.is_empty()),
    }
}

/// A task may be known before it runs; one that did not run took no time.
fn started(task: &PipelineTask) -> Option<Timestamp> {
    let running = task
        .state_history
        .iter()
        .find(|status| status.state == TaskState::Running)
        .and_then(|status| status.update_time);
    match task.state {
        TaskState::Unspecified => None,
        TaskState::Cached | TaskState::Skipped => running.or(task.end_time),
        TaskState::Running | TaskState::Succeeded | TaskState::Failed => running.or(task.create_time),
    }
}

fn together(sum: StepView, next: StepView) -> StepView {
    let worst = [
        StepState::Failed,
        StepState::Canceled,
        StepState::Running,
        StepState::Pending,
        StepState::Succeeded,
    ]
    .into_iter()
    .find(|state| [sum.state, next.state].contains(state))
    .unwrap_or(StepState::Skipped);
    let over = !matches!(worst, StepState::Running | StepState::Pending);
    StepView {
        state: worst,
        cached: sum.cached && next.cached,
        started_at: sum.started_at.into_iter().chain(next.started_at).min(),
        ended_at: sum
            .ended_at
            .into_iter()
            .chain(next.ended_at)
            .max()
            .filter(|_| over),
        node: next.node.or(sum.node),
        error: sum.error.or(next.error),
        ..sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::outline::tests::recipe;
    use crate::task::TaskPod;
    use serde_json::json;

    fn told(run: &Run, tasks: &serde_json::Value) -> Vec<(String, StepState, bool)> {
        let outline = Outline::of(&recipe()).unwrap();
        let tasks: Vec<PipelineTask> = serde_json::from_value(tasks.clone()).unwrap();
        steps_of_tasks(&outline, run, &tasks)
            .into_iter()
            .map(|step| (step.name, step.state, step.cached))
            .collect()
    }

    fn row(name: &str, state: StepState, cached: bool) -> (String, StepState, bool) {
        (name.to_owned(), state, cached)
    }

    #[test]
    fn cached_is_a_state_and_a_closed_gate_skips_what_is_in_it() {
        let run = Run {
            state: RuntimeState::Succeeded,
            ..Run::default()
        };
        let tasks = json!([
            {"name": "root", "type": "ROOT", "state": "SUCCEEDED", "scope_path": "root"},
            {"name": "ingest", "type": "RUNTIME", "state": "SUCCEEDED", "scope_path": "root.ingest"},
            {"name": "extract", "type": "RUNTIME", "state": "CACHED", "scope_path": "root.extract"},
            {"name": "train", "type": "RUNTIME", "state": "SUCCEEDED", "scope_path": "root.train"},
            {"name": "evaluate", "type": "RUNTIME", "state": "CACHED", "scope_path": "root.evaluate"},
            {"name": "condition-1", "type": "CONDITION", "state": "SKIPPED", "scope_path": "root.condition-1"},
        ]);
        assert_eq!(
            told(&run, &tasks),
            [
                row("ingest", StepState::Succeeded, false),
                row("extract", StepState::Succeeded, true),
                row("train", StepState::Succeeded, false),
                row("evaluate", StepState::Succeeded, true),
                row("condition-1", StepState::Skipped, false),
                row("register", StepState::Skipped, false),
                row("deploy", StepState::Skipped, false),
            ]
        );
    }

    #[test]
    fn a_cached_step_took_no_time() {
        let task = json!({"name": "extract", "state": "CACHED", "scope_path": "root.extract",
            "create_time": "2027-01-01T00:00:00Z", "end_time": "2027-01-01T00:00:05Z"});
        let task: PipelineTask = serde_json::from_value(task).unwrap();
        let outline = Outline::of(&recipe()).unwrap();
        let steps = steps_of_tasks(&outline, &Run::default(), &[task]);
        let extract = steps.iter().find(|step| step.name == "extract").unwrap();
        assert!(extract.seconds(Timestamp::UNIX_EPOCH).abs() < 1e-9);
    }

    #[test]
    fn iterations_are_told_as_one() {
        let spec = json!({
            "components": {"comp-loop": {"dag": {"tasks": {"fit": {}}}}},
            "root": {"dag": {"tasks": {"loop": {"componentRef": {"name": "comp-loop"}, "parameterIterator": {}}}}},
        });
        let outline = Outline::of(&spec).unwrap();
        let fit = |state: &str, from: &str, to: Option<&str>| json!({"name": "fit", "scope_path": "root.loop.fit", "state": state, "create_time": from, "end_time": to});
        let tasks: Vec<PipelineTask> = serde_json::from_value(json!([
            fit("CACHED", "2027-01-01T00:00:02Z", Some("2027-01-01T00:00:02Z")),
            fit("RUNNING", "2027-01-01T00:00:01Z", None),
        ]))
        .unwrap();
        let steps = steps_of_tasks(&outline, &Run::default(), &tasks);
        let fit = &steps[1];
        assert_eq!((fit.state, fit.cached), (StepState::Running, false));
        let now = "2027-01-01T00:00:11Z".parse().unwrap();
        assert!((fit.seconds(now) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn the_log_is_the_executor_s_and_the_time_is_that_of_running() {
        let task = PipelineTask {
            name: "ingest".to_owned(),
            scope_path: "root.ingest".to_owned(),
            state: TaskState::Succeeded,
            create_time: "2027-01-01T00:00:00Z".parse().ok(),
            end_time: "2027-01-01T00:00:05Z".parse().ok(),
            state_history: serde_json::from_value(json!([
                {"state": "RUNNING", "update_time": "2027-01-01T00:00:03Z"}
            ]))
            .unwrap(),
            pods: vec![
                TaskPod {
                    name: "d".into(),
                    uid: String::new(),
                    kind: TaskPodType::Driver,
                },
                TaskPod {
                    name: "e".into(),
                    uid: String::new(),
                    kind: TaskPodType::Executor,
                },
            ],
            ..PipelineTask::default()
        };
        let outline = Outline::of(&recipe()).unwrap();
        let step = &steps_of_tasks(&outline, &Run::default(), &[task])[0];
        assert_eq!(step.node.as_deref(), Some("e"));
        assert!((step.seconds(Timestamp::UNIX_EPOCH) - 2.0).abs() < 1e-9);
    }
}

//! Steps of a run whose server tells only Argo's nodes: KFP up to 2.17.
//!
//! Each container task is compiled to three nodes: `<task>-driver`, the task, and its child `executor`, which is
//! SKIPPED when the driver found the task in the cache (backend/src/v2/compiler/argocompiler/container.go @2.17.0).
//! A node's own id is not told (`toApiPipelineTaskDetail` leaves `pod_name` empty), only the ids of those that follow;
//! but ids are hashes of names, so they can be computed from the pipeline: an `executor` belongs to the task
//! that is followed by the same drivers. One that nothing follows is told apart by its times.

use std::collections::BTreeSet;

use super::outline::{Outline, PlannedTask, StepKind};
use super::{StepState, StepView};
use crate::run::{PipelineTaskDetail, Run, RuntimeState};

const EXECUTOR: &str = "executor";
/// Argo template of the user's container, part of its pod's name (`RetrievePodName`, backend/src/common/util/workflow.go).
const TEMPLATE: &str = "system-container-impl";

/// The pipeline's tasks in running order, with what the run's nodes tell of them.
pub fn steps_of_nodes(outline: &Outline, run: &Run) -> Vec<StepView> {
    let details: &[PipelineTaskDetail] = run
        .run_details
        .as_ref()
        .map_or(&[], |details| &details.task_details);
    let nodes = Nodes {
        outline,
        workflow: workflow_name(details),
        details,
    };
    let mut steps: Vec<StepView> = Vec::with_capacity(outline.tasks.len());
    for planned in &outline.tasks {
        let parent = steps
            .iter()
            .find(|step| step.path == planned.parent)
            .map(|step| step.state);
        let step = match nodes.of(planned) {
            Some(detail) => nodes.view(planned, detail),
            None => StepView::untold(planned, run, parent),
        };
        steps.push(step);
    }
    steps
}

struct Nodes<'a> {
    outline: &'a Outline,
    workflow: Option<String>,
    details: &'a [PipelineTaskDetail],
}

impl<'a> Nodes<'a> {
    fn of(&self, planned: &PlannedTask) -> Option<&'a PipelineTaskDetail> {
        let mut named = self
            .details
            .iter()
            .filter(|detail| detail.display_name == planned.name);
        let first = named.next()?;
        if named.next().is_none() {
            return Some(first);
        }
        // The same name in several DAGs: the one that is followed by this path's own nodes.
        let executor = self.id(&format!("{}.{EXECUTOR}", planned.path));
        let inner: BTreeSet<String> = self
            .outline
            .tasks
            .iter()
            .filter(|task| task.parent == planned.path)
            .filter_map(|task| self.id(&format!("{}-driver", task.path)))
            .chain(executor)
            .collect();
        self.details
            .iter()
            .filter(|detail| detail.display_name == planned.name)
            .find(|detail| followers(detail).any(|id| inner.contains(id)))
    }

    fn view(&self, planned: &PlannedTask, detail: &PipelineTaskDetail) -> StepView {
        let state = StepState::from(detail.state);
        let cached = planned.kind == StepKind::Step
            && planned.cacheable
            && state == StepState::Succeeded
            && self.executor_was_skipped(planned, detail);
        StepView {
            name: planned.name.clone(),
            path: planned.path.clone(),
            kind: planned.kind,
            state,
            cached,
            started_at: detail.start_time,
            ended_at: detail.end_time,
            node: (planned.kind == StepKind::Step && !cached)
                .then(|| self.pod(planned))
                .flatten(),
            error: detail.error.as_ref().map(|status| status.for_people().to_owned()),
        }
    }

    fn executor_was_skipped(&self, planned: &PlannedTask, task: &PipelineTaskDetail) -> bool {
        let drivers = self.drivers_after(planned);
        let executors = || {
            self.details
                .iter()
                .filter(|detail| detail.display_name == EXECUTOR)
        };
        let linked: Vec<_> = executors()
            .filter(|executor| {
                followers(executor).next().is_some() && followers(executor).all(|id| drivers.contains(id))
            })
            .collect();
        let own = if linked.is_empty() {
            executors()
                .filter(|executor| followers(executor).next().is_none() && within(executor, task))
                .collect()
        } else {
            linked
        };
        !own.is_empty() && own.iter().all(|executor| executor.state == RuntimeState::Skipped)
    }

    /// Node ids of the drivers that Argo starts when this task has ended: those of the siblings that wait for it, and,
    /// when none does, of those that wait for the DAG around it.
    fn drivers_after(&self, planned: &PlannedTask) -> BTreeSet<String> {
        let waiting: Vec<_> = self
            .outline
            .tasks
            .iter()
            .filter(|task| task.after.contains(&planned.path))
            .collect();
        if waiting.is_empty() {
            return self
                .outline
                .task(&planned.parent)
                .map(|parent| self.drivers_after(parent))
                .unwrap_or_default();
        }
        waiting
            .iter()
            .filter_map(|task| self.id(&format!("{}-driver", task.path)))
            .collect()
    }

    /// Argo's node id: the workflow's name and the FNV-1a hash of the node's (`NodeID`, argo-workflows pkg/apis/workflow/v1alpha1 @v4.0.5).
    fn id(&self, path: &str) -> Option<String> {
        let workflow = self.workflow.as_deref()?;
        Some(format!("{workflow}-{}", fnv1a(&format!("{workflow}.{path}"))))
    }

    fn pod(&self, planned: &PlannedTask) -> Option<String> {
        let workflow = self.workflow.as_deref()?;
        let hash = fnv1a(&format!("{workflow}.{}.{EXECUTOR}", planned.path));
        Some(format!("{workflow}-{TEMPLATE}-{hash}"))
    }
}

fn followers(detail: &PipelineTaskDetail) -> impl Iterator<Item = &str> {
    detail.child_tasks.iter().map(|child| child.pod_name.as_str())
}

/// The first node's id is the workflow's name; every other id begins with it.
fn workflow_name(details: &[PipelineTaskDetail]) -> Option<String> {
    let id = details.iter().find_map(|detail| followers(detail).next())?;
    let (name, hash) = id.rsplit_once('-')?;
    hash.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| name.to_owned())
}

fn within(inner: &PipelineTaskDetail, outer: &PipelineTaskDetail) -> bool {
    inner.start_time >= outer.start_time && inner.end_time <= outer.end_time
}

fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{ChildTask, RunDetails};
    use crate::steps::outline::tests::recipe;
    use jiff::Timestamp;

    const WORKFLOW: &str = "train-deploy-x7k2p";

    /// A node as 2.17 tells it; `followers` are names of nodes below `root`.
    fn node(name: &str, state: RuntimeState, from: i64, to: i64, followers: &[&str]) -> PipelineTaskDetail {
        let time = |second| Timestamp::from_second(1_800_000_000 + second).ok();
        PipelineTaskDetail {
            display_name: name.to_owned(),
            state,
            start_time: time(from),
            end_time: time(to),
            child_tasks: followers
                .iter()
                .map(|follower| ChildTask {
                    task_id: String::new(),
                    pod_name: format!("{WORKFLOW}-{}", fnv1a(&format!("{WORKFLOW}.root.{follower}"))),
                })
                .collect(),
            ..PipelineTaskDetail::default()
        }
    }

    fn run(state: RuntimeState, nodes: Vec<PipelineTaskDetail>) -> Run {
        Run {
            state,
            run_details: Some(RunDetails { task_details: nodes }),
            ..Run::default()
        }
    }

    fn told(run: &Run) -> Vec<(String, StepState, bool)> {
        let outline = Outline::of(&recipe()).unwrap();
        steps_of_nodes(&outline, run)
            .into_iter()
            .map(|step| (step.name, step.state, step.cached))
            .collect()
    }

    fn row(name: &str, state: StepState, cached: bool) -> (String, StepState, bool) {
        (name.to_owned(), state, cached)
    }

    #[test]
    fn a_skipped_executor_is_a_cache_hit_and_a_closed_gate_skips_what_is_in_it() {
        use RuntimeState::{Skipped, Succeeded};
        let run = run(
            Succeeded,
            vec![
                node("evaluate", Succeeded, 60, 60, &["evaluate.executor"]),
                node("evaluate-driver", Succeeded, 50, 58, &["evaluate"]),
                node("executor", Skipped, 60, 60, &["condition-1-driver"]),
                node("condition-1-driver", Succeeded, 61, 70, &["condition-1"]),
                node("condition-1", Skipped, 71, 71, &[]),
                node("ingest-driver", Succeeded, 0, 9, &["ingest"]),
                node("ingest", Succeeded, 10, 20, &["ingest.executor"]),
                node("executor", Succeeded, 10, 20, &["extract-driver"]),
                node("extract-driver", Succeeded, 20, 30, &["extract"]),
                node("extract", Succeeded, 31, 31, &["extract.executor"]),
                node("executor", Skipped, 31, 31, &["train-driver"]),
                node("train-driver", Succeeded, 31, 40, &["train"]),
                node("train", Succeeded, 40, 50, &["train.executor"]),
                node("executor", Succeeded, 40, 50, &["evaluate-driver"]),
                node("root", Succeeded, 0, 71, &["ingest-driver"]),
                node(WORKFLOW, Succeeded, 0, 71, &[]),
            ],
        );
        assert_eq!(
            told(&run),
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
    fn a_run_under_way_tells_what_is_to_come() {
        use RuntimeState::{Running, Skipped, Succeeded};
        let run = run(
            Running,
            vec![
                node("ingest", Succeeded, 10, 20, &["ingest.executor"]),
                node("executor", Succeeded, 10, 20, &["extract-driver"]),
                // Nothing follows yet: told apart by its times.
                node("extract", Succeeded, 31, 31, &["extract.executor"]),
                node("executor", Skipped, 31, 31, &[]),
            ],
        );
        assert_eq!(
            told(&run),
            [
                row("ingest", StepState::Succeeded, false),
                row("extract", StepState::Succeeded, true),
                row("train", StepState::Pending, false),
                row("evaluate", StepState::Pending, false),
                row("condition-1", StepState::Pending, false),
                row("register", StepState::Pending, false),
                row("deploy", StepState::Pending, false),
            ]
        );
    }

    #[test]
    fn the_log_of_a_step_is_its_pod_s() {
        let outline = Outline::of(&recipe()).unwrap();
        let run = run(
            RuntimeState::Running,
            vec![node(
                "ingest",
                RuntimeState::Running,
                10,
                20,
                &["ingest.executor"],
            )],
        );
        let steps = steps_of_nodes(&outline, &run);
        let hash = fnv1a("train-deploy-x7k2p.root.ingest.executor");
        assert_eq!(
            steps[0].node.as_deref(),
            Some(format!("train-deploy-x7k2p-system-container-impl-{hash}").as_str())
        );
    }

    #[test]
    fn ids_are_fnv_1a() {
        // http://www.isthe.com/chongo/tech/comp/fnv: the 32-bit FNV-1a of "foobar".
        assert_eq!(fnv1a("foobar"), 0xbf9c_f968);
    }
}

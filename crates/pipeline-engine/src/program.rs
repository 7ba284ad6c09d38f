//! A pipeline made ready to run: tasks by number, edges both ways, expressions parsed.

use std::collections::{BTreeSet, HashMap};

use indexmap::IndexMap;
use pipeline_spec::expression::{Condition, ExpressionError, Selector};
use pipeline_spec::ir::{
    ArtifactSource, ComponentSpec, DagSpec, Executor, Implementation, Iterator, ParameterSource, RetryPolicy,
    TaskSpec, TriggerStrategy,
};
use pipeline_spec::{Pipeline, support};

use crate::error::EngineError;
use crate::model::TaskKind;

/// A pipeline made ready to run.
#[derive(Debug)]
pub(crate) struct Program {
    pipeline: Pipeline,
    /// The root first.
    dags: Vec<Dag>,
}

/// Number of a DAG of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DagNumber(usize);

/// A DAG: a component made of tasks.
#[derive(Debug)]
pub(crate) struct Dag {
    pub(crate) steps: Vec<Step>,
    names: HashMap<String, usize>,
    /// Selections by output. Of several the first whose step succeeded counts.
    pub(crate) parameters: IndexMap<String, Vec<Selection>>,
    pub(crate) artifacts: IndexMap<String, Vec<Selection>>,
}

/// An output of a step that is an output of its DAG.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) step: usize,
    pub(crate) output: String,
}

/// A task as the package has it; a run makes one or, in loops, many of it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) component: String,
    pub(crate) kind: TaskKind,
    pub(crate) work: Work,
    /// Steps of the DAG that have to end first.
    pub(crate) waits_for: Vec<usize>,
    /// Steps of the DAG that wait for this one.
    pub(crate) unblocks: Vec<usize>,
    pub(crate) strategy: TriggerStrategy,
    pub(crate) condition: Option<Condition>,
    pub(crate) parameters: Vec<ParameterBinding>,
    pub(crate) artifacts: Vec<ArtifactBinding>,
    pub(crate) iterator: Option<Iterator>,
    /// Iterations at once; 0 for no bound.
    pub(crate) parallelism: u32,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) cached: bool,
    /// What stands for the whole cache key.
    pub(crate) cache_key: Option<String>,
    /// Output artifacts that somebody reads.
    pub(crate) read_outputs: BTreeSet<String>,
    /// Whether the engine does it itself, without a process.
    pub(crate) answered: bool,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// Runs a DAG.
    Dag(DagNumber),
    /// Runs the executor of that label.
    Executor(String),
}

/// Where an input parameter comes from.
#[derive(Debug)]
pub(crate) struct ParameterBinding {
    pub(crate) name: String,
    pub(crate) source: ParameterSource,
    pub(crate) selector: Option<Selector>,
}

/// Where an input artifact comes from.
#[derive(Debug)]
pub(crate) struct ArtifactBinding {
    pub(crate) name: String,
    pub(crate) source: ArtifactSource,
}

impl Program {
    /// Makes a pipeline ready to run.
    pub(crate) fn new(pipeline: Pipeline) -> Result<Self, EngineError> {
        let spec = pipeline.spec();
        let mut numbers: HashMap<&str, DagNumber> = HashMap::new();
        let mut sources: Vec<&DagSpec> = spec.root.dag().into_iter().collect();
        for (name, component) in &spec.components {
            if let Implementation::Dag(dag) = &component.implementation {
                numbers.insert(name, DagNumber(sources.len()));
                sources.push(dag);
            }
        }
        let dags = sources
            .into_iter()
            .map(|dag| Dag::new(dag, &pipeline, &numbers))
            .collect::<Result<_, ExpressionError>>()
            .map_err(|error| EngineError::Invalid(error.to_string()))?;
        Ok(Self { pipeline, dags })
    }

    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The DAG of the root.
    pub(crate) const ROOT: DagNumber = DagNumber(0);

    pub(crate) fn dag(&self, number: DagNumber) -> &Dag {
        &self.dags[number.0]
    }

    pub(crate) fn step(&self, dag: DagNumber, step: usize) -> &Step {
        &self.dags[dag.0].steps[step]
    }

    /// The component that a step runs.
    pub(crate) fn component(&self, step: &Step) -> &ComponentSpec {
        self.pipeline
            .spec()
            .components
            .get(&step.component)
            .expect("invariant: a checked package has every component it names")
    }

    /// The executor of that label.
    pub(crate) fn executor(&self, label: &str) -> &Executor {
        self.pipeline
            .spec()
            .deployment_spec
            .executors
            .get(label)
            .expect("invariant: a checked package has every executor it names")
    }

    /// Whether an output parameter of a step is a list that a loop made: an outer loop appends such lists to one
    /// another, as KFP's driver does (`CollectInputs` in `backend/src/v2/driver/resolve.go` at 2.17.0).
    pub(crate) fn is_collected(&self, step: &Step, output: &str) -> bool {
        if step.iterator.is_some() {
            return true;
        }
        let Work::Dag(number) = step.work else {
            return false;
        };
        let dag = self.dag(number);
        dag.parameters
            .get(output)
            .and_then(|selections| selections.first())
            .is_some_and(|selection| self.is_collected(&dag.steps[selection.step], &selection.output))
    }
}

impl Dag {
    fn new(
        spec: &DagSpec,
        pipeline: &Pipeline,
        numbers: &HashMap<&str, DagNumber>,
    ) -> Result<Self, ExpressionError> {
        let names: HashMap<String, usize> = spec
            .tasks
            .keys()
            .enumerate()
            .map(|(nth, name)| (name.clone(), nth))
            .collect();
        let mut steps = Vec::with_capacity(spec.tasks.len());
        for (name, task) in &spec.tasks {
            let mut waits_for: Vec<usize> = task
                .waits_for()
                .into_iter()
                .filter_map(|name| names.get(name).copied())
                .collect();
            waits_for.sort_unstable();
            steps.push(Step::new(name, task, pipeline, numbers, waits_for)?);
        }
        for nth in 0..steps.len() {
            for upstream in steps[nth].waits_for.clone() {
                steps[upstream].unblocks.push(nth);
            }
        }
        let select = |task: &str, output: &str| {
            names.get(task).map(|&step| Selection {
                step,
                output: output.to_owned(),
            })
        };
        let parameters: IndexMap<String, Vec<Selection>> = spec
            .outputs
            .parameters
            .iter()
            .map(|(name, output)| {
                let selections = output
                    .selectors()
                    .iter()
                    .filter_map(|from| select(&from.producer_subtask, &from.output_parameter_key));
                (name.clone(), selections.collect())
            })
            .collect();
        let artifacts: IndexMap<String, Vec<Selection>> = spec
            .outputs
            .artifacts
            .iter()
            .map(|(name, selectors)| {
                let selections = selectors
                    .iter()
                    .filter_map(|from| select(&from.producer_subtask, &from.output_artifact_key));
                (name.clone(), selections.collect())
            })
            .collect();
        let handed_out = artifacts
            .values()
            .flatten()
            .map(|selection| (selection.step, selection.output.clone()));
        let read_within = steps
            .iter()
            .flat_map(|step| &step.artifacts)
            .filter_map(|binding| match &binding.source {
                ArtifactSource::TaskOutput { task, output } => {
                    names.get(task).map(|&step| (step, output.clone()))
                }
                ArtifactSource::ComponentInput(_) => None,
            });
        for (step, output) in handed_out.chain(read_within).collect::<Vec<_>>() {
            steps[step].read_outputs.insert(output);
        }
        Ok(Self {
            steps,
            names,
            parameters,
            artifacts,
        })
    }

    /// The step of that name.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }
}

impl Step {
    fn new(
        name: &str,
        task: &TaskSpec,
        pipeline: &Pipeline,
        numbers: &HashMap<&str, DagNumber>,
        waits_for: Vec<usize>,
    ) -> Result<Self, ExpressionError> {
        let component = &pipeline.spec().components[&task.component];
        let work = match &component.implementation {
            Implementation::Dag(_) => Work::Dag(numbers[task.component.as_str()]),
            Implementation::Executor(label) => Work::Executor(label.clone()),
        };
        let mut parameters = Vec::with_capacity(task.inputs.parameters.len());
        for (name, input) in &task.inputs.parameters {
            parameters.push(ParameterBinding {
                name: name.clone(),
                source: input.source.clone(),
                selector: input.selector.as_deref().map(Selector::parse).transpose()?,
            });
        }
        let artifacts = task
            .inputs
            .artifacts
            .iter()
            .map(|(name, input)| ArtifactBinding {
                name: name.clone(),
                source: input.source.clone(),
            })
            .collect();
        Ok(Self {
            name: name.to_owned(),
            display_name: task.display_name.clone().unwrap_or_else(|| name.to_owned()),
            component: task.component.clone(),
            kind: kind(name, task, &work, pipeline),
            answered: is_answered(&work, pipeline),
            work,
            waits_for,
            unblocks: Vec::new(),
            strategy: task.trigger.strategy,
            condition: task
                .trigger
                .condition
                .as_deref()
                .map(Condition::parse)
                .transpose()?,
            parameters,
            artifacts,
            iterator: task.iterator.clone(),
            parallelism: task.iterator_policy.parallelism_limit,
            retry: task.retry.clone(),
            cached: task.caching.enable_cache,
            cache_key: task.caching.cache_key.clone().filter(|key| !key.is_empty()),
            read_outputs: BTreeSet::new(),
        })
    }
}

fn is_answered(work: &Work, pipeline: &Pipeline) -> bool {
    let Work::Executor(label) = work else {
        return false;
    };
    match pipeline.spec().deployment_spec.executors.get(label) {
        Some(Executor::Importer(_)) => true,
        Some(Executor::Container(container)) => support::is_of_a_claim(&container.image),
        _ => false,
    }
}

/// What a task is. Groups of conditions and exit handlers are DAGs that the SDK names so.
fn kind(name: &str, task: &TaskSpec, work: &Work, pipeline: &Pipeline) -> TaskKind {
    match work {
        Work::Executor(label) => match pipeline.spec().deployment_spec.executors.get(label) {
            Some(Executor::Importer(_)) => TaskKind::Importer,
            _ => TaskKind::Container,
        },
        Work::Dag(_) if task.iterator.is_some() => TaskKind::Loop,
        Work::Dag(_) if task.trigger.condition.is_some() => TaskKind::Condition,
        Work::Dag(_) if name.starts_with("condition-branches-") => TaskKind::ConditionBranch,
        Work::Dag(_) if name.starts_with("exit-handler-") => TaskKind::ExitHandler,
        Work::Dag(_) => TaskKind::Dag,
    }
}

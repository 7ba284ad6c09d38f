//! What a rerun does with each task: known from the pipeline alone, before anything runs.

use std::collections::BTreeSet;

use pipeline_spec::ir::{ArtifactSource, ParameterSource};

use crate::error::EngineError;
use crate::model::{Begin, Rerun, RunId};
use crate::plan::in_order;
use crate::program::{DagNumber, Program, Step, Work};

/// What a rerun does with each task.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    of: RunId,
    /// The task that runs whatever the cache has.
    target: Option<String>,
    /// Container tasks that may give something else than in the earlier run.
    reached: BTreeSet<String>,
    /// Where nothing else is to run: places of what the target waits for.
    needed: Option<Vec<String>>,
}

/// What a rerun does with a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Does {
    /// What it would in any run.
    AsUsual,
    /// It runs, whatever the cache has.
    Runs,
    /// It takes what that run recorded.
    Takes(RunId),
    /// It does not run, and why.
    Skips(String),
}

impl Selection {
    pub(crate) fn of(rerun: &Rerun, program: &Program) -> Self {
        let target = match &rerun.begin {
            Begin::From(place) | Begin::Only(place) => Some(place.clone()),
            Begin::Changed => None,
        };
        let mut walk = Walk {
            program,
            target: target.as_deref(),
            reached: BTreeSet::new(),
        };
        let changed = rerun.changed.iter().map(String::as_str).collect();
        walk.dag(Program::ROOT, "root", &Changed::These(changed));
        Self {
            of: rerun.of,
            reached: walk.reached,
            needed: match &rerun.begin {
                Begin::Only(place) => Some(needed(program, place)),
                Begin::From(_) | Begin::Changed => None,
            },
            target,
        }
    }

    /// What the task of that place does; iterations are told alike.
    pub(crate) fn does(&self, scope_path: &str) -> Does {
        let place = place(scope_path);
        if self.target.as_deref().is_some_and(|target| is_in(&place, target)) {
            return Does::Runs;
        }
        match (&self.needed, &self.target) {
            (Some(needed), Some(target)) if !needed.iter().any(|other| is_in(&place, other)) => {
                let name = target.strip_prefix("root.").unwrap_or(target);
                Does::Skips(format!("only `{name}` runs again"))
            }
            (None, _) if self.reached.contains(&place) => Does::AsUsual,
            (_, _) => Does::Takes(self.of),
        }
    }
}

/// The place of the task that is called so, by its name or its place.
pub(crate) fn find(program: &Program, task: &str) -> Result<String, EngineError> {
    let mut places = Vec::new();
    collect(program, Program::ROOT, "root", &mut places);
    let exact = places
        .iter()
        .find(|(_, place)| place == task || place.strip_prefix("root.") == Some(task));
    if let Some((_, place)) = exact {
        return Ok(place.clone());
    }
    let named: Vec<&str> = places
        .iter()
        .filter(|(name, _)| name == task)
        .map(|(_, place)| place.as_str())
        .collect();
    match named.as_slice() {
        [] => {
            let known: Vec<&str> = places.iter().map(|(name, _)| name.as_str()).collect();
            Err(EngineError::Invalid(format!(
                "there is no task `{task}`; there are {}",
                known.join(", ")
            )))
        }
        [place] => Ok((*place).to_owned()),
        places => Err(EngineError::Invalid(format!(
            "several tasks are called `{task}`: name one by its place, {}",
            places.join(", ")
        ))),
    }
}

fn collect(program: &Program, dag: DagNumber, path: &str, places: &mut Vec<(String, String)>) {
    for step in &program.dag(dag).steps {
        let place = format!("{path}.{}", step.name);
        places.push((step.name.clone(), place.clone()));
        if let Work::Dag(body) = step.work {
            collect(program, body, &place, places);
        }
    }
}

/// A scope path without the numbers of iterations.
pub(crate) fn place(scope_path: &str) -> String {
    let is_iteration = |segment: &&str| segment.bytes().all(|byte| byte.is_ascii_digit());
    let segments: Vec<&str> = scope_path
        .split('.')
        .filter(|segment| !is_iteration(segment))
        .collect();
    segments.join(".")
}

/// Whether a task is another one, or within it.
fn is_in(place: &str, other: &str) -> bool {
    place
        .strip_prefix(other)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Places of what a task waits for, and what the tasks around it wait for.
fn needed(program: &Program, target: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut dag, mut path) = (Program::ROOT, "root".to_owned());
    for name in target.split('.').skip(1) {
        let Some(step) = program.dag(dag).position(name) else {
            return found;
        };
        let steps = &program.dag(dag).steps;
        let mut waits_for = steps[step].waits_for.clone();
        let mut seen = BTreeSet::new();
        while let Some(other) = waits_for.pop() {
            if seen.insert(other) {
                found.push(format!("{path}.{}", steps[other].name));
                waits_for.extend(&steps[other].waits_for);
            }
        }
        path = format!("{path}.{name}");
        if let Work::Dag(body) = steps[step].work {
            dag = body;
        }
    }
    found
}

/// Inputs of a component that may not be what they were.
enum Changed<'a> {
    All,
    These(BTreeSet<&'a str>),
}

impl Changed<'_> {
    fn holds(&self, input: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.contains(input),
        }
    }
}

struct Walk<'a> {
    program: &'a Program,
    target: Option<&'a str>,
    reached: BTreeSet<String>,
}

impl Walk<'_> {
    /// Finds what is reached in a DAG, and tells whether anything is.
    fn dag(&mut self, number: DagNumber, path: &str, changed: &Changed<'_>) -> bool {
        let steps = &self.program.dag(number).steps;
        let mut reached = vec![false; steps.len()];
        for nth in in_order(steps) {
            let step = &steps[nth];
            let place = format!("{path}.{}", step.name);
            let waits = step.waits_for.iter().any(|&other| reached[other]);
            let is_target = self.target == Some(place.as_str());
            let all = matches!(changed, Changed::All) || waits || is_target;
            reached[nth] = self.step(step, place, changed, all);
        }
        reached.contains(&true)
    }

    fn step(&mut self, step: &Step, place: String, changed: &Changed<'_>, all: bool) -> bool {
        let from_parameters = step
            .parameters
            .iter()
            .filter_map(|binding| match &binding.source {
                ParameterSource::ComponentInput(input) => Some((binding.name.as_str(), input.as_str())),
                ParameterSource::TaskOutput { .. }
                | ParameterSource::Constant(_)
                | ParameterSource::FinalStatus { .. } => None,
            });
        let from_artifacts = step.artifacts.iter().filter_map(|binding| match &binding.source {
            ArtifactSource::ComponentInput(input) => Some((binding.name.as_str(), input.as_str())),
            ArtifactSource::TaskOutput { .. } => None,
        });
        let inputs: BTreeSet<&str> = from_parameters
            .chain(from_artifacts)
            .filter(|(_, input)| changed.holds(input))
            .map(|(name, _)| name)
            .collect();
        match step.work {
            Work::Executor(_) if all || !inputs.is_empty() => {
                self.reached.insert(place);
                true
            }
            Work::Executor(_) => false,
            // Whether its tasks run at all, and how often, may be otherwise.
            Work::Dag(body) if all || (decides(step) && !inputs.is_empty()) => {
                self.dag(body, &place, &Changed::All);
                true
            }
            Work::Dag(body) => self.dag(body, &place, &Changed::These(inputs)),
        }
    }
}

fn decides(step: &Step) -> bool {
    step.condition.is_some() || step.iterator.is_some()
}

//! What a run would do, before it does: the same bindings, conditions and keys as in a run, over what is known.
//!
//! The outputs of a task that would hit the cache are known, those of one that would run are not. A task that is never
//! cached is taken to hand back what it did the last time its key was the same: the plan says so, and of which run.

mod known;
mod task;

use std::sync::Arc;

use pipeline_spec::ir::{Executor, TriggerStrategy};
use pipeline_spec::placeholder::Facts;
use rusqlite::Connection;

use crate::bind::{self, Bound, Unknown, UnknownInputs};
use crate::decide::RunFacts;
use crate::error::EngineError;
use crate::model::{Forecast, ForecastTask, Outlook};
use crate::program::{DagNumber, Program, Step, Work};
use known::{Around, Given, KnownOutputs};
use task::Place;

/// Iterations of a loop that are told of one by one; of more, these.
const ITERATIONS: usize = 200;

/// Foretells a run.
pub(crate) fn plan(
    connection: &Connection,
    program: &Arc<Program>,
    facts: &RunFacts,
) -> Result<Forecast, EngineError> {
    let mut planner = Planner {
        connection,
        program,
        facts: &facts.placeholders,
        tasks: Vec::new(),
    };
    let given = Given {
        bound: facts.inputs.clone(),
        unknown: UnknownInputs::new(),
    };
    planner.dag(Program::ROOT, &given, "root", None)?;
    Ok(Forecast { tasks: planner.tasks })
}

struct Planner<'a> {
    connection: &'a Connection,
    program: &'a Arc<Program>,
    facts: &'a Facts,
    tasks: Vec<ForecastTask>,
}

/// How a step ends, as far as that is known.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// Well, with these outputs.
    Well { outputs: KnownOutputs, cached: bool },
    /// It does not run.
    Skipped,
    /// Badly.
    Failed,
    /// Whether it runs depends on something.
    Open(Unknown),
}

/// What is told of a task that has neither a key nor anything beside it.
fn line(outlook: Outlook, reason: String) -> ForecastTask {
    ForecastTask {
        name: String::new(),
        scope_path: String::new(),
        outlook,
        reason,
        fingerprint: None,
        from_run: None,
        differences: Vec::new(),
    }
}

impl<'a> Planner<'a> {
    /// Foretells a DAG. `doubt` says what it depends on whether the DAG runs at all.
    fn dag(
        &mut self,
        number: DagNumber,
        given: &Given,
        path: &str,
        doubt: Option<&Unknown>,
    ) -> Result<End, EngineError> {
        let program = Arc::clone(self.program);
        let dag = program.dag(number);
        let mut ends: Vec<Option<End>> = vec![None; dag.steps.len()];
        for step in in_order(&dag.steps) {
            let end = self.step(&dag.steps[step], number, given, &ends, path, doubt)?;
            ends[step] = Some(end);
        }
        Ok(known::of_dag(dag, &ends))
    }

    fn step(
        &mut self,
        step: &Step,
        number: DagNumber,
        given: &Given,
        ends: &[Option<End>],
        path: &str,
        doubt: Option<&Unknown>,
    ) -> Result<End, EngineError> {
        let path = format!("{path}.{}", step.name);
        let program = Arc::clone(self.program);
        let component = program.component(step);
        let mut doubt = doubt.cloned();
        if step.strategy == TriggerStrategy::AllUpstreamTasksSucceeded {
            for &other in &step.waits_for {
                let name = &program.dag(number).steps[other].name;
                match &ends[other] {
                    Some(End::Skipped) => {
                        let reason = format!("task `{name}`, which it waits for, would be skipped");
                        return Ok(self.skip(step, &path, reason));
                    }
                    Some(End::Failed) => {
                        let reason = format!("task `{name}`, which it waits for, would fail");
                        return Ok(self.skip(step, &path, reason));
                    }
                    Some(End::Open(unknown)) => doubt = doubt.or_else(|| Some(unknown.clone())),
                    Some(End::Well { .. }) | None => {}
                }
            }
        }
        let facts = Facts {
            task_name: step.name.clone(),
            ..self.facts.clone()
        };
        let around = Around {
            dag: program.dag(number),
            given,
            ends,
            facts,
        };
        let (bound, unknown) = match bind::known_inputs(step, component, &around) {
            Ok(known) => known,
            Err(message) => return Ok(self.fail(step, &path, &message)),
        };
        if let Some(condition) = &step.condition {
            match (condition.holds(&bound.to_inputs()), unknown.values().next()) {
                (Ok(true), _) => {}
                (Ok(false), _) => {
                    return Ok(self.skip(
                        step,
                        &path,
                        format!("its condition is false: {}", condition.text()),
                    ));
                }
                // What the condition asks for may be among what is not known.
                (Err(_), Some(on)) => doubt = doubt.or_else(|| Some(on.clone())),
                (Err(error), None) => return Ok(self.fail(step, &path, &format!("condition {error}"))),
            }
        }
        let end = match (&step.work, &step.iterator) {
            (Work::Dag(_), Some(_)) => self.looped(step, &bound, unknown, &path, doubt.as_ref())?,
            (Work::Dag(body), None) => {
                let given = Given { bound, unknown };
                self.dag(*body, &given, &path, doubt.as_ref())?
            }
            (Work::Executor(label), _) => {
                let place = Place {
                    step,
                    path: &path,
                    doubt: doubt.as_ref(),
                };
                match program.executor(label) {
                    Executor::Container(container) => {
                        self.container(&place, label, container, (&bound, &unknown), &around)?
                    }
                    _ => self.import(&place, (&bound, &unknown), &around.facts),
                }
            }
        };
        Ok(match (end, doubt) {
            (End::Well { .. }, Some(doubt)) => End::Open(doubt),
            (end, _) => end,
        })
    }

    fn looped(
        &mut self,
        step: &Step,
        bound: &Bound,
        unknown: UnknownInputs,
        path: &str,
        doubt: Option<&Unknown>,
    ) -> Result<End, EngineError> {
        let (Work::Dag(body), Some(iterator)) = (&step.work, &step.iterator) else {
            return Ok(End::Failed);
        };
        let program = Arc::clone(self.program);
        let component = program.component(step);
        let items = match bind::items(&iterator.items, bound) {
            Ok(items) => items,
            Err(message) => match unknown.into_values().next() {
                Some(on) => {
                    let reason = format!("what it iterates over depends on {}", on.on);
                    self.tell(step, path, line(Outlook::Depends, reason));
                    return Ok(End::Open(on));
                }
                None => return Ok(self.fail(step, path, &message)),
            },
        };
        let mut ends = Vec::with_capacity(items.len());
        for nth in 0..items.len().min(ITERATIONS) {
            let inner = match bind::iteration(step, component, bound, &items, nth) {
                Ok(inner) => inner,
                Err(message) => return Ok(self.fail(step, path, &message)),
            };
            let given = Given {
                bound: inner,
                unknown: unknown.clone(),
            };
            ends.push(self.dag(*body, &given, &format!("{path}.{nth}"), doubt)?);
        }
        if items.len() > ITERATIONS {
            let reason = format!(
                "its {} iterations beyond the first {ITERATIONS} are not told",
                items.len() - ITERATIONS
            );
            self.tell(step, path, line(Outlook::Depends, reason.clone()));
            return Ok(End::Well {
                outputs: KnownOutputs::unknown(&Unknown { on: reason }),
                cached: false,
            });
        }
        Ok(known::of_loop(&program, step, &ends))
    }

    /// What is in a DAG is skipped with it.
    fn skip(&mut self, step: &Step, path: &str, reason: String) -> End {
        self.tell(step, path, line(Outlook::Skips, reason));
        if let Work::Dag(body) = step.work {
            let program = Arc::clone(self.program);
            let steps = &program.dag(body).steps;
            for inner in in_order(steps).into_iter().map(|inner| &steps[inner]) {
                let reason = format!("task `{}`, which it is in, would be skipped", step.name);
                self.skip(inner, &format!("{path}.{}", inner.name), reason);
            }
        }
        End::Skipped
    }

    fn fail(&mut self, step: &Step, path: &str, message: &str) -> End {
        self.tell(
            step,
            path,
            line(Outlook::Runs, format!("it would fail: {message}")),
        );
        End::Failed
    }

    fn tell(&mut self, step: &Step, path: &str, told: ForecastTask) {
        self.tasks.push(ForecastTask {
            name: step.name.clone(),
            scope_path: path.to_owned(),
            ..told
        });
    }
}

/// Steps, each behind those it waits for.
pub(crate) fn in_order(steps: &[Step]) -> Vec<usize> {
    let mut waiting: Vec<usize> = steps.iter().map(|step| step.waits_for.len()).collect();
    let mut order: Vec<usize> = (0..steps.len()).filter(|&step| waiting[step] == 0).collect();
    let mut next = 0;
    while let Some(&step) = order.get(next) {
        next += 1;
        for &other in &steps[step].unblocks {
            waiting[other] -= 1;
            if waiting[other] == 0 {
                order.push(other);
            }
        }
    }
    order
}

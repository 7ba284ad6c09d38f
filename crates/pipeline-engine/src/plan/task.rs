//! What a container or an import would do: hit, miss, run, or what that depends on.

use pipeline_spec::ir::ContainerSpec;
use pipeline_spec::placeholder::Facts;

use super::known::{Around, KnownOutputs};
use super::{End, Planner, line};
use crate::bind::{self, Bound, Unbound, Unknown, UnknownInputs};
use crate::cache;
use crate::decide::{Answer, Fingerprinted, key_of};
use crate::error::EngineError;
use crate::model::{ForecastTask, Outlook};
use crate::perform::import;
use crate::program::Step;
use crate::store::cache as rows;

/// The task that is foretold.
pub(super) struct Place<'p> {
    /// What it is of.
    pub(super) step: &'p Step,
    /// Where it is.
    pub(super) path: &'p str,
    /// What it depends on whether it runs at all.
    pub(super) doubt: Option<&'p Unknown>,
}

impl Place<'_> {
    /// What is known of its outputs as long as it has not run.
    fn not_yet(&self) -> KnownOutputs {
        KnownOutputs::unknown(&Unknown {
            on: format!("what task `{}` hands back", self.step.name),
        })
    }

    fn in_doubt(doubt: &Unknown) -> ForecastTask {
        line(
            Outlook::Depends,
            format!("whether it runs depends on {}", doubt.on),
        )
    }
}

/// An end of a task that runs.
const fn ran(outputs: KnownOutputs) -> End {
    End::Well {
        outputs,
        cached: false,
    }
}

impl Planner<'_> {
    /// Foretells a task with a container.
    pub(super) fn container(
        &mut self,
        place: &Place<'_>,
        label: &str,
        container: &ContainerSpec,
        (bound, unknown): (&Bound, &UnknownInputs),
        around: &Around<'_>,
    ) -> Result<End, EngineError> {
        let Place { step, path, doubt } = *place;
        if step.answered {
            let told = match doubt {
                Some(doubt) => Place::in_doubt(doubt),
                None => line(
                    Outlook::Runs,
                    "a volume claim is looked at where it is".to_owned(),
                ),
            };
            self.tell(step, path, told);
            return Ok(ran(place.not_yet()));
        }
        let config = self.program.pipeline().kubernetes_executor(label);
        let references = match bind::references(config, around) {
            Ok(references) => Ok(references),
            Err(Unbound::Unknown(on)) => Err(on),
            Err(Unbound::Wrong(message)) => return Ok(self.fail(step, path, &message)),
        };
        let first = unknown.values().next();
        let told = match (doubt, first.or(references.as_ref().err())) {
            (Some(doubt), _) => Some(Place::in_doubt(doubt)),
            (None, Some(on)) if step.cached => {
                Some(line(Outlook::Depends, format!("its inputs depend on {}", on.on)))
            }
            (None, Some(_)) => Some(line(Outlook::Runs, "it is never cached".to_owned())),
            (None, None) => None,
        };
        if let Some(told) = told {
            self.tell(step, path, told);
            return Ok(ran(place.not_yet()));
        }
        let references = references.unwrap_or_default();
        let key = key_of(self.program, step, container, bound, &references);
        if step.cached {
            self.cached(place, &key)
        } else {
            self.never_cached(place, &key)
        }
    }

    /// Foretells a task whose inputs are known and that asks the cache.
    fn cached(&mut self, place: &Place<'_>, key: &Fingerprinted) -> Result<End, EngineError> {
        let (told, end) = match cache::look_up(self.connection, &key.fingerprint)? {
            Answer::Hit { outputs, from } => {
                let reason = format!("its outputs are those of run `{from}`");
                let told = ForecastTask {
                    from_run: Some(from),
                    ..line(Outlook::Hit, reason)
                };
                let outputs = outputs.into();
                (
                    told,
                    End::Well {
                        outputs,
                        cached: true,
                    },
                )
            }
            Answer::Miss { reason } => {
                let of = format!("{}/{}", place.step.component, place.step.name);
                let pipeline = self.program.pipeline().name();
                let nearest = rows::nearest(self.connection, pipeline, &of, &key.key, i64::MAX)?;
                let (reason, from_run, differences) = match nearest {
                    Some((run, differences)) if !differences.is_empty() => {
                        (cache::told(run, &differences), Some(run), differences)
                    }
                    Some((run, _)) => (reason, Some(run), Vec::new()),
                    None => ("it is the first of its kind".to_owned(), None, Vec::new()),
                };
                let told = ForecastTask {
                    from_run,
                    differences,
                    ..line(Outlook::Miss, reason)
                };
                (told, ran(place.not_yet()))
            }
        };
        let fingerprint = Some(key.fingerprint.clone());
        self.tell(place.step, place.path, ForecastTask { fingerprint, ..told });
        Ok(end)
    }

    /// Foretells a task whose inputs are known and that runs whatever the cache has.
    fn never_cached(&mut self, place: &Place<'_>, key: &Fingerprinted) -> Result<End, EngineError> {
        let (told, outputs) = match rows::last_outputs(self.connection, &key.fingerprint)? {
            Some((run, outputs)) => {
                let reason = format!(
                    "it is never cached; taken to hand back what it did in run `{run}`, with the same inputs"
                );
                let told = ForecastTask {
                    from_run: Some(run),
                    ..line(Outlook::Runs, reason)
                };
                (told, KnownOutputs::from(outputs))
            }
            None => {
                let told = line(Outlook::Runs, "it is never cached".to_owned());
                (told, place.not_yet())
            }
        };
        let fingerprint = Some(key.fingerprint.clone());
        self.tell(place.step, place.path, ForecastTask { fingerprint, ..told });
        Ok(ran(outputs))
    }

    /// Foretells an import.
    pub(super) fn import(
        &mut self,
        place: &Place<'_>,
        (bound, unknown): (&Bound, &UnknownInputs),
        facts: &Facts,
    ) -> End {
        let told = match place.doubt {
            Some(doubt) => Place::in_doubt(doubt),
            None => line(Outlook::Runs, "an import looks at what is there".to_owned()),
        };
        self.tell(place.step, place.path, told);
        match unknown.values().next() {
            Some(on) => ran(KnownOutputs::unknown(on)),
            None => import::outputs(self.program, place.step, bound, facts)
                .map_or(End::Failed, |outputs| ran(outputs.into())),
        }
    }
}

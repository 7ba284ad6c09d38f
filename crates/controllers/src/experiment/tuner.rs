//! The tuner program and its launches.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use processes::{Attached, Launch, LogLimit, ProcessIdentity, write_durably};
use sha2::{Digest, Sha256};

use super::decide::{Description, Tuner};
use crate::config::Config;
use crate::error::ReconcileError;
use crate::launches::{Launches, Pulse, tail};

/// The program, file by file.
const PROGRAM: [(&str, &str); 10] = [
    ("tune.py", include_str!("../../python/tune.py")),
    (
        "tuner/__init__.py",
        include_str!("../../python/tuner/__init__.py"),
    ),
    (
        "tuner/collector.py",
        include_str!("../../python/tuner/collector.py"),
    ),
    (
        "tuner/experiment.py",
        include_str!("../../python/tuner/experiment.py"),
    ),
    ("tuner/records.py", include_str!("../../python/tuner/records.py")),
    ("tuner/search.py", include_str!("../../python/tuner/search.py")),
    ("tuner/space.py", include_str!("../../python/tuner/space.py")),
    ("tuner/study.py", include_str!("../../python/tuner/study.py")),
    ("tuner/trial.py", include_str!("../../python/tuner/trial.py")),
    ("tuner/verdict.py", include_str!("../../python/tuner/verdict.py")),
];
/// Under it the variables of a trial travel to the tuner (`python/tuner/experiment.py`).
const TRIAL_PREFIX: &str = "TRIAL_ENV_";
/// Read when Ray is imported, so not for the program to set: no tables, no result files that nobody reads, no complaint
/// that a failed trial has no metric, no working directory of Ray's choosing; a head that is gone does not come back as
/// the same one, so the tuner fails soon and is run again; and nothing here computes on several threads.
const QUIET: [(&str, &str); 6] = [
    ("RAY_AIR_NEW_OUTPUT", "0"),
    ("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1"),
    ("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1"),
    ("RAY_CHDIR_TO_TRIAL_DIR", "0"),
    ("RAY_gcs_rpc_server_reconnect_timeout_s", "5"),
    ("OPENBLAS_NUM_THREADS", "1"),
];
const LOG_BYTES: u64 = 4 * 1024 * 1024;
/// From SIGTERM on: the tuner ends its trials and goes.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// For ending what a killed tuner left.
const END_SECONDS: Duration = Duration::from_secs(30);

/// Puts the program where it can be run, once per content; returns its folder, which has the module `tune`.
///
/// # Errors
/// What the system said.
pub(crate) fn install(experiments: &Path) -> std::io::Result<PathBuf> {
    let digest = PROGRAM.iter().fold(Sha256::new(), |digest, (name, text)| {
        digest.chain_update(name).chain_update(text)
    });
    let folder = experiments
        .join(".program")
        .join(hex::encode(&digest.finalize()[..6]));
    for (name, text) in PROGRAM {
        let path = folder.join(name);
        if std::fs::read_to_string(&path).ok().as_deref() != Some(text) {
            std::fs::create_dir_all(path.parent().expect("invariant: a file lies in a folder"))?;
            write_durably(&path, text.as_bytes(), 0o644)?;
        }
    }
    Ok(folder)
}

/// The launches of one experiment's tuner: `tuner/N/` in its folder, each with `over`, how many trials were over when it
/// began.
#[derive(Clone, Debug)]
pub(super) struct Tuners {
    directory: PathBuf,
}

/// The last launch.
pub(super) struct Last {
    pub(super) number: u32,
    pub(super) attached: Attached,
}

impl Tuners {
    pub(super) fn of(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    fn folder(&self, number: u32) -> PathBuf {
        self.directory.join("tuner").join(number.to_string())
    }

    pub(super) fn last(&self, launches: &Launches, pulse: &Pulse) -> Result<Option<Last>, ReconcileError> {
        let Some(number) = self.numbers()?.pop() else {
            return Ok(None);
        };
        let attached = launches.look(&self.folder(number), pulse)?;
        Ok(Some(Last { number, attached }))
    }

    /// The tuner as `decide` sees it; `over` trials have come to their end by now.
    pub(super) fn seen(
        &self,
        last: Option<&Last>,
        over: usize,
        description: Description,
    ) -> Result<Tuner, ReconcileError> {
        let Some(last) = last else {
            return Ok(Tuner::Never);
        };
        let ago = match &last.attached {
            Attached::Running(_) => return Ok(Tuner::Running(description)),
            Attached::Ended(record) => {
                let end = record.started() + record.elapsed();
                SystemTime::now().duration_since(end).unwrap_or_default()
            }
            Attached::NeverStarted | Attached::Lost => Duration::MAX,
        };
        let fruitless = self.numbers()?.into_iter().rev().take_while(|number| {
            let begun = std::fs::read_to_string(self.folder(*number).join("over"));
            begun.ok().and_then(|text| text.parse().ok()) == Some(over)
        });
        Ok(Tuner::Ended {
            fruitless: u32::try_from(fruitless.count()).unwrap_or(u32::MAX),
            ago,
        })
    }

    /// Launches the tuner after the last one.
    pub(super) fn launch(
        &self,
        config: &Config,
        program: &Path,
        trial: &BTreeMap<String, String>,
        over: usize,
        launches: &Launches,
        pulse: &Pulse,
    ) -> Result<(), ReconcileError> {
        let number = self.numbers()?.pop().map_or(0, |last| last + 1);
        let folder = self.folder(number);
        std::fs::create_dir_all(&folder).map_err(ReconcileError::file(&folder))?;
        let path = folder.join("over");
        std::fs::write(&path, over.to_string()).map_err(ReconcileError::file(&path))?;
        let mut launch = self.command(config, program, "run", folder);
        launch.env.extend(ray_environment(config));
        launch.env.extend(
            trial
                .iter()
                .map(|(name, value)| (format!("{TRIAL_PREFIX}{name}"), value.clone())),
        );
        launch.log_limit = Some(LogLimit::Rotate(LOG_BYTES));
        launch.grace = GRACE;
        let mut env = launch.env.clone();
        env.retain(|name, _| !name.starts_with(TRIAL_PREFIX));
        let modules = vec!["tuner.study".to_owned()];
        let chosen = config.workers.choose(&config.python, env, modules);
        launches.launch(&config.workers, chosen, launch, pulse)?;
        Ok(())
    }

    /// Stops the tuner and every process of its trials.
    pub(super) async fn end(
        &self,
        config: &Config,
        program: &Path,
        running: Option<&ProcessIdentity>,
    ) -> Result<(), ReconcileError> {
        if let Some(identity) = running {
            processes::terminate(identity, GRACE).await?;
        }
        if !self.directory.join("experiment.json").exists() {
            return Ok(());
        }
        let folder = self.directory.join("end");
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(ReconcileError::file(&folder)(error));
            }
            _ => {}
        }
        let mut launch = self.command(config, program, "end", folder);
        launch.deadline = Some(END_SECONDS);
        let identity = config.shim.launch(&launch)?;
        match processes::wait(&identity, &launch.dir).await? {
            processes::Outcome::Ended(record) if record.succeeded() => Ok(()),
            outcome => {
                let said = tail(&launch.stdout);
                tracing::warn!(directory = %self.directory.display(), ?outcome, said, "trials could not be ended");
                Ok(())
            }
        }
    }

    /// The last lines that the last launches said.
    pub(super) fn said(&self) -> String {
        let last = self.numbers().ok().and_then(|mut numbers| numbers.pop());
        last.map(|number| tail(&self.folder(number).join("log")))
            .unwrap_or_default()
    }

    fn command(&self, config: &Config, program: &Path, verb: &str, folder: PathBuf) -> Launch {
        let mut launch = Launch::new(folder, &config.python);
        let words = ["-m", "tune", verb];
        launch.args = words.map(str::to_owned).to_vec();
        launch.args.push(self.directory.display().to_string());
        launch.env = config.environment.clone();
        launch
            .env
            .insert("PYTHONPATH".into(), program.display().to_string());
        launch
            .env
            .extend(QUIET.map(|(name, value)| (name.to_owned(), value.to_owned())));
        launch
    }

    fn numbers(&self) -> Result<Vec<u32>, ReconcileError> {
        let folder = self.directory.join("tuner");
        let listed = match std::fs::read_dir(&folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ReconcileError::file(&folder)(error)),
        };
        let mut numbers: Vec<u32> = listed
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

fn ray_environment(config: &Config) -> BTreeMap<String, String> {
    let mut env = config.ray.environment.clone();
    env.insert("RAY_ADDRESS".into(), config.ray.address.clone());
    if let Some(token) = &config.ray.token {
        env.insert("RAY_AUTH_MODE".into(), "token".into());
        env.insert("RAY_AUTH_TOKEN".into(), token.clone());
    }
    env
}

//! The folder of one InferenceService.
//!
//! `assigned.json` says who answers for each Service; it is written before anybody is told. `ID.json` describes a
//! revision and `ID/` holds its model. `servers/N/` is the launch folder of the Nth start: `server.json` is written
//! before the process starts (`starts.json` has the next number), `ready` when it first answered, `draining` when it is to go. So a daemon that comes back
//! knows all that the one before it knew.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use processes::{Attached, ProcessIdentity, write_durably};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::decide::{Assignments, Server, State};
use super::desired::Revision;
use super::probe::Answer;

/// Why something about served models could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}")]
    Malformed {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("no port on loopback is free: {0}")]
    NoPort(std::io::Error),
}

impl ServeError {
    pub(crate) fn file(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::File { path, source }
    }
}

/// What a server was started as.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Started {
    pub(crate) revision: String,
    pub(crate) place: usize,
    pub(crate) port: u16,
}

/// The folder of one InferenceService.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    root: PathBuf,
}

impl Home {
    /// Below the folder of all served models; the uid keeps one object of a name from the next.
    pub(crate) fn of(serving: &Path, namespace: &str, name: &str, uid: &str) -> Self {
        let short = uid.get(..8).unwrap_or(uid);
        Self {
            root: serving.join(namespace).join(format!("{name}-{short}")),
        }
    }

    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn server(&self, number: u32) -> PathBuf {
        self.root.join("servers").join(number.to_string())
    }

    pub(crate) fn model(&self, revision: &str) -> PathBuf {
        self.root.join(revision)
    }

    /// Who answers; nobody before the first.
    pub(crate) fn assigned(&self) -> Result<Assignments, ServeError> {
        Ok(read(&self.root.join("assigned.json"))?.unwrap_or_default())
    }

    pub(crate) fn assign(&self, assigned: &Assignments) -> Result<(), ServeError> {
        self.write("assigned.json", assigned)
    }

    pub(crate) fn revision(&self, id: &str) -> Result<Option<Revision>, ServeError> {
        read(&self.root.join(format!("{id}.json")))
    }

    /// Keeps the description of a revision for as long as it is needed.
    pub(crate) fn keep(&self, revision: &Revision) -> Result<(), ServeError> {
        match self.root.join(format!("{}.json", revision.id)).exists() {
            true => Ok(()),
            false => self.write(&format!("{}.json", revision.id), revision),
        }
    }

    /// Removes the descriptions and models of all other revisions.
    pub(crate) fn forget_revisions(&self, keep: impl Fn(&str) -> bool) -> Result<(), ServeError> {
        for entry in entries(&self.root)? {
            let Some(name) = entry.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let id = name.strip_suffix(".json").unwrap_or(name);
            if id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && !keep(id) {
                remove(&entry)?;
            }
        }
        Ok(())
    }

    pub(crate) fn forget_server(&self, number: u32) -> Result<(), ServeError> {
        remove(&self.server(number))
    }

    /// Everything, for an object that is gone.
    pub(crate) fn remove(&self) -> Result<(), ServeError> {
        remove(&self.root)
    }

    /// Numbers of all starts that were kept.
    pub(crate) fn numbers(&self) -> Result<Vec<u32>, ServeError> {
        let mut numbers: Vec<u32> = entries(&self.root.join("servers"))?
            .iter()
            .filter_map(|path| path.file_name()?.to_str()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// A number for the next start. It is taken for good, used or not: what is known of a start is known by its number.
    pub(crate) fn next_number(&self) -> Result<u32, ServeError> {
        let next: u32 = read(&self.root.join("starts.json"))?.unwrap_or_default();
        self.write("starts.json", &(next + 1))?;
        Ok(next)
    }

    /// Makes the launch folder of a start.
    pub(crate) fn prepare(&self, number: u32, started: &Started) -> Result<PathBuf, ServeError> {
        let folder = self.server(number);
        std::fs::create_dir_all(&folder).map_err(ServeError::file(&folder))?;
        self.write(&format!("servers/{number}/server.json"), started)?;
        Ok(folder)
    }

    pub(crate) fn mark(&self, number: u32, what: Mark) -> Result<(), ServeError> {
        let path = self.server(number).join(what.file());
        std::fs::write(&path, []).map_err(ServeError::file(path))
    }

    pub(crate) fn is_marked(&self, number: u32, what: Mark) -> bool {
        self.server(number).join(what.file()).exists()
    }

    /// A start as it is now; `None` where it was never completely prepared. `answer` is what its probe said last, if
    /// anybody asked yet: until then a server that was ready is taken to be.
    pub(crate) fn seen(
        &self,
        number: u32,
        attached: &Attached,
        answer: Option<Answer>,
    ) -> Result<Option<Server>, ServeError> {
        let Some(started) = read::<Started>(&self.server(number).join("server.json"))? else {
            return Ok(None);
        };
        let was_ready = self.is_marked(number, Mark::Ready);
        let over = |ran, ago, how| State::Ended {
            was_ready,
            ran,
            ago,
            how,
        };
        let state = match attached {
            Attached::Running(_) => match answer {
                Some(Answer::Ready) => State::Ready,
                Some(Answer::Unready | Answer::Dead) => State::Unready,
                None if was_ready => State::Ready,
                None => State::Starting,
            },
            Attached::Ended(record) => {
                let end = record.started() + record.elapsed();
                let ago = SystemTime::now().duration_since(end).unwrap_or_default();
                over(record.elapsed(), ago, record.end.to_string())
            }
            Attached::Lost | Attached::NeverStarted => {
                over(Duration::ZERO, Duration::ZERO, "its end was not seen".to_owned())
            }
        };
        Ok(Some(Server {
            number,
            revision: started.revision,
            place: started.place,
            port: started.port,
            state,
            draining: self.is_marked(number, Mark::Draining),
        }))
    }

    fn write(&self, name: &str, document: &impl Serialize) -> Result<(), ServeError> {
        let path = self.root.join(name);
        let text = serde_json::to_vec_pretty(document).expect("invariant: string keys");
        let folder = path.parent().expect("invariant: a file of a home lies in it");
        std::fs::create_dir_all(folder).map_err(ServeError::file(folder))?;
        write_durably(&path, &text, 0o600).map_err(ServeError::file(path))
    }
}

/// A fact about a server that outlives the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Ready,
    Draining,
}

impl Mark {
    fn file(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// The identity of a running process.
pub(crate) fn identity(attached: &Attached) -> Option<&ProcessIdentity> {
    match attached {
        Attached::Running(identity) => Some(identity),
        _ => None,
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ServeError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| ServeError::Malformed {
                path: path.to_owned(),
                source,
            }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ServeError::file(path)(error)),
    }
}

/// Paths in a folder; none where it is not there.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, ServeError> {
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ServeError::file(folder)(error)),
    };
    listed
        .map(|entry| entry.map(|entry| entry.path()).map_err(ServeError::file(folder)))
        .collect()
}

fn remove(path: &Path) -> Result<(), ServeError> {
    let removed = match path.is_dir() {
        true => std::fs::remove_dir_all(path),
        false => std::fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ServeError::file(path)(error)),
        _ => Ok(()),
    }
}

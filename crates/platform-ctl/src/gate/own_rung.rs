//! The gate's own rung, in a state folder inside the clone's: the user's rung is left alone.

use std::path::{Path, PathBuf};

use checks::scenarios::Start;
use tier6::{StateDir, embedded};

use crate::cli::Common;
use crate::failure::Failure;
use crate::rung;

/// Where the gate plays.
pub(super) enum Rung {
    /// On one of its own.
    Own(OwnRung),
    /// On what others run.
    Others,
}

/// A rung that the gate may empty, take down and bring up.
pub(super) struct OwnRung {
    /// The state folder it is in.
    home: PathBuf,
    state: StateDir,
}

impl Rung {
    /// Flags that lead to it.
    pub(super) fn common(&self, given: &Common) -> Common {
        Common {
            endpoints: given.endpoints.clone(),
            state_dir: match self {
                Self::Own(own) => Some(own.folder().to_owned()),
                Self::Others => given.state_dir.clone(),
            },
            json: given.json,
        }
    }
}

impl OwnRung {
    /// The state folder `gate` inside `home`, with home's Python; emptied where the gate starts from nothing.
    pub(super) async fn prepare(home: &StateDir, start: Start) -> Result<Self, Failure> {
        let python = home.python()?;
        let folder = home.root().join("gate");
        let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
        if start == Start::Empty && folder.exists() {
            // An earlier gate that was killed may have left its services.
            embedded::down(&StateDir::open(&folder)?).await?;
            std::fs::remove_dir_all(&folder).map_err(failed)?;
        }
        let state = StateDir::open(&folder)?;
        let link = folder.join("python/current");
        std::fs::create_dir_all(folder.join("python")).map_err(failed)?;
        match std::fs::remove_file(&link) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => std::os::unix::fs::symlink(python, &link).map_err(failed)?,
        }
        Ok(Self {
            home: home.root().to_owned(),
            state,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        self.state.root()
    }

    pub(super) async fn up(&self) -> Result<(), Failure> {
        rung::bring_up(&self.state, None).await.map(drop)
    }

    pub(super) async fn down(&self) -> Result<(), Failure> {
        embedded::down(&self.state).await?;
        Ok(())
    }

    /// Takes it down by hand.
    pub(super) fn down_command(&self) -> String {
        format!("cargo platform-ctl down --state-dir {}", self.folder().display())
    }

    /// Plays one scenario again.
    pub(super) fn again_command(&self, recipe: &str, scenario: &str) -> String {
        let home = self.home.display();
        format!("cargo platform-ctl gate {recipe} --only {scenario} --keep-up --state-dir {home}")
    }
}

//! Which cluster a state folder's rung is on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::place::Use;
use crate::component::Rung;
use crate::error::Tier6Error;
use crate::state_dir::StateDir;

/// Where to install.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "rung")]
pub enum Target {
    /// A kind cluster of the state folder's own.
    Kind,
    /// A cluster that is there.
    Cluster {
        /// Its context in the user's kubeconfig.
        context: String,
    },
}

impl Target {
    /// Which components belong there.
    pub fn rung(&self) -> Rung {
        match self {
            Self::Kind => Rung::Kind,
            Self::Cluster { .. } => Rung::Cluster,
        }
    }

    /// For people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Cluster { .. } => "cluster",
        }
    }
}

/// `rung.json`: the rung on Kubernetes that this state folder has; written before anything is made there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RungRecord {
    /// Where.
    pub target: Target,
    /// Ports of this machine's loopback, by what they lead to.
    pub ports: BTreeMap<Use, u16>,
}

impl RungRecord {
    /// Reads it; `None`: the state folder has no rung on Kubernetes.
    ///
    /// # Errors
    /// [`Tier6Error::File`], [`Tier6Error::Malformed`].
    pub fn read(state: &StateDir) -> Result<Option<Self>, Tier6Error> {
        let path = state.rung_record();
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| Tier6Error::Malformed { path, source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Tier6Error::file(path)(error)),
        }
    }

    /// Writes it in one step.
    ///
    /// # Errors
    /// [`Tier6Error::File`].
    pub(super) fn write(&self, state: &StateDir) -> Result<(), Tier6Error> {
        let bytes = serde_json::to_vec_pretty(self).expect("invariant: plain maps and strings");
        processes::write_durably(&state.rung_record(), &bytes, 0o644)
            .map_err(Tier6Error::file(state.rung_record()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path().join("state")).unwrap();
        assert_eq!(RungRecord::read(&state).unwrap(), None);
        let record = RungRecord {
            target: Target::Cluster {
                context: "stage".into(),
            },
            ports: [(Use::Pipelines, 20_001)].into(),
        };
        record.write(&state).unwrap();
        assert_eq!(RungRecord::read(&state).unwrap(), Some(record));
    }
}

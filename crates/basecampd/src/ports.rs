//! Ports of a state folder: chosen once, chosen again only where somebody else has taken one.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::PathBuf;

use anyhow::Context;
use sha2::{Digest, Sha256};

/// Below the range that the kernel hands out to outgoing connections (32768 on, unless set otherwise), above the ports
/// that people choose by hand.
const RANGE: Range<u16> = 20_000..32_000;

/// `ports.json`: use → port.
#[derive(Debug)]
pub(crate) struct Ports {
    path: PathBuf,
    chosen: BTreeMap<String, u16>,
    next: u16,
}

impl Ports {
    /// Reads what was chosen before. Where a new choice begins depends on the state folder, so that clones rarely meet.
    pub(crate) fn open(state: &tier6::StateDir) -> anyhow::Result<Self> {
        let path = state.ports();
        let chosen = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).context(path.display().to_string()),
        };
        let digest = Sha256::digest(state.mark()?);
        let offset = u16::from_be_bytes([digest[0], digest[1]]) % (RANGE.end - RANGE.start);
        Ok(Self {
            path,
            chosen,
            next: RANGE.start + offset,
        })
    }

    /// The port for this use, if one was chosen; else a free one.
    pub(crate) fn of(&mut self, name: &str) -> anyhow::Result<u16> {
        match self.chosen.get(name) {
            Some(&port) => Ok(port),
            None => self.choose(name),
        }
    }

    /// Chooses again where the port is taken. To be asked only while nobody of ours listens on it.
    pub(crate) fn settle(&mut self, name: &str) -> anyhow::Result<()> {
        match self.chosen.get(name) {
            Some(&port) if is_free(port) => Ok(()),
            Some(&port) => {
                tracing::warn!(
                    name,
                    port,
                    "the port is taken by somebody else; another is chosen"
                );
                self.choose(name).map(drop)
            }
            None => self.choose(name).map(drop),
        }
    }

    fn choose(&mut self, name: &str) -> anyhow::Result<u16> {
        for _ in RANGE {
            let port = self.next;
            self.next = if port + 1 < RANGE.end {
                port + 1
            } else {
                RANGE.start
            };
            if !self.chosen.values().any(|&other| other == port) && is_free(port) {
                self.chosen.insert(name.to_owned(), port);
                let bytes = serde_json::to_vec_pretty(&self.chosen).context("ports")?;
                processes::write_durably(&self.path, &bytes, 0o600)
                    .with_context(|| self.path.display().to_string())?;
                return Ok(port);
            }
        }
        anyhow::bail!("no port between {} and {} is free", RANGE.start, RANGE.end)
    }
}

/// Nobody listens on loopback or everywhere.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_kept_and_chosen_again_only_where_taken() {
        let folder = tempfile::tempdir().unwrap();
        let state = tier6::StateDir::open(folder.path()).unwrap();
        let first = Ports::open(&state).unwrap().of("mlflow").unwrap();
        let mut ports = Ports::open(&state).unwrap();
        ports.settle("mlflow").unwrap();
        assert_eq!(ports.of("mlflow").unwrap(), first);
        assert_ne!(ports.of("ray").unwrap(), first);

        let _stranger = TcpListener::bind((Ipv4Addr::UNSPECIFIED, first)).unwrap();
        let mut ports = Ports::open(&state).unwrap();
        assert_eq!(ports.of("mlflow").unwrap(), first, "only `settle` looks");
        ports.settle("mlflow").unwrap();
        assert_ne!(ports.of("mlflow").unwrap(), first);
    }
}

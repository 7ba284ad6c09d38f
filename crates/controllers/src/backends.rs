//! Which process answers for which Service: written by the InferenceService controller, read by the HTTPRoute controller.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

/// A Service by namespace and name.
pub(crate) type Service = (String, String);

/// Ports on loopback of the processes that answer for each Service. A Service that exists and has nobody ready has an
/// empty list.
pub(crate) type Table = BTreeMap<Service, Vec<u16>>;

/// What each owner serves; an owner is named by its folder, because names of Services do not tell whose they are.
pub(crate) type Owners = BTreeMap<PathBuf, Table>;

/// The table, shared.
#[derive(Clone, Debug)]
pub(crate) struct Backends {
    owners: watch::Sender<Owners>,
}

impl Backends {
    /// A table that starts with what was being served.
    pub(crate) fn new(owners: Owners) -> Self {
        Self {
            owners: watch::Sender::new(owners),
        }
    }

    /// The table now.
    pub(crate) fn now(&self) -> Table {
        let owners = self.owners.borrow();
        let all = owners.values().flatten();
        all.map(|(service, ports)| (service.clone(), ports.clone()))
            .collect()
    }

    /// Told of each change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Owners> {
        self.owners.subscribe()
    }

    /// Replaces what an owner serves; readers hear of it if it changed.
    pub(crate) fn replace(&self, owner: &Path, services: Table) {
        self.owners.send_if_modified(|owners| {
            let changed = owners.get(owner) != Some(&services);
            owners.insert(owner.to_owned(), services);
            changed
        });
    }

    /// Forgets an owner.
    pub(crate) fn remove(&self, owner: &Path) {
        self.owners
            .send_if_modified(|owners| owners.remove(owner).is_some());
    }
}

/// Where the process of this port answers.
pub(crate) fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

//! The kind cluster of a state folder, through the program `kind`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_yaml::{Mapping, Value};
use xshell::cmd;

use super::place::{NODE_PORTS, Use};
use crate::error::Tier6Error;
use crate::state_dir::StateDir;
use crate::tool;

/// The oldest kind whose node images this rung was tried with.
const OLDEST: (u32, u32) = (0, 30);

/// One state folder's cluster.
pub(super) struct Kind {
    name: String,
    folder: PathBuf,
}

impl Kind {
    /// The cluster of this state folder, whether it is there or not.
    ///
    /// # Errors
    /// [`Tier6Error::File`].
    pub(super) fn of(state: &StateDir) -> Result<Self, Tier6Error> {
        let mark = state.mark()?;
        Ok(Self {
            name: format!("basecamp-{}", mark.get(..8).unwrap_or(&mark)),
            folder: state.kind(),
        })
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Makes the cluster where it is not there, starts its nodes where they are stopped; `say` hears of what takes
    /// long. One whose making was interrupted is made anew.
    ///
    /// # Errors
    /// [`Tier6Error::Tool`], [`Tier6Error::Component`] where the configuration makes no sense, [`Tier6Error::File`].
    pub(super) fn ensure(
        &self,
        base: &Path,
        ports: &BTreeMap<Use, u16>,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), Tier6Error> {
        let name = self.name.as_str();
        let sh = tool::shell()?;
        let told = tool::read("kind", cmd!(sh, "kind version"))?;
        if tool::version(&told).is_some_and(|found| found < OLDEST) {
            return Err(Tier6Error::Tool {
                program: "kind".into(),
                reason: format!("{} is older than {}.{}", told.trim(), OLDEST.0, OLDEST.1),
            });
        }
        let is_there = tool::read("kind", cmd!(sh, "kind get clusters"))?
            .lines()
            .any(|line| line == name);
        if is_there && self.made().exists() {
            let engine = engine();
            let nodes = tool::read("kind", cmd!(sh, "kind get nodes --name {name}"))?;
            let nodes = nodes.lines();
            tool::read("docker", cmd!(sh, "{engine} start {nodes...}"))?;
            return Ok(());
        }
        if is_there {
            say(&format!(
                "kind cluster {name}: its making was interrupted; it is made anew"
            ));
            tool::read("kind", cmd!(sh, "kind delete cluster --name {name}"))?;
        }
        say(&format!("kind cluster {name}: being made"));
        let text = std::fs::read_to_string(base).map_err(Tier6Error::file(base))?;
        let config = configuration(&text, name, ports).map_err(|reason| Tier6Error::Component {
            name: base.display().to_string(),
            reason,
        })?;
        std::fs::create_dir_all(&self.folder).map_err(Tier6Error::file(&self.folder))?;
        let file = self.folder.join("kind.yaml");
        processes::write_durably(&file, config.as_bytes(), 0o644).map_err(Tier6Error::file(&file))?;
        let kubeconfig = self.folder.join("kubeconfig");
        tool::read(
            "kind",
            cmd!(
                sh,
                "kind create cluster --name {name} --config {file} --kubeconfig {kubeconfig} --wait 180s"
            ),
        )?;
        processes::write_durably(&self.made(), b"", 0o644).map_err(Tier6Error::file(self.made()))
    }

    /// A kubeconfig for it.
    ///
    /// # Errors
    /// [`Tier6Error::Tool`].
    pub(super) fn kubeconfig(&self) -> Result<String, Tier6Error> {
        let (sh, name) = (tool::shell()?, &self.name);
        tool::read("kind", cmd!(sh, "kind get kubeconfig --name {name}"))
    }

    /// Takes it away with all that is in it; `false` where it was not there.
    ///
    /// # Errors
    /// [`Tier6Error::Tool`], [`Tier6Error::File`].
    pub(super) fn delete(&self) -> Result<bool, Tier6Error> {
        let (sh, name) = (tool::shell()?, self.name.as_str());
        let is_there = tool::read("kind", cmd!(sh, "kind get clusters"))?
            .lines()
            .any(|line| line == name);
        if is_there {
            // Its kubeconfig is ours; without this kind would look into the user's.
            let kubeconfig = self.folder.join("kubeconfig");
            tool::read(
                "kind",
                cmd!(sh, "kind delete cluster --name {name} --kubeconfig {kubeconfig}"),
            )?;
        }
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Tier6Error::file(&self.folder)(error))
            }
            _ => Ok(is_there),
        }
    }

    /// Names of the images that every node has.
    ///
    /// # Errors
    /// [`Tier6Error::Tool`].
    pub(super) fn images(&self) -> Result<BTreeSet<String>, Tier6Error> {
        let (sh, engine, name) = (tool::shell()?, engine(), self.name.as_str());
        let mut common: Option<BTreeSet<String>> = None;
        for node in tool::read("kind", cmd!(sh, "kind get nodes --name {name}"))?.lines() {
            let told = tool::read(
                "docker",
                cmd!(
                    sh,
                    "{engine} exec {node} ctr --namespace k8s.io images list --quiet"
                ),
            )?;
            let found: BTreeSet<String> = told.lines().map(str::to_owned).collect();
            common = Some(match common {
                Some(common) => common.intersection(&found).cloned().collect(),
                None => found,
            });
        }
        Ok(common.unwrap_or_default())
    }

    /// Lets pods start these images of the container engine without a pull.
    ///
    /// # Errors
    /// [`Tier6Error::Tool`].
    pub(super) fn load(&self, images: &[String]) -> Result<(), Tier6Error> {
        let (sh, name) = (tool::shell()?, self.name.as_str());
        tool::read(
            "kind",
            cmd!(sh, "kind load docker-image --name {name} {images...}"),
        )?;
        Ok(())
    }

    /// There once the cluster is whole.
    fn made(&self) -> PathBuf {
        self.folder.join("made")
    }
}

/// The container engine that kind uses.
pub(super) fn engine() -> String {
    let asked = std::env::var("KIND_EXPERIMENTAL_PROVIDER").unwrap_or_default();
    match asked.as_str() {
        "" if tool::on_path("docker").is_none() && tool::on_path("podman").is_some() => "podman".into(),
        "" => "docker".into(),
        asked => asked.into(),
    }
}

/// The base configuration with a name, and with a port of loopback for each of the node's.
fn configuration(base: &str, name: &str, ports: &BTreeMap<Use, u16>) -> Result<String, String> {
    let mut config: Value = serde_yaml::from_str(base).map_err(|error| error.to_string())?;
    let root = config.as_mapping_mut().ok_or("it is no mapping")?;
    root.insert("name".into(), name.into());
    let node = root
        .get_mut("nodes")
        .and_then(Value::as_sequence_mut)
        .and_then(|nodes| nodes.first_mut())
        .and_then(Value::as_mapping_mut)
        .ok_or("it names no node")?;
    let mappings: Vec<Value> = ports
        .iter()
        .map(|(purpose, port)| {
            let (_, node_port) = NODE_PORTS
                .iter()
                .find(|(known, _)| known == purpose)
                .expect("invariant: every use has a port of the node");
            Value::Mapping(Mapping::from_iter([
                ("containerPort".into(), (*node_port).into()),
                ("hostPort".into(), (*port).into()),
                ("listenAddress".into(), "127.0.0.1".into()),
            ]))
        })
        .collect();
    node.insert("extraPortMappings".into(), Value::Sequence(mappings));
    serde_yaml::to_string(&config).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use similar::TextDiff;

    #[test]
    fn the_configuration_has_a_name_and_the_ports_on_loopback() {
        let base = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n  - role: control-plane\n";
        let ports = BTreeMap::from([(Use::Pipelines, 20_001), (Use::Serving, 20_002)]);
        let made = configuration(base, "basecamp-1", &ports).unwrap();
        let expected = "\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
  extraPortMappings:
  - containerPort: 30888
    hostPort: 20001
    listenAddress: 127.0.0.1
  - containerPort: 30800
    hostPort: 20002
    listenAddress: 127.0.0.1
name: basecamp-1
";
        assert!(
            made == expected,
            "{}",
            TextDiff::from_lines(expected, made.as_str()).unified_diff()
        );
    }

    #[test]
    fn a_configuration_without_a_node_is_refused() {
        let error = configuration("kind: Cluster", "n", &BTreeMap::new()).unwrap_err();
        assert_eq!(error, "it names no node");
    }
}

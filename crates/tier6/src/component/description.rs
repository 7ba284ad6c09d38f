//! `component.yaml`: what a component is made of and what it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::Tier6Error;
use crate::quantity::Requests;

/// One component.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Component {
    /// Its folder's name.
    #[serde(skip)]
    pub name: String,
    /// Its folder.
    #[serde(skip)]
    pub folder: PathBuf,
    /// What it is, in a line.
    pub description: String,
    /// Upstream trees that its overlay builds on, found there as `upstream/NAME/`.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// Components that must be ready before this one is applied.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Rungs that it belongs to; none named: all.
    #[serde(default)]
    pub rungs: Vec<Rung>,
    /// What must hold besides what the kinds themselves tell (workloads rolled out, definitions established, webhooks
    /// reachable).
    #[serde(default)]
    pub ready: Vec<Condition>,
    /// What its pods may ask for at most.
    #[serde(default)]
    pub budget: Option<Requests>,
    /// Images that it starts later, and that no pod of its render names.
    #[serde(default)]
    pub images: Vec<String>,
    /// Secrets that are made in the cluster.
    #[serde(default)]
    pub secrets: Vec<Secrets>,
    /// Seconds that it may take to become ready once its dependencies are.
    #[serde(default = "ten_minutes")]
    pub deadline_seconds: u64,
}

fn ten_minutes() -> u64 {
    600
}

/// An upstream tree at one commit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// Folder under `upstream/`.
    pub name: String,
    /// Where git finds it.
    pub repository: String,
    /// The release, for people and for `verify`.
    pub tag: String,
    /// What is used.
    pub commit: String,
    /// Folders that are needed, relative to the root of the tree.
    pub paths: Vec<String>,
}

/// Rungs that install components.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rung {
    /// A kind cluster of our own.
    Kind,
    /// A cluster that is there.
    Cluster,
}

/// A condition of an object's status that must be `True`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// Type of the object.
    pub api_version: String,
    /// Kind of the object.
    pub kind: String,
    /// Where it lives.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// `status.conditions[].type`.
    pub condition: String,
}

/// A Secret whose values are made in the cluster and are nowhere written down.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secrets {
    /// Where it lives.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its values by key.
    #[serde(with = "serde_yaml::with::singleton_map_recursive")]
    pub data: BTreeMap<String, SecretValue>,
}

/// Where a Secret's value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum SecretValue {
    /// Made once, of so many letters and digits; kept from then on.
    Random(usize),
    /// Always this.
    Fixed(String),
    /// The same as `NAMESPACE/SECRET/KEY`.
    From(String),
}

/// `rung.yaml`: what all components share.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Whole {
    /// The oldest Kubernetes, `MAJOR.MINOR`.
    pub kubernetes: String,
    /// What everything together may ask for.
    pub budget: Requests,
    /// What kind's own pods ask for.
    pub control_plane: Requests,
    /// What a recipe's pods ask for at most at once.
    pub steps: Requests,
}

/// All components that `tier6/` pins, each after those it depends on.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The folder `tier6/`.
    pub folder: PathBuf,
    /// What they share.
    pub whole: Whole,
    /// In the order in which they can be applied.
    pub components: Vec<Component>,
}

impl Pinned {
    /// Reads `tier6/` of a clone.
    ///
    /// # Errors
    /// [`Tier6Error::File`]; [`Tier6Error::Component`] for what makes no sense.
    pub fn read(folder: &Path) -> Result<Self, Tier6Error> {
        let whole = parse(&folder.join("rung.yaml"))?;
        let list = folder.join("components");
        let mut components = Vec::new();
        for entry in std::fs::read_dir(&list).map_err(Tier6Error::file(&list))? {
            let entry = entry.map_err(Tier6Error::file(&list))?;
            let file = entry.path().join("component.yaml");
            if file.is_file() {
                let mut component: Component = parse(&file)?;
                component.name = entry.file_name().to_string_lossy().into_owned();
                component.folder = entry.path();
                check(&component)?;
                components.push(component);
            }
        }
        components.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self {
            folder: folder.to_owned(),
            whole,
            components: ordered(components)?,
        })
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Tier6Error::Component`] where there is none of that name; names those that are there.
    pub fn component(&self, name: &str) -> Result<&Component, Tier6Error> {
        self.components
            .iter()
            .find(|component| component.name == name)
            .ok_or_else(|| {
                let names: Vec<&str> = self.components.iter().map(|known| known.name.as_str()).collect();
                Tier6Error::Component {
                    name: name.to_owned(),
                    reason: format!("there is none of that name; there are: {}", names.join(", ")),
                }
            })
    }

    /// Where the lock is.
    pub fn lock(&self) -> PathBuf {
        self.folder.join("lock.yaml")
    }
}

impl Component {
    /// Whether it is installed on this rung.
    pub fn is_on(&self, rung: Rung) -> bool {
        self.rungs.is_empty() || self.rungs.contains(&rung)
    }

    /// SHA-256 over every file of its folder: its pin and its overlay.
    ///
    /// # Errors
    /// [`Tier6Error::File`].
    pub fn inputs(&self) -> Result<String, Tier6Error> {
        let mut hash = Sha256::new();
        for (path, bytes) in files(&self.folder)? {
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update([0]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
        Ok(hex::encode(hash.finalize()))
    }
}

/// Files below a folder, by path relative to it, sorted.
pub(super) fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, Tier6Error> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(inside) = waiting.pop() {
        for entry in std::fs::read_dir(&inside).map_err(Tier6Error::file(&inside))? {
            let path = entry.map_err(Tier6Error::file(&inside))?.path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let bytes = std::fs::read(&path).map_err(Tier6Error::file(&path))?;
                let relative = path.strip_prefix(folder).unwrap_or(&path).to_owned();
                found.insert(relative, bytes);
            }
        }
    }
    Ok(found)
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Tier6Error> {
    let text = std::fs::read_to_string(path).map_err(Tier6Error::file(path))?;
    serde_yaml::from_str(&text).map_err(|error| Tier6Error::Component {
        name: path.display().to_string(),
        reason: error.to_string(),
    })
}

fn check(component: &Component) -> Result<(), Tier6Error> {
    let refuse = |reason: String| {
        Err(Tier6Error::Component {
            name: component.name.clone(),
            reason,
        })
    };
    for source in &component.sources {
        let is_commit =
            source.commit.len() == 40 && source.commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_commit {
            return refuse(format!(
                "source {}: commit {} is not a whole commit id",
                source.name, source.commit
            ));
        }
        if source.paths.is_empty() {
            return refuse(format!("source {}: it names no paths", source.name));
        }
        let steps_out = |path: &&String| path.starts_with('/') || path.split('/').any(|step| step == "..");
        if let Some(path) = source.paths.iter().find(steps_out) {
            return refuse(format!(
                "source {}: path {path} leads out of the tree",
                source.name
            ));
        }
    }
    for secret in &component.secrets {
        for (key, value) in &secret.data {
            if let SecretValue::From(path) = value
                && path.split('/').count() != 3
            {
                return refuse(format!(
                    "Secret {}/{}: {key} is from {path}, which is not NAMESPACE/SECRET/KEY",
                    secret.namespace, secret.name
                ));
            }
        }
    }
    Ok(())
}

/// Each after those it depends on; among equals by name.
fn ordered(components: Vec<Component>) -> Result<Vec<Component>, Tier6Error> {
    let names: BTreeSet<&str> = components
        .iter()
        .map(|component| component.name.as_str())
        .collect();
    for component in &components {
        if let Some(unknown) = component
            .depends_on
            .iter()
            .find(|name| !names.contains(name.as_str()))
        {
            return Err(Tier6Error::Component {
                name: component.name.clone(),
                reason: format!("it depends on {unknown}, which is not there"),
            });
        }
    }
    let mut waiting = components;
    let mut placed: Vec<Component> = Vec::new();
    while !waiting.is_empty() {
        let is_free = |component: &Component| {
            component
                .depends_on
                .iter()
                .all(|name| placed.iter().any(|done| done.name == *name))
        };
        match waiting.iter().position(is_free) {
            Some(at) => placed.push(waiting.remove(at)),
            None => {
                let names: Vec<&str> = waiting.iter().map(|component| component.name.as_str()).collect();
                return Err(Tier6Error::Component {
                    name: names.join(", "),
                    reason: "they depend on each other in a circle".into(),
                });
            }
        }
    }
    Ok(placed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn component(name: &str, depends_on: &[&str]) -> Component {
        let names: Vec<String> = depends_on.iter().map(|name| format!("'{name}'")).collect();
        let mut component: Component =
            serde_yaml::from_str(&format!("{{description: d, dependsOn: [{}]}}", names.join(","))).unwrap();
        component.name = name.into();
        component
    }

    #[test]
    fn a_component_comes_after_what_it_depends_on() {
        let order = ordered(vec![
            component("a", &["c"]),
            component("b", &[]),
            component("c", &["b"]),
        ]);
        let names: Vec<String> = order
            .unwrap()
            .into_iter()
            .map(|component| component.name)
            .collect();
        assert_eq!(names, ["b", "c", "a"]);
    }

    #[rstest]
    #[case(vec![component("a", &["b"])], "component a: it depends on b, which is not there")]
    #[case(vec![component("a", &["b"]), component("b", &["a"])], "component a, b: they depend on each other in a circle")]
    fn an_order_that_cannot_be_is_refused(#[case] components: Vec<Component>, #[case] expected: &str) {
        assert_eq!(ordered(components).unwrap_err().to_string(), expected);
    }

    #[rstest]
    #[case("commit: abc, paths: [m]", "commit abc is not a whole commit id")]
    #[case(
        "commit: 4a3592cb2dd0a91a4652ab93893ec8beda1f3158, paths: []",
        "it names no paths"
    )]
    #[case(
        "commit: 4a3592cb2dd0a91a4652ab93893ec8beda1f3158, paths: [a/../../b]",
        "path a/../../b leads out of the tree"
    )]
    fn a_source_that_is_no_pin_is_refused(#[case] rest: &str, #[case] expected: &str) {
        let text = format!(
            "{{description: d, sources: [{{name: s, repository: 'https://example.invalid/r', tag: v1, {rest}}}]}}"
        );
        let mut component: Component = serde_yaml::from_str(&text).unwrap();
        component.name = "c".into();
        let message = check(&component).unwrap_err().to_string();
        assert_eq!(message, format!("component c: source s: {expected}"));
    }

    #[test]
    fn the_clones_own_components_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tier6");
        let pinned = Pinned::read(&folder).unwrap();
        assert_eq!(pinned.components[0].name, "gateway-api");
        assert!(pinned.component("kfp").unwrap().is_on(Rung::Cluster));
        assert!(!pinned.component("host-ports").unwrap().is_on(Rung::Cluster));
        let message = pinned.component("istio").unwrap_err().to_string();
        assert!(
            message.starts_with("component istio: there is none of that name; there are: gateway-api, "),
            "{message}"
        );
    }
}

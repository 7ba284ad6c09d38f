//! `lock.yaml`: what every component renders to, so that nothing changes unseen.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::drift::{Change, Difference};
use super::render::Rendered;
use crate::error::Tier6Error;
use crate::object::Object;
use crate::quantity::Requests;

const HEAD: &str = "# Written by `cargo xtask tier6 lock`. Digests are over canonical objects, so that kustomize's way of writing does not\n# enter them. `unresolved`: no registry answered, and the tag is what is used.\n";

/// The lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lock {
    /// Version of kustomize that rendered, as it tells it.
    pub kustomize: String,
    /// By name.
    pub components: BTreeMap<String, Locked>,
}

/// One component in the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Locked {
    /// SHA-256 over the component's folder: its pin and its overlay.
    pub inputs: String,
    /// SHA-256 over the canonical objects.
    pub digest: String,
    /// What its pods ask for.
    pub requests: Requests,
    /// Every image that it starts, by name.
    pub images: BTreeMap<String, ImageDigest>,
    /// The first 16 digits of each object's digest, by its id.
    pub objects: BTreeMap<String, String>,
}

/// What a registry said an image's name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ImageDigest {
    /// No registry answered; the name is what is used.
    Unresolved,
    /// `sha256:…` of the manifest or index.
    #[serde(untagged)]
    Digest(String),
}

impl Lock {
    /// Reads it; no file is an empty lock.
    ///
    /// # Errors
    /// [`Tier6Error::File`], [`Tier6Error::Component`].
    pub fn read(path: &Path) -> Result<Self, Tier6Error> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Tier6Error::file(path)(error)),
        };
        serde_yaml::from_str(&text).map_err(|error| Tier6Error::Component {
            name: path.display().to_string(),
            reason: error.to_string(),
        })
    }

    /// Writes it in one step.
    ///
    /// # Errors
    /// [`Tier6Error::File`].
    pub fn write(&self, path: &Path) -> Result<(), Tier6Error> {
        let text = serde_yaml::to_string(self).expect("invariant: plain maps and strings");
        processes::write_durably(path, format!("{HEAD}{text}").as_bytes(), 0o644)
            .map_err(Tier6Error::file(path))
    }

    /// One component's entry.
    ///
    /// # Errors
    /// [`Tier6Error::Unlocked`] where it has none.
    pub fn component(&self, name: &str) -> Result<&Locked, Tier6Error> {
        self.components.get(name).ok_or_else(|| Tier6Error::Unlocked {
            name: name.to_owned(),
        })
    }

    /// What all components of these names ask for together.
    pub fn requests<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Requests {
        names
            .into_iter()
            .filter_map(|name| self.components.get(name))
            .map(|locked| locked.requests)
            .sum()
    }
}

impl Locked {
    /// What the lock says of a render.
    pub fn of(rendered: &Rendered, inputs: String, images: BTreeMap<String, ImageDigest>) -> Self {
        Self {
            inputs,
            digest: rendered.digest.clone(),
            requests: rendered.requests,
            images,
            objects: rendered.objects.iter().map(short).collect(),
        }
    }

    /// Which objects of a render are not those of the lock. Fields are told where the locked render is at hand.
    pub fn differences(&self, objects: &[Object]) -> Vec<Difference> {
        let found: BTreeMap<String, String> = objects.iter().map(short).collect();
        let changed = |object: &String, change| Difference {
            object: object.clone(),
            change,
        };
        let mut differences: Vec<Difference> = self
            .objects
            .iter()
            .filter_map(|(id, digest)| match found.get(id) {
                None => Some(changed(id, Change::Removed)),
                Some(other) if other != digest => Some(changed(id, Change::Altered)),
                Some(_) => None,
            })
            .collect();
        differences.extend(
            found
                .keys()
                .filter(|id| !self.objects.contains_key(*id))
                .map(|id| changed(id, Change::Added)),
        );
        differences
    }
}

fn short(object: &Object) -> (String, String) {
    (object.id().to_string(), object.digest()[..16].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_reads_back_and_says_what_is_unresolved() {
        let text = "kustomize: v5.8.1\ncomponents:\n  a:\n    inputs: i\n    digest: d\n    requests: {cpu: 10m, memory: 1Mi}\n    images: {one: unresolved, two: 'sha256:ab'}\n    objects: {}\n";
        let lock: Lock = serde_yaml::from_str(text).unwrap();
        let images = &lock.components["a"].images;
        assert_eq!(images["one"], ImageDigest::Unresolved);
        assert_eq!(images["two"], ImageDigest::Digest("sha256:ab".into()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock.yaml");
        assert_eq!(Lock::read(&path).unwrap(), Lock::default());
        lock.write(&path).unwrap();
        assert_eq!(Lock::read(&path).unwrap(), lock);
        let message = lock.component("b").unwrap_err().to_string();
        assert_eq!(message, "component b is not in tier6/lock.yaml");
    }
}

//! A component to objects: its overlay over the materialised sources, through kustomize.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use xshell::cmd;

use super::description::{Component, Source, files};
use super::drift::{Difference, differences};
use super::lock::Locked;
use super::requests::requests;
use super::source;
use crate::error::Tier6Error;
use crate::object::{Object, digest};
use crate::quantity::Requests;
use crate::tool;

/// What a component renders to.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// Sorted by id.
    pub objects: Vec<Object>,
    /// SHA-256 over them.
    pub digest: String,
    /// What its pods ask for.
    pub requests: Requests,
    /// Images that it starts, at once or later.
    pub images: BTreeSet<String>,
}

/// A kustomize, by itself or inside a kubectl.
#[derive(Clone, Debug)]
pub struct Kustomize {
    /// The program.
    pub program: PathBuf,
    /// As it tells it: `v5.8.1`.
    pub version: String,
}

/// Renders components, and keeps what it fetched and rendered.
#[derive(Debug)]
pub struct Renderer {
    sources: PathBuf,
    renders: PathBuf,
    /// The version to use; `None`: the first that is found.
    pin: Option<String>,
    kustomize: OnceCell<Kustomize>,
}

impl Renderer {
    /// Keeps upstream trees in `sources` and renders, by their digest, in `renders`.
    pub fn new(sources: impl Into<PathBuf>, renders: impl Into<PathBuf>, pin: Option<String>) -> Self {
        Self {
            sources: sources.into(),
            renders: renders.into(),
            pin: pin.filter(|version| !version.is_empty()),
            kustomize: OnceCell::new(),
        }
    }

    /// The kustomize that renders.
    ///
    /// # Errors
    /// [`Tier6Error::Tool`] where none of the pinned version is on `PATH`.
    pub fn kustomize(&self) -> Result<&Kustomize, Tier6Error> {
        if let Some(found) = self.kustomize.get() {
            return Ok(found);
        }
        let found = Kustomize::find(self.pin.as_deref())?;
        Ok(self.kustomize.get_or_init(|| found))
    }

    /// Renders a component as its folder is now.
    ///
    /// # Errors
    /// [`Tier6Error::Tool`], [`Tier6Error::Source`], [`Tier6Error::Component`], [`Tier6Error::File`].
    pub fn render(&self, component: &Component) -> Result<Rendered, Tier6Error> {
        let rendered = self.fresh(component)?;
        self.keep(&rendered)?;
        Ok(rendered)
    }

    /// The render that the lock names: one that was kept, else rendered anew. Needs neither git nor kustomize where it
    /// was kept.
    ///
    /// # Errors
    /// [`Tier6Error::Drift`] where the component's folder, or what it renders to, is not the lock's; names objects and
    /// fields.
    pub fn locked(&self, component: &Component, locked: &Locked) -> Result<Rendered, Tier6Error> {
        let is_same = component.inputs()? == locked.inputs;
        if is_same && let Some(kept) = self.kept(component, &locked.digest)? {
            return Ok(kept);
        }
        let rendered = self.render(component)?;
        if rendered.digest == locked.digest && is_same {
            return Ok(rendered);
        }
        Err(Tier6Error::Drift {
            name: component.name.clone(),
            differences: self.differences(component, locked, &rendered)?,
        })
    }

    /// What differs between the lock and a render, by field where the locked render can be had: it was kept, or the
    /// folder as it was committed last gives it again.
    ///
    /// # Errors
    /// [`Tier6Error::File`].
    pub fn differences(
        &self,
        component: &Component,
        locked: &Locked,
        rendered: &Rendered,
    ) -> Result<Vec<Difference>, Tier6Error> {
        let before = match self.kept(component, &locked.digest)? {
            Some(kept) => Some(kept),
            None => self.committed(component, locked),
        };
        Ok(match before {
            Some(before) => differences(&before.objects, &rendered.objects),
            None => locked.differences(&rendered.objects),
        })
    }

    /// Where a render of this digest is kept.
    pub fn place(&self, digest: &str) -> PathBuf {
        self.renders.join(format!("{digest}.json"))
    }

    fn keep(&self, rendered: &Rendered) -> Result<(), Tier6Error> {
        let path = self.place(&rendered.digest);
        if path.exists() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.renders).map_err(Tier6Error::file(&self.renders))?;
        let bodies: Vec<&Value> = rendered.objects.iter().map(Object::body).collect();
        let bytes = serde_json::to_vec(&bodies).expect("invariant: JSON");
        processes::write_durably(&path, &bytes, 0o644).map_err(Tier6Error::file(path))
    }

    fn kept(&self, component: &Component, wanted: &str) -> Result<Option<Rendered>, Tier6Error> {
        let path = self.place(wanted);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Tier6Error::file(path)(error)),
        };
        // Whoever altered it: it is rendered again.
        let Ok(bodies) = serde_json::from_slice::<Vec<Value>>(&bytes) else {
            return Ok(None);
        };
        let rendered = collect(component, bodies)?;
        Ok((rendered.digest == wanted).then_some(rendered))
    }

    /// The render of the folder as git has it, where that is what was locked.
    fn committed(&self, component: &Component, locked: &Locked) -> Option<Rendered> {
        let sh = tool::shell().ok()?;
        sh.change_dir(&component.folder);
        let listed = tool::read("git", cmd!(sh, "git ls-tree -r --name-only HEAD .")).ok()?;
        let folder = tempfile::tempdir().ok()?;
        for path in listed.lines() {
            let text = tool::read("git", cmd!(sh, "git show HEAD:./{path}")).ok()?;
            let file = folder.path().join(path);
            std::fs::create_dir_all(file.parent()?).ok()?;
            std::fs::write(file, text).ok()?;
        }
        let text = std::fs::read_to_string(folder.path().join("component.yaml")).ok()?;
        let mut committed: Component = serde_yaml::from_str(&text).ok()?;
        committed.name.clone_from(&component.name);
        committed.folder = folder.path().to_owned();
        if committed.inputs().ok()? != locked.inputs {
            return None;
        }
        let rendered = self.fresh(&committed).ok()?;
        (rendered.digest == locked.digest).then_some(rendered)
    }

    fn fresh(&self, component: &Component) -> Result<Rendered, Tier6Error> {
        let kustomize = self.kustomize()?;
        let room = tempfile::tempdir().map_err(Tier6Error::file(std::env::temp_dir()))?;
        for (path, bytes) in files(&component.folder)? {
            write(&room.path().join(path), &bytes)?;
        }
        for source in &component.sources {
            let tree = source::materialise(&self.sources, source)?;
            let place = room.path().join("upstream").join(&source.name);
            for path in &source.paths {
                for (file, bytes) in files(&tree.join(path))? {
                    let bytes = if is_kustomization(&file) {
                        let inside = Path::new("upstream").join(&source.name).join(path).join(&file);
                        local_bases(component, &inside, bytes)?
                    } else {
                        bytes
                    };
                    write(&place.join(path).join(file), &bytes)?;
                }
            }
        }
        let text = kustomize.build(component, room.path())?;
        let mut bodies = Vec::new();
        for document in serde_yaml::Deserializer::from_str(&text) {
            let body = Value::deserialize(document)
                .map_err(|error| refused(component, format!("its render: {error}")))?;
            if !body.is_null() {
                bodies.push(body);
            }
        }
        collect(component, bodies)
    }
}

impl Kustomize {
    /// The first on `PATH` that has this version: kustomize itself, else a kubectl with one inside.
    ///
    /// # Errors
    /// [`Tier6Error::Tool`], naming those that were found.
    pub fn find(pin: Option<&str>) -> Result<Self, Tier6Error> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let programs = ["kustomize", "kubectl"]
            .into_iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
            .filter(|program| program.is_file());
        let mut others = Vec::new();
        for program in programs {
            let Some(version) = version_of(&program) else {
                continue;
            };
            if pin.is_none_or(|pin| pin == version) {
                return Ok(Self { program, version });
            }
            others.push(format!("{} has {version}", program.display()));
        }
        let wanted = pin.unwrap_or("v5.8.1");
        let found = if others.is_empty() {
            "none is on PATH".to_owned()
        } else {
            others.join(", ")
        };
        Err(Tier6Error::Tool {
            program: "kustomize".into(),
            reason: format!(
                "the lock is of {wanted}; {found}\nhow to get it: `go install sigs.k8s.io/kustomize/kustomize/v5@{wanted}`"
            ),
        })
    }

    /// Runs it in `room`, where it reaches no network: whatever is remote was replaced before.
    fn build(&self, component: &Component, room: &Path) -> Result<String, Tier6Error> {
        let sh = tool::shell()?;
        let program = &self.program;
        let verb = if is_kubectl(program) { "kustomize" } else { "build" };
        let command = cmd!(sh, "{program} {verb} {room}")
            .env_clear()
            .env("PATH", "")
            .env("HOME", room)
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env("HTTP_PROXY", "http://127.0.0.1:9");
        tool::read("kustomize", command).map_err(|error| match error {
            Tier6Error::Tool { reason, .. } => {
                refused(component, reason.replace(&format!("{}/", room.display()), ""))
            }
            other => other,
        })
    }
}

fn is_kubectl(program: &Path) -> bool {
    program.file_name().is_some_and(|name| name == "kubectl")
}

fn version_of(program: &Path) -> Option<String> {
    let sh = tool::shell().ok()?;
    let told = if is_kubectl(program) {
        tool::read("kubectl", cmd!(sh, "{program} version --client"))
    } else {
        tool::read("kustomize", cmd!(sh, "{program} version"))
    }
    .ok()?;
    let line = if is_kubectl(program) {
        told.lines()
            .find_map(|line| line.strip_prefix("Kustomize Version: "))?
    } else {
        told.lines().next()?
    };
    Some(line.trim().to_owned())
}

fn refused(component: &Component, reason: impl Into<String>) -> Tier6Error {
    Tier6Error::Component {
        name: component.name.clone(),
        reason: reason.into(),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Tier6Error> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(Tier6Error::file(folder))?;
    std::fs::write(path, bytes).map_err(Tier6Error::file(path))
}

fn is_kustomization(file: &Path) -> bool {
    file.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| matches!(name, "kustomization.yaml" | "kustomization.yml" | "Kustomization"))
}

/// Leads remote bases to the sources of the component that pin them: `https://…/argo-workflows/manifests/base?ref=v4.0.5`
/// to `../…/upstream/argo-workflows/manifests/base`. `file` is the kustomization's place in the room. A base that no
/// source pins is left as it is; if the render leads there, kustomize says so.
fn local_bases(component: &Component, file: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, Tier6Error> {
    let text = String::from_utf8_lossy(&bytes);
    if !text.contains("?ref=") {
        return Ok(bytes);
    }
    let told = |error: serde_yaml::Error| refused(component, format!("{}: {error}", file.display()));
    let mut kustomization: serde_yaml::Value = serde_yaml::from_str(&text).map_err(told)?;
    let depth = file.components().count() - 1;
    for list in ["resources", "bases", "components"] {
        let Some(entries) = kustomization
            .get_mut(list)
            .and_then(serde_yaml::Value::as_sequence_mut)
        else {
            continue;
        };
        for entry in entries {
            let local = entry
                .as_str()
                .and_then(|url| component.sources.iter().find_map(|source| base_in(source, url)));
            if let Some(inside) = local {
                *entry = format!("{}{inside}", "../".repeat(depth)).into();
            }
        }
    }
    let text = serde_yaml::to_string(&kustomization).map_err(told)?;
    Ok(text.into_bytes())
}

/// The folder in the room that a remote base means, where this source pins it.
fn base_in(source: &Source, url: &str) -> Option<String> {
    let (place, query) = url.split_once('?')?;
    let reference = query.split('&').find_map(|pair| pair.strip_prefix("ref="))?;
    if reference != source.tag && reference != source.commit {
        return None;
    }
    let bare = |url: &str| {
        url.trim_start_matches("git::")
            .trim_start_matches("https://")
            .trim_end_matches(".git")
            .to_owned()
    };
    let place = bare(place);
    let inside = place.strip_prefix(&bare(&source.repository))?;
    let inside = inside.trim_start_matches(".git").trim_start_matches('/');
    Some(format!("upstream/{}/{inside}", source.name))
}

/// Canonical objects, sorted, each id once, with nothing in them that would change by itself.
fn collect(component: &Component, bodies: Vec<Value>) -> Result<Rendered, Tier6Error> {
    let mut objects = Vec::new();
    for body in bodies {
        objects.push(Object::new(body).map_err(|reason| refused(component, reason))?);
    }
    let cluster_scoped: BTreeSet<(String, String)> = objects
        .iter()
        .filter(|object| object.body().pointer("/spec/scope").and_then(Value::as_str) == Some("Cluster"))
        .filter_map(Object::defines)
        .map(|(group, kind)| (group.to_owned(), kind.to_owned()))
        .collect();
    let mut objects: Vec<Object> = objects
        .into_iter()
        .map(|object| {
            let of = (object.id().group().to_owned(), object.id().kind.clone());
            if cluster_scoped.contains(&of) {
                object.cluster_scoped()
            } else {
                object
            }
        })
        .collect();
    objects.sort_by(|one, other| one.id().cmp(other.id()));
    if let Some(pair) = objects.windows(2).find(|pair| pair[0].id() == pair[1].id()) {
        return Err(refused(component, format!("{} is rendered twice", pair[0].id())));
    }
    let mut images: BTreeSet<String> = component.images.iter().cloned().collect();
    for object in &objects {
        for container in containers(object.body()) {
            let image = container["image"].as_str().unwrap_or_default();
            images.insert(image.to_owned());
            if container["imagePullPolicy"] == "Always" {
                return Err(refused(
                    component,
                    format!("{}: image {image} is pulled at every start", object.id()),
                ));
            }
        }
    }
    if let Some(image) = images.iter().find(|image| !is_fixed(image)) {
        return Err(refused(component, format!("image {image} has no tag that stays")));
    }
    Ok(Rendered {
        digest: digest(&objects),
        requests: requests(&objects).map_err(|reason| refused(component, reason))?,
        images,
        objects,
    })
}

/// Containers and init containers of a workload.
fn containers(body: &Value) -> impl Iterator<Item = &Value> {
    let pod = body.pointer("/spec/template/spec");
    ["initContainers", "containers"]
        .into_iter()
        .filter_map(move |list| pod?.get(list)?.as_array())
        .flatten()
}

fn is_fixed(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.contains('@') || name.split_once(':').is_some_and(|(_, tag)| tag != "latest")
}

/// By object, for those who count.
impl Rendered {
    /// Objects by id, as written.
    pub fn by_id(&self) -> BTreeMap<String, &Object> {
        self.objects
            .iter()
            .map(|object| (object.id().to_string(), object))
            .collect()
    }
}

#[cfg(test)]
mod tests;

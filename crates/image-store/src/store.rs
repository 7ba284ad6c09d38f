//! The store itself.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::ImageError;
use crate::managed::{self, Managed, Start};
use crate::manifest::{ImageManifest, NAME, TAG, is_name, is_tag};

/// Images of one state folder.
#[derive(Clone, Debug)]
pub struct ImageStore {
    root: PathBuf,
    managed: Option<Managed>,
}

/// What an image is run with, other than its own files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// Folders of programs, first one first: the Python environment's, the one that holds `mlship`.
    pub path: Vec<PathBuf>,
    /// Variables that the image sets.
    pub env: BTreeMap<String, String>,
}

/// What a process of an image gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// What `PATH` starts with.
    pub path: Vec<PathBuf>,
    /// Variables that the image sets; `PYTHONPATH` is the image's folder.
    pub env: BTreeMap<String, String>,
    /// The image's working folder: its files. Not to be written to.
    pub workdir: PathBuf,
    /// Program → modules that it imports: a worker may import them before. A program is what `python3 -m` is given.
    #[serde(default)]
    pub modules: BTreeMap<String, Vec<String>>,
    /// Variables that such a worker need not have as its programs have them.
    #[serde(default)]
    pub own: Vec<String>,
}

/// What publishing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// Whether the image's files were copied; `false` where they were there.
    pub image_added: bool,
    /// Tags that did not exist.
    pub tags_added: Vec<String>,
}

impl ImageStore {
    /// The store in this folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`ImageError::File`].
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, ImageError> {
        let root = dir.into();
        std::fs::create_dir_all(&root).map_err(ImageError::file(&root))?;
        // Absolute, because environments hold paths that other processes use from other folders.
        let root = root.canonicalize().map_err(ImageError::file(&root))?;
        Ok(Self { root, managed: None })
    }

    /// The same store, on a machine where names that were never published stand for something, too.
    pub fn with_managed(mut self, managed: Managed) -> Self {
        self.managed = Some(managed);
        self
    }

    /// What to start for a command in a container of this image, `NAME:TAG`. Placeholders in the command are filled in.
    ///
    /// # Errors
    /// Those of [`ImageStore::resolve`]; [`ImageError::Map`]; [`ImageError::NeedsShell`]; [`ImageError::NoInstaller`].
    pub fn start(&self, image: &str, command: &[String]) -> Result<Start, ImageError> {
        match (self.resolve(image), &self.managed) {
            (Ok(environment), managed) => managed::published(managed.as_ref(), image, environment, command),
            (Err(unknown @ (ImageError::Unknown { .. } | ImageError::Unfit { .. })), Some(managed)) => {
                managed.start(image, command)?.ok_or(unknown)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// What is to be said about the environment that stands for an image, where it is not simply what is asked for.
    pub fn note(&self, image: &str) -> Option<String> {
        self.resolve(image).err()?;
        self.managed.as_ref()?.note(image)
    }

    /// Copies the image's files, once, and maps tags that are new to it. May be killed anywhere and repeated.
    ///
    /// # Errors
    /// [`ImageError::Changed`] where a file is not the one that was compiled; [`ImageError::Unfit`];
    /// [`ImageError::File`]. The store is then as it was.
    pub fn publish(
        &self,
        recipe: &Path,
        manifest: &ImageManifest,
        base: &Base,
    ) -> Result<Publication, ImageError> {
        manifest.check()?;
        let folder = self.root.join(&manifest.name);
        let tags = folder.join("tags");
        std::fs::create_dir_all(&tags).map_err(ImageError::file(&tags))?;
        let files = folder.join(&manifest.digest);
        let mut publication = Publication {
            image_added: !files.is_dir(),
            ..Publication::default()
        };
        if publication.image_added {
            let unfinished = tempfile::Builder::new()
                .prefix(".unfinished-")
                .tempdir_in(&folder)
                .map_err(ImageError::file(&folder))?;
            for (path, digest) in &manifest.files {
                copy(recipe, unfinished.path(), &manifest.name, path, digest)?;
            }
            match std::fs::rename(unfinished.path(), &files) {
                // Published by somebody else meanwhile: the same files.
                Err(_) if files.is_dir() => publication.image_added = false,
                renamed => {
                    renamed.map_err(ImageError::file(&files))?;
                    let _ = unfinished.keep();
                }
            }
        }
        let mut env = base.env.clone();
        env.insert("PYTHONPATH".into(), files.display().to_string());
        let environment = Environment {
            path: base.path.clone(),
            env,
            workdir: files,
            modules: manifest.modules.clone(),
            own: manifest.own.clone(),
        };
        let text = serde_json::to_vec_pretty(&environment).expect("invariant: string keys");
        write_whole(&folder.join(format!("{}.json", manifest.digest)), &text)?;
        for tag in manifest.tags.values() {
            let path = tags.join(tag);
            let serves = std::fs::read_to_string(&path).is_ok_and(|digest| folder.join(digest).is_dir());
            if !serves {
                write_whole(&path, manifest.digest.as_bytes())?;
                publication.tags_added.push(tag.clone());
            }
        }
        Ok(publication)
    }

    /// What to run a process of this image with. `image` is `NAME:TAG`.
    ///
    /// # Errors
    /// [`ImageError::Unknown`] where it was never published; [`ImageError::Unfit`]; [`ImageError::File`],
    /// [`ImageError::Malformed`] where the store is damaged.
    pub fn resolve(&self, image: &str) -> Result<Environment, ImageError> {
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        for (what, text, fits, expected) in [
            ("name", name, is_name(name), NAME),
            ("tag", tag, is_tag(tag), TAG),
        ] {
            if !fits {
                return Err(ImageError::Unfit {
                    image: image.to_owned(),
                    what,
                    text: text.to_owned(),
                    expected,
                });
            }
        }
        let folder = self.root.join(name);
        let tag_path = folder.join("tags").join(tag);
        let digest = match std::fs::read_to_string(&tag_path) {
            Ok(digest) => digest,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ImageError::Unknown {
                    image: image.to_owned(),
                    known: self.known(name),
                });
            }
            Err(error) => return Err(ImageError::file(tag_path)(error)),
        };
        let path = folder.join(format!("{digest}.json"));
        let bytes = std::fs::read(&path).map_err(ImageError::file(&path))?;
        serde_json::from_slice(&bytes).map_err(|source| ImageError::Malformed { path, source })
    }

    /// For a message: the name's tags, or, where it has none, all names.
    fn known(&self, name: &str) -> String {
        let mut known = entries(&self.root.join(name).join("tags"));
        if known.is_empty() {
            known = self.names(&self.root, "");
        }
        if known.is_empty() {
            return "nothing".into();
        }
        known.sort();
        known.join(", ")
    }

    fn names(&self, folder: &Path, prefix: &str) -> Vec<String> {
        let mut names = Vec::new();
        for entry in entries(folder) {
            let inside = folder.join(&entry);
            let name = format!("{prefix}{entry}");
            if inside.join("tags").is_dir() {
                names.push(name);
            } else {
                names.extend(self.names(&inside, &format!("{name}/")));
            }
        }
        names
    }
}

/// Names in a folder; none where it cannot be read.
fn entries(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn copy(recipe: &Path, image: &Path, name: &str, path: &str, expected: &str) -> Result<(), ImageError> {
    let (from, to) = (recipe.join(path), image.join(path));
    let mut bytes = Vec::new();
    std::fs::File::open(&from)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(ImageError::file(&from))?;
    let found = hex::encode(Sha256::digest(&bytes));
    if found != expected {
        return Err(ImageError::Changed {
            image: name.to_owned(),
            path: path.to_owned(),
            expected: expected.to_owned(),
            found,
        });
    }
    let folder = to
        .parent()
        .expect("invariant: a checked path lies within the image");
    std::fs::create_dir_all(folder).map_err(ImageError::file(folder))?;
    std::fs::File::create(&to)
        .and_then(|mut file| {
            file.write_all(&bytes)?;
            // A step that writes into its image by mistake fails instead of changing other steps.
            let mut permissions = file.metadata()?.permissions();
            permissions.set_readonly(true);
            file.set_permissions(permissions)?;
            file.sync_all()
        })
        .map_err(ImageError::file(&to))
}

/// Writes so that a reader sees all of it or what was there before.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    let folder = path
        .parent()
        .expect("invariant: a file of the store lies in its folder");
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    });
    written.map(drop).map_err(ImageError::file(path))
}

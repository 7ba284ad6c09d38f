//! What names stand for that were never published: the managed interpreter, this machine's programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::bootstrap::{self, Install, Unwrapped};
use crate::error::ImageError;
use crate::map::{By, ImageMap};
use crate::programs;
use crate::reference::Reference;
use crate::store::Environment;

/// What this machine has for images that were never published.
#[derive(Clone, Debug)]
pub struct Managed {
    /// The Python environment that has the SDK.
    pub python: PathBuf,
    /// The user's own rules, before those that ship; need not be there.
    pub map: PathBuf,
    /// Folder for packages and links to programs.
    pub folder: PathBuf,
    /// Where this machine's programs are found, as in `PATH`.
    pub programs: String,
    /// What installs packages; the first one that is there.
    pub uv: Vec<PathBuf>,
}

/// What to start for a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// What the process gets.
    pub environment: Environment,
    /// What it may use of the machine beside that.
    pub reach: Reach,
    /// The command. Where there is a component, it is what KFP's executor is given.
    pub command: Vec<String>,
    /// Source of a lightweight component: KFP's executor runs it.
    pub component: Option<String>,
    /// Packages that have to be there first.
    pub packages: Option<Packages>,
}

/// What a process may use of the machine beside its environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Its programs; all of its files.
    Machine,
    /// No programs but its environment's.
    Environment,
    /// That, and files may be written in its own folders only, where the kernel can see to it.
    OwnFolders,
}

/// Packages of a component, in a folder of their own that is used by whoever asks for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packages {
    /// The folder; there once all of them are.
    pub folder: PathBuf,
    /// Lines of a requirements file.
    pub requirements: Vec<String>,
    /// What installs them.
    pub uv: PathBuf,
    /// The interpreter they are for.
    pub python: PathBuf,
}

impl Managed {
    /// What to start; `None` where no rule has that image.
    pub(crate) fn start(&self, image: &str, command: &[String]) -> Result<Option<Start>, ImageError> {
        let map = self.rules()?;
        let reference = Reference::parse(image);
        let Some(rule) = map.rule(&reference) else {
            return Ok(None);
        };
        let unwrapped = bootstrap::unwrap(command);
        let is_python = unwrapped.source.is_some()
            || unwrapped.rest.first().is_some_and(|program| {
                Path::new(program)
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("python"))
            });
        let reach = match (rule.by, is_python) {
            (By::Python, true) => Reach::Environment,
            (By::Python, false) if !rule.shell => {
                return Err(ImageError::NeedsShell {
                    image: image.to_owned(),
                    program: unwrapped.rest.first().cloned().unwrap_or_default(),
                    name: reference.name.to_owned(),
                    by: "python, shell: true",
                    map: self.map.clone(),
                });
            }
            _ => Reach::OwnFolders,
        };
        let mut path = vec![programs::folder(
            &self.folder.join("programs"),
            map.programs(),
            &self.programs,
        )?];
        if rule.by == By::Python {
            path.insert(0, self.python.join("bin"));
        }
        let workdir = self.folder.join("empty");
        std::fs::create_dir_all(&workdir).map_err(ImageError::file(&workdir))?;
        let environment = Environment {
            path,
            env: BTreeMap::new(),
            workdir,
            modules: BTreeMap::new(),
            own: Vec::new(),
        };
        self.started(image, environment, reach, unwrapped).map(Some)
    }

    fn started(
        &self,
        image: &str,
        environment: Environment,
        reach: Reach,
        unwrapped: Unwrapped,
    ) -> Result<Start, ImageError> {
        let packages = self.packages(image, &environment, &unwrapped.installs)?;
        Ok(Start {
            environment,
            reach,
            command: unwrapped.rest,
            component: unwrapped.source,
            packages,
        })
    }

    fn packages(
        &self,
        image: &str,
        environment: &Environment,
        installs: &[Install],
    ) -> Result<Option<Packages>, ImageError> {
        let mut lines = Vec::new();
        for install in installs {
            lines.extend(install.options.chunks(2).map(|option| option.join(" ")));
            lines.extend(install.requirements.iter().cloned());
        }
        let asked: Vec<&str> = installs
            .iter()
            .flat_map(|install| &install.requirements)
            .map(String::as_str)
            .collect();
        if asked.is_empty() {
            return Ok(None);
        }
        let Some(uv) = self.uv.iter().find(|candidate| candidate.is_file()) else {
            return Err(ImageError::NoInstaller {
                image: image.to_owned(),
                packages: asked.join(", "),
            });
        };
        let python = environment
            .path
            .iter()
            .map(|folder| folder.join("python3"))
            .find(|candidate| candidate.is_file())
            .unwrap_or_else(|| self.python.join("bin/python3"));
        let digest = hex::encode(Sha256::digest(format!("{}\n{lines:?}", python.display())));
        Ok(Some(Packages {
            folder: self.folder.join("packages").join(&digest[..16]),
            requirements: lines,
            uv: uv.clone(),
            python,
        }))
    }

    /// That the interpreter is of another version, where it is.
    pub(crate) fn note(&self, image: &str) -> Option<String> {
        let map = self.rules().ok()?;
        let reference = Reference::parse(image);
        let rule = map.rule(&reference).filter(|rule| rule.by == By::Python)?;
        let asked = minor(rule.version.as_deref().or(reference.tag)?)?;
        let written = std::fs::read_to_string(self.python.join("pyvenv.cfg")).ok()?;
        let found = written
            .lines()
            .find_map(|line| line.strip_prefix("version_info = "))
            .and_then(minor)?;
        (asked != found).then(|| {
            format!(
                "image {image}: its components run on the managed interpreter, Python {found} and not {asked}"
            )
        })
    }

    fn rules(&self) -> Result<ImageMap, ImageError> {
        ImageMap::shipped().with_override(&self.map)
    }
}

/// What to start of an image that was published: what it brings, behind bootstraps that are done otherwise.
pub(crate) fn published(
    managed: Option<&Managed>,
    image: &str,
    environment: Environment,
    command: &[String],
) -> Result<Start, ImageError> {
    let unwrapped = bootstrap::unwrap(command);
    match managed {
        Some(managed) => managed.started(image, environment, Reach::Machine, unwrapped),
        None if unwrapped.installs.is_empty() => Ok(Start {
            environment,
            reach: Reach::Machine,
            command: unwrapped.rest,
            component: unwrapped.source,
            packages: None,
        }),
        None => Err(ImageError::NoInstaller {
            image: image.to_owned(),
            packages: unwrapped
                .installs
                .iter()
                .flat_map(|install| install.requirements.clone())
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// `3.11` of `3.11`, `3.11.9`, `3.11-slim`.
fn minor(version: &str) -> Option<String> {
    let number = version.split('-').next()?;
    let mut parts = number.split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(major) && is_number(minor)).then(|| format!("{major}.{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("3.11", Some("3.11"))]
    #[case("3.11.9-slim-bookworm", Some("3.11"))]
    #[case("latest", None)]
    #[case("3", None)]
    fn a_tag_tells_the_version(#[case] tag: &str, #[case] expected: Option<&str>) {
        assert_eq!(minor(tag).as_deref(), expected);
    }
}

//! Repositories as git bundles in the artifact store, one for each head commit.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use url::Url;

use super::git::{command, complaint, git};
use crate::failure::Failure;

const ABSENT: &str = "there is no such folder";

/// A repository as a pipeline takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Bundle {
    /// What its commits are filed under.
    pub(super) name: String,
    /// Where the bundle is.
    uri: String,
    /// SHA-256 of the bundle's bytes, lower-case hex.
    digest: String,
}

/// Bundles each repository (`PATH` or `NAME=PATH`) at `reference`, or at HEAD, below the artifact root.
///
/// None is bundled where one cannot be.
pub(super) fn bundles(
    repositories: &[OsString],
    reference: Option<&str>,
    artifacts: &str,
) -> Result<Vec<Bundle>, Failure> {
    let mut paths: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut found = Vec::new();
    for given in repositories {
        let repository = Repository::open(given)?;
        let head = repository.head(reference)?;
        if let Some(other) = paths.insert(repository.name.clone(), repository.path.clone()) {
            return Err(Failure::usage(format!(
                "two repositories are called {}: {} and {}",
                repository.name,
                other.display(),
                repository.path.display()
            ))
            .next(format!("`--repo OTHER={}`", repository.path.display())));
        }
        found.push((repository, head));
    }
    found
        .iter()
        .map(|(repository, head)| repository.bundle(head, artifacts))
        .collect()
}

/// `NAME=PATH`, or a path alone.
fn named(given: &OsStr) -> (Option<&str>, PathBuf) {
    let bytes = given.as_bytes();
    let parts = bytes.iter().position(|&byte| byte == b'=').and_then(|at| {
        let name = std::str::from_utf8(&bytes[..at]).ok()?;
        Some((name, &bytes[at + 1..]))
    });
    match parts {
        Some((name, path)) if !name.is_empty() && !name.contains('/') => {
            (Some(name), PathBuf::from(OsStr::from_bytes(path)))
        }
        _ => (None, PathBuf::from(given)),
    }
}

/// What to type where git, or the system, refuses to read a repository there.
fn way_on(complaint: &str, path: &Path) -> String {
    let path = path.display();
    // Older versions of git call it unsafe.
    if complaint.contains("dubious ownership") || complaint.contains("unsafe repository") {
        format!("`git config --global --add safe.directory {path}`, where its owner is to be trusted")
    } else if complaint.contains("not a git repository") || complaint == ABSENT {
        "`git clone URL WORKING_COPY`, and give that".to_owned()
    } else if complaint.contains("os error") {
        format!("`ls -ld {path}`")
    } else {
        format!("`git -C {path} fsck`")
    }
}

struct Repository {
    name: String,
    path: PathBuf,
}

impl Repository {
    fn open(given: &OsStr) -> Result<Self, Failure> {
        let (name, path) = named(given);
        let refusal = |what: &str| Failure::usage(format!("repository {}: {what}", path.display()));
        let unreadable = |complaint: String| refusal(&complaint).next(way_on(&complaint, &path));
        fs::read_dir(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => unreadable(ABSENT.to_owned()),
            _ => unreadable(error.to_string()),
        })?;
        let is = |question: &str| git(&path, &["rev-parse", question]).map(|answer| answer == "true");
        if is("--is-bare-repository").map_err(unreadable)? {
            return Err(refusal("it is bare").next(format!(
                "`git clone {} WORKING_COPY`, and give that",
                path.display()
            )));
        }
        if is("--is-shallow-repository").map_err(unreadable)? {
            return Err(refusal("it is shallow: its history is cut off")
                .next(format!("`git -C {} fetch --unshallow`", path.display())));
        }
        let top = git(&path, &["rev-parse", "--show-toplevel"]).map_err(unreadable)?;
        let name = match (name, Path::new(&top).file_name().and_then(OsStr::to_str)) {
            (Some(name), _) => name.to_owned(),
            // Where git's answer is no UTF-8, its place is taken by this character.
            (None, Some(name)) if !name.contains(char::REPLACEMENT_CHARACTER) => name.to_owned(),
            (None, Some(_)) => {
                return Err(refusal("its folder's name is not UTF-8").next("`--repo NAME=PATH`"));
            }
            (None, None) => return Err(refusal("it has no name").next("`--repo NAME=PATH`")),
        };
        Ok(Self { name, path })
    }

    fn bundle(&self, head: &Head, artifacts: &str) -> Result<Bundle, Failure> {
        let uri = format!("{artifacts}/repositories/{}.bundle", head.object);
        let bundle = local(artifacts)?.join(format!("repositories/{}.bundle", head.object));
        let digest = self.store(&bundle, head)?;
        Ok(Bundle {
            name: self.name.clone(),
            uri,
            digest,
        })
    }

    fn head(&self, reference: Option<&str>) -> Result<Head, Failure> {
        let refusal = |what: String| Failure::usage(format!("repository {}: {what}", self.path.display()));
        let Some(reference) = reference else {
            let verified = |what| git(&self.path, &["rev-parse", "--quiet", "--verify", what]);
            return match (verified("HEAD^{commit}"), verified("HEAD")) {
                (Ok(object), _) => Ok(Head {
                    reference: "HEAD".to_owned(),
                    object,
                }),
                (Err(_), Ok(object)) => Err(refusal(format!("its newest commit {object} cannot be read"))
                    .next(format!("`git -C {} fsck`", self.path.display()))),
                (Err(_), Err(_)) => Err(refusal("it is empty: no commit has been made".to_owned()).next(
                    format!(
                        "`git -C {} pull`, or `--ref BRANCH` where another branch has commits",
                        self.path.display()
                    ),
                )),
            };
        };
        let is_commit = [
            "rev-parse",
            "--quiet",
            "--verify",
            &format!("{reference}^{{commit}}"),
        ];
        // git would take what begins with a hyphen for an option.
        if reference.starts_with('-') || git(&self.path, &is_commit).is_err() {
            return Err(refusal(format!("it has no {reference}"))
                .next(format!("`git -C {} branch --all`", self.path.display())));
        }
        let object = git(&self.path, &["rev-parse", "--verify", reference]).map_err(&refusal)?;
        // A bundle names what it ends in, and a commit's number is no name.
        match git(&self.path, &["rev-parse", "--symbolic-full-name", reference]) {
            Ok(name) if name.starts_with("refs/") => Ok(Head {
                reference: name,
                object,
            }),
            _ => Err(
                refusal(format!("{reference} is neither a branch nor a tag")).next(format!(
                    "`git -C {} tag NAME {reference}`, and give that",
                    self.path.display()
                )),
            ),
        }
    }

    /// Makes the bundle where there is none, and gives its digest.
    fn store(&self, bundle: &Path, head: &Head) -> Result<String, Failure> {
        let failed = |error: io::Error| {
            let path = self.path.display();
            Failure::new(format!("repository {path}: {}: {error}", bundle.display()))
                .next(format!("`git -C {path} fsck`"))
        };
        let recorded = bundle.with_extension("sha256");
        if bundle.is_file() {
            if let Ok(digest) = fs::read_to_string(&recorded) {
                return Ok(digest);
            }
        } else {
            self.make(bundle, head).map_err(failed)?;
        }
        let digest = sha256(bundle).map_err(failed)?;
        let write = |mut unfinished: File| unfinished.write_all(digest.as_bytes());
        whole(&recorded, write)
            .and_then(|written| Ok(written.persist(&recorded)?))
            .map_err(failed)?;
        Ok(digest)
    }

    fn make(&self, bundle: &Path, head: &Head) -> io::Result<()> {
        eprintln!("repository {}: bundling {}", self.name, head.reference);
        let made = whole(bundle, |unfinished| {
            // Through a pipe, because git would put a lock file of its own beside a file that it is to write.
            let made = command(&self.path)
                .args(["bundle", "create", "--quiet", "-", &head.reference])
                .stdout(unfinished.try_clone()?)
                .output()?;
            if !made.status.success() {
                return Err(io::Error::other(complaint(&made.stderr)));
            }
            ends_in(&unfinished, &head.object)
        })?;
        match made.persist_noclobber(bundle) {
            // Somebody else has made it meanwhile, and may have told its digest: git's bytes differ from time to time.
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
            _ => Ok(()),
        }
    }
}

/// Where a history ends.
struct Head {
    /// What a bundle names it.
    reference: String,
    /// What that is: a commit, or an annotated tag of one.
    object: String,
}

/// Somebody may commit while the bundle is made; it must not be kept under another commit's number.
fn ends_in(bundle: &File, object: &str) -> io::Result<()> {
    /// More than a header with one reference takes.
    const HEADER: u64 = 4096;
    let mut header = Vec::new();
    let mut file = bundle;
    file.seek(SeekFrom::Start(0))?;
    file.take(HEADER).read_to_end(&mut header)?;
    if String::from_utf8_lossy(&header).contains(object) {
        return Ok(());
    }
    Err(io::Error::other(
        "it changed while it was read; run the command again",
    ))
}

/// Writes all of a file that is to have this name: who gives it the name, has all of it there in one step.
fn whole(path: &Path, write: impl FnOnce(File) -> io::Result<()>) -> io::Result<NamedTempFile> {
    let folder = path.parent().expect("invariant: a file below the artifact root");
    fs::create_dir_all(folder)?;
    let unfinished = NamedTempFile::with_prefix_in(".unfinished-", folder)?;
    write(unfinished.as_file().try_clone()?)?;
    unfinished.as_file().sync_all()?;
    Ok(unfinished)
}

/// The folder that an artifact root is.
fn local(artifacts: &str) -> Result<PathBuf, Failure> {
    Url::parse(artifacts)
        .ok()
        .filter(|url| url.scheme() == "file")
        .and_then(|url| url.to_file_path().ok())
        .ok_or_else(|| {
            Failure::new(format!(
                "artifacts at {artifacts}: repositories can be stored below file:// only"
            ))
            .next("without --repo the data is synthetic")
        })
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(digest.finalize())),
            read => digest.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests;

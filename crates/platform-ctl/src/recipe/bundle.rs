//! Repositories as git bundles in the artifact store, one for each head commit.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};
use url::Url;

use super::git::{command, git};
use crate::failure::Failure;

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
pub(super) fn bundles(
    repositories: &[String],
    reference: Option<&str>,
    artifacts: &str,
) -> Result<Vec<Bundle>, Failure> {
    let mut paths: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut found = Vec::new();
    for given in repositories {
        let repository = Repository::open(given)?;
        if let Some(other) = paths.insert(repository.name.clone(), repository.path.clone()) {
            return Err(Failure::usage(format!(
                "two repositories are called {}: {} and {}",
                repository.name,
                other.display(),
                repository.path.display()
            ))
            .next(format!("`--repo OTHER={}`", repository.path.display())));
        }
        found.push(repository.bundle(reference, artifacts)?);
    }
    Ok(found)
}

struct Repository {
    name: String,
    path: PathBuf,
}

impl Repository {
    fn open(given: &str) -> Result<Self, Failure> {
        let (name, path) = match given.split_once('=') {
            Some((name, path)) if !name.is_empty() && !name.contains('/') => (Some(name), path),
            _ => (None, given),
        };
        let path = PathBuf::from(path);
        let refusal = |what: &str| Failure::usage(format!("repository {}: {what}", path.display()));
        match fs::read_dir(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(refusal("there is no such folder"));
            }
            Err(error) => return Err(refusal(&error.to_string())),
        }
        let is = |question: &str| git(&path, &["rev-parse", question]).map(|answer| answer == "true");
        if is("--is-bare-repository").map_err(|complaint| refusal(&complaint))? {
            return Err(refusal("it is bare").next(format!(
                "`git clone {} WORKING_COPY`, and give that",
                path.display()
            )));
        }
        if is("--is-shallow-repository").map_err(|complaint| refusal(&complaint))? {
            return Err(refusal("it is shallow: its history is cut off")
                .next(format!("`git -C {} fetch --unshallow`", path.display())));
        }
        let top = git(&path, &["rev-parse", "--show-toplevel"]).map_err(|complaint| refusal(&complaint))?;
        let top = PathBuf::from(top);
        let name = match (name, top.file_name()) {
            (Some(name), _) => name.to_owned(),
            (None, Some(name)) => name.to_string_lossy().into_owned(),
            (None, None) => return Err(refusal("it has no name").next("`--repo NAME=PATH`")),
        };
        Ok(Self { name, path })
    }

    fn bundle(&self, reference: Option<&str>, artifacts: &str) -> Result<Bundle, Failure> {
        let head = self.head(reference)?;
        let uri = format!("{artifacts}/repositories/{}.bundle", head.object);
        let bundle = local(artifacts)?.join(format!("repositories/{}.bundle", head.object));
        let digest = self.store(&bundle, &head)?;
        Ok(Bundle {
            name: self.name.clone(),
            uri,
            digest,
        })
    }

    fn head(&self, reference: Option<&str>) -> Result<Head, Failure> {
        let refusal = |what: String| Failure::usage(format!("repository {}: {what}", self.path.display()));
        let Some(reference) = reference else {
            return git(&self.path, &["rev-parse", "--quiet", "--verify", "HEAD^{commit}"])
                .map(|object| Head {
                    reference: "HEAD".to_owned(),
                    object,
                })
                .map_err(|_| refusal("it is empty: no commit has been made".to_owned()));
        };
        let is_commit = [
            "rev-parse",
            "--quiet",
            "--verify",
            &format!("{reference}^{{commit}}"),
        ];
        // git would take what begins with a hyphen for an option.
        if reference.starts_with('-') || git(&self.path, &is_commit).is_err() {
            return Err(refusal(format!("it has no {reference}")));
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
        let write = |mut unfinished: File| {
            unfinished.write_all(digest.as_bytes())?;
            Ok(())
        };
        whole(&recorded, write).map_err(failed)?;
        Ok(digest)
    }

    fn make(&self, bundle: &Path, head: &Head) -> io::Result<()> {
        eprintln!("repository {}: bundling {}", self.name, head.reference);
        whole(bundle, |unfinished| {
            // Through a pipe, because git would put a lock file of its own beside a file that it is to write.
            let made = command(&self.path)
                .args(["bundle", "create", "--quiet", "-", &head.reference])
                .stdout(unfinished.try_clone()?)
                .output()?;
            if !made.status.success() {
                let complaint = String::from_utf8_lossy(&made.stderr);
                return Err(io::Error::other(complaint.trim().to_owned()));
            }
            ends_in(&unfinished, &head.object)
        })
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

/// Writes a file in one step: there is none of that name, or all of it.
fn whole(path: &Path, write: impl FnOnce(File) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().expect("invariant: a file below the artifact root");
    fs::create_dir_all(folder)?;
    let unfinished = tempfile::NamedTempFile::with_prefix_in(".unfinished-", folder)?;
    write(unfinished.as_file().try_clone()?)?;
    unfinished.as_file().sync_all()?;
    unfinished.persist(path)?;
    Ok(())
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
mod tests {
    use super::*;
    use rstest::rstest;

    struct Sandbox {
        folder: tempfile::TempDir,
    }

    impl Sandbox {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn git(&self, folder: &str, arguments: &[&str]) {
            let path = self.path(folder);
            fs::create_dir_all(&path).unwrap();
            let done = command(&path)
                .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
                .args(arguments)
                .output()
                .unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }

        /// A repository with two commits on `main`, and a branch at the first.
        fn repository(&self, name: &str) -> String {
            self.git(name, &["init", "--quiet", "--initial-branch=main"]);
            self.git(name, &["commit", "--quiet", "--allow-empty", "--message=one"]);
            self.git(name, &["branch", "first"]);
            self.git(name, &["commit", "--quiet", "--allow-empty", "--message=two"]);
            self.path(name).display().to_string()
        }

        fn artifacts(&self) -> String {
            format!("file://{}", self.path("artifacts").display())
        }

        fn bundles(&self, given: &[String], reference: Option<&str>) -> Result<Vec<Bundle>, String> {
            bundles(given, reference, &self.artifacts()).map_err(|failure| {
                failure
                    .told()
                    .replace(self.folder.path().to_str().unwrap(), "DIR")
            })
        }

        fn heads(&self, bundle: &Bundle) -> Vec<String> {
            let path = Url::parse(&bundle.uri).unwrap().to_file_path().unwrap();
            assert_eq!(sha256(&path).unwrap(), bundle.digest);
            let listed = git(
                self.folder.path(),
                &["bundle", "list-heads", path.to_str().unwrap()],
            )
            .unwrap();
            listed
                .lines()
                .map(|line| line.split_once(' ').unwrap().1.to_owned())
                .collect()
        }
    }

    #[test]
    fn a_history_is_bundled_once_per_head() {
        let sandbox = Sandbox::new();
        let given = [sandbox.repository("left")];
        let first = sandbox.bundles(&given, None).unwrap();
        assert_eq!(first[0].name, "left");
        assert_eq!(sandbox.heads(&first[0]), ["HEAD"]);
        let path = Url::parse(&first[0].uri).unwrap().to_file_path().unwrap();
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(sandbox.bundles(&given, None).unwrap(), first);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
        sandbox.git("left", &["commit", "--quiet", "--allow-empty", "--message=three"]);
        assert_ne!(sandbox.bundles(&given, None).unwrap()[0].uri, first[0].uri);
    }

    #[test]
    fn a_kill_between_bundle_and_digest_is_made_good() {
        let sandbox = Sandbox::new();
        let given = [sandbox.repository("left")];
        let first = sandbox.bundles(&given, None).unwrap();
        let path = Url::parse(&first[0].uri).unwrap().to_file_path().unwrap();
        fs::remove_file(path.with_extension("sha256")).unwrap();
        assert_eq!(sandbox.bundles(&given, None).unwrap(), first);
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn a_branch_is_bundled_by_its_name() {
        let sandbox = Sandbox::new();
        let given = [sandbox.repository("left")];
        let bundles = sandbox.bundles(&given, Some("first")).unwrap();
        assert_eq!(sandbox.heads(&bundles[0]), ["refs/heads/first"]);
    }

    #[test]
    fn a_name_can_be_given() {
        let sandbox = Sandbox::new();
        let path = sandbox.repository("left");
        let bundles = sandbox.bundles(&[format!("mine={path}")], None).unwrap();
        assert_eq!(bundles[0].name, "mine");
    }

    #[rstest]
    #[case::absent("absent", None, "repository DIR/absent: there is no such folder\n")]
    #[case::plain(
        "plain",
        None,
        "repository DIR/plain: not a git repository (or any of the parent directories): .git\n"
    )]
    #[case::empty("empty", None, "repository DIR/empty: it is empty: no commit has been made\n")]
    #[case::bare(
        "bare",
        None,
        "repository DIR/bare: it is bare\nnext: `git clone DIR/bare WORKING_COPY`, and give that\n"
    )]
    #[case::shallow(
        "shallow",
        None,
        "repository DIR/shallow: it is shallow: its history is cut off\nnext: `git -C DIR/shallow fetch --unshallow`\n"
    )]
    #[case::no_branch("left", Some("none"), "repository DIR/left: it has no none\n")]
    #[case::option("left", Some("--all"), "repository DIR/left: it has no --all\n")]
    fn a_repository_that_cannot_be_read_is_named(
        #[case] name: &str,
        #[case] reference: Option<&str>,
        #[case] expected: &str,
    ) {
        let sandbox = Sandbox::new();
        let left = sandbox.repository("left");
        fs::create_dir(sandbox.path("plain")).unwrap();
        sandbox.git("empty", &["init", "--quiet"]);
        sandbox.git("bare", &["init", "--quiet", "--bare"]);
        sandbox.git(
            ".",
            &[
                "clone",
                "--quiet",
                "--depth=1",
                &format!("file://{left}"),
                "shallow",
            ],
        );
        let given = sandbox.path(name).display().to_string();
        let told = sandbox.bundles(&[given], reference).unwrap_err();
        assert_eq!(told, format!("error: {expected}"));
        assert!(!sandbox.path("artifacts").exists(), "nothing is left behind");
    }

    #[test]
    fn a_commit_s_number_is_no_name() {
        let sandbox = Sandbox::new();
        let left = sandbox.repository("left");
        let commit = git(Path::new(&left), &["rev-parse", "HEAD"]).unwrap();
        let told = sandbox.bundles(&[left], Some(&commit)).unwrap_err();
        assert!(
            told.starts_with(&format!(
                "error: repository DIR/left: {commit} is neither a branch nor a tag\nnext: "
            )),
            "{told}"
        );
    }

    #[test]
    fn two_of_one_name_have_to_be_told_apart() {
        let sandbox = Sandbox::new();
        let given = [sandbox.repository("a/left"), sandbox.repository("b/left")];
        let told = sandbox.bundles(&given, None).unwrap_err();
        assert_eq!(
            told,
            "error: two repositories are called left: DIR/a/left and DIR/b/left\nnext: `--repo OTHER=DIR/b/left`\n"
        );
    }
}

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
mod tests {
    use super::*;
    use rstest::rstest;
    use std::os::unix::fs::PermissionsExt;

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

        fn bundles(
            &self,
            given: &[impl AsRef<OsStr>],
            reference: Option<&str>,
        ) -> Result<Vec<Bundle>, String> {
            let given: Vec<OsString> = given.iter().map(OsString::from).collect();
            bundles(&given, reference, &self.artifacts()).map_err(|failure| {
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
    fn a_bundle_that_was_removed_is_made_anew_whatever_is_recorded_of_it() {
        let sandbox = Sandbox::new();
        let given = [sandbox.repository("left")];
        let first = sandbox.bundles(&given, None).unwrap();
        let path = Url::parse(&first[0].uri).unwrap().to_file_path().unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(path.with_extension("sha256"), "of another one").unwrap();
        assert_eq!(
            sandbox.heads(&sandbox.bundles(&given, None).unwrap()[0]),
            ["HEAD"]
        );
    }

    #[test]
    fn of_two_that_bundle_at_once_the_first_one_s_bytes_stay() {
        let sandbox = Sandbox::new();
        let repository = Repository::open(sandbox.repository("left").as_ref()).unwrap();
        let head = repository.head(None).unwrap();
        let bundle = sandbox.path("artifacts/one.bundle");
        fs::create_dir(sandbox.path("artifacts")).unwrap();
        fs::write(&bundle, "theirs").unwrap();
        repository.make(&bundle, &head).unwrap();
        assert_eq!(fs::read_to_string(&bundle).unwrap(), "theirs");
        let left = fs::read_dir(sandbox.path("artifacts")).unwrap().count();
        assert_eq!(left, 1, "no unfinished file stays");
    }

    #[test]
    fn a_name_or_a_history_that_is_not_utf8_is_bundled() {
        let sandbox = Sandbox::new();
        let path = sandbox.folder.path().join(OsStr::from_bytes(b"caf\xe9"));
        fs::rename(sandbox.repository("left"), &path).unwrap();
        fs::write(path.join(OsStr::from_bytes(b"\xff")), "x").unwrap();
        for arguments in [
            &["add", "--all"][..],
            &[
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@example.org",
                "commit",
                "--quiet",
                "--message=m",
            ],
        ] {
            git(&path, arguments).unwrap();
        }
        assert_eq!(
            sandbox.bundles(&[&path], None).unwrap_err(),
            "error: repository DIR/caf\u{fffd}: its folder's name is not UTF-8\nnext: `--repo NAME=PATH`\n"
        );
        let mut given = OsString::from("mine=");
        given.push(&path);
        let bundles = sandbox.bundles(&[given], None).unwrap();
        assert_eq!(sandbox.heads(&bundles[0]), ["HEAD"]);
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
    #[case::absent(
        "absent",
        None,
        "repository DIR/absent: there is no such folder\nnext: `git clone URL WORKING_COPY`, and give that\n"
    )]
    #[case::file(
        "file",
        None,
        "repository DIR/file: Not a directory (os error 20)\nnext: `ls -ld DIR/file`\n"
    )]
    #[case::plain(
        "plain",
        None,
        "repository DIR/plain: not a git repository (or any of the parent directories): .git\nnext: `git clone URL WORKING_COPY`, and give that\n"
    )]
    #[case::moved(
        "moved",
        None,
        "repository DIR/moved: not a git repository: /nowhere\nnext: `git clone URL WORKING_COPY`, and give that\n"
    )]
    #[case::empty(
        "empty",
        None,
        "repository DIR/empty: it is empty: no commit has been made\nnext: `git -C DIR/empty pull`, or `--ref BRANCH` where another branch has commits\n"
    )]
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
    #[case::no_branch(
        "left",
        Some("none"),
        "repository DIR/left: it has no none\nnext: `git -C DIR/left branch --all`\n"
    )]
    #[case::option(
        "left",
        Some("--all"),
        "repository DIR/left: it has no --all\nnext: `git -C DIR/left branch --all`\n"
    )]
    fn a_repository_that_cannot_be_read_is_named(
        #[case] name: &str,
        #[case] reference: Option<&str>,
        #[case] expected: &str,
    ) {
        let sandbox = Sandbox::new();
        let left = sandbox.repository("left");
        fs::create_dir(sandbox.path("plain")).unwrap();
        fs::write(sandbox.path("file"), "").unwrap();
        fs::create_dir(sandbox.path("moved")).unwrap();
        fs::write(sandbox.path("moved/.git"), "gitdir: /nowhere\n").unwrap();
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
        // Behind one that can be read: it is not bundled either.
        let given = [PathBuf::from(format!("good={left}")), sandbox.path(name)];
        let told = sandbox.bundles(&given, reference).unwrap_err();
        assert_eq!(told, format!("error: {expected}"));
        assert!(!sandbox.path("artifacts").exists(), "nothing is left behind");
    }

    /// Removes what stands for `name` (a revision) in the repository, and returns the object's number.
    fn lose(repository: &str, name: &str) -> String {
        let object = git(Path::new(repository), &["rev-parse", name]).unwrap();
        let file = Path::new(repository).join(".git/objects").join(&object[..2]);
        fs::remove_file(file.join(&object[2..])).unwrap();
        object
    }

    #[test]
    fn a_repository_that_has_lost_objects_is_named_and_leaves_no_bundle() {
        let sandbox = Sandbox::new();
        let left = sandbox.repository("left");
        let parent = lose(&left, "HEAD~1");
        let told = sandbox.bundles(&[&left], None).unwrap_err();
        let reason = told
            .strip_prefix("error: repository DIR/left: DIR/artifacts/repositories/")
            .unwrap_or_else(|| panic!("{told}"));
        assert!(reason.contains(&parent), "{told}");
        assert!(reason.ends_with("\nnext: `git -C DIR/left fsck`\n"), "{told}");
        assert_eq!(told.lines().count(), 2, "{told}");
        let files = fs::read_dir(sandbox.path("artifacts/repositories"))
            .unwrap()
            .count();
        assert_eq!(files, 0, "nothing is left behind");
        let commit = lose(&left, "HEAD");
        assert_eq!(
            sandbox.bundles(&[&left], None).unwrap_err(),
            format!(
                "error: repository DIR/left: its newest commit {commit} cannot be read\nnext: `git -C DIR/left fsck`\n"
            )
        );
    }

    /// Root may read everything; to it, git refuses what belongs to others.
    #[test]
    fn a_repository_that_may_not_be_read_is_named() {
        let sandbox = Sandbox::new();
        let left = sandbox.repository("left");
        fs::set_permissions(&left, fs::Permissions::from_mode(0o000)).unwrap();
        let expected = if fs::read_dir(&left).is_err() {
            "Permission denied (os error 13)\nnext: `ls -ld DIR/left`\n"
        } else {
            std::os::unix::fs::chown(&left, Some(65_534), None).unwrap();
            "detected dubious ownership in repository at 'DIR/left'\nnext: `git config --global --add safe.directory \
             DIR/left`, where its owner is to be trusted\n"
        };
        let told = sandbox.bundles(&[&left], None).unwrap_err();
        assert_eq!(told, format!("error: repository DIR/left: {expected}"));
        fs::set_permissions(&left, fs::Permissions::from_mode(0o755)).unwrap();
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

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

    fn bundles(&self, given: &[impl AsRef<OsStr>], reference: Option<&str>) -> Result<Vec<Bundle>, String> {
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

//! Publishing and resolving. Budget: 1 s.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use image_store::{Base, ImageError, ImageManifest, ImageStore, Managed, Publication, Reach};
use rstest::rstest;
use sha2::{Digest, Sha256};

fn recipe(files: &[(&str, &str)]) -> (tempfile::TempDir, ImageManifest) {
    let folder = tempfile::tempdir().unwrap();
    let mut digests = BTreeMap::new();
    for (path, text) in files {
        let at = folder.path().join(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::fs::write(at, text).unwrap();
        digests.insert((*path).to_owned(), hex::encode(Sha256::digest(text)));
    }
    let manifest = ImageManifest {
        name: "basecamp/train-deploy".into(),
        digest: hex::encode(Sha256::digest(format!("{digests:?}"))),
        files: digests,
        tags: BTreeMap::from([("extract".into(), "extract-1a2b".into())]),
        modules: BTreeMap::new(),
        own: Vec::new(),
    };
    (folder, manifest)
}

fn base() -> Base {
    Base {
        path: vec!["/env/bin".into(), "/programs".into()],
        env: BTreeMap::from([("_KFP_RUNTIME".into(), "true".into())]),
    }
}

fn refusal(store: &ImageStore, recipe: &Path, manifest: &ImageManifest) -> String {
    store.publish(recipe, manifest, &base()).unwrap_err().to_string()
}

#[test]
fn a_published_image_resolves_by_each_tag() {
    let (recipe, manifest) = recipe(&[
        ("steps/extract.py", "print()"),
        ("kfp_config.ini", "[Components]"),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let store = ImageStore::open(folder.path().join("images")).unwrap();
    let first = store.publish(recipe.path(), &manifest, &base()).unwrap();
    let expected = Publication {
        image_added: true,
        tags_added: vec!["extract-1a2b".into()],
    };
    assert_eq!(first, expected);
    let environment = store.resolve("basecamp/train-deploy:extract-1a2b").unwrap();
    assert_eq!(environment.path, base().path);
    assert_eq!(environment.env["_KFP_RUNTIME"], "true");
    assert_eq!(
        environment.env["PYTHONPATH"],
        environment.workdir.to_str().unwrap()
    );
    assert_eq!(
        std::fs::read_to_string(environment.workdir.join("steps/extract.py")).unwrap(),
        "print()"
    );
    let again = store.publish(recipe.path(), &manifest, &base()).unwrap();
    assert_eq!(again, Publication::default());
}

#[test]
fn a_tag_stays_with_its_first_image_and_programs_may_move() {
    let folder = tempfile::tempdir().unwrap();
    let store = ImageStore::open(folder.path()).unwrap();
    let (first_recipe, first) = recipe(&[("steps/extract.py", "1")]);
    store.publish(first_recipe.path(), &first, &base()).unwrap();
    let (second_recipe, second) = recipe(&[("steps/extract.py", "1"), ("other.py", "2")]);
    let publication = store.publish(second_recipe.path(), &second, &base()).unwrap();
    assert!(publication.image_added && publication.tags_added.is_empty());
    let resolve = || store.resolve("basecamp/train-deploy:extract-1a2b").unwrap();
    assert!(resolve().workdir.ends_with(&first.digest));

    let moved = Base {
        path: vec!["/elsewhere".into()],
        ..base()
    };
    store.publish(first_recipe.path(), &first, &moved).unwrap();
    assert_eq!(resolve().path, moved.path);

    // Files thrown away by hand: the tag goes to the image that is there.
    std::fs::remove_dir_all(resolve().workdir).unwrap();
    store.publish(second_recipe.path(), &second, &base()).unwrap();
    assert!(resolve().workdir.ends_with(&second.digest));
}

#[test]
fn a_file_that_changed_since_compiling_is_named_and_nothing_is_published() {
    let (recipe, manifest) = recipe(&[("a.py", "1"), ("b.py", "2")]);
    std::fs::write(recipe.path().join("b.py"), "3").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = ImageStore::open(folder.path()).unwrap();
    let message = refusal(&store, recipe.path(), &manifest);
    assert!(
        message.starts_with("image basecamp/train-deploy: b.py changed since"),
        "{message}"
    );
    assert!(matches!(
        store.resolve("basecamp/train-deploy:extract-1a2b"),
        Err(ImageError::Unknown { .. })
    ));
    let left: Vec<_> = std::fs::read_dir(folder.path().join("basecamp/train-deploy"))
        .unwrap()
        .collect();
    assert_eq!(left.len(), 1, "only the folder of tags: {left:?}");
}

#[rstest]
#[case::nothing_published(
    "python:3.11",
    "image python:3.11 is not mapped to an environment on this machine: publish the recipe that it is built from (known here: basecamp/train-deploy), or say in images.yaml of the state folder what it stands for"
)]
#[case::other_tag(
    "basecamp/train-deploy:old",
    "image basecamp/train-deploy:old is not mapped to an environment on this machine: publish the recipe that it is built from (known here: extract-1a2b), or say in images.yaml of the state folder what it stands for"
)]
#[case::no_tag(
    "basecamp/train-deploy",
    "image basecamp/train-deploy is not mapped to an environment on this machine: publish the recipe that it is built from (known here: extract-1a2b), or say in images.yaml of the state folder what it stands for"
)]
#[case::escape(
    "../../etc:passwd",
    "image ../../etc:passwd: name \"../../etc\" is not lower-case path components, as in basecamp/train-deploy"
)]
#[case::tag_escape(
    "basecamp/train-deploy:..",
    "image basecamp/train-deploy:..: tag \"..\" is not a tag of letters, digits, `_`, `.` and `-`"
)]
fn what_does_not_resolve_says_why(#[case] image: &str, #[case] expected: &str) {
    let (recipe, manifest) = recipe(&[("a.py", "1")]);
    let folder = tempfile::tempdir().unwrap();
    let store = ImageStore::open(folder.path()).unwrap();
    store.publish(recipe.path(), &manifest, &base()).unwrap();
    assert_eq!(store.resolve(image).unwrap_err().to_string(), expected);
}

#[rstest]
#[case::name(|m: &mut ImageManifest| m.name = "../x".into(), "name \"../x\"")]
#[case::digest(|m: &mut ImageManifest| m.digest = "..".into(), "digest \"..\"")]
#[case::tag(|m: &mut ImageManifest| { m.tags.insert("a".into(), "a/../b".into()); }, "tag \"a/../b\"")]
#[case::path(|m: &mut ImageManifest| { m.files.insert("../x".into(), String::new()); }, "path \"../x\"")]
#[case::absolute(|m: &mut ImageManifest| { m.files.insert("/x".into(), String::new()); }, "path \"/x\"")]
fn a_manifest_cannot_lead_out_of_the_store(#[case] damage: fn(&mut ImageManifest), #[case] expected: &str) {
    let (recipe, mut manifest) = recipe(&[("a.py", "1")]);
    damage(&mut manifest);
    let folder = tempfile::tempdir().unwrap();
    let store = ImageStore::open(folder.path()).unwrap();
    let message = refusal(&store, recipe.path(), &manifest);
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_manifest_is_read_from_its_file() {
    let (recipe, manifest) = recipe(&[("a.py", "1")]);
    let path = recipe.path().join("image.json");
    std::fs::write(&path, serde_json::to_string(&manifest).unwrap()).unwrap();
    assert_eq!(ImageManifest::read(&path).unwrap(), manifest);
    std::fs::write(&path, "{\"name\": 1}").unwrap();
    let message = ImageManifest::read(&path).unwrap_err().to_string();
    assert!(message.contains("image.json: invalid type"), "{message}");
}

/// A machine with a managed interpreter of that version, and with an installer or without.
fn managed(folder: &Path, rules: &str, with_uv: bool) -> ImageStore {
    let python = folder.join("python");
    std::fs::create_dir_all(python.join("bin")).unwrap();
    std::fs::write(python.join("bin/python3"), "").unwrap();
    std::fs::write(python.join("pyvenv.cfg"), "version_info = 3.11.7\n").unwrap();
    std::fs::write(folder.join("images.yaml"), rules).unwrap();
    if with_uv {
        std::fs::write(folder.join("uv"), "").unwrap();
    }
    let managed = Managed {
        python,
        map: folder.join("images.yaml"),
        folder: folder.join("environments"),
        programs: "/usr/bin:/bin".into(),
        uv: vec![folder.join("uv")],
    };
    ImageStore::open(folder.join("images"))
        .unwrap()
        .with_managed(managed)
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn a_python_image_stands_for_the_managed_interpreter() {
    let folder = tempfile::tempdir().unwrap();
    let store = managed(folder.path(), "images: []", true);
    let start = store.start("python:3.11", &words("python3 -c print()")).unwrap();
    assert_eq!(start.reach, Reach::Environment);
    assert_eq!(start.environment.path[0], folder.path().join("python/bin"));
    assert_eq!(start.command, words("python3 -c print()"));
    assert!((start.component, start.packages) == (None, None));
    assert_eq!(store.note("python:3.11-slim"), None);
    assert_eq!(
        store.note("python:3.9").unwrap(),
        "image python:3.9: its components run on the managed interpreter, Python 3.11 and not 3.9"
    );
}

#[rstest]
#[case(
    "images: []",
    "alpine:3",
    "sh -c ls",
    "image alpine:3 is not mapped to an environment on this machine"
)]
#[case(
    "images: []",
    "python:3.11",
    "sh -c ls",
    "put `images: [{names: [python], by: python, shell: true}]` into "
)]
#[case("images: [{names: [a], by: podman}]", "a", "sh", "podman")]
fn what_would_run_by_this_machine_is_refused(
    #[case] rules: &str,
    #[case] image: &str,
    #[case] command: &str,
    #[case] told: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let store = managed(folder.path(), rules, true);
    let error = store.start(image, &words(command)).unwrap_err().to_string();
    assert!(error.contains(told), "{error}");
}

#[test]
fn an_image_that_the_user_trusts_runs_by_this_machine_s_programs_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = managed(folder.path(), "images: [{names: [alpine], by: shell}]", true);
    let start = store
        .start("docker.io/library/alpine:3", &words("sh -c ls"))
        .unwrap();
    assert_eq!(start.reach, Reach::OwnFolders);
    let [programs] = start.environment.path.as_slice() else {
        panic!("{start:?}");
    };
    assert!(programs.join("sh").exists() && !programs.join("apt-get").exists());
}

#[rstest]
#[case(true)]
#[case(false)]
fn packages_of_a_component_are_installed_beside_its_environment(#[case] with_uv: bool) {
    let folder = tempfile::tempdir().unwrap();
    let store = managed(folder.path(), "images: []", with_uv);
    let script = "(PIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip install --quiet --no-warn-script-location 'a==1' || \
                  PIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip install --quiet --no-warn-script-location 'a==1' --user) \
                  && \"$0\" \"$@\"";
    let mut command = words("sh -c");
    command.push(script.to_owned());
    command.extend(words("python3 -c print()"));
    match store.start("python:3.11", &command) {
        Ok(start) => {
            assert!(with_uv);
            let packages = start.packages.unwrap();
            assert_eq!(packages.requirements, ["a==1"]);
            assert!(
                packages
                    .folder
                    .starts_with(folder.path().join("environments/packages"))
            );
        }
        Err(error) => assert_eq!(
            error.to_string(),
            "image python:3.11: packages a==1 cannot be installed: uv is neither on PATH nor in the state folder"
        ),
    }
}

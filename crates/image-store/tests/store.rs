//! Publishing and resolving. Budget: 1 s.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use image_store::{Base, ImageError, ImageManifest, ImageStore, Publication};
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
    "image python:3.11 is not mapped to an environment on this machine: publish the recipe that it is built from (known here: basecamp/train-deploy)"
)]
#[case::other_tag(
    "basecamp/train-deploy:old",
    "image basecamp/train-deploy:old is not mapped to an environment on this machine: publish the recipe that it is built from (known here: extract-1a2b)"
)]
#[case::no_tag(
    "basecamp/train-deploy",
    "image basecamp/train-deploy is not mapped to an environment on this machine: publish the recipe that it is built from (known here: extract-1a2b)"
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

//! A recipe's image on a cluster: made by the container engine, and brought to where pods find it.
//!
//! Two layers of making, because one changes with the lock and the other with every line of code: `NAME-env:LOCK` has
//! the packages, the image itself adds the recipe's files and `mlship`. All of a recipe's tags are one image.

use std::collections::BTreeSet;
use std::path::Path;

use image_store::{ImageManifest, Publication};
use xshell::{Shell, cmd};

use super::kind::{Kind, engine};
use super::record::Target;
use crate::error::Tier6Error;
use crate::state_dir::StateDir;
use crate::tool;

/// The lock that names a recipe's packages.
const LOCK: &str = "requirements.lock";

/// Packages by hash and nothing that the lock does not name. The whole image, not the slim one: steps run git.
const ENVIRONMENT: &str = "\
FROM docker.io/library/python:3.11
COPY requirements.lock /
RUN pip install --no-cache-dir --no-deps --require-hashes --requirement /requirements.lock
";

/// As the image store lays a recipe out on a machine without containers.
const RECIPE: &str = "\
ARG ENVIRONMENT
FROM ${ENVIRONMENT}
COPY mlship /usr/local/bin/mlship
COPY recipe /recipe
ENV PYTHONPATH=/recipe _KFP_RUNTIME=true
WORKDIR /recipe
";

/// Makes the image where its tags are not there yet, and loads it into kind's nodes; on another cluster it is pushed,
/// where its name begins with a registry, else it is taken to be there.
///
/// # Errors
/// [`Tier6Error::Tool`], [`Tier6Error::File`].
pub(crate) fn publish(
    state: &StateDir,
    target: &Target,
    recipe: &Path,
    manifest: &ImageManifest,
    programs: &Path,
) -> Result<Publication, Tier6Error> {
    let references = references(manifest);
    let missing: Vec<String> = match target {
        Target::Kind => {
            let there = Kind::of(state)?.images()?;
            references
                .iter()
                .filter(|reference| !there.contains(&full_name(reference)))
                .cloned()
                .collect()
        }
        Target::Cluster { .. } if !has_registry(&manifest.name) => Vec::new(),
        Target::Cluster { .. } => references.clone(),
    };
    if !missing.is_empty() {
        make(recipe, manifest, programs, &references)?;
        match target {
            Target::Kind => Kind::of(state)?.load(&missing)?,
            Target::Cluster { .. } => push(&missing)?,
        }
    }
    Ok(Publication {
        image_added: !missing.is_empty(),
        tags_added: missing,
    })
}

/// Every name of the image, sorted, each once.
fn references(manifest: &ImageManifest) -> Vec<String> {
    let names: BTreeSet<String> = manifest
        .tags
        .values()
        .map(|tag| format!("{}:{tag}", manifest.name))
        .collect();
    names.into_iter().collect()
}

/// As containerd names it: what names no registry is Docker's.
fn full_name(reference: &str) -> String {
    if has_registry(reference) {
        reference.to_owned()
    } else {
        format!("docker.io/{reference}")
    }
}

fn has_registry(name: &str) -> bool {
    name.split_once('/')
        .is_some_and(|(first, _)| first.contains(['.', ':']) || first == "localhost")
}

fn make(
    recipe: &Path,
    manifest: &ImageManifest,
    programs: &Path,
    references: &[String],
) -> Result<(), Tier6Error> {
    let (sh, engine) = (tool::shell()?, engine());
    let room = tempfile::tempdir().map_err(Tier6Error::file(std::env::temp_dir()))?;
    let lock = manifest.files.get(LOCK).map_or("", String::as_str);
    let environment = format!("{}-env:{}", manifest.name, lock.get(..12).unwrap_or(lock));
    if !has(&sh, &engine, &environment) {
        let folder = room.path().join("environment");
        copy(&recipe.join(LOCK), &folder.join(LOCK))?;
        build(
            &sh,
            &engine,
            &folder,
            ENVIRONMENT,
            &[],
            std::slice::from_ref(&environment),
        )?;
    }
    let folder = room.path().join("image");
    for path in manifest.files.keys() {
        copy(&recipe.join(path), &folder.join("recipe").join(path))?;
    }
    copy(&programs.join("mlship"), &folder.join("mlship"))?;
    let arguments = ["--build-arg".to_owned(), format!("ENVIRONMENT={environment}")];
    build(&sh, &engine, &folder, RECIPE, &arguments, references)
}

fn has(sh: &Shell, engine: &str, image: &str) -> bool {
    tool::read("docker", cmd!(sh, "{engine} image inspect {image}")).is_ok()
}

fn build(
    sh: &Shell,
    engine: &str,
    folder: &Path,
    text: &str,
    arguments: &[String],
    references: &[String],
) -> Result<(), Tier6Error> {
    let file = folder.join("Dockerfile");
    std::fs::write(&file, text).map_err(Tier6Error::file(&file))?;
    let tags = references.iter().flat_map(|reference| ["--tag", reference]);
    tool::read(
        "docker",
        cmd!(sh, "{engine} build {arguments...} {tags...} {folder}"),
    )?;
    Ok(())
}

fn push(references: &[String]) -> Result<(), Tier6Error> {
    let (sh, engine) = (tool::shell()?, engine());
    for reference in references {
        tool::read("docker", cmd!(sh, "{engine} push {reference}"))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), Tier6Error> {
    let folder = to.parent().unwrap_or(to);
    std::fs::create_dir_all(folder).map_err(Tier6Error::file(folder))?;
    std::fs::copy(from, to).map_err(Tier6Error::file(from))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("basecamp/train-deploy:a-1", "docker.io/basecamp/train-deploy:a-1")]
    #[case(
        "registry.example:5000/train-deploy:a-1",
        "registry.example:5000/train-deploy:a-1"
    )]
    #[case("localhost/train-deploy:a-1", "localhost/train-deploy:a-1")]
    fn names_are_as_containerd_has_them(#[case] reference: &str, #[case] expected: &str) {
        assert_eq!(full_name(reference), expected);
    }

    #[test]
    fn every_tag_is_a_name_of_the_one_image() {
        let manifest: ImageManifest = serde_json::from_value(serde_json::json!({
            "name": "basecamp/r", "digest": "d", "files": {},
            "tags": {"train": "train-2", "ingest": "ingest-1"}}))
        .unwrap();
        assert_eq!(
            references(&manifest),
            ["basecamp/r:ingest-1", "basecamp/r:train-2"]
        );
    }
}

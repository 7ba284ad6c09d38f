//! What registries say that images' names stand for.

use std::collections::{BTreeMap, BTreeSet};

use xshell::cmd;

use super::lock::ImageDigest;
use crate::error::Tier6Error;
use crate::tool;

/// Programs that ask a registry for a digest, with what goes before the image's name.
const ASKING: [(&str, &[&str]); 3] = [
    ("crane", &["digest"]),
    ("skopeo", &["inspect", "--format", "{{.Digest}}"]),
    (
        "docker",
        &[
            "buildx",
            "imagetools",
            "inspect",
            "--format",
            "{{.Manifest.Digest}}",
        ],
    ),
];

/// Asks each image's registry for the digest of its manifest, with the first such program that is on `PATH`. A registry
/// that gave no answer is not asked again: its images are unresolved.
///
/// # Errors
/// [`Tier6Error::Tool`] where there is no shell.
pub(super) fn resolve(images: &BTreeSet<String>) -> Result<BTreeMap<String, ImageDigest>, Tier6Error> {
    let sh = tool::shell()?;
    let asking = ASKING
        .into_iter()
        .find(|(program, _)| tool::on_path(program).is_some());
    let mut silent: BTreeSet<&str> = BTreeSet::new();
    let mut resolved = BTreeMap::new();
    for image in images {
        let registry = registry(image);
        let digest = match asking {
            Some((program, arguments)) if !silent.contains(registry) => {
                let name = if program == "skopeo" {
                    format!("docker://{image}")
                } else {
                    image.clone()
                };
                tool::read(program, cmd!(sh, "{program} {arguments...} {name}"))
                    .ok()
                    .map(|told| told.trim().to_owned())
                    .filter(|told| is_digest(told))
            }
            _ => None,
        };
        if digest.is_none() {
            silent.insert(registry);
        }
        resolved.insert(
            image.clone(),
            digest.map_or(ImageDigest::Unresolved, ImageDigest::Digest),
        );
    }
    Ok(resolved)
}

/// The registry of a name; Docker's own where it names none.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) => first,
        _ => "docker.io",
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("mysql:8.4", "docker.io")]
    #[case("kserve/agent:v1", "docker.io")]
    #[case("ghcr.io/kubeflow/kfp-driver:2.17.0", "ghcr.io")]
    #[case("localhost:5000/a:1", "localhost:5000")]
    fn the_registry_of_an_image(#[case] image: &str, #[case] expected: &str) {
        assert_eq!(registry(image), expected);
    }

    #[test]
    fn only_a_whole_digest_is_one() {
        assert!(is_digest(&format!("sha256:{}", "a1".repeat(32))));
        assert!(!is_digest("sha256:a1") && !is_digest("error: no such host"));
    }
}

//! Components: their lock, what differs from it, their images.

use tier6::Requests;
use tier6::component::{Difference, Finding, ImageDigest, Lock};

use super::columns;

/// The lock was written.
pub(crate) fn locked(lock: &Lock, changed: &[Difference], asked: Requests, budget: Requests) -> String {
    let unresolved = lock
        .components
        .values()
        .flat_map(|locked| locked.images.values())
        .filter(|digest| **digest == ImageDigest::Unresolved)
        .count();
    let images: usize = lock.components.values().map(|locked| locked.images.len()).sum();
    format!(
        "{}{} components, rendered by kustomize {}; {images} images, {unresolved} of them unresolved\n\
         with the control plane and a recipe's pods: {asked}, of {budget}\n",
        differences(changed),
        lock.components.len(),
        lock.kustomize,
    )
}

/// A line each; objects that are new or gone as a whole come without their fields.
pub(crate) fn differences(differences: &[Difference]) -> String {
    differences.iter().map(|one| format!("{one}\n")).collect()
}

/// What `verify` found.
pub(crate) fn findings(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let sign = if finding.problem.is_some() { "BROKEN" } else { "ok" };
        text.push_str(&format!("{sign:<8}{:<20}{}\n", finding.component, finding.check));
        if let Some(problem) = &finding.problem {
            for line in problem.lines() {
                text.push_str(&format!("        {line}\n"));
            }
        }
    }
    text
}

/// Component, image, digest.
pub(crate) fn images(images: &[(&str, &str, &ImageDigest)]) -> String {
    let mut rows = vec![["COMPONENT", "IMAGE", "DIGEST"].map(str::to_owned)];
    rows.extend(images.iter().map(|(component, image, digest)| {
        let digest = match digest {
            ImageDigest::Unresolved => "unresolved",
            ImageDigest::Digest(digest) => digest,
        };
        [*component, *image, digest].map(str::to_owned)
    }));
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::same;
    use tier6::component::Change;

    #[test]
    fn a_verification_tells_what_does_not_hold() {
        let finding = |check: &str, problem: Option<&str>| Finding {
            component: "kfp".into(),
            check: check.into(),
            problem: problem.map(str::to_owned),
        };
        same(
            &findings(&[
                finding("pipelines 2.17.0 is 4a3592cb2dd0", None),
                finding("it renders to what is locked", Some("one\ntwo")),
            ]),
            "\
ok      kfp                 pipelines 2.17.0 is 4a3592cb2dd0
BROKEN  kfp                 it renders to what is locked
        one
        two
",
        );
    }

    #[test]
    fn images_are_listed_with_what_is_known_of_them() {
        let digest = ImageDigest::Digest("sha256:ab".into());
        same(
            &images(&[
                ("kfp", "mysql:8.4", &ImageDigest::Unresolved),
                ("kuberay", "operator:v1", &digest),
            ]),
            "\
COMPONENT  IMAGE        DIGEST
kfp        mysql:8.4    unresolved
kuberay    operator:v1  sha256:ab
",
        );
    }

    #[test]
    fn a_difference_names_object_and_field() {
        let difference = Difference {
            object: "v1 ConfigMap n/settings".into(),
            change: Change::Removed,
        };
        same(&differences(&[difference]), "v1 ConfigMap n/settings: removed\n");
    }
}

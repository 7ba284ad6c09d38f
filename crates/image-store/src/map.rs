//! The data file that says what image names stand for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::error::ImageError;
use crate::reference::Reference;

/// What image names stand for on this machine: `tier6/images.yaml`, and what a state folder puts before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageMap {
    rules: Vec<Rule>,
    programs: Programs,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    images: Vec<Rule>,
    #[serde(default)]
    programs: BTreeSet<String>,
    #[serde(default)]
    rather: BTreeMap<String, String>,
}

/// The programs that commands find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Programs {
    pub(crate) names: BTreeSet<String>,
    /// What stands behind a name where this machine has it.
    pub(crate) rather: BTreeMap<String, String>,
}

/// What the images of some names stand for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    names: Vec<String>,
    pub(crate) by: By,
    /// Version of the interpreter in it, where no tag tells.
    #[serde(default)]
    pub(crate) version: Option<String>,
    /// Whether this machine's programs may run commands that are no Python component.
    #[serde(default)]
    pub(crate) shell: bool,
}

/// What an image stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum By {
    /// The managed interpreter.
    Python,
    /// This machine's programs.
    Shell,
}

impl ImageMap {
    /// What ships with this program.
    pub(crate) fn shipped() -> Self {
        let text = include_str!("../../../tier6/images.yaml");
        let written: Written =
            serde_yaml::from_str(text).expect("invariant: the shipped file is read in a test");
        Self {
            rules: written.images,
            programs: Programs {
                names: written.programs,
                rather: written.rather,
            },
        }
    }

    /// These rules behind those of a file of the same form, whose other parts are optional. A file that is not there
    /// has no rules.
    ///
    /// # Errors
    /// [`ImageError::File`]; [`ImageError::Map`] where it is no such file.
    pub(crate) fn with_override(mut self, path: &Path) -> Result<Self, ImageError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self),
            Err(error) => return Err(ImageError::file(path)(error)),
        };
        let written: Written = serde_yaml::from_str(&text).map_err(|source| ImageError::Map {
            path: path.to_owned(),
            source,
        })?;
        self.rules.splice(..0, written.images);
        self.programs.names.extend(written.programs);
        self.programs.rather.extend(written.rather);
        Ok(self)
    }

    pub(crate) fn rule(&self, image: &Reference<'_>) -> Option<&Rule> {
        self.rules.iter().find(|rule| {
            rule.names.iter().any(|name| match name.strip_suffix('*') {
                Some(prefix) => image.name.starts_with(prefix),
                None => Reference::parse(name).name == image.name,
            })
        })
    }

    pub(crate) fn programs(&self) -> &Programs {
        &self.programs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn by(map: &ImageMap, image: &str) -> Option<By> {
        map.rule(&Reference::parse(image)).map(|rule| rule.by)
    }

    #[rstest]
    #[case("python:3.11-slim", Some(By::Python))]
    #[case("docker.io/library/python", Some(By::Python))]
    #[case("alpine", None)]
    #[case("mypython:3", None)]
    fn the_shipped_file_opens_no_shell(#[case] image: &str, #[case] expected: Option<By>) {
        let map = ImageMap::shipped();
        assert_eq!(by(&map, image), expected);
        assert!(!map.rules.iter().any(|rule| rule.by == By::Shell || rule.shell));
    }

    #[test]
    fn a_state_folder_has_the_first_word() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("images.yaml");
        let text = "images:\n- {names: [alpine, 'team/*'], by: shell}\n- {names: [python], by: shell}\nprograms: [make]\n";
        std::fs::write(&path, text).expect("a file");
        let map = ImageMap::shipped().with_override(&path).expect("a map");
        assert_eq!(by(&map, "alpine:3.20"), Some(By::Shell));
        assert_eq!(by(&map, "team/tool:1"), Some(By::Shell));
        assert_eq!(by(&map, "python:3.11"), Some(By::Shell));
        assert!(map.programs.names.contains("make") && map.programs.names.contains("sh"));
        let nothing = ImageMap::shipped().with_override(&folder.path().join("none.yaml"));
        assert_eq!(nothing.expect("a map"), ImageMap::shipped());
    }

    #[rstest]
    #[case("images: [{names: [a], by: docker}]", "docker")]
    #[case("image: []", "image")]
    #[case("images: [{names: [a], by: python, shel: true}]", "shel")]
    fn what_the_file_cannot_say_is_told(#[case] text: &str, #[case] told: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("images.yaml");
        std::fs::write(&path, text).expect("a file");
        let error = ImageMap::shipped()
            .with_override(&path)
            .expect_err("a refusal")
            .to_string();
        assert!(error.contains(told) && error.contains("images.yaml"), "{error}");
    }
}

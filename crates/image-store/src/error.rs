//! Why an image cannot be published or resolved.

use std::path::PathBuf;

/// Everything that can go wrong with images.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the store, or an image manifest, is not what this version writes.
    #[error("{path}: {source}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A name, tag, digest or path in a manifest, or an image reference, that could lead out of the store.
    #[error("image {image}: {what} {text:?} is not {expected}")]
    Unfit {
        /// Name of the image.
        image: String,
        /// What the text should have been: `tag`, `path`, …
        what: &'static str,
        /// The text.
        text: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// A file of the recipe is not the one that was compiled.
    #[error(
        "image {image}: {path} changed since the recipe was compiled: it is {found}, the manifest says {expected}"
    )]
    Changed {
        /// Name of the image.
        image: String,
        /// Path within the recipe.
        path: String,
        /// Digest in the manifest, lower-case hex.
        expected: String,
        /// Digest of the file, lower-case hex.
        found: String,
    },
    /// No image of that name and tag has been published here, and no rule of the image map has its name.
    #[error(
        "image {image} is not mapped to an environment on this machine: publish the recipe that it is built from (known here: {known}), or say in images.yaml of the state folder what it stands for"
    )]
    Unknown {
        /// The reference asked for.
        image: String,
        /// What is there: names, or tags of the name.
        known: String,
    },
    /// `images.yaml` is no image map.
    #[error("{path}: {source}")]
    Map {
        /// Which file.
        path: PathBuf,
        /// What the parser said.
        source: serde_yaml::Error,
    },
    /// A command would run by this machine's programs, which nobody has allowed for its image.
    #[error(
        "image {image}: its command `{program}` would run by this machine's own programs; where you trust it, put `images: [{{names: [{name}], by: {by}}}]` into {map}"
    )]
    NeedsShell {
        /// The reference asked for.
        image: String,
        /// The command's first word.
        program: String,
        /// Name of the image in a rule.
        name: String,
        /// What the rule would say.
        by: &'static str,
        /// The file for the rule.
        map: PathBuf,
    },
    /// A component asks for packages, and nothing is there to install them.
    #[error(
        "image {image}: packages {packages} cannot be installed: uv is neither on PATH nor in the state folder"
    )]
    NoInstaller {
        /// The reference asked for.
        image: String,
        /// What was to be installed.
        packages: String,
    },
}

impl ImageError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

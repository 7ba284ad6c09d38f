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
    /// No image of that name and tag has been published here.
    #[error(
        "image {image} is not mapped to an environment on this machine: publish the recipe that it is built from (known here: {known})"
    )]
    Unknown {
        /// The reference asked for.
        image: String,
        /// What is there: names, or tags of the name.
        known: String,
    },
}

impl ImageError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

//! What a compiled recipe says of its image.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::error::ImageError;

/// `image.json`, written by the recipe's compiler beside the pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageManifest {
    /// Name without a tag, for example `basecamp/train-deploy`.
    pub name: String,
    /// Digest over all of the image's content, lower-case hex.
    pub digest: String,
    /// Path within the recipe → SHA-256 of the file, lower-case hex.
    pub files: BTreeMap<String, String>,
    /// Step → tag.
    pub tags: BTreeMap<String, String>,
    /// Program → modules that it imports: a worker may import them before. A program is what `python3 -m` is given.
    #[serde(default)]
    pub modules: BTreeMap<String, Vec<String>>,
    /// Variables of which each task has its own value, and which no module reads when it is imported.
    #[serde(default)]
    pub own: Vec<String>,
}

impl ImageManifest {
    /// Reads and checks `image.json`.
    ///
    /// # Errors
    /// [`ImageError::File`], [`ImageError::Malformed`], [`ImageError::Unfit`].
    pub fn read(path: &Path) -> Result<Self, ImageError> {
        let bytes = std::fs::read(path).map_err(ImageError::file(path))?;
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|source| ImageError::Malformed {
            path: path.to_owned(),
            source,
        })?;
        manifest.check()?;
        Ok(manifest)
    }

    pub(crate) fn check(&self) -> Result<(), ImageError> {
        let unfit = |what, text: &str, expected| {
            Err(ImageError::Unfit {
                image: self.name.clone(),
                what,
                text: text.to_owned(),
                expected,
            })
        };
        if !is_name(&self.name) {
            return unfit("name", &self.name, NAME);
        }
        if self.digest.len() != 64 || !self.digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return unfit("digest", &self.digest, "64 hexadecimal digits");
        }
        if let Some(tag) = self.tags.values().find(|tag| !is_tag(tag)) {
            return unfit("tag", tag, TAG);
        }
        let inside = |path: &&String| {
            let mut components = Path::new(path).components().peekable();
            components.peek().is_some() && components.all(|part| matches!(part, Component::Normal(_)))
        };
        match self.files.keys().find(|path| !inside(path)) {
            Some(path) => unfit("path", path, "a relative path within the recipe"),
            None => Ok(()),
        }
    }
}

pub(crate) const NAME: &str = "lower-case path components, as in basecamp/train-deploy";
pub(crate) const TAG: &str = "a tag of letters, digits, `_`, `.` and `-`";

/// Distribution spec, `<name>`: components that start with a letter or digit, so none is `..`.
pub(crate) fn is_name(text: &str) -> bool {
    text.split('/').all(|part| {
        part.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-:".contains(&byte))
            && part.starts_with(|first: char| first.is_ascii_alphanumeric())
    })
}

/// Distribution spec, `<reference>` as a tag.
pub(crate) fn is_tag(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

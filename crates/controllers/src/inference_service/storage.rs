//! A model's files, fetched to where its server reads them.

use std::path::{Path, PathBuf};

use url::Url;

/// Why a model could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    /// Not a URI, or of a scheme that is not read here.
    #[error("storageUri {0:?}: this rung reads file:///…")]
    Scheme(String),
    /// Nothing there, or it cannot be read or written.
    #[error("storageUri {uri}: {path}: {source}")]
    File {
        uri: String,
        path: PathBuf,
        source: std::io::Error,
    },
}

/// Copies the model into `folder`, completely or not at all: a folder's content, or a file by its name. Copied rather
/// than linked: what is served stays what it was when somebody writes into the source. Done once; what is there stays.
///
/// # Errors
/// [`StorageError`].
pub(crate) fn fetch(uri: &str, folder: &Path) -> Result<(), StorageError> {
    if folder.is_dir() {
        return Ok(());
    }
    let source = Url::parse(uri)
        .ok()
        .filter(|url| url.scheme() == "file")
        .and_then(|url| url.to_file_path().ok());
    let source = source.ok_or_else(|| StorageError::Scheme(uri.to_owned()))?;
    let unfinished = folder.with_extension("unfinished");
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StorageError::File {
            uri: uri.to_owned(),
            path,
            source,
        }
    };
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).map_err(failed(&unfinished))?;
    }
    std::fs::create_dir_all(&unfinished).map_err(failed(&unfinished))?;
    let metadata = std::fs::metadata(&source).map_err(failed(&source))?;
    match metadata.is_dir() {
        true => copy_folder(&source, &unfinished).map_err(failed(&source))?,
        false => {
            let name = source.file_name().unwrap_or_default();
            copy_file(&source, &unfinished.join(name)).map_err(failed(&source))?;
        }
    }
    std::fs::rename(&unfinished, folder).map_err(failed(folder))
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        // Follows links: the copy must stand by itself.
        if std::fs::metadata(entry.path())?.is_dir() {
            std::fs::create_dir(&target)?;
            copy_folder(&entry.path(), &target)?;
        } else {
            copy_file(&entry.path(), &target)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::copy(from, to)?;
    std::fs::File::open(to)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_folder_is_copied_whole_and_once() {
        let state = tempfile::tempdir().unwrap();
        let (source, target) = (state.path().join("a b"), state.path().join("0123"));
        std::fs::create_dir_all(source.join("inner")).unwrap();
        std::fs::write(source.join("inner/model"), "1").unwrap();
        let uri = Url::from_file_path(&source).unwrap();
        fetch(uri.as_str(), &target).unwrap();
        std::fs::write(source.join("inner/model"), "2").unwrap();
        fetch(uri.as_str(), &target).unwrap();
        assert_eq!(std::fs::read_to_string(target.join("inner/model")).unwrap(), "1");
    }

    #[test]
    fn a_file_keeps_its_name() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("model.json"), "1").unwrap();
        let uri = Url::from_file_path(state.path().join("model.json")).unwrap();
        fetch(uri.as_str(), &state.path().join("0123")).unwrap();
        assert_eq!(
            std::fs::read_to_string(state.path().join("0123/model.json")).unwrap(),
            "1"
        );
    }

    #[rstest]
    #[case(
        "file:///nowhere/at/all",
        "storageUri file:///nowhere/at/all: /nowhere/at/all: No such file or directory (os error 2)"
    )]
    #[case(
        "s3://bucket/model",
        "storageUri \"s3://bucket/model\": this rung reads file:///…"
    )]
    #[case("", "storageUri \"\": this rung reads file:///…")]
    fn what_is_not_there_is_named(#[case] uri: &str, #[case] expected: &str) {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("0123");
        assert_eq!(fetch(uri, &folder).unwrap_err().to_string(), expected);
        assert!(!folder.exists());
    }
}

//! Outputs moved into place, whole and on disk.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::durable::sync_folder_of;

/// Moves each `from` to its `to`, content first made to last; returns those `from` that do not exist.
///
/// The error text names the file. What was moved before it stays moved: moving is repeatable by whoever runs the
/// program again, since a `to` that is a file is replaced.
pub(crate) fn publish(outputs: &[(PathBuf, PathBuf)]) -> Result<Vec<PathBuf>, String> {
    let mut missing = Vec::new();
    let mut folders = BTreeSet::new();
    for (from, to) in outputs {
        let told = |path: &Path| {
            let path = path.display().to_string();
            move |error: std::io::Error| format!("{path}: {error}")
        };
        if std::fs::symlink_metadata(from).is_err() {
            missing.push(from.clone());
            continue;
        }
        sync(from)?;
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).map_err(told(folder))?;
        }
        std::fs::rename(from, to).map_err(told(to))?;
        folders.insert(to.clone());
    }
    for path in folders {
        sync_folder_of(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(missing)
}

/// Brings a file, or all files of a folder, to disk. Links are kept as they are.
fn sync(path: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let kind = std::fs::symlink_metadata(path).map_err(told)?.file_type();
    if kind.is_dir() {
        for entry in std::fs::read_dir(path).map_err(told)? {
            sync(&entry.map_err(told)?.path())?;
        }
    }
    if kind.is_dir() || kind.is_file() {
        File::open(path).and_then(|file| file.sync_all()).map_err(told)?;
    }
    Ok(())
}

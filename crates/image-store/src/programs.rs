//! A folder of programs of this machine: what commands find, and nothing else.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::ImageError;

/// The folder with a link for each of these programs that `search` has; made once for the same links.
pub(crate) fn folder(root: &Path, names: &BTreeSet<String>, search: &str) -> Result<PathBuf, ImageError> {
    let folders: Vec<PathBuf> = std::env::split_paths(search).collect();
    let links: Vec<(&String, PathBuf)> = names
        .iter()
        .filter(|name| !name.contains('/'))
        .filter_map(|name| {
            let candidates = folders.iter().map(|folder| folder.join(name));
            let found = candidates.into_iter().find(|path| is_program(path))?;
            Some((name, found))
        })
        .collect();
    let digest = hex::encode(Sha256::digest(format!("{links:?}")));
    let folder = root.join(&digest[..16]);
    if folder.is_dir() {
        return Ok(folder);
    }
    std::fs::create_dir_all(root).map_err(ImageError::file(root))?;
    let unfinished = tempfile::Builder::new()
        .prefix(".unfinished-")
        .tempdir_in(root)
        .map_err(ImageError::file(root))?;
    for (name, program) in links {
        let link = unfinished.path().join(name);
        symlink(program, &link).map_err(ImageError::file(link))?;
    }
    match std::fs::rename(unfinished.path(), &folder) {
        // Made by somebody else meanwhile: the same links.
        Err(_) if folder.is_dir() => {}
        renamed => {
            renamed.map_err(ImageError::file(&folder))?;
            let _ = unfinished.keep();
        }
    }
    Ok(folder)
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_programs_are_there() {
        let root = tempfile::tempdir().expect("a folder");
        let names = ["sh", "cat", "no-such-program", "../sh"]
            .map(str::to_owned)
            .into();
        let made = folder(root.path(), &names, "/usr/bin:/bin").expect("a folder of links");
        let mut found: Vec<_> = std::fs::read_dir(&made)
            .expect("its entries")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        found.sort();
        assert_eq!(found, ["cat", "sh"]);
        assert_eq!(folder(root.path(), &names, "/usr/bin:/bin").expect("again"), made);
    }
}

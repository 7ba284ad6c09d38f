//! A folder of programs of this machine: what commands find, and nothing else.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::ImageError;
use crate::map::Programs;

/// The folder with a link for each of these programs that `search` has; made once for the same links.
pub(crate) fn folder(root: &Path, programs: &Programs, search: &str) -> Result<PathBuf, ImageError> {
    let folders: Vec<PathBuf> = std::env::split_paths(search).collect();
    let find = |name: &String| {
        let mut candidates = folders.iter().map(|folder| folder.join(name));
        candidates.find(|path| is_program(path))
    };
    let links: Vec<(&String, PathBuf)> = programs
        .names
        .iter()
        .filter(|name| !name.contains('/'))
        .filter_map(|name| {
            let rather = programs.rather.get(name).and_then(find);
            Some((name, rather.or_else(|| find(name))?))
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
        let names = ["sh", "cat", "ls", "no-such-program", "../sh"].map(str::to_owned);
        let rather = [("ls", "cat"), ("cat", "no-such-program")];
        let programs = Programs {
            names: names.into(),
            rather: rather
                .map(|(name, other)| (name.to_owned(), other.to_owned()))
                .into(),
        };
        let made = folder(root.path(), &programs, "/usr/bin:/bin").expect("a folder of links");
        let mut found: Vec<_> = std::fs::read_dir(&made)
            .expect("its entries")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        found.sort();
        assert_eq!(found, ["cat", "ls", "sh"]);
        assert!(std::fs::read_link(made.join("ls")).is_ok_and(|program| program.ends_with("cat")));
        assert_eq!(
            folder(root.path(), &programs, "/usr/bin:/bin").expect("again"),
            made
        );
    }
}

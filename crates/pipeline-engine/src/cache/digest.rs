//! Digests of artifacts: a file, or a folder as a whole.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::model::ArtifactRecord;

/// What the bytes of an artifact are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// SHA-256 in hex: of the file's bytes, or of a listing of the folder.
    pub(crate) digest: String,
    /// Bytes of all files.
    pub(crate) size: u64,
    /// When a file was last written, in nanoseconds since the Unix epoch.
    pub(crate) modified_ns: i64,
}

/// Reads an artifact whole. Of a folder the digest is over a line a file, sorted by path: kind, digest, path. Links are
/// not followed; where they lead is what they are.
pub(crate) fn content(path: &Path) -> io::Result<Content> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(Content {
            digest: hex::encode(leaf(path, &metadata)?),
            size: metadata.size(),
            modified_ns: modified(&metadata),
        });
    }
    let mut listing = Sha256::new();
    let mut size = 0;
    let mut modified_ns = 0;
    walk(path, &mut |entry, metadata| {
        let name = entry.strip_prefix(path).unwrap_or(entry).as_os_str().as_bytes();
        let kind: &[u8] = if metadata.is_dir() { b"d" } else { b"f" };
        listing.update(kind);
        if !metadata.is_dir() {
            listing.update(leaf(entry, metadata)?);
            size += metadata.size();
        }
        modified_ns = modified_ns.max(modified(metadata));
        listing.update(name);
        listing.update(b"\0");
        Ok(())
    })?;
    Ok(Content {
        digest: hex::encode(listing.finalize()),
        size,
        modified_ns,
    })
}

/// Whether the bytes of an artifact are those that were recorded. Size and time of writing tell, and where these
/// differ, the bytes themselves. `Err` says what is wrong.
pub(crate) fn unchanged(artifact: &ArtifactRecord) -> Result<(), String> {
    let (Some(path), Some(digest)) = (&artifact.path, &artifact.digest) else {
        return Ok(());
    };
    let said = |error: io::Error| format!("`{}` at {}: {error}", artifact.name, path.display());
    let (size, modified_ns) = stamp(path).map_err(said)?;
    if (size, modified_ns) == (artifact.size, artifact.modified_ns) {
        return Ok(());
    }
    let found = content(path).map_err(said)?;
    if found.digest == *digest {
        return Ok(());
    }
    Err(altered(artifact, path))
}

/// Whether the bytes of an artifact have the digest that was recorded, whatever size and time of writing say: whoever
/// poisons a cache can set these. `Err` says what is wrong.
pub(crate) fn verified(artifact: &ArtifactRecord) -> Result<(), String> {
    let (Some(path), Some(digest)) = (&artifact.path, &artifact.digest) else {
        return Ok(());
    };
    match content(path) {
        Ok(found) if found.digest == *digest => Ok(()),
        Ok(found) => Err(format!(
            "{}: its digest is {}, recorded was {digest}",
            altered(artifact, path),
            found.digest
        )),
        Err(error) => Err(format!("`{}` at {}: {error}", artifact.name, path.display())),
    }
}

fn altered(artifact: &ArtifactRecord, path: &Path) -> String {
    format!(
        "`{}` at {} has been altered since it was recorded",
        artifact.name,
        path.display()
    )
}

/// Size and time of writing, without reading bytes.
fn stamp(path: &Path) -> io::Result<(u64, i64)> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok((metadata.size(), modified(&metadata)));
    }
    let mut size = 0;
    let mut modified_ns = 0;
    walk(path, &mut |_, metadata| {
        if !metadata.is_dir() {
            size += metadata.size();
        }
        modified_ns = modified_ns.max(modified(metadata));
        Ok(())
    })?;
    Ok((size, modified_ns))
}

fn modified(metadata: &fs::Metadata) -> i64 {
    metadata
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(metadata.mtime_nsec())
}

/// Everything below a folder in the order of its names.
fn walk(folder: &Path, visit: &mut impl FnMut(&Path, &fs::Metadata) -> io::Result<()>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_unstable_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let metadata = entry.metadata()?;
        visit(&entry.path(), &metadata)?;
        if metadata.is_dir() {
            walk(&entry.path(), visit)?;
        }
    }
    Ok(())
}

fn leaf(path: &Path, metadata: &fs::Metadata) -> io::Result<[u8; 32]> {
    if metadata.is_symlink() {
        return Ok(Sha256::digest(fs::read_link(path)?.as_os_str().as_bytes()).into());
    }
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "neither a file nor a folder",
        ));
    }
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 17];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(folder: &Path) {
        fs::create_dir_all(folder.join("sub/empty")).unwrap();
        fs::write(folder.join("a"), "1").unwrap();
        fs::write(folder.join("sub/b"), "22").unwrap();
    }

    #[test]
    fn a_folder_is_its_names_and_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        tree(&one);
        tree(&two);
        let first = content(&one).unwrap();
        assert_eq!((first.size, &first.digest), (3, &content(&two).unwrap().digest));
        fs::rename(two.join("a"), two.join("c")).unwrap();
        assert_ne!(content(&two).unwrap().digest, first.digest);
        tree(&two);
        fs::remove_file(two.join("c")).unwrap();
        fs::remove_dir(two.join("sub/empty")).unwrap();
        assert_ne!(content(&two).unwrap().digest, first.digest);
    }

    #[test]
    fn a_file_is_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "abc").unwrap();
        assert_eq!(
            content(&path).unwrap().digest,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}

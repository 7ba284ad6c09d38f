//! Files that are either not there or whole, also after a power cut.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path` in one step: a reader sees the old content or this one. The file's permission bits are
/// `mode`.
///
/// # Errors
/// Whatever the system says; `path` is then as it was.
pub fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let unfinished = beside(path, "unfinished");
    let written = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&unfinished)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&unfinished, path));
    if let Err(error) = written {
        // The unfinished file is nobody's; the error to tell is the first one.
        let _ = std::fs::remove_file(&unfinished);
        return Err(error);
    }
    sync_folder_of(path)
}

/// `dir/name` → `dir/name.PID.suffix`: two writers never share one.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.{suffix}", std::process::id()));
    path.with_file_name(name)
}

/// Makes a rename in the folder of `path` last.
pub(crate) fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_content_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        write_durably(&path, b"first", 0o600).unwrap();
        let target_is_a_folder = folder.path().join("folder");
        std::fs::create_dir_all(target_is_a_folder.join("inside")).unwrap();
        assert!(write_durably(&target_is_a_folder, b"second", 0o600).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}

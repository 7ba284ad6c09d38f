//! Files below a folder, whatever links somebody has put there: the kernel keeps the way within it.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// Opens a regular file for reading that lies below a folder.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] where the way to it leaves the folder; [`io::ErrorKind::InvalidInput`] where it is
/// no regular file; [`io::ErrorKind::NotFound`] and the like.
pub(crate) fn open(folder: &Path, path: &Path) -> io::Result<File> {
    let leaves = || {
        io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("the way to it leads out of {}", folder.display()),
        )
    };
    let relative = path.strip_prefix(folder).map_err(|_| leaves())?;
    let found = openat2(
        File::open(folder)?,
        relative,
        // Without waiting: a pipe that somebody put there has no writer.
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
    );
    let file = match found {
        Err(Errno::XDEV | Errno::LOOP) => return Err(leaves()),
        found => File::from(found?),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        ));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use rstest::rstest;

    #[rstest]
    #[case::plain("a/file", Ok("within"))]
    #[case::link_within("a/within", Ok("within"))]
    #[case::link_out("a/out", Err(io::ErrorKind::PermissionDenied))]
    #[case::link_up("a/up", Err(io::ErrorKind::PermissionDenied))]
    #[case::folder_out("b/secret", Err(io::ErrorKind::PermissionDenied))]
    #[case::dots("../secret", Err(io::ErrorKind::PermissionDenied))]
    #[case::loops("a/loop", Err(io::ErrorKind::PermissionDenied))]
    #[case::pipe("a/pipe", Err(io::ErrorKind::InvalidInput))]
    #[case::folder("a", Err(io::ErrorKind::InvalidInput))]
    #[case::nothing("a/none", Err(io::ErrorKind::NotFound))]
    fn the_way_stays_within(#[case] path: &str, #[case] expected: Result<&str, io::ErrorKind>) {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().join("root");
        std::fs::create_dir_all(root.join("a")).unwrap();
        std::fs::write(temporary.path().join("secret"), "without").unwrap();
        std::fs::write(root.join("a/file"), "within").unwrap();
        symlink("file", root.join("a/within")).unwrap();
        symlink(temporary.path().join("secret"), root.join("a/out")).unwrap();
        symlink("../../secret", root.join("a/up")).unwrap();
        symlink("loop", root.join("a/loop")).unwrap();
        symlink(temporary.path(), root.join("b")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.join("a/pipe"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        let read = open(&root, &root.join(path)).map(|mut file| {
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            text
        });
        assert_eq!(read.map_err(|error| error.kind()), expected.map(str::to_owned));
        let elsewhere = open(&root, &temporary.path().join("secret")).unwrap_err();
        assert_eq!(elsewhere.kind(), io::ErrorKind::PermissionDenied);
    }
}

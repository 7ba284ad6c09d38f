//! Where things lie on disk.

use std::path::{Path, PathBuf};

use pipeline_spec::Pipeline;

use crate::model::{RunId, TaskId};

/// Everything of a run's attempts.
pub(crate) fn run(tasks: &Path, run: RunId) -> PathBuf {
    tasks.join(run.to_string())
}

/// Everything of a task's attempts.
pub(crate) fn task(tasks: &Path, run: RunId, task: TaskId) -> PathBuf {
    self::run(tasks, run).join(task.to_string())
}

/// One attempt: the launch folder of its process.
pub(crate) fn attempt(tasks: &Path, run: RunId, task: TaskId, number: u32) -> PathBuf {
    self::task(tasks, run, task).join(number.to_string())
}

/// Standard output and standard error of an attempt.
pub(crate) fn log(attempt: &Path) -> PathBuf {
    attempt.join("log")
}

/// The working folder of an attempt.
pub(crate) fn work(attempt: &Path) -> PathBuf {
    attempt.join("work")
}

/// The home folder of an attempt.
pub(crate) fn home(attempt: &Path) -> PathBuf {
    attempt.join("home")
}

/// What is written for an attempt to run: its component, the packages that it asks for.
pub(crate) fn component(attempt: &Path) -> PathBuf {
    attempt.join("component")
}

/// What an attempt writes, while it runs.
pub(crate) fn outputs(attempt: &Path) -> PathBuf {
    attempt.join("outputs")
}

/// What an attempt has written that is small, once it has ended well.
pub(crate) fn result(attempt: &Path) -> PathBuf {
    attempt.join("result")
}

/// `TMPDIR` of an attempt. Short: sockets are made in it.
pub(crate) fn scratch(scratch: &Path, task: TaskId, number: u32) -> PathBuf {
    scratch.join(format!("bc-{}-{number}", &task.0.simple().to_string()[..12]))
}

/// Folders of volumes that live as long as an attempt.
pub(crate) fn scratch_volumes(attempt: &Path) -> PathBuf {
    attempt.join("volumes")
}

/// One of them, by its number.
pub(crate) fn scratch_volume(attempt: &Path, nth: usize) -> PathBuf {
    scratch_volumes(attempt).join(nth.to_string())
}

/// The folder that stands for a volume claim.
pub(crate) fn claim(volumes: &Path, name: &str) -> PathBuf {
    volumes.join(segment(name))
}

/// The folder that the tasks of a run share, gone with the run.
pub(crate) fn workspace(tasks: &Path, run: RunId) -> PathBuf {
    self::run(tasks, run).join("workspace")
}

/// Whether a pipeline asks for one.
pub(crate) fn has_workspace(pipeline: &Pipeline) -> bool {
    pipeline
        .kubernetes()
        .is_some_and(|platform| platform.pipeline_config.workspace.is_some())
}

/// A task's artifacts. `place` is its scope path.
pub(crate) fn artifacts(root: &Path, pipeline: &str, run: RunId, place: &str) -> PathBuf {
    let place = place.strip_prefix("root.").unwrap_or(place);
    root.join(segment(pipeline))
        .join(run.to_string())
        .join(segment(place))
}

/// A name as one segment of a path: what could leave the folder, or not be a name, is written in hex.
pub(crate) fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b' ');
    let mut written = String::with_capacity(name.len());
    for byte in name.bytes() {
        if plain(byte) && !(byte == b'.' && written.is_empty()) {
            written.push(char::from(byte));
        } else {
            written += &format!("%{byte:02x}");
        }
    }
    if written.is_empty() {
        "%".to_owned()
    } else {
        written
    }
}

/// A path as a `file://` URI (RFC 8089), what is no plain character percent-encoded.
pub(crate) fn file_uri(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut uri = "file://".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/!$&'()*+,;=:@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri += &format!("%{byte:02X}");
        }
    }
    uri
}

/// The path that a URI names on this machine; `None` where it is elsewhere.
pub(crate) fn local_path(uri: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    if uri.starts_with('/') {
        return Some(PathBuf::from(uri));
    }
    let rest = uri.strip_prefix("file://")?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest).as_bytes();
    if !rest.starts_with(b"/") {
        return None;
    }
    let mut bytes = Vec::with_capacity(rest.len());
    let mut at = 0;
    while at < rest.len() {
        let encoded = (rest[at] == b'%').then(|| rest.get(at + 1..at + 3)).flatten();
        let decoded = encoded
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(decoded.unwrap_or(rest[at]));
        at += if decoded.is_some() { 3 } else { 1 };
    }
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("for-loop-1.3.train", "for-loop-1.3.train")]
    #[case("..", "%2e.")]
    #[case("../../etc", "%2e.%2f..%2fetc")]
    #[case("", "%")]
    #[case("a\0b", "a%00b")]
    fn a_name_stays_within_its_folder(#[case] name: &str, #[case] written: &str) {
        assert_eq!(segment(name), written);
    }

    #[rstest]
    #[case("/a/b c/d%")]
    #[case("/ä/ü")]
    fn a_path_comes_back_from_its_uri(#[case] path: &str) {
        assert_eq!(local_path(&file_uri(Path::new(path))), Some(PathBuf::from(path)));
    }

    #[rstest]
    #[case("s3://bucket/x", None)]
    #[case("file://host/x", None)]
    #[case("relative/x", None)]
    #[case("file://localhost/x", Some("/x"))]
    fn what_is_elsewhere_has_no_path(#[case] uri: &str, #[case] path: Option<&str>) {
        assert_eq!(local_path(uri), path.map(PathBuf::from));
    }
}

//! The program's output: straight to its file, or through the shim where a limit is set.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::launch::{Launch, LogLimit};

/// Kept of what comes after a truncated log is full.
const TAIL_BYTES: usize = 64 * 1024;

/// The piped logs of one program: none, one shared or two.
pub(crate) struct Logs {
    piped: Vec<PipedLog>,
}

struct PipedLog {
    pipe: Option<PipeReader>,
    file: LimitedFile,
}

impl Logs {
    /// Opens the files; returns what the program gets as standard output and standard error.
    pub(crate) fn open(launch: &Launch) -> Result<(Self, OwnedFd, OwnedFd), String> {
        let open = |path: &Path| {
            File::options()
                .append(true)
                .create(true)
                .open(path)
                .map_err(|error| format!("log {}: {error}", path.display()))
        };
        let pipe_error = |error: std::io::Error| format!("log pipe: {error}");
        let same = launch.stdout == launch.stderr;
        let stdout = open(&launch.stdout)?;
        let Some(limit) = launch.log_limit else {
            let stderr = if same {
                stdout.try_clone().map_err(pipe_error)?
            } else {
                open(&launch.stderr)?
            };
            return Ok((Self { piped: Vec::new() }, stdout.into(), stderr.into()));
        };
        let piped = |path: &Path, file: File| {
            let (read, write) = std::io::pipe().map_err(pipe_error)?;
            rustix::io::ioctl_fionbio(&read, true).map_err(|errno| format!("log pipe: {errno}"))?;
            // Fewer wake-ups for a program that writes much; where it is refused the default size serves.
            let _ = rustix::pipe::fcntl_setpipe_size(&read, 1 << 20);
            let file = LimitedFile::new(path, file, limit).map_err(pipe_error)?;
            let log = PipedLog {
                pipe: Some(read),
                file,
            };
            Ok::<_, String>((log, write))
        };
        let (out_log, out) = piped(&launch.stdout, stdout)?;
        if same {
            let err = out.try_clone().map_err(pipe_error)?;
            return Ok((Self { piped: vec![out_log] }, out.into(), err.into()));
        }
        let (err_log, err) = piped(&launch.stderr, open(&launch.stderr)?)?;
        let logs = Self {
            piped: vec![out_log, err_log],
        };
        Ok((logs, out.into(), err.into()))
    }

    /// The pipes that may still bring something.
    pub(crate) fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.piped
            .iter()
            .filter_map(|log| Some(log.pipe.as_ref()?.as_fd()))
    }

    /// Moves what lies in the pipes now, without waiting for more.
    pub(crate) fn pump(&mut self) {
        let mut buffer = [0; 64 * 1024];
        for log in &mut self.piped {
            // Bounded, so that a program that never stops writing does not keep signals and deadline waiting.
            for _ in 0..64 {
                let Some(pipe) = &mut log.pipe else { break };
                match pipe.read(&mut buffer) {
                    Ok(0) => log.pipe = None,
                    Ok(read) => log.file.take(&buffer[..read]),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        }
    }

    /// Takes the rest and ends the files; returns how many bytes were dropped.
    pub(crate) fn finish(&mut self) -> u64 {
        self.pump();
        self.piped.iter_mut().map(|log| log.file.finish()).sum()
    }
}

struct LimitedFile {
    path: PathBuf,
    file: File,
    limit: LogLimit,
    written: u64,
    dropped: u64,
    /// Why some of it could not be written, as it was last said.
    refused: Option<String>,
    tail: VecDeque<u8>,
}

impl LimitedFile {
    fn new(path: &Path, file: File, limit: LogLimit) -> std::io::Result<Self> {
        Ok(Self {
            written: file.metadata()?.len(),
            path: path.to_owned(),
            file,
            limit,
            dropped: 0,
            refused: None,
            tail: VecDeque::new(),
        })
    }

    fn take(&mut self, bytes: &[u8]) {
        match self.limit {
            LogLimit::Truncate(limit) => {
                let room = usize::try_from(limit.saturating_sub(self.written)).unwrap_or(usize::MAX);
                let (kept, rest) = bytes.split_at(room.min(bytes.len()));
                self.write(kept);
                self.tail.extend(rest);
                let excess = self.tail.len().saturating_sub(TAIL_BYTES);
                self.tail.drain(..excess);
                self.dropped += excess as u64;
            }
            LogLimit::Rotate(limit) => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let room = usize::try_from(limit.saturating_sub(self.written)).unwrap_or(usize::MAX);
                    let (fits, later) = rest.split_at(whole_lines(rest, room, self.written == 0));
                    self.write(fits);
                    rest = later;
                    if !rest.is_empty() {
                        self.rotate();
                    }
                }
            }
        }
    }

    /// A disk that is full must not stop the program: what cannot be written is dropped, and counted.
    fn write(&mut self, bytes: &[u8]) {
        match self.file.write_all(bytes) {
            Ok(()) => self.written += bytes.len() as u64,
            Err(error) => {
                self.dropped += bytes.len() as u64;
                self.refused = Some(error.to_string());
            }
        }
    }

    fn rotate(&mut self) {
        let mut older = self.path.clone().into_os_string();
        older.push(".1");
        let fresh = std::fs::rename(&self.path, older)
            .and_then(|()| File::options().append(true).create(true).open(&self.path));
        if let Ok(fresh) = fresh {
            self.file = fresh;
        }
        // Also where it failed: the file then grows on, instead of this being tried for every line.
        self.written = 0;
    }

    fn finish(&mut self) -> u64 {
        let tail = std::mem::take(&mut self.tail);
        if self.dropped > 0 && matches!(self.limit, LogLimit::Truncate(_)) {
            let why = match &self.refused {
                Some(error) => format!("the log could not be written: {error}"),
                None => "log limit reached".to_owned(),
            };
            let note = format!("\n[{why}: {} bytes left out here]\n", self.dropped);
            self.write(note.as_bytes());
        }
        let (front, back) = tail.as_slices();
        self.write(front);
        self.write(back);
        self.dropped
    }
}

/// How many of `bytes` go into a file with `room` left: whole lines, or, in an empty file, as much as fits.
fn whole_lines(bytes: &[u8], room: usize, empty: bool) -> usize {
    if bytes.len() <= room {
        return bytes.len();
    }
    match bytes[..room].iter().rposition(|&byte| byte == b'\n') {
        Some(end) => end + 1,
        None if empty => room.max(1),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::all(b"a\nb\n", 4, false, 4)]
    #[case::the_lines_that_fit(b"a\nb\n", 3, false, 2)]
    #[case::no_line_fits(b"long\n", 3, false, 0)]
    #[case::a_line_longer_than_any_file(b"long\n", 3, true, 3)]
    #[case::no_room_at_all_still_ends(b"long\n", 0, true, 1)]
    fn rotation_keeps_lines_whole(
        #[case] bytes: &[u8],
        #[case] room: usize,
        #[case] empty: bool,
        #[case] expected: usize,
    ) {
        assert_eq!(whole_lines(bytes, room, empty), expected);
    }
}

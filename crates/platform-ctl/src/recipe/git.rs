//! Asking git.

use std::path::Path;
use std::process::{Command, Stdio};

/// The commit that a folder's sources are at, marked where they differ from it; none outside git.
pub(crate) fn commit_of(folder: &Path) -> Option<String> {
    let commit = git(folder, &["rev-parse", "--verify", "HEAD"]).ok()?;
    let changes = git(folder, &["status", "--porcelain", "--", "."]).ok()?;
    Some(if changes.is_empty() {
        commit
    } else {
        format!("{commit}-dirty")
    })
}

/// git on a repository, untouched by the variables of a hook that may have called us.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0");
    command
}

/// What git answers, or what it complains of.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = command(folder)
        .args(arguments)
        .output()
        .map_err(|error| format!("git: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    Err(complaint(&output.stderr))
}

/// The first line of what git wrote: it has the reason.
pub(crate) fn complaint(written: &[u8]) -> String {
    let written = String::from_utf8_lossy(written);
    let first = written.lines().next().unwrap_or("git failed");
    first.trim_start_matches("fatal: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_that_differ_from_their_commit_are_marked() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(commit_of(folder.path()), None);
        for arguments in [
            &["init", "--quiet"][..],
            &[
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@example.org",
                "commit",
                "--quiet",
                "--allow-empty",
                "--message=one",
            ],
        ] {
            git(folder.path(), arguments).unwrap();
        }
        let commit = git(folder.path(), &["rev-parse", "HEAD"]).unwrap();
        assert_eq!(commit_of(folder.path()), Some(commit.clone()));
        std::fs::write(folder.path().join("new"), "").unwrap();
        assert_eq!(commit_of(folder.path()), Some(format!("{commit}-dirty")));
    }
}

//! Programs of others: git, kustomize, kubectl, kind.

use std::path::PathBuf;

use xshell::{Cmd, Shell};

use crate::error::Tier6Error;

/// Where a program that is missing comes from.
fn source(program: &str) -> &'static str {
    match program {
        "git" => "install git (`apt install git`)",
        "kustomize" => {
            "`go install sigs.k8s.io/kustomize/kustomize/v5@VERSION`, or `nix develop`, or a kubectl that carries it"
        }
        "kubectl" => "see kubernetes.io/docs/tasks/tools, or `nix develop`",
        "kind" => "`go install sigs.k8s.io/kind@v0.32.0`, or `nix develop`",
        "docker" => "install Docker or Podman, and start it",
        _ => "put it on PATH",
    }
}

/// Where a program is, if it is on `PATH`.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// A shell in this process's environment.
///
/// # Errors
/// [`Tier6Error::Tool`].
pub(crate) fn shell() -> Result<Shell, Tier6Error> {
    Shell::new().map_err(|error| Tier6Error::Tool {
        program: "shell".into(),
        reason: error.to_string(),
    })
}

/// What a command prints. Its complaints are part of the error.
///
/// # Errors
/// [`Tier6Error::Tool`]: it is not there, and how to get it; or it fails, and what it says.
pub(crate) fn read(program: &str, command: Cmd<'_>) -> Result<String, Tier6Error> {
    const SHOWN: usize = 8;
    let failed = |reason: String| Tier6Error::Tool {
        program: program.to_owned(),
        reason,
    };
    // `ignore_status`: a failure is told with what the program said, which xshell's own error leaves out.
    let told = command.to_string();
    let output = command
        .quiet()
        .ignore_status()
        .output()
        .map_err(|error| failed(format!("{error}\nhow to get it: {}", source(program))))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = complaint.lines().filter(|line| !line.trim().is_empty()).collect();
    let said = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
    Err(failed(format!("`{told}`: {}\n{said}", output.status)))
}

/// The first `MAJOR.MINOR` in a text.
pub(crate) fn version(text: &str) -> Option<(u32, u32)> {
    text.split(|character: char| !(character.is_ascii_digit() || character == '.'))
        .find_map(|word| {
            let mut parts = word.split('.');
            let major = parts.next()?.parse().ok()?;
            let minor = parts.next()?.parse().ok()?;
            Some((major, minor))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("git version 2.39.5", Some((2, 39)))]
    #[case("kind v0.32.0 go1.26 linux/amd64", Some((0, 32)))]
    #[case("(devel)", None)]
    fn versions_are_found(#[case] text: &str, #[case] expected: Option<(u32, u32)>) {
        assert_eq!(version(text), expected);
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_how_to_get_it() {
        let sh = shell().unwrap();
        let message = read("kind", xshell::cmd!(sh, "no-such-kind version"))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("how to get it: `go install sigs.k8s.io/kind@"),
            "{message}"
        );
    }
}

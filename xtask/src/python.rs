//! The recipe's Python environment, built from its lock.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::clone;

/// Written into an environment once it is whole.
const COMPLETE: &str = "basecamp-complete";

/// uv: the one on `PATH`, else the one in the state folder.
pub(crate) fn uv(state: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("uv"))
        .chain([own_uv(state)])
        .find(|candidate| candidate.is_file())
}

fn own_uv(state: &Path) -> PathBuf {
    state.join("uv/bin/uv")
}

/// Whether some environment is set up, be it of today's lock or not.
pub(crate) fn is_set_up(state: &Path) -> bool {
    state.join("python/current").join(COMPLETE).exists()
}

/// The environment's folder for today's lock, named by the lock's digest.
pub(crate) fn folder(state: &Path) -> Result<PathBuf, String> {
    let lock = clone::lock();
    let output = Command::new("sha256sum")
        .arg(&lock)
        .output()
        .map_err(|error| format!("sha256sum: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let digest = text
        .get(..16)
        .filter(|_| output.status.success())
        .ok_or_else(|| format!("{} cannot be read", lock.display()))?;
    Ok(state.join("python").join(digest))
}

/// Builds the environment unless it is there, and makes it the current one. Says on `say` what it does. Two at once
/// take turns; one that was killed is begun again.
pub(crate) fn set_up(state: &Path, python: &Path, say: &dyn Fn(&str)) -> Result<(), String> {
    let parent = state.join("python");
    std::fs::create_dir_all(&parent).map_err(told(&parent))?;
    let turn = parent.join("lock");
    let turn = File::create(&turn).map_err(told(&turn))?;
    turn.lock()
        .map_err(|error| format!("{}: {error}", parent.display()))?;
    let environment = folder(state)?;
    if !environment.join(COMPLETE).exists() {
        let start = Instant::now();
        let uv = match uv(state) {
            Some(uv) => uv,
            None => install_uv(state, python, say)?,
        };
        if environment.exists() {
            std::fs::remove_dir_all(&environment).map_err(told(&environment))?;
        }
        run(
            &uv,
            &[
                "venv".as_ref(),
                "--quiet".as_ref(),
                "--python".as_ref(),
                python.as_os_str(),
                environment.as_os_str(),
            ],
            say,
        )?;
        say("packages of requirements.lock …");
        let interpreter = environment.join("bin/python");
        run(
            &uv,
            &[
                "pip".as_ref(),
                "sync".as_ref(),
                "--require-hashes".as_ref(),
                "--python".as_ref(),
                interpreter.as_os_str(),
                clone::lock().as_os_str(),
            ],
            say,
        )?;
        let complete = environment.join(COMPLETE);
        File::create(&complete)
            .and_then(|file| file.sync_all())
            .map_err(told(&complete))?;
        say(&format!(
            "environment built in {:.0} s",
            start.elapsed().as_secs_f64()
        ));
    }
    make_current(&parent, &environment)
}

/// `python/current` → the environment, replaced in one step.
fn make_current(parent: &Path, environment: &Path) -> Result<(), String> {
    let name = environment.file_name().unwrap_or_default();
    let current = parent.join("current");
    if std::fs::read_link(&current).is_ok_and(|target| target == Path::new(name)) {
        return Ok(());
    }
    let next = parent.join("current.next");
    let _ = std::fs::remove_file(&next);
    std::os::unix::fs::symlink(name, &next)
        .and_then(|()| std::fs::rename(&next, &current))
        .map_err(told(&current))
}

fn install_uv(state: &Path, python: &Path, say: &dyn Fn(&str)) -> Result<PathBuf, String> {
    say("uv is not on PATH: installing it into the state folder …");
    let home = state.join("uv");
    run(
        python,
        &[
            "-m".as_ref(),
            "venv".as_ref(),
            "--clear".as_ref(),
            home.as_os_str(),
        ],
        say,
    )?;
    run(
        &home.join("bin/python"),
        &[
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "uv",
        ]
        .map(OsStr::new),
        say,
    )
    .map_err(|error| format!("{error}\n  fix: python3 -m pip install --user uv"))?;
    Ok(own_uv(state))
}

/// Runs a program, telling its lines; the last ones are the error where it fails.
fn run(program: &Path, arguments: &[&OsStr], say: &dyn Fn(&str)) -> Result<(), String> {
    let name = program.display();
    let mut child = Command::new(program)
        .args(arguments)
        // Only interpreters of this machine: nothing is downloaded but packages.
        .env("UV_PYTHON_DOWNLOADS", "never")
        .env("UV_NO_PROGRESS", "1")
        .env_remove("VIRTUAL_ENV")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{name}: {error}"))?;
    let stderr = child.stderr.take().expect("invariant: standard error is a pipe");
    let mut last: Vec<String> = Vec::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        // uv lists each of some hundred packages; the totals suffice.
        if !line.starts_with(" + ") && !line.starts_with(" - ") {
            say(&line);
        }
        last.push(line);
        if last.len() > 15 {
            last.remove(0);
        }
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name} ended with {status}:\n{}", last.join("\n"))),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

fn told(path: &Path) -> impl FnOnce(std::io::Error) -> String {
    let path = path.display().to_string();
    move |error| format!("{path}: {error}")
}

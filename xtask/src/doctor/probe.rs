//! How each prerequisite is looked for.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Diagnosis, Finding};
use crate::python;

const RUST: (u32, u32) = (1, 89);
const PYTHONS: [&str; 5] = ["python3.12", "python3.13", "python3.11", "python3", "python"];
/// What the services hold (about 1.6 GiB), the steps, and a release build beside them.
const MEMORY_MIB: u64 = 3 * 1024;
/// Build folder, Python environment and its download cache.
const DISK_MIB: u64 = 8 * 1024;

pub(super) fn diagnose(state: &Path) -> Diagnosis {
    let package = |name: &str| system_package(name);
    let mut findings = vec![
        rust("rustc"),
        rust("cargo"),
        tool("git", &["git"], false, &package("git")),
        compiler(&package("compiler")),
    ];
    let (finding, python) = python_finding(&package("python"));
    findings.push(finding);
    findings.push(uv(state, python.as_deref()));
    findings.push(size(
        "free memory",
        "3 GiB or more where no rung is up yet, 1 GiB after",
        memory_mib(),
        if state.join("daemon.json").exists() {
            1024
        } else {
            MEMORY_MIB
        },
        "end other programs, or stop another rung: cargo xtask down",
    ));
    findings.push(size(
        "free disk",
        "8 GiB or more where nothing is set up yet, 1 GiB after",
        disk_mib(state),
        if python::is_set_up(state) { 1024 } else { DISK_MIB },
        "free some space, or move state elsewhere: BASECAMP_STATE_DIR=DIR",
    ));
    for (name, program) in [("rustfmt", "rustfmt"), ("clippy", "cargo-clippy")] {
        let fix = format!("rustup component add {name} (only `cargo xtask test` needs it)");
        findings.push(tool(name, &[program], true, &fix));
    }
    findings.push(tool(
        "kubectl",
        &["kubectl"],
        true,
        "only to look at resources by hand; its own installation page says how",
    ));
    findings.push(tool(
        "container engine",
        &["docker", "podman"],
        true,
        "not used by the embedded rung; nothing changes with one",
    ));
    Diagnosis { findings, python }
}

/// First line of what the program says of itself; `None` where it is not there or fails.
fn said(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// The first word of a line that looks like a version.
fn version(line: &str) -> Option<&str> {
    line.split([' ', ',', 'v', '(', ')'])
        .find(|word| word.contains('.') && word.starts_with(|first: char| first.is_ascii_digit()))
}

/// Major and minor.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

fn rust(program: &'static str) -> Finding {
    let found = said(program, &["--version"]).and_then(|line| version(&line).map(str::to_owned));
    Finding {
        serves: found
            .as_deref()
            .and_then(numbers)
            .is_some_and(|found| found >= RUST),
        name: program,
        needed: "1.89 or later",
        found,
        optional: false,
        fix: "rustup update stable (or install Rust as rust-lang.org says)".into(),
    }
}

fn tool(name: &'static str, programs: &[&str], optional: bool, fix: &str) -> Finding {
    let found = programs.iter().find_map(|program| {
        let line = said(program, &["--version"]).or_else(|| said(program, &["version", "--client"]))?;
        let version = version(&line).unwrap_or(&line).to_owned();
        Some(if programs.len() > 1 {
            format!("{program} {version}")
        } else {
            version
        })
    });
    Finding {
        name,
        needed: if optional { "optional" } else { "any" },
        serves: found.is_some(),
        found,
        optional,
        fix: fix.to_owned(),
    }
}

fn compiler(fix: &str) -> Finding {
    let named = std::env::var("CC").ok();
    let found = named
        .iter()
        .map(String::as_str)
        .chain(["cc", "gcc", "clang"])
        .find_map(|program| {
            let line = said(program, &["--version"])?;
            Some(format!("{program} {}", version(&line).unwrap_or(&line)))
        });
    Finding {
        name: "C compiler",
        needed: "any (SQLite and ring are compiled)",
        serves: found.is_some(),
        found,
        optional: false,
        fix: fix.to_owned(),
    }
}

/// A Python that can build the environment: its version, and `venv`, which Debian ships apart.
fn python_finding(fix: &str) -> (Finding, Option<PathBuf>) {
    const ASK: &str =
        "import sys, venv, ensurepip; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)";
    let mut unfit = None;
    let mut fit = None;
    for program in PYTHONS {
        let Some(version) = said(
            program,
            &["-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"],
        ) else {
            continue;
        };
        if !numbers(&version).is_some_and(|found| ((3, 11)..=(3, 13)).contains(&found)) {
            unfit.get_or_insert(format!("{version} ({program})"));
            continue;
        }
        let answer = Command::new(program)
            .args(["-c", ASK])
            .stderr(Stdio::null())
            .output();
        let answer = answer.ok().filter(|answer| answer.status.success());
        let Some(answer) = answer else {
            unfit = Some(format!("{version} ({program}), without venv"));
            continue;
        };
        let text = String::from_utf8_lossy(&answer.stdout);
        if let Some(executable) = text.lines().nth(1) {
            fit = Some((format!("{version} ({program})"), PathBuf::from(executable)));
            break;
        }
    }
    let (found, python) = match fit {
        Some((found, python)) => (Some(found), Some(python)),
        None => (unfit, None),
    };
    let finding = Finding {
        name: "Python",
        needed: "3.11, 3.12 or 3.13, with venv",
        found,
        serves: python.is_some(),
        optional: false,
        fix: fix.to_owned(),
    };
    (finding, python)
}

fn uv(state: &Path, python: Option<&Path>) -> Finding {
    let found = python::uv(state).and_then(|uv| {
        let line = said(&uv, &["--version"])?;
        Some(version(&line).unwrap_or(&line).to_owned())
    });
    let found = found.or_else(|| python.map(|_| "will be put into the state folder".to_owned()));
    Finding {
        name: "uv",
        needed: "any; got by Python's own venv and pip where absent",
        serves: found.is_some(),
        found,
        optional: false,
        fix: "python3 -m pip install --user uv".into(),
    }
}

fn size(name: &'static str, needed: &'static str, found: Option<u64>, enough: u64, fix: &str) -> Finding {
    Finding {
        name,
        needed,
        // Where the system does not say, nobody is held up.
        serves: found.is_none_or(|found| found >= enough),
        found: found.map(|mib| format!("{}.{} GiB", mib / 1024, mib % 1024 * 10 / 1024)),
        optional: false,
        fix: fix.to_owned(),
    }
}

/// `MemAvailable` of proc(5).
fn memory_mib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

/// What df(1) calls available, where the state folder is or will be.
fn disk_mib(state: &Path) -> Option<u64> {
    let there = state.ancestors().find(|folder| folder.is_dir())?;
    let output = Command::new("df").arg("-Pk").arg(there).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let kib: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kib / 1024)
}

/// The command that gets a package, by the system's own package manager.
fn system_package(what: &str) -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    package_command(&release, what)
}

fn package_command(os_release: &str, what: &str) -> String {
    let names = |debian, fedora, arch, alpine| {
        [
            ("debian", "sudo apt-get install -y", debian),
            ("fedora", "sudo dnf install -y", fedora),
            ("rhel", "sudo dnf install -y", fedora),
            ("arch", "sudo pacman -S --needed", arch),
            ("alpine", "sudo apk add", alpine),
        ]
    };
    let known = match what {
        "git" => names("git", "git", "git", "git"),
        "compiler" => names("build-essential", "gcc", "base-devel", "build-base"),
        _ => names("python3 python3-venv", "python3.12", "python", "python3 py3-pip"),
    };
    let is_like = |family: &str| {
        os_release
            .lines()
            .filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")))
            .any(|ids| ids.trim_matches('"').split(' ').any(|id| id == family))
    };
    known.iter().find(|(family, ..)| is_like(family)).map_or_else(
        || format!("install {} with this system's package manager", known[0].2),
        |(_, command, packages)| format!("{command} {packages}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_say() {
        for (line, expected) in [
            ("rustc 1.95.0 (59807616e 2026-04-14)", "1.95.0"),
            ("git version 2.39.5", "2.39.5"),
            ("cc (Debian 12.2.0-14) 12.2.0", "12.2.0-14"),
            ("Client Version: v1.33.4", "1.33.4"),
            ("Docker version 28.1.1, build 4eba377", "28.1.1"),
        ] {
            assert_eq!(version(line), Some(expected), "{line}");
        }
        assert_eq!(numbers("1.95.0-nightly"), Some((1, 95)));
        assert_eq!(numbers("one"), None);
    }

    #[test]
    fn the_fix_is_the_systems_own_command() {
        let ubuntu = "NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\n";
        assert_eq!(
            package_command(ubuntu, "compiler"),
            "sudo apt-get install -y build-essential"
        );
        assert_eq!(package_command("ID=fedora\n", "git"), "sudo dnf install -y git");
        assert_eq!(
            package_command("ID=somethingelse\n", "git"),
            "install git with this system's package manager"
        );
    }

    #[test]
    fn a_size_that_is_not_told_holds_nobody_up() {
        assert!(size("free disk", "", None, 10, "").serves);
        let small = size("free disk", "", Some(1536), 2048, "");
        assert!(!small.serves);
        assert_eq!(small.found.as_deref(), Some("1.5 GiB"));
    }
}

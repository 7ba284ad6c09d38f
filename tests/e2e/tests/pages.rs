//! The guided walk and the runbooks: every command in them as it is typed, in one shell a page, and what it shows.
//!
//! A page's `console` blocks hold commands behind `$ ` and what they show. Durations, ids, times and ports differ from
//! one day to the next and are not compared, nor is what is told of steps while they run; `…` stands for anything in a
//! line, or for any lines. Budget: 300 s for all pages on two cores that have nothing else to do.
#![allow(clippy::unwrap_used, reason = "all of this file is test code")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use e2e::Rung;

/// Ends what a command shows. No command prints it.
const END: char = '\u{1e}';

/// One command of a page.
#[derive(Debug, PartialEq)]
struct Step {
    command: String,
    shows: Vec<String>,
}

/// The commands of a page, in their order. A command goes on in the lines behind `> `.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    // A block of a list is indented.
    let mut inside: Option<usize> = None;
    for line in page.lines() {
        let line = line.get(inside.unwrap_or(0)..).unwrap_or_default();
        match (inside, line) {
            (None, line) => {
                let bare = line.trim_start();
                inside = (bare == "```console").then_some(line.len() - bare.len());
            }
            (Some(_), "```") => inside = None,
            (Some(_), line) => {
                if let Some(command) = line.strip_prefix("$ ") {
                    steps.push(Step {
                        command: command.to_owned(),
                        shows: Vec::new(),
                    });
                    continue;
                }
                let step = steps.last_mut().expect("a block begins with a command");
                match line.strip_prefix("> ").filter(|_| step.shows.is_empty()) {
                    Some(more) => step.command = format!("{}\n{more}", step.command),
                    None => step.shows.push(line.to_owned()),
                }
            }
        }
    }
    steps
}

/// A word, without what differs from day to day.
fn plain_word(word: &str) -> String {
    let is_id = word.len() >= 8
        && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
        && word.chars().any(|c| c.is_ascii_digit());
    let is_fraction = word.contains('.') && word.parse::<f64>().is_ok();
    let is_long = word.len() >= 5 && word.parse::<u64>().is_ok();
    let is_time = word.contains(':') && word.chars().all(|c| c.is_ascii_digit() || c == ':');
    if is_id || is_fraction || is_long || is_time {
        return "N".to_owned();
    }
    if word.starts_with("127.0.0.1:") {
        return "127.0.0.1:N".to_owned();
    }
    // `train-deploy:extract-7427aa25dbce`.
    match word.contains('-') {
        true => word.split('-').map(plain_word).collect::<Vec<_>>().join("-"),
        false => word.to_owned(),
    }
}

/// A line, without what differs from day to day.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut word = String::new();
    for character in line.chars().chain([' ']) {
        if character.is_ascii_alphanumeric() || "-.:".contains(character) {
            word.push(character);
            continue;
        }
        // A full stop or a colon at the end is no part of a number.
        let bare = word.trim_end_matches(['.', ':']);
        text.push_str(&plain_word(bare));
        text.push_str(&word[bare.len()..]);
        word.clear();
        text.push(character);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line tells of progress: of a step that runs, or of the end of a group, which comes before or after the end
/// of its last step, as the looks at the run fall.
fn is_progress(line: &str) -> bool {
    line.contains(" RUNNING") || line.starts_with("  condition-1  SUCCEEDED")
}

/// Lines to compare: without progress, empty lines, and what differs from day to day.
fn lines<'a>(text: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let lines = text.into_iter().filter(|line| !is_progress(line));
    let lines = lines.map(plain).filter(|line| !line.is_empty());
    lines.collect()
}

/// Whether a line is as a page has it, `…` being anything.
fn fits(line: &str, expected: &str) -> bool {
    let mut parts = expected.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether lines are as a page has them, a line `…` being any lines.
fn all_fit(shown: &[String], expected: &[String]) -> bool {
    match expected.split_first() {
        None => shown.is_empty(),
        Some((first, rest)) if first == "…" => (0..=shown.len()).any(|skip| all_fit(&shown[skip..], rest)),
        Some((first, rest)) => match shown.split_first() {
            Some((line, others)) => fits(line, first) && all_fit(others, rest),
            None => false,
        },
    }
}

/// One shell, in which a page's commands are typed.
struct Shell {
    shell: Child,
    types: ChildStdin,
    shows: BufReader<ChildStdout>,
}

impl Shell {
    /// In a clone whose `cargo platform-ctl`, `cargo mlship` and `cargo xtask` are the programs of this build.
    fn new(clone: &Path, rung: &Rung) -> Self {
        let tools = clone.join(".tools");
        std::fs::create_dir_all(&tools).unwrap();
        let programs = rung.platform_ctl(&[]).get_program().to_owned();
        let programs = PathBuf::from(programs).parent().unwrap().to_owned();
        let script = format!(
            "#!/bin/sh\ncase $1 in xtask) shift; set -- platform-ctl \"$@\";; esac\n\
             program=$1; shift; exec '{}'/$program \"$@\"\n",
            programs.display()
        );
        let cargo = tools.join("cargo");
        std::fs::write(&cargo, script).unwrap();
        let made = Command::new("chmod").arg("+x").arg(&cargo).status().unwrap();
        assert!(made.success());
        let python = rung.state().join("python/current/bin");
        let path = format!(
            "{}:{}:{}",
            tools.display(),
            python.display(),
            std::env::var("PATH").unwrap()
        );
        let mut shell = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(clone)
            .env("PATH", path)
            .env_remove("BASECAMP_STATE_DIR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut types = shell.stdin.take().unwrap();
        types.write_all(b"exec 2>&1\n").unwrap();
        Self {
            shows: BufReader::new(shell.stdout.take().unwrap()),
            shell,
            types,
        }
    }

    /// Types a command; what it shows, to its end. `$?` is the command's in the next one.
    fn shows(&mut self, command: &str) -> String {
        let typed =
            format!("{{ {command}\n}} </dev/null\n__ended=$?; printf '\\n%b\\n' '\\x1e'; (exit $__ended)\n");
        self.types.write_all(typed.as_bytes()).unwrap();
        let mut shown = String::new();
        loop {
            let mut line = String::new();
            let read = self.shows.read_line(&mut line).unwrap();
            assert!(read > 0, "the shell ended at `{command}`:\n{shown}");
            if line.trim_end() == END.to_string() {
                return shown;
            }
            shown.push_str(&line);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// What a stranger has after `git clone`, as far as the pages need it: the recipes, under git.
fn clone_into(folder: &Path) -> PathBuf {
    let clone = folder.join("basecamp");
    std::fs::create_dir(&clone).unwrap();
    let command = format!(
        "cp -R .gitignore Cargo.toml recipes '{0}' && cd '{0}' && \
         echo .tools/ >> .gitignore && git init -q && git add . && \
         git -c user.name=a -c user.email=a@example.invalid commit -qm 'as cloned'",
        clone.display()
    );
    let made = Command::new("sh")
        .args(["-c", &command])
        .current_dir(repository())
        .status();
    assert!(made.unwrap().success());
    clone
}

/// Types every command of these pages, one page after the other on one rung, and compares.
fn walk(pages: &[&str]) {
    let folder = tempfile::Builder::new()
        .prefix("basecamp-pages-")
        .tempdir()
        .unwrap();
    let clone = clone_into(folder.path());
    let rung = Rung::at(&clone.join(".basecamp"));
    for page in pages {
        let text = std::fs::read_to_string(repository().join(page)).unwrap();
        let steps = steps(&text);
        assert!(!steps.is_empty(), "{page} has no commands");
        let mut shell = Shell::new(&clone, &rung);
        for step in steps {
            let shown = shell.shows(&step.command);
            let expected = lines(step.shows.iter().map(String::as_str));
            assert!(
                all_fit(&lines(shown.lines()), &expected),
                "{page}: $ {}\n--- shows\n{shown}\n--- and should show\n{}",
                step.command,
                step.shows.join("\n")
            );
        }
    }
    rung.down();
}

#[test]
fn the_guided_walk() {
    walk(&["examples/recipe-train-deploy/README.md"]);
}

#[test]
fn the_runbooks() {
    walk(&[
        "runbooks/kfp-pipeline-failed-step-debug.md",
        "runbooks/katib-trials-stuck.md",
        "runbooks/pipeline-cache-poisoned.md",
        "runbooks/mlflow-registry-promotion-blocked.md",
    ]);
}

#[test]
fn a_page_is_commands_and_what_they_show() {
    let page = "text\n```console\n$ echo a \\\n>   b\na b\n```\n```sh\n$ not this\n```\n1. a\n   ```console\n   $ true\n   b\n   ```\n";
    let step = |command: &str, shows: &[&str]| Step {
        command: command.to_owned(),
        shows: shows.iter().map(|&line| line.to_owned()).collect(),
    };
    assert_eq!(
        steps(page),
        [step("echo a \\\n  b", &["a b"]), step("true", &["b"])]
    );
}

#[test]
fn what_differs_from_day_to_day_is_not_compared_and_the_rest_is() {
    let fit = |shown: &[&str], expected: &[&str]| {
        all_fit(&lines(shown.iter().copied()), &lines(expected.iter().copied()))
    };
    assert!(fit(
        &[
            "run 6f0c8a52 ended in 4.9 s",
            "  train  RUNNING   12",
            "at 10:22:01, port 23432"
        ],
        &["run 0b1c1a11 ended in 5.2 s", "at 09:00:59, port 30111"]
    ));
    assert!(!fit(&["version 1"], &["version 2"]));
    assert!(!fit(&["one", "two"], &["one"]));
    assert!(fit(&["one", "two", "three"], &["…", "three"]));
    assert!(fit(&["error: in /tmp/x/a: b: gone"], &["error: in …/a: …: gone"]));
    assert!(!fit(
        &["error: in /tmp/x/a: b: there"],
        &["error: in …/a: …: gone"]
    ));
}

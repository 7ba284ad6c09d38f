//! A small run of the recipe, as it is typed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::Rung;
use crate::rung::signal;

/// Arguments of a run that takes seconds: three trials over two synthetic repositories.
///
/// On so little data a model is worse than last week's number, so the gate is set where it opens.
pub const MINI: [&str; 7] = [
    "train-deploy",
    "--param",
    "max_trials=3",
    "--param",
    r#"synthetic={"seed":3,"repositories":2,"years":1,"commits":2000}"#,
    "--param",
    "threshold=-1000",
];

/// What a program had to say.
#[derive(Clone, Debug)]
pub struct Told {
    /// How it ended; none where a signal did it.
    pub code: Option<i32>,
    /// What it printed for machines, as it came.
    pub stdout: String,
    /// What it printed for people.
    pub stderr: String,
}

impl Told {
    /// Runs a command to its end.
    pub fn by(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The one object on standard output.
    pub fn object(&self) -> Value {
        let object: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"));
        assert!(object.is_object(), "{self}");
        object
    }

    /// The same of a program that must have ended well.
    pub fn well(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self}");
        self.object()
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "ended with {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

/// A run of the recipe that goes on.
pub struct Running {
    program: Child,
    progress: BufReader<std::process::ChildStderr>,
    seen: String,
}

impl Running {
    /// Reads its progress until a line holds `words`.
    pub fn until(&mut self, words: &str) {
        loop {
            let begin = self.seen.len();
            let read = self.progress.read_line(&mut self.seen).unwrap();
            assert!(read > 0, "it ended before `{words}`:\n{}", self.seen);
            if self.seen[begin..].contains(words) {
                return;
            }
        }
    }

    /// Ctrl-C, as the terminal sends it.
    pub fn interrupt(&self) {
        signal("-INT", i32::try_from(self.program.id()).unwrap());
    }

    /// Reads on until it ends.
    pub fn to_the_end(mut self) -> Told {
        while self.progress.read_line(&mut self.seen).unwrap() > 0 {}
        let output = self.program.wait_with_output().unwrap();
        Told {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: self.seen,
        }
    }
}

impl Rung {
    /// Runs the recipe to its end.
    pub fn recipe(&self, arguments: &[&str]) -> Told {
        Told::by(self.platform_ctl(&["--json", "recipe"]).args(arguments))
    }

    /// Begins to run the recipe. What it prints at its end is one object, which a pipe holds.
    pub fn begin_recipe(&self, arguments: &[&str]) -> Running {
        self.begin(&[&["--json", "recipe"], arguments].concat())
    }

    /// Begins a command of `platform-ctl` that shows progress.
    pub fn begin(&self, arguments: &[&str]) -> Running {
        let mut program = self
            .platform_ctl(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running {
            progress: BufReader::new(program.stderr.take().unwrap()),
            program,
            seen: String::new(),
        }
    }

    /// What a run would do: each task with `HIT`, `MISS`, `RUNS`, `SKIPS`, or, which is left unsaid, `DEPENDS`.
    pub fn plan(&self, arguments: &[&str]) -> Vec<(String, String)> {
        let told = Told::by(self.platform_ctl(&["--json", "pipeline", "plan"]).args(arguments)).well();
        let text = |value: &Value| value.as_str().unwrap_or("DEPENDS").to_owned();
        told["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|task| (text(&task["name"]), text(&task["outlook"])))
            .collect()
    }

    /// What the rung holds, by upstream's own clients; `tests/recipe/world.py` says in which form.
    pub fn world(&self) -> Value {
        let told = Told::by(
            Command::new(self.state().join("python/current/bin/python"))
                .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recipe/world.py"))
                .arg(self.state().join("endpoints.yaml")),
        );
        told.well()
    }
}

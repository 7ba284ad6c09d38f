//! What this machine has and lacks, and the command that fixes each.

mod probe;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::clone;

/// One prerequisite.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    /// What is needed, in a few words.
    pub(crate) needed: &'static str,
    /// What was found: a version, a size. `None`: nothing that serves.
    pub(crate) found: Option<String>,
    /// Whether what was found serves.
    pub(crate) serves: bool,
    /// Whether commands can go on without it.
    pub(crate) optional: bool,
    /// The command that gets it.
    pub(crate) fix: String,
}

/// All findings, and the Python to build the environment with.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    pub(crate) findings: Vec<Finding>,
    pub(crate) python: Option<PathBuf>,
}

impl Diagnosis {
    /// Looks at this machine; nothing is changed, nothing is fetched.
    pub(crate) fn of_this_machine(state: &Path) -> Self {
        probe::diagnose(state)
    }

    fn missing(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| !finding.serves && !finding.optional)
    }

    /// Whether all that is needed is there.
    pub(crate) fn is_healthy(&self) -> bool {
        self.missing().next().is_none()
    }

    /// For people: a line each; what is missing with its fix below it.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let sign = match (finding.serves, finding.optional) {
                (true, _) => "ok",
                (false, true) => "--",
                (false, false) => "MISSING",
            };
            let found = finding.found.as_deref().unwrap_or("not found");
            let _ = writeln!(text, "{sign:<8}{:<18}{found:<34}{}", finding.name, finding.needed);
            if !finding.serves {
                let _ = writeln!(text, "        fix: {}", finding.fix);
            }
        }
        text
    }

    fn json(&self) -> String {
        let entries: Vec<String> = self
            .findings
            .iter()
            .map(|finding| {
                format!(
                    "{{\"name\":{},\"needed\":{},\"found\":{},\"ok\":{},\"optional\":{},\"fix\":{}}}",
                    quoted(finding.name),
                    quoted(finding.needed),
                    finding.found.as_deref().map_or_else(|| "null".into(), quoted),
                    finding.serves,
                    finding.optional,
                    quoted(&finding.fix)
                )
            })
            .collect();
        format!(
            "{{\"ok\":{},\"prerequisites\":[{}]}}",
            self.is_healthy(),
            entries.join(",")
        )
    }
}

/// A JSON string. A JSON library would be most of what this program is made of.
pub(crate) fn quoted(text: &str) -> String {
    let mut json = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            control if control < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

/// `cargo xtask doctor`: exit code 1 where something needed is missing.
pub(crate) fn command(json: bool) -> ExitCode {
    let diagnosis = Diagnosis::of_this_machine(&clone::state_dir(&[]));
    if json {
        println!("{}", diagnosis.json());
    } else {
        print!("{}", diagnosis.table());
    }
    if diagnosis.is_healthy() {
        if !json {
            println!("\nAll that is needed is here. Next: cargo xtask recipe train-deploy");
        }
        ExitCode::SUCCESS
    } else {
        if !json {
            println!("\nFix what is MISSING, then: cargo xtask doctor");
        }
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosis() -> Diagnosis {
        let finding = |name, found: Option<&str>, serves, optional| Finding {
            name,
            needed: "1 or later",
            found: found.map(str::to_owned),
            serves,
            optional,
            fix: "get \"it\"".into(),
        };
        Diagnosis {
            findings: vec![
                finding("git", Some("2.39.5"), true, false),
                finding("kubectl", None, false, true),
                finding("rustc", Some("1.80.0"), false, false),
            ],
            python: None,
        }
    }

    #[test]
    fn the_table_has_a_fix_under_what_does_not_serve() {
        let expected = "\
ok      git               2.39.5                            1 or later
--      kubectl           not found                         1 or later
        fix: get \"it\"
MISSING rustc             1.80.0                            1 or later
        fix: get \"it\"
";
        assert_eq!(diagnosis().table(), expected);
    }

    #[test]
    fn the_json_says_the_same() {
        let mut one = diagnosis();
        one.findings.drain(..1);
        one.findings.truncate(1);
        assert_eq!(
            one.json(),
            r#"{"ok":true,"prerequisites":[{"name":"kubectl","needed":"1 or later","found":null,"ok":false,"optional":true,"fix":"get \"it\""}]}"#
        );
        assert!(!diagnosis().is_healthy());
        assert_eq!(quoted("a\nb"), r#""a\u000ab""#);
    }
}

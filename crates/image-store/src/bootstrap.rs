//! The scripts that the SDK's compilers wrap Python components in, told by data: see `tier6/sdk-bootstraps.yaml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

/// A command without its bootstraps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unwrapped {
    /// What pip was to install, in order, the SDK's own package left out.
    pub(crate) installs: Vec<Install>,
    /// Whether some bootstrap was there.
    pub(crate) recognised: bool,
    /// Source of the component, where KFP's executor is to run it.
    pub(crate) source: Option<String>,
    /// What remains: the arguments of KFP's executor, else a command.
    pub(crate) rest: Vec<String>,
}

/// One call of pip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Install {
    /// Options, `--index-url` and its kin with their values.
    pub(crate) options: Vec<String>,
    /// Requirements.
    pub(crate) requirements: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    parts: BTreeMap<String, String>,
    installers: Vec<WrittenForm>,
    executors: Vec<WrittenForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenForm {
    /// For the reader of the file.
    #[serde(rename = "sdk")]
    _sdk: String,
    command: Vec<String>,
    script: String,
}

struct Form {
    command: Vec<String>,
    script: Regex,
}

struct Forms {
    installers: Vec<Form>,
    executors: Vec<Form>,
    pip: Regex,
}

static FORMS: LazyLock<Forms> = LazyLock::new(|| {
    let text = include_str!("../../../tier6/sdk-bootstraps.yaml");
    let written: Written = serde_yaml::from_str(text).expect("invariant: the shipped file is read in a test");
    let filled = |pattern: &str| {
        let mut pattern = pattern.to_owned();
        // A part may hold parts, which hold none.
        for _ in 0..2 {
            for (name, part) in &written.parts {
                pattern = pattern.replace(&format!("<{name}>"), part);
            }
        }
        pattern
    };
    let regex =
        |pattern: &str| Regex::new(pattern).expect("invariant: the shipped patterns are read in a test");
    let forms = |written: &[WrittenForm]| {
        let forms = written.iter().map(|form| Form {
            command: form.command.clone(),
            script: regex(&format!("^{}$", filled(&form.script))),
        });
        forms.collect()
    };
    Forms {
        installers: forms(&written.installers),
        executors: forms(&written.executors),
        pip: regex(&filled("<pip>")),
    }
});

/// Takes the bootstraps off a command.
pub(crate) fn unwrap(command: &[String]) -> Unwrapped {
    let mut unwrapped = Unwrapped::default();
    let mut rest = command;
    while let Some((script, behind)) = FORMS.installers.iter().find_map(|form| form.matches(rest)) {
        unwrapped.recognised = true;
        let mut seen = Vec::new();
        for call in FORMS.pip.find_iter(&script) {
            let install = install(call.as_str());
            // The old form says everything twice, to try `--user`.
            if !seen.contains(&install) {
                seen.push(install);
            }
        }
        unwrapped
            .installs
            .extend(seen.into_iter().filter(|install| !install.is_of_the_sdk()));
        rest = behind;
    }
    if let Some((_, [source, arguments @ ..])) = FORMS.executors.iter().find_map(|form| form.matches(rest)) {
        unwrapped.recognised = true;
        unwrapped.source = Some(source.clone());
        rest = arguments;
    }
    unwrapped.rest = rest.to_vec();
    unwrapped
}

impl Form {
    /// The script of a command of this form, and what stands behind it.
    fn matches<'a>(&self, command: &'a [String]) -> Option<(String, &'a [String])> {
        let behind = command.strip_prefix(self.command.as_slice())?;
        let (script, behind) = behind.split_first()?;
        let script = script.split_whitespace().collect::<Vec<_>>().join(" ");
        // A shell takes a line that ends in `\` on.
        let script = script.replace("\\ ", "");
        self.script.is_match(&script).then_some((script, behind))
    }
}

impl Install {
    /// The SDK that a component asks for besides its own requirements: the managed environment has it.
    fn is_of_the_sdk(&self) -> bool {
        let own = |requirement: &String| requirement.starts_with("kfp==") || requirement == "kfp";
        self.requirements.iter().any(own)
            && self
                .requirements
                .iter()
                .all(|word| own(word) || word == "--no-deps" || word.starts_with("typing-extensions"))
    }
}

/// Reads a call of pip that has the form of `pip` in the file.
fn install(call: &str) -> Install {
    static WORD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"'([^']*)'|"([^"]*)"|(\S+)"#).expect("invariant: a pattern that is read in a test")
    });
    let mut install = Install::default();
    let mut option = None;
    for word in WORD
        .captures_iter(call)
        .skip("python3 -m pip install".split(' ').count())
    {
        let quoted = word.get(1).or_else(|| word.get(2));
        match (quoted, word.get(3), option.take()) {
            (_, Some(value), Some(name)) => {
                install.options.push(name);
                install.options.push(value.as_str().to_owned());
            }
            (Some(requirement), _, _) => install.requirements.push(requirement.as_str().to_owned()),
            (None, Some(flag), None) if !matches!(flag.as_str(), "--quiet" | "--no-warn-script-location") => {
                option = Some(flag.as_str().to_owned());
            }
            _ => {}
        }
    }
    install
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ENSURE: &str = "\nif ! [ -x \"$(command -v pip)\" ]; then\n    python3 -m ensurepip || python3 -m ensurepip --user || apt-get install python3-pip\nfi\n\n";
    const SDK: &str = "python3 -m pip install --quiet --no-warn-script-location 'kfp==2.17.0' '--no-deps' 'typing-extensions>=3.7.4,<5; python_version<\"3.9\"'";
    const RUN: &str = "program_path=$(mktemp -d)\n\nprintf \"%s\" \"$0\" > \"$program_path/ephemeral_component.py\"\n_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main                         --component_module_path                         \"$program_path/ephemeral_component.py\"                         \"$@\"\n";

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn wrapped(script: &str) -> Vec<String> {
        words(&[
            "sh",
            "-c",
            script,
            "sh",
            "-ec",
            RUN,
            "def f(): ...",
            "--executor_input",
            "{{$}}",
        ])
    }

    fn requirements(unwrapped: &Unwrapped) -> Vec<&str> {
        let all = unwrapped
            .installs
            .iter()
            .flat_map(|install| &install.requirements);
        all.map(String::as_str).collect()
    }

    #[rstest]
    #[case::kfp_alone(format!("{ENSURE}PIP_DISABLE_PIP_VERSION_CHECK=1 {SDK} && \"$0\" \"$@\"\n"), &[])]
    #[case::packages_first(
        format!("{ENSURE}PIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip install --quiet --no-warn-script-location 'pandas==2.2.0' \"a;b\"  &&  {SDK} && \"$0\" \"$@\"\n"),
        &["pandas==2.2.0", "a;b"]
    )]
    #[case::packages_last(
        format!("{ENSURE}PIP_DISABLE_PIP_VERSION_CHECK=1 {SDK}  &&  python3 -m pip install --quiet --no-warn-script-location 'minio' && \"$0\" \"$@\"\n"),
        &["minio"]
    )]
    #[case::in_an_environment(
        format!("{ENSURE}PIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip install --quiet --no-warn-script-location 'yapf'  &&  \nexport PIP_DISABLE_PIP_VERSION_CHECK=1\n\ntmp=$(mktemp -d)\npython3 -m venv \"$tmp/venv\" --system-site-packages\n. \"$tmp/venv/bin/activate\"\n {SDK} && \"$0\" \"$@\"\n"),
        &["yapf"]
    )]
    #[case::kfp_2_0(
        format!("{ENSURE}PIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip install --quiet \\\n    --no-warn-script-location 'kfp==2.0.1' && \"$0\" \"$@\"\n"),
        &[]
    )]
    fn components_of_the_sdk_are_unwrapped(#[case] script: String, #[case] expected: &[&str]) {
        let unwrapped = unwrap(&wrapped(&script));
        assert_eq!(unwrapped.source.as_deref(), Some("def f(): ..."));
        assert_eq!(unwrapped.rest, ["--executor_input", "{{$}}"]);
        assert_eq!(requirements(&unwrapped), expected);
    }

    #[test]
    fn indexes_are_kept() {
        let script = format!(
            "{ENSURE}PIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip install --quiet --no-warn-script-location --index-url https://a.example/simple --trusted-host a.example 'x' && \"$0\" \"$@\""
        );
        let unwrapped = unwrap(&wrapped(&script));
        let options = [
            "--index-url",
            "https://a.example/simple",
            "--trusted-host",
            "a.example",
        ];
        assert_eq!(unwrapped.installs[0].options, options);
    }

    #[test]
    fn a_component_of_the_first_sdk_is_unwrapped() {
        let install = "PIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip install --quiet --no-warn-script-location 'a==1' 'b'";
        let script = format!("({install} || {install} --user) && \"$0\" \"$@\"");
        let unwrapped = unwrap(&words(&["sh", "-c", &script, "python3", "-u", "-c", "print()"]));
        assert_eq!(requirements(&unwrapped), ["a==1", "b"]);
        assert_eq!((unwrapped.source, unwrapped.rest.len()), (None, 4));
    }

    #[rstest]
    #[case::more_than_the_form("; rm -rf /")]
    #[case::another_command(" && curl evil")]
    fn a_script_that_says_more_is_no_bootstrap(#[case] more: &str) {
        let script = format!("{ENSURE}PIP_DISABLE_PIP_VERSION_CHECK=1 {SDK}{more} && \"$0\" \"$@\"\n");
        let command = wrapped(&script);
        let unwrapped = unwrap(&command);
        assert!(!unwrapped.recognised);
        assert_eq!(unwrapped.rest, command);
    }
}

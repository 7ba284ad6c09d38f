//! Lightweight components: their source, and the packages that they ask for, without the SDK's scripts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image_store::{Packages, Start};

use super::environment;
use crate::layout;

/// KFP's executor.
pub(super) const EXECUTOR_MODULE: &str = "kfp.dsl.executor_main";

/// What runs it on the source of a component.
const EXECUTOR: [&str; 4] = ["python3", "-m", EXECUTOR_MODULE, "--component_module_path"];

/// Installs packages once for all that ask for the same, then goes on to the command. `$0` is the folder they are in.
const INSTALL: &str = "\
unfinished=$0.$$
UV_NATIVE_TLS=true UV_SYSTEM_CERTS=true \"$1\" pip install --quiet --cache-dir \"${0%/*}/.cache\" --python \"$2\" --target \"$unfinished\" --requirements \"$3\"
mv -T \"$unfinished\" \"$0\" || { rm -rf \"$unfinished\"; [ -d \"$0\" ]; }
shift 3
exec \"$@\"";

/// A command as an attempt runs it.
pub(super) struct Prepared {
    pub(super) words: Vec<String>,
    /// Files that it reads, with their text.
    pub(super) files: Vec<(PathBuf, String)>,
}

/// The command to run for what an image starts, variables filled in as Kubernetes does.
pub(super) fn prepare(
    start: &Start,
    env: &mut BTreeMap<String, String>,
    attempt: &Path,
) -> Result<Prepared, String> {
    let folder = layout::component(attempt);
    let mut words: Vec<String> = Vec::new();
    let mut files = Vec::new();
    let given = start.command.iter().map(|word| environment::expand(word, env));
    if let Some(source) = &start.component {
        let module = folder.join("ephemeral_component.py");
        words.extend(EXECUTOR.map(str::to_owned));
        words.push(module.display().to_string());
        files.push((module, environment::expand(source, env)));
    }
    words.extend(given);
    if start.component.is_some() {
        env.insert("_KFP_RUNTIME".to_owned(), "true".to_owned());
    }
    if let Some(packages) = &start.packages {
        let before = env.get("PYTHONPATH").map(|path| format!(":{path}"));
        let path = format!("{}{}", packages.folder.display(), before.unwrap_or_default());
        env.insert("PYTHONPATH".to_owned(), path);
        if !packages.folder.is_dir() {
            let list = folder.join("requirements.txt");
            words = installing(packages, &list, words)?;
            files.push((list, packages.requirements.join("\n")));
        }
    }
    Ok(Prepared { words, files })
}

fn installing(packages: &Packages, list: &Path, words: Vec<String>) -> Result<Vec<String>, String> {
    if let Some(parent) = packages.folder.parent() {
        std::fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
    }
    let paths = [&packages.folder, &packages.uv, &packages.python];
    let mut installing = ["/bin/sh", "-ec", INSTALL].map(str::to_owned).to_vec();
    installing.extend(paths.map(|path| path.display().to_string()));
    installing.push(list.display().to_string());
    installing.extend(words);
    Ok(installing)
}

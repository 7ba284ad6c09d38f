//! A recipe's sources to a pipeline package and an image manifest, once per content.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use image_store::ImageManifest;
use resources::ClusterServingRuntime;
use sha2::{Digest, Sha256};
use tier6::{StateDir, child_environment};

use crate::failure::Failure;
use crate::place::clone_of;

/// Lines of the compiler's complaint that are shown.
const SHOWN: usize = 15;

/// A compiled recipe.
#[derive(Debug)]
pub(super) struct Compiled {
    /// Name of the recipe: its folder's.
    pub(super) name: String,
    /// Its folder.
    pub(super) recipe: PathBuf,
    /// The pipeline package, byte for byte as the compiler wrote it.
    pub(super) package: String,
    /// What its image is made of.
    pub(super) manifest: ImageManifest,
    /// How its model is served, where it declares that.
    pub(super) runtime: Option<ClusterServingRuntime>,
}

impl Compiled {
    pub(super) fn runtime_name(&self) -> Option<&str> {
        self.runtime.as_ref()?.metadata.name.as_deref()
    }
}

/// The recipe's folder: `recipes/NAME` of the clone, or NAME itself where it is a path.
pub(crate) fn locate(name: &str, cwd: &Path) -> Result<PathBuf, Failure> {
    let folder = if name.contains('/') {
        cwd.join(name)
    } else {
        let clone = clone_of(cwd).ok_or_else(|| {
            Failure::usage(format!("{} is in no clone of basecamp", cwd.display()))
                .next("go into one, or give the path of the recipe's folder")
        })?;
        clone.join("recipes").join(name)
    };
    if folder.join("compile.py").is_file() {
        return folder
            .canonicalize()
            .map_err(|error| Failure::new(format!("{}: {error}", folder.display())));
    }
    Err(Failure::usage(format!(
        "there is no recipe {name}: {} has no compile.py",
        folder.display()
    )))
}

/// Runs `compile.py`, unless the same sources were compiled before with the same environment.
pub(super) fn compile(recipe: &Path, state: &StateDir) -> Result<Compiled, Failure> {
    let name = recipe
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let python = state.python()?;
    let digest = source_digest(recipe, &python)
        .map_err(|error| Failure::new(format!("recipe {}: {error}", recipe.display())))?;
    let outputs = state.root().join("compiled").join(&name);
    let output = outputs.join(&digest);
    if !output.is_dir() {
        eprintln!("recipe {name}: compiling");
        let unfinished = fs::create_dir_all(&outputs)
            .and_then(|()| {
                tempfile::Builder::new()
                    .prefix(".unfinished-")
                    .tempdir_in(&outputs)
            })
            .map_err(|error| Failure::new(format!("{}: {error}", outputs.display())))?;
        call(recipe, &python, unfinished.path(), state)?;
        match fs::rename(unfinished.path(), &output) {
            // Compiled by somebody else meanwhile: the same sources.
            Err(_) if output.is_dir() => {}
            renamed => {
                renamed.map_err(|error| Failure::new(format!("{}: {error}", output.display())))?;
                let _ = unfinished.keep();
            }
        }
    }
    read(name, recipe, &output)
}

fn call(recipe: &Path, python: &Path, output: &Path, state: &StateDir) -> Result<(), Failure> {
    let python = python.join("bin/python");
    let told = Command::new(&python)
        .arg("compile.py")
        .arg("--out")
        .arg(output)
        .current_dir(recipe)
        .env_clear()
        .envs(child_environment(state)?)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .map_err(|error| Failure::new(format!("{}: {error}", python.display())))?;
    if told.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&told.stderr);
    let lines: Vec<&str> = complaint.lines().collect();
    let last = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
    Err(Failure::new(format!(
        "recipe {} does not compile ({}):\n{last}",
        recipe.display(),
        told.status
    ))
    .next(format!(
        "`cd {} && {} compile.py --out /tmp/compiled`",
        recipe.display(),
        python.display()
    )))
}

fn read(name: String, recipe: &Path, output: &Path) -> Result<Compiled, Failure> {
    let unusable = |file: &str, error: &dyn std::fmt::Display| {
        Failure::new(format!("recipe {name}: its compiled {file}: {error}"))
            .next(format!("`rm -r {}`, then again", output.display()))
    };
    let package = fs::read_to_string(output.join("pipeline.yaml"))
        .map_err(|error| unusable("pipeline.yaml", &error))?;
    let manifest =
        ImageManifest::read(&output.join("image.json")).map_err(|error| unusable("image.json", &error))?;
    let runtime = match fs::read_to_string(output.join("runtime.yaml")) {
        Ok(text) => Some(serde_yaml::from_str(&text).map_err(|error| unusable("runtime.yaml", &error))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(unusable("runtime.yaml", &error)),
    };
    Ok(Compiled {
        name,
        recipe: recipe.to_owned(),
        package,
        manifest,
        runtime,
    })
}

/// Over every source file's path and bytes, and over where the environment is, which its lock's digest names.
fn source_digest(recipe: &Path, python: &Path) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut feed = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    feed(python.as_os_str().as_encoded_bytes());
    for path in sources(recipe)? {
        let inside = path.strip_prefix(recipe).unwrap_or(&path);
        feed(inside.as_os_str().as_encoded_bytes());
        feed(&fs::read(&path)?);
    }
    Ok(hex::encode(&digest.finalize()[..16]))
}

/// All files below, sorted, without what tools leave behind.
pub(crate) fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || name == "__pycache__" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            found.extend(sources(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A recipe whose compiler counts its calls, and a state folder whose Python is a shell.
    fn recipe() -> (tempfile::TempDir, PathBuf, StateDir) {
        let folder = tempfile::tempdir().unwrap();
        let recipe = folder.path().join("recipes/tiny");
        fs::create_dir_all(&recipe).unwrap();
        fs::write(folder.path().join("Cargo.toml"), "").unwrap();
        let digest = "0".repeat(64);
        let compiler = format!(
            "set -e\nout=$2\necho called >> ../../calls\ncat step.py > $out/pipeline.yaml\n\
             printf '%s' '{{\"name\":\"tests/tiny\",\"digest\":\"{digest}\",\"files\":{{}},\"tags\":{{}}}}' > $out/image.json\n"
        );
        fs::write(recipe.join("compile.py"), compiler).unwrap();
        fs::write(recipe.join("step.py"), "one").unwrap();
        let python = folder.path().join("state/python/lock/bin");
        fs::create_dir_all(&python).unwrap();
        symlink("/bin/sh", python.join("python")).unwrap();
        symlink("lock", folder.path().join("state/python/current")).unwrap();
        let state = StateDir::open(folder.path().join("state")).unwrap();
        (folder, recipe, state)
    }

    fn calls(folder: &Path) -> usize {
        fs::read_to_string(folder.join("calls")).map_or(0, |text| text.lines().count())
    }

    #[test]
    fn the_same_sources_are_compiled_once() {
        let (folder, recipe, state) = recipe();
        assert_eq!(compile(&recipe, &state).unwrap().package, "one");
        fs::create_dir(recipe.join("__pycache__")).unwrap();
        fs::write(recipe.join("__pycache__/step.pyc"), "x").unwrap();
        assert_eq!(compile(&recipe, &state).unwrap().name, "tiny");
        assert_eq!(calls(folder.path()), 1);
        fs::write(recipe.join("step.py"), "two").unwrap();
        assert_eq!(compile(&recipe, &state).unwrap().package, "two");
        assert_eq!(calls(folder.path()), 2);
    }

    #[test]
    fn what_does_not_compile_shows_why_and_leaves_nothing() {
        let (_folder, recipe, state) = recipe();
        fs::write(recipe.join("compile.py"), "echo SyntaxError: line 3 >&2; exit 1").unwrap();
        let told = compile(&recipe, &state).unwrap_err().told();
        assert!(
            told.contains("does not compile (exit status: 1):\nSyntaxError: line 3\nnext: `cd "),
            "{told}"
        );
        let left = fs::read_dir(state.root().join("compiled/tiny")).unwrap().count();
        assert_eq!(left, 0);
    }

    #[test]
    fn a_recipe_is_found_by_name_and_by_path() {
        let (folder, recipe, _state) = recipe();
        let recipe = recipe.canonicalize().unwrap();
        assert_eq!(locate("tiny", folder.path()).unwrap(), recipe);
        assert_eq!(locate("./tiny", &folder.path().join("recipes")).unwrap(), recipe);
        let told = locate("huge", folder.path()).unwrap_err().told();
        assert!(told.starts_with("error: there is no recipe huge: "), "{told}");
        let told = locate("tiny", Path::new("/")).unwrap_err().told();
        assert!(told.starts_with("error: / is in no clone of basecamp"), "{told}");
    }
}

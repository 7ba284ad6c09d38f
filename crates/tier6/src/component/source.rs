//! Upstream's tree at exactly one commit, as git fetches it: only the folders that are needed, kept, and looked at again
//! before each use.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use xshell::{Shell, cmd};

use super::description::Source;
use crate::error::Tier6Error;
use crate::tool;

/// The oldest git with partial fetches into a sparse tree and `GIT_CONFIG_SYSTEM` (2.32, 2021).
const GIT: (u32, u32) = (2, 32);

/// The folder of the tree in `cache`, fetched if it is not there.
///
/// Where git finds a repository is git's affair: `url.<base>.insteadOf` in its configuration leads to a mirror, and a
/// mirror on this machine needs no more than the objects of the commit's trees and of the folders asked for.
///
/// # Errors
/// [`Tier6Error::Tool`] where git is missing, too old, or fails; [`Tier6Error::Source`] where the tree is not that commit's.
pub(super) fn materialise(cache: &Path, source: &Source) -> Result<PathBuf, Tier6Error> {
    let paths = hex::encode(&Sha256::digest(source.paths.join("\n"))[..4]);
    let folder = cache.join(format!("{}-{}-{paths}", source.name, &source.commit[..12]));
    let sh = shell(cache)?;
    if folder.is_dir() {
        match verified(&sh, &folder, source) {
            Ok(()) => return Ok(folder),
            // Somebody wrote into it: it is a cache, so it is laid anew.
            Err(_) => std::fs::remove_dir_all(&folder).map_err(Tier6Error::file(&folder))?,
        }
    }
    let unfinished = tempfile::Builder::new()
        .prefix(".unfinished-")
        .tempdir_in(cache)
        .map_err(Tier6Error::file(cache))?;
    fetch(&sh, unfinished.path(), source)?;
    verified(&sh, unfinished.path(), source)?;
    match std::fs::rename(unfinished.path(), &folder) {
        // Fetched by somebody else meanwhile: the same commit.
        Err(_) if folder.is_dir() => {}
        renamed => {
            renamed.map_err(Tier6Error::file(&folder))?;
            let _ = unfinished.keep();
        }
    }
    Ok(folder)
}

/// The commit that a tag of the repository names now; `None` where there is no such tag.
///
/// # Errors
/// [`Tier6Error::Tool`].
pub(super) fn commit_of_tag(cache: &Path, source: &Source) -> Result<Option<String>, Tier6Error> {
    let sh = shell(cache)?;
    let repository = &source.repository;
    let tag = format!("refs/tags/{}", source.tag);
    let peeled = format!("{tag}^{{}}");
    let told = tool::read("git", cmd!(sh, "git ls-remote {repository} {tag} {peeled}"))?;
    // An annotated tag has two lines; the one that ends in ^{} is the commit.
    let named: Vec<(&str, &str)> = told.lines().filter_map(|line| line.split_once('\t')).collect();
    let peeled = named.iter().find(|(_, name)| name.ends_with("^{}"));
    Ok(peeled.or(named.first()).map(|(commit, _)| (*commit).to_owned()))
}

fn shell(cache: &Path) -> Result<Shell, Tier6Error> {
    std::fs::create_dir_all(cache).map_err(Tier6Error::file(cache))?;
    let sh = tool::shell()?;
    let version = tool::read("git", cmd!(sh, "git --version"))?;
    let found = tool::version(&version).unwrap_or_default();
    if found < GIT {
        return Err(Tier6Error::Tool {
            program: "git".into(),
            reason: format!(
                "{} is too old: {}.{} or later is needed",
                version.trim(),
                GIT.0,
                GIT.1
            ),
        });
    }
    // A mirror on this machine answers partial fetches only where its own side is told to; this reaches it, because git
    // hands the environment on to the side it starts there. What the machine's own file says still holds.
    let system = cache.join("gitconfig");
    let original = sh
        .var("GIT_CONFIG_SYSTEM")
        .unwrap_or_else(|_| "/etc/gitconfig".into());
    if Path::new(&original) != system {
        let text = format!(
            "[include]\n\tpath = {original}\n[uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = true\n"
        );
        std::fs::write(&system, text).map_err(Tier6Error::file(&system))?;
        sh.set_var("GIT_CONFIG_SYSTEM", &system);
    }
    sh.set_var("GIT_TERMINAL_PROMPT", "0");
    // A network that is there and gives nothing.
    sh.set_var("GIT_HTTP_LOW_SPEED_LIMIT", "1000");
    sh.set_var("GIT_HTTP_LOW_SPEED_TIME", "30");
    Ok(sh)
}

fn fetch(sh: &Shell, folder: &Path, source: &Source) -> Result<(), Tier6Error> {
    let (repository, commit) = (&source.repository, &source.commit);
    let paths: Vec<String> = source.paths.iter().map(|path| format!("/{path}/")).collect();
    let paths = &paths;
    let _inside = sh.push_dir(folder);
    for step in [
        cmd!(sh, "git init --quiet"),
        cmd!(sh, "git remote add origin {repository}"),
        cmd!(
            sh,
            "git fetch --quiet --no-tags --depth 1 --filter=blob:none origin {commit}"
        ),
        cmd!(sh, "git sparse-checkout set --no-cone {paths...}"),
        cmd!(sh, "git -c advice.detachedHead=false checkout --quiet {commit}"),
    ] {
        tool::read("git", step)?;
    }
    Ok(())
}

/// That the folder is this commit's, with nothing altered, added or missing.
fn verified(sh: &Shell, folder: &Path, source: &Source) -> Result<(), Tier6Error> {
    let refuse = |reason: String| {
        Err(Tier6Error::Source {
            name: source.name.clone(),
            folder: folder.to_owned(),
            reason,
        })
    };
    let _inside = sh.push_dir(folder);
    let head = tool::read("git", cmd!(sh, "git rev-parse HEAD"))?;
    if head.trim() != source.commit {
        return refuse(format!(
            "it is at commit {}, the pin is {}",
            head.trim(),
            source.commit
        ));
    }
    // Contents, not times: somebody may have set them back.
    let altered = tool::read(
        "git",
        cmd!(sh, "git -c core.checkStat=minimal status --porcelain --ignored"),
    )?;
    if let Some(line) = altered.lines().next() {
        return refuse(format!("it is altered: {line}"));
    }
    if let Some(path) = source.paths.iter().find(|path| !folder.join(path).is_dir()) {
        return refuse(format!("commit {} has no folder {path}", source.commit));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository with two folders, one of which must not be fetched; returns its pin.
    fn upstream(folder: &Path) -> Source {
        let sh = Shell::new().unwrap();
        sh.change_dir(folder);
        for (path, text) in [
            ("manifests/base/a.yaml", "a: 1\n"),
            ("large/blob", "x"),
            ("manifests/other/b.yaml", "b"),
        ] {
            sh.write_file(path, text).unwrap();
        }
        cmd!(sh, "git init --quiet --initial-branch main").run().unwrap();
        cmd!(sh, "git add .").run().unwrap();
        cmd!(
            sh,
            "git -c user.name=t -c user.email=t@example.invalid commit --quiet -m one"
        )
        .run()
        .unwrap();
        cmd!(
            sh,
            "git -c user.name=t -c user.email=t@example.invalid tag -a v1 -m v1"
        )
        .run()
        .unwrap();
        let commit = cmd!(sh, "git rev-parse HEAD").read().unwrap();
        Source {
            name: "upstream".into(),
            repository: format!("file://{}", folder.display()),
            tag: "v1".into(),
            commit,
            paths: vec!["manifests/base".into()],
        }
    }

    #[test]
    fn only_what_is_needed_is_fetched_and_only_once() {
        let (origin, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let source = upstream(origin.path());
        // A mirror without what nobody asks for.
        let blob = "c1b0730e"; // git hash-object of "x"
        let object = origin
            .path()
            .join(format!(".git/objects/{}/{}", &blob[..2], &blob[2..]));
        let folder = object.parent().unwrap().to_owned();
        for entry in std::fs::read_dir(&folder).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let first = materialise(cache.path(), &source).unwrap();
        assert!(first.join("manifests/base/a.yaml").is_file());
        assert!(!first.join("large").exists() && !first.join("manifests/other").exists());
        assert_eq!(
            commit_of_tag(cache.path(), &source).unwrap(),
            Some(source.commit.clone())
        );
        // From here on git is not asked again.
        std::fs::remove_dir_all(origin.path()).unwrap();
        assert_eq!(materialise(cache.path(), &source).unwrap(), first);
    }

    #[test]
    fn a_tree_that_was_altered_is_laid_anew() {
        let (origin, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let source = upstream(origin.path());
        let folder = materialise(cache.path(), &source).unwrap();
        std::fs::write(folder.join("manifests/base/a.yaml"), "a: 2\n").unwrap();
        std::fs::write(folder.join("manifests/base/added.yaml"), "").unwrap();
        materialise(cache.path(), &source).unwrap();
        let text = std::fs::read_to_string(folder.join("manifests/base/a.yaml")).unwrap();
        assert_eq!(text, "a: 1\n");
        assert!(!folder.join("manifests/base/added.yaml").exists());
    }

    #[test]
    fn a_pin_that_leads_nowhere_says_so() {
        let (origin, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut source = upstream(origin.path());
        source.paths = vec!["manifests/none".into()];
        let message = materialise(cache.path(), &source).unwrap_err().to_string();
        assert!(
            message.contains(&format!("commit {} has no folder manifests/none", source.commit)),
            "{message}"
        );
        source.commit = "0".repeat(40);
        let message = materialise(cache.path(), &source).unwrap_err().to_string();
        assert!(message.starts_with("git: "), "{message}");
        let left: Vec<_> = std::fs::read_dir(cache.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name.to_string_lossy().starts_with(".unfinished"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

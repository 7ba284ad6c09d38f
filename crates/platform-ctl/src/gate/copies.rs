//! Copies of the recipe, each with one scenario's changes: the clone's own files are never touched.

use std::fs;
use std::path::{Path, PathBuf};

use checks::scenarios::Edit;

use crate::failure::Failure;
use crate::recipe::sources;

/// A copy of the recipe's folder with these changes, under its own name, below `folder`; made anew each time.
pub(super) fn copy(recipe: &Path, folder: &Path, edits: &[Edit]) -> Result<PathBuf, Failure> {
    let name = recipe.file_name().unwrap_or_default();
    let copy = folder.join(of(edits)).join(name);
    let failed = |path: &Path, error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    if copy.exists() {
        fs::remove_dir_all(&copy).map_err(|error| failed(&copy, error))?;
    }
    for source in sources(recipe).map_err(|error| failed(recipe, error))? {
        let inside = source.strip_prefix(recipe).unwrap_or(&source);
        let target = copy.join(inside);
        let parent = target.parent().unwrap_or(&copy);
        fs::create_dir_all(parent)
            .and_then(|()| fs::copy(&source, &target))
            .map_err(|error| failed(&target, error))?;
    }
    for edit in edits {
        let path = copy.join(edit.file);
        let text = fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
        let changed = edit
            .apply(&text)
            .map_err(|what| Failure::new(format!("recipe {}: {what}", recipe.display())))?;
        fs::write(&path, changed).map_err(|error| failed(&path, error))?;
    }
    Ok(copy)
}

/// Tells copies apart: the names of the files that differ.
fn of(edits: &[Edit]) -> String {
    let name = |edit: &Edit| edit.file.replace('/', "-");
    match edits {
        [] => "as-it-is".to_owned(),
        // Two scenarios may change one file in two ways.
        edits => {
            let names: Vec<String> = edits.iter().map(name).collect();
            let length: usize = edits.iter().map(|edit| edit.put.len()).sum();
            format!("{}-{length}", names.join("-"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use checks::scenarios::{ALL, Change};
    use std::collections::BTreeSet;

    fn recipe() -> PathBuf {
        let clone = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        clone.join("recipes/train-deploy").canonicalize().unwrap()
    }

    #[test]
    fn every_change_fits_the_recipe_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut names = BTreeSet::new();
        for scenario in &ALL {
            let Change::Files(edits) = scenario.change else {
                continue;
            };
            let copy =
                copy(&recipe(), folder.path(), edits).unwrap_or_else(|failure| panic!("{}", failure.told()));
            assert!(
                names.insert(copy.clone()),
                "{} has a copy of its own",
                scenario.name
            );
            for edit in edits {
                let (before, after) = (recipe().join(edit.file), copy.join(edit.file));
                assert_ne!(
                    fs::read(before).unwrap(),
                    fs::read(after).unwrap(),
                    "{}",
                    scenario.name
                );
            }
            assert!(copy.join("compile.py").is_file());
        }
        assert_eq!(names.len(), 7);
    }
}

//! What an attempt that ended with code 0 has handed back, and whether that is all it owes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pipeline_spec::ir::ComponentSpec;
use pipeline_spec::{ExecutorOutput, RuntimeArtifact, coerce, from_text};
use serde_json::{Map, Value};

use super::command::Places;
use crate::cache;
use crate::decide::{Order, Outputs};
use crate::layout;
use crate::model::{ArtifactId, ArtifactRecord};

/// Larger output parameters belong into an artifact: they are rows.
const LARGEST_PARAMETER: u64 = 4 << 20;

/// Reads the outputs of an attempt. The error names the output, for people.
pub(super) fn read(order: &Order, places: &Places) -> Result<Outputs, String> {
    let component = order.program.component(order.step());
    let reported = reported(&places.executor_output())?;
    let parameters = parameters(component, places, &reported)?;
    let mut artifacts = BTreeMap::new();
    for (name, output) in &component.outputs.artifacts {
        let given = reported
            .artifacts
            .get(name)
            .map(|list| list.artifacts.as_slice())
            .unwrap_or_default();
        let mut metadata = output.metadata.clone();
        let records = match given {
            [] | [_] => vec![artifact(
                order,
                places,
                component,
                name,
                given.first(),
                &mut metadata,
            )?],
            several => several
                .iter()
                .enumerate()
                .map(|(nth, given)| {
                    artifact(
                        order,
                        places,
                        component,
                        &format!("{name}/{nth}"),
                        Some(given),
                        &mut metadata.clone(),
                    )
                })
                .collect::<Result<_, _>>()?,
        };
        artifacts.insert(name.clone(), records);
    }
    Ok(Outputs {
        parameters,
        artifacts,
    })
}

/// The executor's output file, where the step wrote one.
fn reported(path: &Path) -> Result<ExecutorOutput, String> {
    match fs::read_to_string(path) {
        Ok(text) => ExecutorOutput::parse(&text)
            .map_err(|error| format!("its executor output file cannot be read: {error}")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(ExecutorOutput::default()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn parameters(
    component: &ComponentSpec,
    places: &Places,
    reported: &ExecutorOutput,
) -> Result<BTreeMap<String, Value>, String> {
    let mut parameters = BTreeMap::new();
    for (name, output) in &component.outputs.parameters {
        let wrong = |error: &dyn std::fmt::Display| format!("output parameter `{name}`: {error}");
        // The executor's file has the last word, as in KFP.
        let value = match reported.parameter_values.get(name) {
            Some(value) => {
                coerce(name, value.clone(), output.parameter_type).map_err(|error| wrong(&error))?
            }
            None => {
                let path = places.parameter(name);
                let size = match fs::metadata(&path) {
                    Ok(metadata) => metadata.len(),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return Err(format!("it did not write its output parameter `{name}`"));
                    }
                    Err(error) => return Err(wrong(&error)),
                };
                if size > LARGEST_PARAMETER {
                    return Err(format!(
                        "output parameter `{name}` has {size} bytes, more than {LARGEST_PARAMETER}: hand it on as an \
                         artifact"
                    ));
                }
                let text = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
                from_text(&text, output.parameter_type).map_err(|error| wrong(&error))?
            }
        };
        parameters.insert(name.clone(), value);
    }
    Ok(parameters)
}

/// One artifact. `name` is the output's, or that and a number where the step reports several.
fn artifact(
    order: &Order,
    places: &Places,
    component: &ComponentSpec,
    name: &str,
    given: Option<&RuntimeArtifact>,
    metadata: &mut Map<String, Value>,
) -> Result<ArtifactRecord, String> {
    let output = name.split('/').next().unwrap_or(name);
    let artifact_type = component.outputs.artifacts[output].artifact_type.clone();
    if let Some(given) = given {
        metadata.extend(given.metadata.clone());
    }
    let target = places.artifact(name);
    let source = given.and_then(|given| reported_place(given, &places.written_artifact(output)));
    let mut record = ArtifactRecord {
        id: ArtifactId::of(&layout::file_uri(&target)),
        name: given
            .map(|given| given.name.clone())
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| output.to_owned()),
        artifact_type,
        uri: layout::file_uri(&target),
        path: None,
        digest: None,
        size: 0,
        modified_ns: 0,
        metadata: metadata.clone(),
    };
    match source {
        Some(Place::Elsewhere(uri)) => {
            record.id = ArtifactId::of(&uri);
            record.uri = uri;
            return Ok(record);
        }
        Some(Place::Here(path)) => {
            bring(&path, &target, &places.folder)
                .map_err(|error| format!("output artifact `{output}`: {error}"))?;
        }
        None => {}
    }
    match cache::content(&target) {
        Ok(content) => {
            record.path = Some(target);
            record.digest = Some(content.digest);
            record.size = content.size;
            record.modified_ns = content.modified_ns;
            Ok(record)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let owed = order.step().read_outputs.contains(output)
                && record.metadata.is_empty()
                && !record.artifact_type.is_metadata_only();
            match owed {
                true => Err(format!(
                    "it did not write its output artifact `{output}`, which other tasks read"
                )),
                false => Ok(record),
            }
        }
        Err(error) => Err(format!("output artifact `{output}`: {error}")),
    }
}

/// Where a step says that an artifact is, if not where it was told to put it.
enum Place {
    Here(PathBuf),
    Elsewhere(String),
}

fn reported_place(given: &RuntimeArtifact, written: &Path) -> Option<Place> {
    let named = given
        .custom_path
        .as_deref()
        .filter(|path| !path.is_empty())
        .unwrap_or(&given.uri);
    if named.is_empty() {
        return None;
    }
    match layout::local_path(named) {
        Some(path) => (path != written).then_some(Place::Here(path)),
        None if named.contains("://") => Some(Place::Elsewhere(named.to_owned())),
        None => None,
    }
}

/// Brings bytes that a step put elsewhere to where artifacts are: moved out of the attempt's own folder, copied from
/// anywhere else. May be repeated.
fn bring(from: &Path, to: &Path, folder: &Path) -> io::Result<()> {
    if !from.try_exists()? {
        // Brought before, or never written, which is looked at next.
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    if from.starts_with(folder) {
        remove(to)?;
        return fs::rename(from, to);
    }
    let unfinished = folder.join("unfinished");
    remove(&unfinished)?;
    copy(from, &unfinished)?;
    remove(to)?;
    fs::rename(&unfinished, to)
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies a file or a folder to where nothing of an earlier copy is left.
pub(super) fn copy_anew(from: &Path, to: &Path) -> io::Result<()> {
    remove(to)?;
    copy(from, to)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !fs::metadata(from)?.is_dir() {
        fs::copy(from, to)?;
        return fs::File::open(to)?.sync_all();
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

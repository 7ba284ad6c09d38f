//! The bytes of a run's artifacts, where they can be read.

use kfp_api::task::PipelineTask;
use kfp_api::{Client, KfpError};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use crate::recipe;
use crate::world::{Kept, Seen, Unseen};

/// Every artifact of the run whose step recorded a digest, and what is there now.
pub(crate) async fn kept(pipelines: &Client, run_id: &str) -> Seen<Vec<Kept>> {
    let tasks = pipelines.tasks(run_id).await.map_err(|error| match error {
        KfpError::NotSpoken { .. } => Unseen::NotHere(format!(
            "{error}: KFP up to 2.17 does not tell where artifacts are"
        )),
        error => Unseen::Failed(error.to_string()),
    })?;
    Ok(tasks.iter().flat_map(of_task).collect())
}

fn of_task(task: &PipelineTask) -> Vec<Kept> {
    let outputs = task.outputs.artifacts.iter();
    let artifacts = outputs.flat_map(|output| {
        let artifacts = output.artifacts.iter();
        artifacts.map(move |artifact| (&output.artifact_key, artifact))
    });
    artifacts
        .filter_map(|(name, artifact)| {
            let recorded = artifact.metadata.get(recipe::DIGEST).and_then(Value::as_str)?;
            Some(Kept {
                step: task.name.clone(),
                name: name.clone(),
                uri: artifact.uri.clone(),
                recorded: recorded.to_owned(),
                found: digest(&artifact.uri),
            })
        })
        .collect()
}

/// SHA-256 of the file that a URI names.
fn digest(uri: &str) -> Seen<String> {
    let path = Url::parse(uri).ok().filter(|url| url.scheme() == "file");
    let Some(path) = path.and_then(|url| url.to_file_path().ok()) else {
        return Err(Unseen::NotHere(format!("{uri} is not on this machine")));
    };
    let bytes = std::fs::read(&path).map_err(|error| Unseen::Failed(error.to_string()))?;
    Ok(hex::encode(Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bytes_are_told_by_the_digest_of_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b");
        std::fs::write(&path, "abc").unwrap();
        let uri = Url::from_file_path(&path).unwrap();
        let task: PipelineTask = serde_json::from_value(json!({"name": "train", "outputs": {"artifacts": [
            {"artifact_key": "model", "artifacts": [{"uri": uri, "metadata": {"digest": "d0"}}]},
            {"artifact_key": "chart", "artifacts": [{"uri": uri}]},
        ]}}))
        .unwrap();
        let [kept] = &of_task(&task)[..] else {
            panic!("one has a digest")
        };
        assert_eq!(
            (kept.step.as_str(), kept.name.as_str(), kept.recorded.as_str()),
            ("train", "model", "d0")
        );
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(kept.found, Ok(abc.to_owned()));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(digest(uri.as_str()), Err(Unseen::Failed(_))));
        assert!(matches!(digest("s3://bucket/key"), Err(Unseen::NotHere(_))));
    }
}

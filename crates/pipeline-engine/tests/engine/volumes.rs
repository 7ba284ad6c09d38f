//! Volumes: claims, workspaces, scratch, Secrets as files. Budget: 10 s on two cores.

use crate::fixture::Opened;
use pipeline_engine::{EngineError, NewRun, PipelineSource, RunState};
use serde_json::json;

const VOLUMES: &str = include_str!("packages/volumes.yaml");

#[tokio::test(flavor = "multi_thread")]
async fn tasks_see_their_volumes_and_nobody_elses() {
    let opened = Opened::new().await;
    let data = opened.folder.path().join("data");
    std::fs::write(&data, "imported\n").unwrap();
    let uri = format!("file://{}", data.display());
    let ended = opened.run_with(VOLUMES, &[("uri", json!(uri))]).await;
    assert_eq!(ended.run.state, RunState::Succeeded, "{:#?}", ended.tasks);
    assert_eq!(ended.output("write", "Output"), "s3cret\n0\nimported\n");
    assert_eq!(
        ended.output("read", "Output"),
        "in the claim\nin the workspace\n0\n"
    );
    let name = ended.output("create", "name").as_str().unwrap();
    assert_eq!(name, format!("{}-mine", ended.task("create").id));
    let claims = std::fs::read_dir(opened.folder.path().join("volumes")).unwrap();
    assert_eq!(claims.count(), 0, "the claim is deleted");
    assert!(
        !std::path::Path::new("/claimed").exists(),
        "the machine is as it was"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_not_there_is_told_with_its_folder() {
    let opened = Opened::new().await;
    let package = VOLUMES.replace(
        "pvcNameParameter: {taskOutputParameter: {producerTask: create, outputParameterKey: name}}",
        "pvcNameParameter: {runtimeValue: {constant: theirs}}",
    );
    let data = opened.folder.path().join("data");
    std::fs::write(&data, "imported\n").unwrap();
    let parameters = [("uri", json!(data.display().to_string()))];
    let ended = opened.run_with(&package, &parameters).await;
    let folder = opened.folder.path().join("volumes/theirs");
    let expected = format!(
        "there is no volume claim `theirs`: a task of the pipeline makes it, or you do, as the folder {}",
        folder.display()
    );
    assert_eq!(ended.task("write").message.as_deref(), Some(expected.as_str()));

    std::fs::create_dir(&folder).unwrap();
    let ended = opened.run_with(&package, &parameters).await;
    assert_eq!(ended.run.state, RunState::Succeeded, "{:#?}", ended.tasks);
    assert!(folder.join("sub/file").is_file(), "it outlives its runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn mounts_that_lead_elsewhere_are_refused_with_their_place() {
    let opened = Opened::new().await;
    let package = VOLUMES
        .replace("mountPath: /claimed", "mountPath: claimed")
        .replace("subPath: sub", "subPath: a/../../b");
    let new = NewRun::of("test", PipelineSource::Inline(package));
    let error = opened.engine.create_run(new).await.unwrap_err();
    assert!(matches!(error, EngineError::Spec(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("`claimed` is no absolute path"), "{text}");
    assert!(text.contains("`a/../../b` leads out of the volume"), "{text}");
}

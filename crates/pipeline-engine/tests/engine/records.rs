//! Pipelines, versions, experiments, runs as records: made, found, listed, put away, deleted.

use crate::fixture::{HELLO, Opened};
use pipeline_engine::{
    Comparison, EngineError, ListOptions, NewExperiment, NewPipeline, NewRun, NewVersion, PipelineSource,
    Predicate, PredicateValue, StorageState, WithVersions,
};

fn hello(name: &str) -> NewPipeline {
    NewPipeline {
        name: name.into(),
        package: Some(HELLO.into()),
        ..NewPipeline::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_and_its_versions() {
    let opened = Opened::new().await;
    let engine = &opened.engine;
    let (pipeline, version) = engine.upload_pipeline(hello("greeting")).await.unwrap();
    let version = version.unwrap();
    assert_eq!(
        (version.name.as_str(), version.pipeline),
        ("greeting", pipeline.id)
    );
    assert_eq!(version.package["pipelineInfo"]["name"], "hello");
    let twice = engine.upload_pipeline(hello("greeting")).await.unwrap_err();
    assert_eq!(twice.to_string(), "pipeline `greeting` exists already");
    let unnamed = engine.upload_pipeline(hello("")).await.unwrap().0;
    assert_eq!(unnamed.name, "hello");

    let second = NewVersion {
        package: HELLO.into(),
        ..NewVersion::default()
    };
    let second = engine.upload_version(pipeline.id, second).await.unwrap();
    assert!(second.name.starts_with("greeting 2"), "{}", second.name);
    assert_eq!(engine.latest_version(pipeline.id).await.unwrap().id, second.id);
    assert_eq!(
        engine
            .versions(pipeline.id, ListOptions::default())
            .await
            .unwrap()
            .total,
        2
    );
    assert_eq!(engine.pipeline_by_name("greeting").await.unwrap(), pipeline);

    let refused = engine
        .delete_pipeline(pipeline.id, WithVersions::Refuse)
        .await
        .unwrap_err();
    assert!(matches!(refused, EngineError::Precondition(_)), "{refused}");
    engine.delete_version(pipeline.id, second.id).await.unwrap();
    engine
        .delete_pipeline(pipeline.id, WithVersions::Delete)
        .await
        .unwrap();
    assert!(matches!(
        engine.pipeline(pipeline.id).await,
        Err(EngineError::NotFound { .. })
    ));
    assert!(matches!(
        engine.version(pipeline.id, version.id).await,
        Err(EngineError::NotFound { .. })
    ));
    let left = engine.pipelines(ListOptions::default()).await.unwrap();
    assert_eq!(
        left.items
            .into_iter()
            .map(|pipeline| pipeline.name)
            .collect::<Vec<_>>(),
        ["hello"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_and_its_runs_are_put_away_together() {
    let opened = Opened::new().await;
    let engine = &opened.engine;
    let new = NewExperiment {
        display_name: "trial".into(),
        description: String::new(),
    };
    let experiment = engine.create_experiment(new.clone()).await.unwrap();
    assert!(matches!(
        engine.create_experiment(new).await,
        Err(EngineError::AlreadyExists { .. })
    ));
    let mut new = NewRun::of("first", PipelineSource::Inline(HELLO.into()));
    new.experiment = Some(experiment.id);
    let run = engine.create_run(new.clone()).await.unwrap();
    assert_eq!(
        engine
            .runs(Some(experiment.id), ListOptions::default())
            .await
            .unwrap()
            .total,
        1
    );
    assert!(
        engine
            .experiment(experiment.id)
            .await
            .unwrap()
            .last_run_created_at
            .is_some()
    );

    engine.archive_experiment(experiment.id).await.unwrap();
    assert_eq!(
        engine.run(run.id).await.unwrap().storage_state,
        StorageState::Archived
    );
    let refused = engine.create_run(new).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "experiment `trial` is archived: unarchive it, or name another"
    );
    assert!(engine.unarchive_run(run.id).await.is_err());
    engine.unarchive_experiment(experiment.id).await.unwrap();
    engine.unarchive_run(run.id).await.unwrap();
    let default = engine.experiment_by_name("Default").await.unwrap();
    assert!(engine.delete_experiment(default.id).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_an_id_is_made_once() {
    let opened = Opened::new().await;
    let engine = &opened.engine;
    let mut new = NewRun::of("once", PipelineSource::Inline(HELLO.into()));
    new.id = Some(pipeline_engine::RunId::random());
    let first = engine.create_run(new.clone()).await.unwrap();
    new.display_name = "twice".into();
    let second = engine.create_run(new).await.unwrap();
    assert_eq!((second.id, second.display_name.as_str()), (first.id, "once"));
    assert_eq!(engine.runs(None, ListOptions::default()).await.unwrap().total, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_is_refused_before_it_is_made() {
    let opened = Opened::new().await;
    let engine = &opened.engine;
    let mut new = NewRun::of("odd", PipelineSource::Inline(HELLO.into()));
    new.parameters.insert("whom".into(), "x".into());
    let refused = engine.create_run(new).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the pipeline has no parameter `whom`; it has `who`"
    );
    let package = HELLO.replace("command:\n", "lifecycle: {preCacheCheck: {}}\n        command:\n");
    let refused = engine
        .create_run(NewRun::of("odd", PipelineSource::Inline(package)))
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "19:9: deploymentSpec.executors.exec-greet.container.lifecycle: hooks are not run, as in KFP"
    );
    assert_eq!(engine.runs(None, ListOptions::default()).await.unwrap().total, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_labels_change_and_labels_are_found_by() {
    let opened = Opened::new().await;
    let engine = &opened.engine;
    let (pipeline, version) = engine.upload_pipeline(hello("greeting")).await.unwrap();
    let (id, version) = (pipeline.id, version.unwrap().id);
    let tags = |value: &str| Some(vec![("team".to_owned(), value.to_owned())]);
    let named = engine
        .update_pipeline(id, Some("Greeting".into()), None)
        .await
        .unwrap();
    assert_eq!((named.display_name.as_str(), named.tags.len()), ("Greeting", 0));
    let tagged = engine.update_pipeline(id, None, tags("ada")).await.unwrap();
    assert_eq!((tagged.display_name.as_str(), tagged.tags.len()), ("Greeting", 1));
    engine
        .update_version(id, version, None, tags("bob"))
        .await
        .unwrap();
    let by = |value: &str| ListOptions {
        filter: vec![Predicate {
            field: "tags.team".into(),
            comparison: Comparison::Equals,
            value: PredicateValue::Text(value.into()),
        }],
        ..ListOptions::default()
    };
    for (value, found) in [("ada", (1, 0)), ("bob", (0, 1)), ("' OR 1 --", (0, 0))] {
        let pipelines = engine.pipelines(by(value)).await.unwrap().total;
        let versions = engine.versions(id, by(value)).await.unwrap().total;
        assert_eq!((pipelines, versions), found, "{value}");
    }
    let runs = engine.runs(None, by("ada")).await.unwrap_err();
    assert!(matches!(runs, EngineError::Invalid(_)), "{runs}");
}

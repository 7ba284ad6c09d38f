//! kube-rs, unmodified, as controllers and tools use it.

#![allow(clippy::unwrap_used)] // a test's own steps

mod served;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Event as CoreEvent, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy, WatchEvent, WatchParams,
};
use kube::core::{DynamicObject, ObjectMeta};
use kube::runtime::controller::Action;
use kube::runtime::events::{EventType, Recorder, Reporter};
use kube::runtime::finalizer::{Event as Finalizing, finalizer};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Resource, ResourceExt};
use resources::experiment::{ExperimentConditionType, ExperimentStatus};
use resources::{ClusterServingRuntime, Experiment};
use serde_json::{Value, json};
use served::{DEADLINE, Served, config_map, experiment};
use tokio::time::timeout;

fn object(value: Value) -> Experiment {
    serde_json::from_value(value).unwrap()
}

fn code(error: &kube::Error) -> (u16, String, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_object_lives_from_create_to_delete() {
    let served = Served::start().await;
    let api: Api<Experiment> = Api::default_namespaced(served.client().await);

    let made = api
        .create(&PostParams::default(), &object(experiment("tune")))
        .await
        .unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    assert!(made.metadata.uid.is_some() && made.metadata.creation_timestamp.is_some());
    let again = api
        .create(&PostParams::default(), &object(experiment("tune")))
        .await
        .unwrap_err();
    assert_eq!(code(&again).0, 409);
    assert_eq!(code(&again).1, "AlreadyExists");

    let mut found = api.get("tune").await.unwrap();
    assert_eq!(found, made);
    found.spec.max_trial_count = Some(30);
    let changed = api.replace("tune", &PostParams::default(), &found).await.unwrap();
    assert_eq!(changed.metadata.generation, Some(2));
    let stale = api
        .replace("tune", &PostParams::default(), &found)
        .await
        .unwrap_err();
    assert_eq!(code(&stale).1, "Conflict");
    let unseen = Experiment {
        metadata: ObjectMeta {
            resource_version: None,
            ..found.metadata.clone()
        },
        ..found
    };
    assert_eq!(
        code(
            &api.replace("tune", &PostParams::default(), &unseen)
                .await
                .unwrap_err()
        )
        .0,
        422
    );

    let patch = json!({"metadata": {"labels": {"run": "r1"}}});
    let labelled = api
        .patch("tune", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(
        labelled.metadata.generation,
        Some(2),
        "labels are no specification"
    );
    let nothing = api
        .patch("tune", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(
        nothing.resource_version(),
        labelled.resource_version(),
        "what changes nothing is not written"
    );

    let listed = api.list(&ListParams::default().labels("run=r1")).await.unwrap();
    assert_eq!(listed.items, [labelled]);
    assert!(
        api.list(&ListParams::default().labels("run!=r1"))
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(
        api.list(&ListParams::default().fields("metadata.name=tune"))
            .await
            .unwrap()
            .items
            .len(),
        1
    );

    assert!(
        api.delete("tune", &DeleteParams::default())
            .await
            .unwrap()
            .is_right()
    );
    assert_eq!(code(&api.get("tune").await.unwrap_err()).0, 404);
    assert_eq!(
        code(&api.delete("tune", &DeleteParams::default()).await.unwrap_err()).0,
        404
    );
    served.end().await;
}

#[tokio::test]
async fn the_status_is_a_part_of_its_own() {
    let served = Served::start().await;
    let api: Api<Experiment> = Api::default_namespaced(served.client().await);
    let mut sent = experiment("tune");
    sent["status"] = json!({"trials": 7});
    let made = api.create(&PostParams::default(), &object(sent)).await.unwrap();
    assert_eq!(made.status, None, "create writes no status");

    let patch = json!({"status": {"trials": 3}, "spec": {"maxTrialCount": 5}});
    let with_status = api
        .patch_status("tune", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(with_status.status.as_ref().unwrap().trials, 3);
    assert_eq!(with_status.spec.max_trial_count, Some(20));
    assert_eq!(with_status.metadata.generation, Some(1));

    let patch = json!({"status": {"trials": 9}, "spec": {"maxTrialCount": 25}});
    let with_spec = api
        .patch("tune", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(with_spec.status.as_ref().unwrap().trials, 3);
    assert_eq!(with_spec.spec.max_trial_count, Some(25));

    let mut replaced = with_spec.clone();
    replaced.status = Some(ExperimentStatus {
        trials: 4,
        ..ExperimentStatus::default()
    });
    replaced.spec.max_trial_count = Some(1);
    let replaced = api
        .replace_status("tune", &PostParams::default(), &replaced)
        .await
        .unwrap();
    assert_eq!(
        (replaced.status.unwrap().trials, replaced.spec.max_trial_count),
        (4, Some(25))
    );
    let unknown = json!({"status": {"trails": 1}});
    let refused = api
        .patch_status("tune", &PatchParams::default(), &Patch::Merge(&unknown))
        .await
        .unwrap_err();
    assert!(
        code(&refused).2.contains("status.trails: unknown field"),
        "{refused}"
    );
    served.end().await;
}

#[tokio::test]
async fn server_side_apply_keeps_owners_apart() {
    let served = Served::start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(served.client().await);
    let config = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data});
    let apply = |manager: &str| PatchParams::apply(manager);
    let data = |map: ConfigMap| {
        map.data
            .unwrap_or_default()
            .into_iter()
            .collect::<BTreeMap<_, _>>()
    };
    let expect = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };

    let one = api
        .patch(
            "c",
            &apply("one"),
            &Patch::Apply(config(json!({"a": "1", "b": "1"}))),
        )
        .await
        .unwrap();
    assert_eq!(data(one), expect(&[("a", "1"), ("b", "1")]));
    let two = api
        .patch(
            "c",
            &apply("two"),
            &Patch::Apply(config(json!({"b": "1", "c": "2"}))),
        )
        .await
        .unwrap();
    assert_eq!(data(two), expect(&[("a", "1"), ("b", "1"), ("c", "2")]));

    let conflict = api
        .patch(
            "c",
            &apply("two"),
            &Patch::Apply(config(json!({"a": "9", "b": "9"}))),
        )
        .await
        .unwrap_err();
    let kube::Error::Api(status) = &conflict else {
        panic!("{conflict}")
    };
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(
        status.message,
        "Apply failed with 2 conflicts:\n- conflict with \"one\" using v1: .data.a\n- conflict with \"one\" using v1: .data.b"
    );
    let causes = &status.details.as_ref().unwrap().causes;
    assert_eq!(
        (causes[0].reason.as_str(), causes[0].field.as_str()),
        ("FieldManagerConflict", ".data.a")
    );

    let forced = api
        .patch(
            "c",
            &apply("two").force(),
            &Patch::Apply(config(json!({"b": "9"}))),
        )
        .await
        .unwrap();
    assert_eq!(
        data(forced),
        expect(&[("a", "1"), ("b", "9")]),
        "c was two's alone and is left out now"
    );
    let again = api
        .patch(
            "c",
            &apply("two").force(),
            &Patch::Apply(config(json!({"b": "9"}))),
        )
        .await
        .unwrap();
    let same = api.get("c").await.unwrap();
    assert_eq!(again.resource_version(), same.resource_version());
    let gone = api
        .patch("c", &apply("one"), &Patch::Apply(config(json!({}))))
        .await
        .unwrap();
    assert_eq!(data(gone), expect(&[("b", "9")]));
    served.end().await;
}

#[tokio::test]
async fn the_status_is_applied_by_its_own_manager() {
    let served = Served::start().await;
    let api: Api<Experiment> = Api::default_namespaced(served.client().await);
    let params = PatchParams::apply("controller");
    let status = json!({
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "tune"},
        "status": {"trialsRunning": 2, "conditions": [{"type": "Running", "status": "True"}]}
    });
    let missing = api
        .patch_status("tune", &params, &Patch::Apply(&status))
        .await
        .unwrap_err();
    assert_eq!(code(&missing).0, 404);
    api.create(&PostParams::default(), &object(experiment("tune")))
        .await
        .unwrap();
    let one = api
        .patch_status("tune", &params, &Patch::Apply(&status))
        .await
        .unwrap();
    assert_eq!(one.status.as_ref().unwrap().trials_running, 2);
    let mut later = status.clone();
    later["status"] = json!({"trialsSucceeded": 2, "conditions": [{"type": "Succeeded", "status": "True"}]});
    let two = api
        .patch_status("tune", &params, &Patch::Apply(&later))
        .await
        .unwrap()
        .status
        .unwrap();
    assert_eq!(
        (two.trials_running, two.trials_succeeded),
        (0, 2),
        "an applied count goes back to zero"
    );
    assert_eq!(two.conditions.len(), 1);
    let entry = &api.get("tune").await.unwrap().metadata.managed_fields.unwrap()[0];
    assert_eq!(
        (entry.manager.as_deref(), entry.subresource.as_deref()),
        (Some("controller"), Some("status"))
    );
    served.end().await;
}

#[tokio::test]
async fn a_watcher_sees_every_object_whether_it_lists_or_streams() {
    let served = Served::start().await;
    let client = served.client().await;
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    for index in 0..7 {
        api.create(
            &PostParams::default(),
            &serde_json::from_value(config_map(&format!("c{index}"), "0")).unwrap(),
        )
        .await
        .unwrap();
    }
    for config in [
        watcher::Config::default().page_size(3),
        watcher::Config::default().streaming_lists(),
    ] {
        let mut events = Box::pin(watcher(api.clone(), config));
        let mut names = Vec::new();
        loop {
            match timeout(DEADLINE, events.next())
                .await
                .expect("the list ends")
                .unwrap()
                .unwrap()
            {
                watcher::Event::Init => {}
                watcher::Event::InitApply(object) => names.push(object.name_any()),
                watcher::Event::InitDone => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(names, ["c0", "c1", "c2", "c3", "c4", "c5", "c6"]);
        let patch = json!({"data": {"value": uuid::Uuid::new_v4().to_string()}});
        api.patch("c3", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
        match timeout(DEADLINE, events.next())
            .await
            .expect("the change is told")
            .unwrap()
            .unwrap()
        {
            watcher::Event::Apply(object) => assert_eq!(object.name_any(), "c3"),
            other => panic!("{other:?}"),
        }
    }
    served.end().await;
}

#[tokio::test]
async fn conditions_can_be_waited_for() {
    let served = Served::start().await;
    let api: Api<Experiment> = Api::default_namespaced(served.client().await);
    let made = api
        .create(&PostParams::default(), &object(experiment("tune")))
        .await
        .unwrap();
    let succeeded = |object: Option<&Experiment>| {
        object
            .and_then(|e| e.status.as_ref())
            .is_some_and(|s| s.holds(&ExperimentConditionType::Succeeded))
    };
    let waiting = tokio::spawn(await_condition(api.clone(), "tune", succeeded));
    let status = json!({"status": {"conditions": [{"type": "Succeeded", "status": "True"}]}});
    api.patch_status("tune", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
    let found = timeout(DEADLINE, waiting)
        .await
        .expect("the condition is met")
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(found.name_any(), "tune");

    let uid = made.uid().unwrap();
    let deletion = async {
        let gone = await_condition(api.clone(), "tune", conditions::is_deleted(&uid));
        tokio::join!(gone, async { api.delete("tune", &DeleteParams::default()).await })
    };
    let (gone, deleted) = timeout(DEADLINE, deletion).await.expect("the deletion is seen");
    assert!(gone.is_ok() && deleted.is_ok());
    served.end().await;
}

/// What the controller of the next test shares.
struct Shared {
    client: kube::Client,
    recorder: Recorder,
}

#[derive(Debug)]
struct Failed(String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

/// Makes a ConfigMap for each Experiment, tells an event, and cleans up before the Experiment goes.
async fn reconcile(
    experiment: Arc<Experiment>,
    shared: Arc<Shared>,
) -> Result<Action, kube::runtime::finalizer::Error<Failed>> {
    let api: Api<Experiment> = Api::default_namespaced(shared.client.clone());
    finalizer(&api, "basecamp.dev/test", experiment, |event| async {
        let failed = |error: kube::Error| Failed(error.to_string());
        match event {
            Finalizing::Apply(experiment) => {
                let maps: Api<ConfigMap> = Api::default_namespaced(shared.client.clone());
                let map = ConfigMap {
                    metadata: ObjectMeta {
                        name: Some(format!("{}-trials", experiment.name_any())),
                        owner_references: Some(vec![experiment.controller_owner_ref(&()).unwrap()]),
                        ..ObjectMeta::default()
                    },
                    ..ConfigMap::default()
                };
                let params = PatchParams::apply("test-controller").force();
                maps.patch(&map.name_any(), &params, &Patch::Apply(&map))
                    .await
                    .map_err(failed)?;
                let event = kube::runtime::events::Event {
                    type_: EventType::Normal,
                    reason: "TrialsMade".into(),
                    note: Some("the map is there".into()),
                    action: "Reconcile".into(),
                    secondary: None,
                };
                shared
                    .recorder
                    .publish(&event, &experiment.object_ref(&()))
                    .await
                    .map_err(failed)?;
            }
            Finalizing::Cleanup(experiment) => {
                let secrets: Api<Secret> = Api::default_namespaced(shared.client.clone());
                let left = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cleaned"},
                                  "stringData": {"experiment": experiment.name_any()}});
                let params = PatchParams::apply("test-controller");
                secrets
                    .patch("cleaned", &params, &Patch::Apply(&left))
                    .await
                    .map_err(failed)?;
            }
        }
        Ok(Action::await_change())
    })
    .await
}

#[tokio::test]
async fn a_controller_reconciles_finalizes_and_its_dependents_go() {
    let served = Served::start().await;
    let client = served.client().await;
    let experiments: Api<Experiment> = Api::default_namespaced(client.clone());
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let shared = Arc::new(Shared {
        recorder: Recorder::new(
            client.clone(),
            Reporter {
                controller: "experiments".into(),
                instance: None,
            },
        ),
        client: client.clone(),
    });
    let controller = Controller::new(experiments.clone(), watcher::Config::default().streaming_lists())
        .owns(maps.clone(), watcher::Config::default())
        .run(reconcile, |_, error, _| panic!("{error}"), shared);
    let controlling = tokio::spawn(controller.for_each(|result| async { drop(result.unwrap()) }));

    experiments
        .create(&PostParams::default(), &object(experiment("tune")))
        .await
        .unwrap();
    let there = |map: Option<&ConfigMap>| map.is_some();
    timeout(DEADLINE, await_condition(maps.clone(), "tune-trials", there))
        .await
        .expect("the map comes")
        .unwrap();
    let uid = maps.get("tune-trials").await.unwrap().uid().unwrap();
    maps.delete("tune-trials", &DeleteParams::default())
        .await
        .unwrap();
    let anew = |map: Option<&ConfigMap>| map.is_some_and(|map| map.uid().as_deref() != Some(&uid));
    timeout(DEADLINE, await_condition(maps.clone(), "tune-trials", anew))
        .await
        .expect("the map comes back")
        .unwrap();

    let uid = experiments.get("tune").await.unwrap().uid().unwrap();
    let deleted = experiments
        .delete("tune", &DeleteParams::default())
        .await
        .unwrap();
    assert!(deleted.is_left(), "a finalizer holds it");
    let gone = conditions::is_deleted(&uid);
    timeout(DEADLINE, await_condition(experiments.clone(), "tune", gone))
        .await
        .expect("it goes")
        .unwrap();
    let secrets: Api<Secret> = Api::default_namespaced(client.clone());
    let cleaned = secrets.get("cleaned").await.unwrap().data.unwrap();
    assert_eq!(cleaned["experiment"].0, b"tune");
    let no_map = |map: Option<&ConfigMap>| map.is_none();
    timeout(DEADLINE, await_condition(maps, "tune-trials", no_map))
        .await
        .expect("the map goes with it")
        .unwrap();

    let events: Api<Event> = Api::default_namespaced(client.clone());
    let told = events
        .list(&ListParams::default().fields("regarding.name=tune"))
        .await
        .unwrap()
        .items;
    assert_eq!(
        told.iter()
            .map(|e| e.reason.as_deref().unwrap())
            .collect::<Vec<_>>(),
        ["TrialsMade"]
    );
    let core: Api<CoreEvent> = Api::default_namespaced(client);
    let told = core
        .list(&ListParams::default().fields("involvedObject.kind=Experiment"))
        .await
        .unwrap()
        .items;
    assert_eq!(told[0].message.as_deref(), Some("the map is there"));
    controlling.abort();
    served.end().await;
}

#[tokio::test]
async fn dependents_go_stay_or_go_first() {
    let served = Served::start().await;
    let client = served.client().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let make = async |name: &str, owner: Option<&ConfigMap>| {
        let mut map: ConfigMap = serde_json::from_value(config_map(name, "0")).unwrap();
        map.metadata.owner_references = owner.map(|owner| {
            let mut reference = owner.owner_ref(&()).unwrap();
            reference.block_owner_deletion = Some(true);
            vec![reference]
        });
        maps.create(&PostParams::default(), &map).await.unwrap()
    };
    let gone = async |name: &str| {
        let absent = |map: Option<&ConfigMap>| map.is_none();
        timeout(DEADLINE, await_condition(maps.clone(), name, absent))
            .await
            .expect("it goes")
            .unwrap();
    };
    let with = |policy| DeleteParams {
        propagation_policy: Some(policy),
        ..DeleteParams::default()
    };

    let parent = make("parent", None).await;
    let child = make("child", Some(&parent)).await;
    make("grandchild", Some(&child)).await;
    maps.delete("parent", &with(PropagationPolicy::Background))
        .await
        .unwrap();
    gone("child").await;
    gone("grandchild").await;

    let parent = make("parent", None).await;
    make("child", Some(&parent)).await;
    maps.delete("parent", &with(PropagationPolicy::Orphan))
        .await
        .unwrap();
    gone("parent").await;
    assert_eq!(maps.get("child").await.unwrap().metadata.owner_references, None);
    maps.delete("child", &DeleteParams::default()).await.unwrap();

    let parent = make("parent", None).await;
    make("child", Some(&parent)).await;
    let hold = json!({"metadata": {"finalizers": ["basecamp.dev/hold"]}});
    maps.patch("child", &PatchParams::default(), &Patch::Merge(&hold))
        .await
        .unwrap();
    assert!(
        maps.delete("parent", &with(PropagationPolicy::Foreground))
            .await
            .unwrap()
            .is_left()
    );
    let going = |map: Option<&ConfigMap>| map.is_some_and(|map| map.metadata.deletion_timestamp.is_some());
    timeout(DEADLINE, await_condition(maps.clone(), "child", going))
        .await
        .expect("the child goes first")
        .unwrap();
    assert!(
        maps.get_opt("parent").await.unwrap().is_some(),
        "it waits for its child"
    );
    let release = json!({"metadata": {"finalizers": null}});
    maps.patch("child", &PatchParams::default(), &Patch::Merge(&release))
        .await
        .unwrap();
    gone("child").await;
    gone("parent").await;
    served.end().await;
}

#[tokio::test]
async fn dry_runs_and_preconditions_are_kept() {
    let served = Served::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(served.client().await);
    let map: ConfigMap = serde_json::from_value(config_map("c", "0")).unwrap();
    let dry = PostParams {
        dry_run: true,
        field_manager: None,
    };
    assert_eq!(maps.create(&dry, &map).await.unwrap().name_any(), "c");
    assert_eq!(maps.get_opt("c").await.unwrap(), None);
    let made = maps.create(&PostParams::default(), &map).await.unwrap();
    maps.delete("c", &DeleteParams::default().dry_run())
        .await
        .unwrap();
    assert_eq!(maps.get("c").await.unwrap(), made);
    let other = kube::api::Preconditions {
        uid: Some("other".into()),
        resource_version: None,
    };
    let refused = maps
        .delete("c", &DeleteParams::default().preconditions(other))
        .await
        .unwrap_err();
    assert_eq!(code(&refused).0, 409);
    let right = kube::api::Preconditions {
        uid: made.uid(),
        resource_version: made.resource_version(),
    };
    maps.delete("c", &DeleteParams::default().preconditions(right))
        .await
        .unwrap();
    served.end().await;
}

#[tokio::test]
async fn collections_are_deleted_by_selector() {
    let served = Served::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(served.client().await);
    for (name, group) in [("a", "x"), ("b", "x"), ("c", "y")] {
        let mut map = config_map(name, "0");
        map["metadata"]["labels"] = json!({"group": group});
        maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap())
            .await
            .unwrap();
    }
    maps.delete_collection(&DeleteParams::default(), &ListParams::default().labels("group=x"))
        .await
        .unwrap();
    let left: Vec<_> = maps
        .list(&ListParams::default())
        .await
        .unwrap()
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(left, ["c"]);
    served.end().await;
}

#[tokio::test]
async fn discovery_finds_every_kind_and_nothing_else() {
    let served = Served::start().await;
    let client = served.client().await;
    let discovery = kube::discovery::Discovery::new(client.clone())
        .run()
        .await
        .unwrap();
    let mut kinds: Vec<_> = discovery
        .groups()
        .flat_map(|group| group.recommended_resources())
        .map(|(resource, _)| format!("{} {}", resource.api_version, resource.plural))
        .collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            "events.k8s.io/v1 events",
            "gateway.networking.k8s.io/v1 httproutes",
            "kubeflow.org/v1beta1 experiments",
            "ray.io/v1 rayjobs",
            "serving.kserve.io/v1beta1 inferenceservices",
            "v1 configmaps",
            "v1 events",
            "v1 secrets",
        ]
    );
    let aggregated = kube::discovery::Discovery::new(client.clone())
        .run_aggregated()
        .await
        .unwrap();
    assert_eq!(aggregated.groups().count(), discovery.groups().count());
    let pods: Api<DynamicObject> = Api::default_namespaced_with(
        client.clone(),
        &kube::discovery::ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&()),
    );
    let refused = pods.list(&ListParams::default()).await.unwrap_err();
    assert_eq!(
        code(&refused).2,
        "the server could not find the requested resource: pods of v1 is not served here"
    );
    let runtimes: Api<ClusterServingRuntime> = Api::all(client);
    let runtime = json!({"metadata": {"name": "r"}, "spec": {
        "supportedModelFormats": [{"name": "f"}], "containers": [{"name": "kserve-container", "image": "x"}]
    }});
    runtimes
        .create(&PostParams::default(), &serde_json::from_value(runtime).unwrap())
        .await
        .unwrap();
    assert_eq!(runtimes.get("r").await.unwrap().metadata.namespace, None);
    served.end().await;
}

#[tokio::test]
async fn what_breaks_a_rule_names_its_field() {
    let served = Served::start().await;
    let api: Api<Experiment> = Api::default_namespaced(served.client().await);
    let mut endless = experiment("tune");
    endless["spec"].as_object_mut().unwrap().remove("maxTrialCount");
    let refused = api
        .create(&PostParams::default(), &object(endless))
        .await
        .unwrap_err();
    let kube::Error::Api(status) = refused else {
        panic!("{refused}")
    };
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert_eq!(
        status.message,
        "Experiment.kubeflow.org \"tune\" is invalid: spec.maxTrialCount: must be set: without a cap the experiment runs \
         for ever"
    );
    let details = status.details.unwrap();
    assert_eq!(
        (details.name.as_str(), details.kind.as_str()),
        ("tune", "Experiment")
    );
    assert_eq!(details.causes[0].field, "spec.maxTrialCount");
    served.end().await;
}

#[tokio::test]
async fn a_watch_ends_with_the_server_and_goes_on_after_it() {
    let served = Served::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(served.client().await);
    let made = maps
        .create(
            &PostParams::default(),
            &serde_json::from_value(config_map("a", "0")).unwrap(),
        )
        .await
        .unwrap();
    let version = made.resource_version().unwrap();
    let events = maps.watch(&WatchParams::default(), &version).await.unwrap();
    let folder = served.end().await;
    let rest: Vec<_> = timeout(DEADLINE, Box::pin(events).try_collect())
        .await
        .expect("the watch ends")
        .unwrap();
    assert!(rest.is_empty(), "{rest:?}");

    let served = Served::start_in(folder).await;
    let maps: Api<ConfigMap> = Api::default_namespaced(served.client().await);
    assert_eq!(maps.get("a").await.unwrap(), made, "objects outlive the server");
    maps.create(
        &PostParams::default(),
        &serde_json::from_value(config_map("b", "0")).unwrap(),
    )
    .await
    .unwrap();
    let mut events = Box::pin(maps.watch(&WatchParams::default(), &version).await.unwrap());
    match timeout(DEADLINE, events.try_next())
        .await
        .expect("the log outlives the server")
        .unwrap()
        .unwrap()
    {
        WatchEvent::Added(map) => assert_eq!(map.name_any(), "b"),
        other => panic!("{other:?}"),
    }
    drop(events);
    served.end().await;
}

#[tokio::test]
async fn a_reflector_keeps_up() {
    let served = Served::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(served.client().await);
    let (reader, writer) = kube::runtime::reflector::store();
    let stream = watcher(maps.clone(), watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects();
    let keeping = tokio::spawn(stream.for_each(|_| async {}));
    timeout(DEADLINE, reader.wait_until_ready())
        .await
        .expect("the store is ready")
        .unwrap();
    for index in 0..20 {
        maps.create(
            &PostParams::default(),
            &serde_json::from_value(config_map(&format!("c{index}"), "0")).unwrap(),
        )
        .await
        .unwrap();
    }
    let all = async {
        while reader.len() < 20 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, all).await.expect("every object is seen");
    keeping.abort();
    served.end().await;
}

//! A controller with a finalizer, events and dependents.

use std::sync::Arc;

use crate::served::{DEADLINE, Served, config_map, experiment};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Event as CoreEvent, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy};
use kube::core::ObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::events::{EventType, Recorder, Reporter};
use kube::runtime::finalizer::{Event as Finalizing, finalizer};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{Controller, watcher};
use kube::{Resource, ResourceExt};
use resources::Experiment;
use serde_json::json;
use tokio::time::timeout;

use super::object;

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

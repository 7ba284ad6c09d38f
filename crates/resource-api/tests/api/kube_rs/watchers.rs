//! Watchers, reflectors and waits.

use crate::served::{DEADLINE, Served, config_map, experiment};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{WatchStreamExt, watcher};
use resources::Experiment;
use resources::experiment::ExperimentConditionType;
use serde_json::json;
use tokio::time::timeout;

use super::object;

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
    let (gone, deleted) = timeout(DEADLINE, Box::pin(deletion))
        .await
        .expect("the deletion is seen");
    assert!(gone.is_ok() && deleted.is_ok());
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

//! Watches: every change once and in order, whatever the client does.

use std::collections::BTreeMap;

use crate::served::{DEADLINE, Served, config_map};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::json;
use tokio::time::timeout;

fn map(name: &str, value: &str) -> ConfigMap {
    serde_json::from_value(config_map(name, value)).unwrap()
}

/// Events in short: kind, name, and the value.
fn short(event: &WatchEvent<ConfigMap>) -> String {
    let (kind, map) = match event {
        WatchEvent::Added(map) => ("ADDED", map),
        WatchEvent::Modified(map) => ("MODIFIED", map),
        WatchEvent::Deleted(map) => ("DELETED", map),
        WatchEvent::Bookmark(_) => return "BOOKMARK".into(),
        WatchEvent::Error(status) => return format!("ERROR {}", status.code),
    };
    let value = map
        .data
        .as_ref()
        .and_then(|data| data.get("value"))
        .map(String::as_str)
        .unwrap_or_default();
    format!("{kind} {} {value}", map.name_any())
}

#[tokio::test]
async fn concurrent_writers_are_heard_once_each_and_in_order() {
    const WRITERS: usize = 4;
    const WRITES: usize = 60;
    let served = Served::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(served.client().await);
    let start = maps
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    let mut readers = Vec::new();
    for _ in 0..3 {
        let (maps, start) = (maps.clone(), start.clone());
        readers.push(tokio::spawn(async move {
            let mut events = Box::pin(maps.watch(&WatchParams::default(), &start).await.unwrap());
            let mut seen = Vec::new();
            while seen.len() < WRITERS * WRITES {
                let event = events.try_next().await.unwrap().expect("the watch goes on");
                let (WatchEvent::Added(map) | WatchEvent::Modified(map)) = event else {
                    panic!("{event:?}")
                };
                seen.push((
                    map.resource_version().unwrap().parse::<u64>().unwrap(),
                    map.name_any(),
                    map.data.unwrap()["value"].clone(),
                ));
            }
            seen
        }));
    }
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let maps = maps.clone();
            tokio::spawn(async move {
                let name = format!("w{writer}");
                maps.create(&PostParams::default(), &map(&name, "0"))
                    .await
                    .unwrap();
                for value in 1..WRITES {
                    let patch = json!({"data": {"value": value.to_string()}});
                    maps.patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        timeout(DEADLINE, writer).await.expect("writers end").unwrap();
    }
    for reader in readers {
        let seen = timeout(DEADLINE, reader)
            .await
            .expect("readers hear everything")
            .unwrap();
        assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0), "versions grow");
        let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (_, name, value) in &seen {
            by_name.entry(name).or_default().push(value);
        }
        let expected: Vec<String> = (0..WRITES).map(|value| value.to_string()).collect();
        for (name, values) in by_name {
            assert_eq!(values, expected, "{name}");
        }
    }
    served.end().await;
}

#[tokio::test]
async fn a_selector_sees_objects_come_and_go_as_they_match() {
    let served = Served::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(served.client().await);
    let params = WatchParams::default().labels("on=yes");
    let mut events = Box::pin(maps.watch(&params, "0").await.unwrap());
    let label = async |name: &str, on: &str| {
        let patch = json!({"metadata": {"labels": {"on": on}}});
        maps.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    };
    maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    maps.create(&PostParams::default(), &map("b", "1")).await.unwrap();
    label("a", "yes").await;
    label("b", "no").await;
    label("a", "no").await;
    label("a", "yes").await;
    maps.delete("b", &DeleteParams::default()).await.unwrap();
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.push(short(
            &timeout(DEADLINE, events.try_next())
                .await
                .expect("all are told")
                .unwrap()
                .unwrap(),
        ));
    }
    assert_eq!(seen, ["ADDED a 1", "DELETED a 1", "ADDED a 1", "DELETED a 1"]);
    served.end().await;
}

#[tokio::test]
async fn a_watch_may_begin_with_what_is_there() {
    let served = Served::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(served.client().await);
    for name in ["a", "b"] {
        maps.create(&PostParams::default(), &map(name, "1"))
            .await
            .unwrap();
    }
    let version = maps
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    let streaming = WatchParams::default().initial_events();
    let mut events = Box::pin(maps.watch(&streaming, "0").await.unwrap());
    let mut seen = Vec::new();
    loop {
        let event = timeout(DEADLINE, events.try_next())
            .await
            .expect("the list ends")
            .unwrap()
            .unwrap();
        seen.push(short(&event));
        if let WatchEvent::Bookmark(bookmark) = event {
            assert_eq!(bookmark.metadata.resource_version, version);
            assert_eq!(bookmark.metadata.annotations["k8s.io/initial-events-end"], "true");
            break;
        }
    }
    assert_eq!(seen, ["ADDED a 1", "ADDED b 1", "BOOKMARK"]);

    let short_lived = WatchParams::default().timeout(1);
    let all: Vec<_> = timeout(
        DEADLINE,
        maps.watch(&short_lived, "0")
            .await
            .unwrap()
            .try_collect::<Vec<_>>(),
    )
    .await
    .expect("the time-out is kept")
    .unwrap();
    assert_eq!(
        all.iter().map(short).collect::<Vec<_>>(),
        ["ADDED a 1", "ADDED b 1"]
    );
    served.end().await;
}

#[tokio::test]
async fn a_version_out_of_reach_is_gone() {
    let served = Served::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(served.client().await);
    maps.create(&PostParams::default(), &map("a", "0")).await.unwrap();
    let first = maps
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    let mut page = maps.list(&ListParams::default().limit(1)).await.unwrap();
    assert_eq!(page.metadata.continue_, None);
    maps.create(&PostParams::default(), &map("b", "0")).await.unwrap();
    page = maps.list(&ListParams::default().limit(1)).await.unwrap();
    let token = page.metadata.continue_.clone().unwrap();
    assert_eq!(page.metadata.remaining_item_count, Some(1));

    for version in ["999999", &first] {
        if version == first {
            // More changes than the log keeps, many at once so that they share commits.
            let writes = (0..2400).map(|value: usize| {
                let maps = maps.clone();
                async move {
                    let patch = json!({"data": {"value": value.to_string()}});
                    maps.patch("a", &PatchParams::default(), &Patch::Merge(&patch))
                        .await
                        .unwrap();
                }
            });
            timeout(
                DEADLINE * 4,
                futures::stream::iter(writes)
                    .buffer_unordered(64)
                    .collect::<Vec<_>>(),
            )
            .await
            .expect("writes end");
        }
        let mut events = Box::pin(maps.watch(&WatchParams::default(), version).await.unwrap());
        let event = timeout(DEADLINE, events.try_next())
            .await
            .expect("it is told")
            .unwrap()
            .unwrap();
        assert_eq!(short(&event), "ERROR 410");
        assert!(
            timeout(DEADLINE, events.try_next())
                .await
                .expect("the watch ends")
                .unwrap()
                .is_none()
        );
    }
    let expired = maps
        .list(&ListParams::default().limit(1).continue_token(&token))
        .await
        .unwrap_err();
    let kube::Error::Api(status) = expired else {
        panic!("{expired}")
    };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    served.end().await;
}

#[tokio::test]
async fn pages_are_of_one_version() {
    let served = Served::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(served.client().await);
    for index in 0..6 {
        maps.create(&PostParams::default(), &map(&format!("c{index}"), "old"))
            .await
            .unwrap();
    }
    let mut params = ListParams::default().limit(2);
    let mut seen = Vec::new();
    loop {
        let page = maps.list(&params).await.unwrap();
        seen.extend(
            page.items
                .iter()
                .map(|map| (map.name_any(), map.data.as_ref().unwrap()["value"].clone())),
        );
        // Meanwhile everything changes: the rest of the list does not.
        maps.delete("c3", &DeleteParams::default()).await.ok();
        let patch = json!({"data": {"value": "new"}});
        maps.patch("c5", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
        maps.create(&PostParams::default(), &map("c4x", "new")).await.ok();
        match page.metadata.continue_ {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    let expected: Vec<_> = (0..6)
        .map(|index| (format!("c{index}"), "old".to_owned()))
        .collect();
    assert_eq!(seen, expected);
    let now: Vec<_> = maps
        .list(&ListParams::default())
        .await
        .unwrap()
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(now, ["c0", "c1", "c2", "c4", "c4x", "c5"]);
    served.end().await;
}

#[tokio::test]
async fn the_daemon_reads_and_watches_without_a_client() {
    let served = Served::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(served.client().await);
    let mut changes = Box::pin(served.store.watch("configmaps").unwrap());
    maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    let mut kinds = Vec::new();
    while kinds.len() < 2 {
        let change = timeout(DEADLINE, changes.next())
            .await
            .expect("changes come")
            .unwrap()
            .unwrap();
        kinds.push((change.kind.as_str(), change.object.name().to_owned()));
    }
    assert_eq!(kinds, [("ADDED", "a".to_owned()), ("DELETED", "a".to_owned())]);
    assert_eq!(served.store.list("configmaps", None).await.unwrap(), []);
    assert!(served.store.watch("pods").is_err());
    served.end().await;
}

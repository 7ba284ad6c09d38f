//! The server is killed at random while clients write. What was acknowledged is there afterwards, what was not is there
//! whole or not at all, versions never go back, and dependents of owners that went are collected.
//!
//! The server is this program itself, started with `serve FOLDER`.

#![allow(clippy::unwrap_used)] // a test's own steps

#[path = "api/served/mod.rs"]
mod served;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Resource, ResourceExt};
use resource_api::ResourceApi;
use serde_json::json;
use served::{DEADLINE, config_map};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const KILLS: usize = 15;
const WRITERS: usize = 4;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("serve") {
        let folder = arguments.next().unwrap();
        runtime.block_on(serve(Path::new(&folder)));
        return;
    }
    let started = Instant::now();
    runtime.block_on(kill_and_look());
    println!(
        "test {KILLS} kills lose nothing that was acknowledged ... ok ({:.1?})",
        started.elapsed()
    );
}

async fn serve(folder: &Path) {
    let api = ResourceApi::open(&folder.join("resources")).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    api.kubeconfig(listener.local_addr().unwrap(), "default")
        .write(&folder.join("kubeconfig"))
        .unwrap();
    println!("serving");
    api.serve(listener, CancellationToken::new()).await.unwrap();
}

/// What a writer knows of its object: the last value that was acknowledged, and the last that it tried. None: absent.
#[derive(Clone, Debug, Default, PartialEq)]
struct Known {
    acknowledged: Option<u64>,
    tried: Option<u64>,
    version: u64,
}

fn start(folder: &Path) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut child = Command::new(program)
        .arg("serve")
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line.trim(), "serving");
    child
}

async fn client(folder: &Path) -> Api<ConfigMap> {
    let kubeconfig = Kubeconfig::read_from(folder.join("kubeconfig")).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    Api::default_namespaced(kube::Client::try_from(config).unwrap())
}

async fn kill_and_look() {
    let folder = tempfile::tempdir().unwrap();
    let known: Vec<_> = (0..WRITERS)
        .map(|_| Arc::new(Mutex::new(Known::default())))
        .collect();
    let mut value = 0;
    for kill in 0..KILLS {
        let mut server = start(folder.path());
        let maps = client(folder.path()).await;
        look(&maps, &known).await;
        let writers: Vec<_> = known
            .iter()
            .enumerate()
            .map(|(writer, known)| {
                let (maps, known) = (maps.clone(), known.clone());
                tokio::spawn(async move { write(&maps, &format!("w{writer}"), &known, value).await })
            })
            .collect();
        value += 1_000_000;
        // From the first write to some hundreds later.
        let random = uuid::Uuid::new_v4().as_bytes()[0];
        let moment = Duration::from_millis(5 + u64::from(random) * if kill % 3 == 0 { 1 } else { 4 });
        tokio::time::sleep(moment).await;
        server.kill().unwrap();
        server.wait().unwrap();
        for writer in writers {
            tokio::time::timeout(DEADLINE, writer)
                .await
                .expect("a writer ends with its server")
                .unwrap();
        }
    }
    let mut server = start(folder.path());
    let maps = client(folder.path()).await;
    look(&maps, &known).await;
    let orphans = async {
        loop {
            let listed = maps
                .list(&ListParams::default().labels("child=yes"))
                .await
                .unwrap()
                .items;
            let owners = maps.list(&ListParams::default()).await.unwrap().items;
            let left = listed.iter().filter(|child| {
                let owner = &child.metadata.owner_references.as_ref().unwrap()[0].uid;
                !owners.iter().any(|map| map.uid().as_ref() == Some(owner))
            });
            if left.count() == 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, orphans)
        .await
        .expect("dependents of owners that went are collected");
    server.kill().unwrap();
    server.wait().unwrap();
    let store = rusqlite::Connection::open(folder.path().join("resources/resources.db")).unwrap();
    let whole: String = store
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(whole, "ok");
    let acknowledged: u64 = known
        .iter()
        .map(|known| known.lock().unwrap().version)
        .max()
        .unwrap();
    println!("{KILLS} kills, {acknowledged} versions");
}

/// Creates, changes and deletes one object until the server is gone.
async fn write(maps: &Api<ConfigMap>, name: &str, known: &Mutex<Known>, from: u64) {
    for value in from.. {
        let there = known.lock().unwrap().acknowledged.is_some();
        let tried = if there && value % 17 == 0 {
            None
        } else {
            Some(value)
        };
        known.lock().unwrap().tried = tried;
        let result = match (there, tried) {
            (true, None) => maps.delete(name, &DeleteParams::default()).await.map(|_| 0),
            (true, Some(value)) => {
                let patch = json!({"data": {"value": value.to_string(), "again": value.to_string()}});
                maps.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
                    .await
                    .map(|map| version(&map))
            }
            (false, _) => {
                let mut map = config_map(name, &value.to_string());
                map["data"]["again"] = json!(value.to_string());
                maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap())
                    .await
                    .map(|map| version(&map))
            }
        };
        match result {
            Ok(version) => {
                let mut known = known.lock().unwrap();
                assert!(
                    version == 0 || version > known.version,
                    "{name}: {version} after {known:?}"
                );
                known.version = known.version.max(version);
                known.acknowledged = tried;
            }
            Err(kube::Error::Api(status)) => panic!("{name}: {status}"),
            Err(_) => return,
        }
        if !there && let Ok(owner) = maps.get(name).await {
            // A dependent, which must not outlive it.
            let mut child: ConfigMap =
                serde_json::from_value(config_map(&format!("{name}-{value}"), "child")).unwrap();
            child.metadata.labels = Some([("child".to_owned(), "yes".to_owned())].into());
            child.metadata.owner_references = Some(vec![owner.owner_ref(&()).unwrap()]);
            if maps.create(&PostParams::default(), &child).await.is_err() {
                return;
            }
        }
    }
}

fn version(map: &ConfigMap) -> u64 {
    map.resource_version().unwrap().parse().unwrap()
}

/// Holds what is there against what the writers know, and lets them go on from it.
async fn look(maps: &Api<ConfigMap>, known: &[Arc<Mutex<Known>>]) {
    let list = maps.list(&ListParams::default()).await.unwrap();
    let current: u64 = list.metadata.resource_version.as_ref().unwrap().parse().unwrap();
    for (writer, known) in known.iter().enumerate() {
        let name = format!("w{writer}");
        let found = list.items.iter().find(|map| map.name_any() == name);
        let data = found.map(|map| map.data.clone().unwrap());
        let value = data.as_ref().map(|data| data["value"].parse::<u64>().unwrap());
        let mut known = known.lock().unwrap();
        assert!(
            current >= known.version,
            "versions went back from {} to {current}",
            known.version
        );
        assert!(
            value == known.acknowledged || value == known.tried,
            "{name} holds {value:?}, and the writer knows {known:?}"
        );
        if let Some(data) = data {
            assert_eq!(data["value"], data["again"], "{name} is torn");
        }
        *known = Known {
            acknowledged: value,
            tried: value,
            version: found.map_or(known.version, version),
        };
    }
}

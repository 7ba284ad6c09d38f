//! One object, from create to delete, and what refuses it.

use crate::served::{Served, config_map, experiment};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{DynamicObject, ObjectMeta};
use resources::experiment::ExperimentStatus;
use resources::{ClusterServingRuntime, Experiment};
use serde_json::json;

use super::{code, object};

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

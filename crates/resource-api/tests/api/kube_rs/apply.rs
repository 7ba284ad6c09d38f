//! Server-side apply and its owners.

use std::collections::BTreeMap;

use crate::served::{Served, experiment};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams, PostParams};
use resources::Experiment;
use serde_json::{Value, json};

use super::{code, object};

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

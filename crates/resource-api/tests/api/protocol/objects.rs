//! Objects, paths and patches that do not fit.

use serde_json::json;

use super::{CONFIG_MAPS, EXPERIMENTS, told};
use crate::served::{Served, experiment};

#[tokio::test]
async fn objects_and_paths_must_agree() {
    let served = Served::start().await;
    let mut connection = served.connect().await;
    let json = "application/json";
    let cases = [
        (
            json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}}),
            400,
        ),
        (
            json!({"kind": "ConfigMap", "apiVersion": "v2", "metadata": {"name": "a"}}),
            400,
        ),
        (json!({"metadata": {"name": "a", "namespace": "other"}}), 400),
        (json!({"metadata": {}}), 400),
        (json!({"metadata": {"name": "A_b"}}), 422),
        (
            json!({"metadata": {"name": "a", "labels": {"x": "not a label!"}}}),
            422,
        ),
        (
            json!({"metadata": {"name": "a", "finalizers": ["not one!"]}}),
            422,
        ),
        (json!({"metadata": {"name": "a", "resourceVersion": "7"}}), 400),
        (json!({"metadata": {"name": "a"}, "data": {"x": 1}}), 422),
        (json!({"metadata": {"name": "a"}, "daat": {}}), 422),
        (json!({"metadata": {"name": "a"}}), 201),
        (json!({"metadata": {"name": "a"}}), 409),
    ];
    for (body, expected) in cases {
        let answer = connection.send("POST", CONFIG_MAPS, json, body.to_string()).await;
        assert_eq!(answer.0, expected, "{body} {answer:?}");
    }
    let generated = json!({"metadata": {"generateName": "run-"}}).to_string();
    let (code, made) = connection.send("POST", CONFIG_MAPS, json, generated).await;
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(
        code == 201 && name.starts_with("run-") && name.len() == 9,
        "{name}"
    );

    let nowhere = connection
        .send(
            "POST",
            "/api/v1/configmaps",
            json,
            json!({"metadata": {"name": "a"}}).to_string(),
        )
        .await;
    assert_eq!(
        told(&nowhere).2,
        "an empty namespace may not be set during creation"
    );
    for (method, path, expected) in [
        ("GET", "/api/v1/namespaces/default/pods", 404),
        (
            "GET",
            "/api/v1/namespaces/default/configmaps/..%2F..%2Fsecrets",
            404,
        ),
        ("GET", "/api/v1/namespaces/../configmaps", 400),
        ("GET", "/apis/kubeflow.org/v1/namespaces/default/experiments", 404),
        (
            "GET",
            "/apis/kubeflow.org/v1beta1/namespaces/default/experiments/a/scale",
            404,
        ),
        ("POST", "/api/v1/namespaces/default/configmaps/a", 405),
        ("PUT", CONFIG_MAPS, 405),
        ("TRACE", CONFIG_MAPS, 405),
        ("GET", "/apis/apps/v1", 404),
        ("GET", "/apis/apps", 404),
        ("GET", "/openapi/v3/apis/apps/v1", 404),
    ] {
        let answer = connection.send(method, path, json, "").await;
        assert_eq!(answer.0, expected, "{method} {path} {answer:?}");
    }
    let query = |text: &str| format!("{CONFIG_MAPS}?{text}");
    for text in [
        "labelSelector=a%20in",
        "fieldSelector=data.x%3D1",
        "limit=many",
        "continue=nonsense",
        "watch=perhaps",
    ] {
        assert_eq!(
            told(&connection.send("GET", &query(text), json, "").await).0,
            400,
            "{text}"
        );
    }
    served.end().await;
}

#[tokio::test]
async fn patches_have_types_and_names() {
    let served = Served::start().await;
    let mut connection = served.connect().await;
    let json = "application/json";
    connection
        .send("POST", EXPERIMENTS, json, experiment("tune").to_string())
        .await;
    let tune = format!("{EXPERIMENTS}/tune");
    let strategic = connection
        .send("PATCH", &tune, "application/strategic-merge-patch+json", "{}")
        .await;
    assert_eq!(
        told(&strategic).2,
        "the body of the request was in an unknown format (application/strategic-merge-patch+json) - accepted media types \
         include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    );
    assert_eq!(told(&strategic).0, 415);
    let applied = |manager: &str| format!("{tune}?fieldManager={manager}");
    let apply = "application/apply-patch+yaml";
    assert_eq!(
        told(
            &connection
                .send("PATCH", &tune, apply, experiment("tune").to_string())
                .await
        )
        .0,
        400
    );
    assert_eq!(
        told(
            &connection
                .send("PATCH", &applied("x"), apply, experiment("other").to_string())
                .await
        )
        .0,
        400
    );
    let mut owned = experiment("tune");
    owned["metadata"]["managedFields"] = json!([{"manager": "x"}]);
    let answer = connection
        .send("PATCH", &applied("x"), apply, owned.to_string())
        .await;
    assert_eq!(told(&answer).2, "metadata.managedFields must be nil");
    let merge = "application/merge-patch+json";
    for (body, expected) in [
        (json!({"metadata": {"resourceVersion": "1"}}), 409),
        (json!({"metadata": {"uid": "other"}}), 409),
        (json!({"metadata": {"name": "other"}}), 400),
        (json!({"kind": "RayJob"}), 400),
        (json!({"spec": {"objective": {"type": "maximize"}}}), 422),
        (json!({"spec": {"nasConfig": {}}}), 422),
        (json!(7), 400),
    ] {
        let answer = connection.send("PATCH", &tune, merge, body.to_string()).await;
        assert_eq!(told(&answer).0, expected, "{body} {answer:?}");
    }
    let operations = "application/json-patch+json";
    let wrong = json!([{"op": "test", "path": "/spec/maxTrialCount", "value": 7}]).to_string();
    assert_eq!(
        told(&connection.send("PATCH", &tune, operations, wrong).await).0,
        422
    );
    let nonsense = json!([{"op": "frobnicate"}]).to_string();
    assert_eq!(
        told(&connection.send("PATCH", &tune, operations, nonsense).await).0,
        400
    );
    let ended = connection
        .send(
            "PATCH",
            &format!("{tune}/status"),
            merge,
            json!({"status": {"trials": -1, "x": 1}}).to_string(),
        )
        .await;
    assert_eq!(
        told(&ended).2,
        "Experiment.kubeflow.org \"tune\" is invalid: status.x: unknown field"
    );
    served.end().await;
}

#[tokio::test]
async fn a_secret_is_kept_as_kubernetes_keeps_it() {
    let served = Served::start().await;
    let mut connection = served.connect().await;
    let json = "application/json";
    let secrets = "/api/v1/namespaces/default/secrets";
    let sent = json!({"metadata": {"name": "s"}, "stringData": {"token": "hello"}, "data": {"raw": "AAE="}});
    let (code, made) = connection.send("POST", secrets, json, sent.to_string()).await;
    assert_eq!((code, &made["type"]), (201, &json!("Opaque")));
    assert_eq!(made["data"], json!({"raw": "AAE=", "token": "aGVsbG8="}));
    assert!(made.get("stringData").is_none());
    let wrong = json!({"metadata": {"name": "t"}, "data": {"token": "not base64!"}});
    let answer = connection.send("POST", secrets, json, wrong.to_string()).await;
    assert_eq!(
        told(&answer).2,
        "Secret \"t\" is invalid: data[token]: must be base64",
        "the value stays unsaid"
    );
    let own = served
        .store
        .get("secrets", "default", "s")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(own.field("data"), &made["data"]);
    use std::os::unix::fs::PermissionsExt;
    for (path, mode) in [
        ("resources", 0o700),
        ("resources/tls/token", 0o600),
        ("resources/tls/server.key", 0o600),
        ("kubeconfig", 0o600),
    ] {
        let found = std::fs::metadata(served.folder.path().join(path))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(found & 0o777, mode, "{path}");
    }
    assert!(
        !format!(
            "{:?}",
            resource_api::ResourceApi::open(&served.folder.path().join("resources"))
                .unwrap()
                .kubeconfig(served.address, "x")
        )
        .contains(&served.token())
    );
    served.end().await;
}

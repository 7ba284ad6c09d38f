//! What no good client sends: wrong tokens, hosts, bodies, types, paths. Each is refused by a Status that says why.

#![allow(clippy::unwrap_used)] // a test's own steps

mod served;

use serde_json::{Value, json};
use served::{Served, config_map, experiment};

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const EXPERIMENTS: &str = "/apis/kubeflow.org/v1beta1/namespaces/default/experiments";

/// Code, reason and message of a Status.
fn told(answer: &(u16, Value)) -> (u16, &str, &str) {
    let text = |field: &str| answer.1[field].as_str().unwrap_or_default();
    assert_eq!(answer.1["kind"], "Status", "{answer:?}");
    (answer.0, text("reason"), text("message"))
}

#[tokio::test]
async fn the_door_is_shut_without_the_token() {
    let served = Served::start().await;
    let mut connection = served.connect().await;
    let own = ("host", "127.0.0.1");
    for path in [
        "/api",
        "/apis",
        CONFIG_MAPS,
        "/openapi/v3",
        "/openapi/v2",
        "/nothing",
        "/metrics",
    ] {
        let answer = connection.send_with("GET", path, &[own], "").await;
        assert_eq!(told(&answer).0, 401, "{path}");
        let wrong = connection
            .send_with("GET", path, &[own, ("authorization", "Bearer x")], "")
            .await;
        assert_eq!(told(&wrong).1, "Unauthorized", "{path}");
    }
    for path in ["/healthz", "/readyz", "/livez", "/version"] {
        assert_eq!(
            connection.send_with("GET", path, &[own], "").await.0,
            200,
            "{path}"
        );
    }
    let foreign = connection
        .send_with("GET", "/healthz", &[("host", "evil.example")], "")
        .await;
    assert_eq!(told(&foreign).0, 403);
    let token = format!("Bearer {}", served.token());
    let headers = [
        ("host", "localhost"),
        ("authorization", token.as_str()),
        ("origin", "https://evil.example"),
    ];
    assert_eq!(
        told(&connection.send_with("GET", CONFIG_MAPS, &headers, "").await).0,
        403
    );
    served.end().await;
}

#[tokio::test]
async fn a_client_that_trusts_no_one_is_not_served() {
    let served = Served::start().await;
    let stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let plain = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(plain).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("/healthz")
        .header("host", "127.0.0.1")
        .body(axum::body::Body::empty())
        .unwrap();
    assert!(
        sender.send_request(request).await.is_err(),
        "plain HTTP is no way in"
    );
    served.end().await;
}

#[tokio::test]
async fn bodies_have_a_limit_and_a_type() {
    let served = Served::start().await;
    let mut connection = served.connect().await;
    let json = "application/json";

    let large = config_map("large", &"x".repeat(4 * 1024 * 1024)).to_string();
    let answer = connection.send("POST", CONFIG_MAPS, json, large).await;
    assert_eq!(
        told(&answer),
        (
            413,
            "RequestEntityTooLarge",
            "Request entity too large: limit is 3145728"
        )
    );
    let mut connection = served.connect().await;
    let above = config_map("above", &"x".repeat(1024 * 1024 + 1)).to_string();
    assert_eq!(
        told(&connection.send("POST", CONFIG_MAPS, json, above).await).0,
        422
    );

    let answer = connection.send("POST", CONFIG_MAPS, "text/plain", "x").await;
    assert_eq!(told(&answer).1, "UnsupportedMediaType");
    let answer = connection
        .send("POST", CONFIG_MAPS, json, "{\"data\": {}, \"data\": {}}")
        .await;
    assert!(told(&answer).2.contains("duplicate field \"data\""), "{answer:?}");
    let answer = connection.send("POST", CONFIG_MAPS, json, "[1]").await;
    assert_eq!(
        told(&answer),
        (400, "BadRequest", "the body is not an object with metadata")
    );
    for body in ["", "{", "null", "7", "{\"metadata\": 7}"] {
        assert_eq!(
            told(&connection.send("POST", CONFIG_MAPS, json, body).await).0,
            400,
            "{body}"
        );
    }
    let nested = format!("{{\"a\": {}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
    assert_eq!(
        told(&connection.send("POST", CONFIG_MAPS, json, nested).await).0,
        400
    );

    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\ndata:\n  a: b\n";
    assert_eq!(
        connection
            .send("POST", CONFIG_MAPS, "application/yaml", yaml)
            .await
            .0,
        201
    );
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    let started = std::time::Instant::now();
    assert_eq!(
        told(
            &connection
                .send("POST", CONFIG_MAPS, "application/yaml", bomb)
                .await
        )
        .0,
        400
    );
    assert!(started.elapsed() < served::DEADLINE);
    served.end().await;
}

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

#[tokio::test]
async fn tables_have_rows_for_people() {
    let served = Served::start().await;
    let mut connection = served.connect().await;
    connection
        .send(
            "POST",
            EXPERIMENTS,
            "application/json",
            experiment("tune").to_string(),
        )
        .await;
    let status =
        json!({"status": {"trials": 3, "conditions": [{"type": "Running", "status": "True"}]}}).to_string();
    connection
        .send(
            "PATCH",
            &format!("{EXPERIMENTS}/tune/status"),
            "application/merge-patch+json",
            status,
        )
        .await;
    let token = format!("Bearer {}", served.token());
    let headers = [
        ("host", "127.0.0.1"),
        ("authorization", token.as_str()),
        (
            "accept",
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        ),
    ];
    let (_, table) = connection.send_with("GET", EXPERIMENTS, &headers, "").await;
    let names: Vec<_> = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "Name",
            "Type",
            "Status",
            "Trials",
            "Succeeded",
            "Cap",
            "Best",
            "Age"
        ]
    );
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(
        cells[..7],
        [
            json!("tune"),
            json!("Running"),
            json!("True"),
            json!(3),
            json!(null),
            json!(20),
            json!(null)
        ]
    );
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let only = [
        headers[0],
        headers[1],
        ("accept", "application/vnd.kubernetes.protobuf"),
    ];
    assert_eq!(connection.send_with("GET", EXPERIMENTS, &only, "").await.0, 406);
    served.end().await;
}

#[tokio::test]
async fn documents_say_what_is_served() {
    let served = Served::start().await;
    let mut connection = served.connect().await;
    let json = "application/json";
    let (_, index) = connection.send("GET", "/openapi/v3", json, "").await;
    let paths: Vec<_> = index["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        paths,
        [
            "api/v1",
            "apis/events.k8s.io/v1",
            "apis/gateway.networking.k8s.io/v1",
            "apis/kubeflow.org/v1beta1",
            "apis/ray.io/v1",
            "apis/serving.kserve.io/v1alpha1",
            "apis/serving.kserve.io/v1beta1"
        ]
    );
    let url = index["paths"]["apis/kubeflow.org/v1beta1"]["serverRelativeURL"]
        .as_str()
        .unwrap();
    let (_, document) = connection.send("GET", url, json, "").await;
    let patch =
        &document["paths"]["/apis/kubeflow.org/v1beta1/namespaces/{namespace}/experiments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Experiment");
    assert!(
        patch["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .any(|parameter| parameter["name"] == "fieldValidation")
    );
    let schema = &document["components"]["schemas"]["org.kubeflow.v1beta1.Experiment"];
    assert_eq!(
        schema["properties"]["spec"]["properties"]["maxTrialCount"]["type"],
        "integer"
    );
    let (_, second) = connection.send("GET", "/openapi/v2", json, "").await;
    assert!(second["definitions"]["io.k8s.api.core.v1.ConfigMap"].is_object());
    served.end().await;
}

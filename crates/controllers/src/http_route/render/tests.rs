use super::*;
use rstest::rstest;
use serde_json::{Value, json};

fn route(spec: &Value) -> HttpRoute {
    serde_json::from_value(json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "commits", "namespace": "serving"}, "spec": spec,
    }))
    .unwrap()
}

fn table() -> Table {
    let service = |name: &str| ("serving".to_owned(), name.to_owned());
    Table::from([
        (service("commits-predictor"), vec![41001, 41002]),
        (service("commits-v2-predictor"), vec![41003]),
        (service("idle-predictor"), vec![]),
    ])
}

fn document_of(spec: &Value) -> Value {
    let text = render(&route(spec), &table()).unwrap().text;
    let digest = text.split("/routes/serving-commits-").nth(1).unwrap()[..8].to_owned();
    let mut document: Value = serde_json::from_str(&text.replace(&format!("-{digest}"), "")).unwrap();
    let routers = document["http"]["routers"].as_object_mut().unwrap();
    assert_eq!(
        routers.remove("serving-commits-witness"),
        Some(
            json!({"entryPoints": ["traefik"], "rule": "Path(`/routes/serving-commits`)", "service": "ping@internal", "priority": 1})
        )
    );
    document
}

#[test]
fn weights_and_live_ports() {
    let spec = json!({"rules": [{
        "matches": [{"path": {"type": "PathPrefix", "value": "/v2/models/commits"}}],
        "backendRefs": [
            {"name": "commits-predictor", "port": 80, "weight": 90},
            {"name": "commits-v2-predictor", "port": 80, "weight": 10},
        ],
    }]});
    assert_eq!(
        document_of(&spec),
        json!({"http": {
            "routers": {"serving-commits-0-0": {
                "rule": "(Path(`/v2/models/commits`) || PathPrefix(`/v2/models/commits/`))",
                "service": "serving-commits-0", "priority": 18 * 512 + 1,
            }},
            "services": {
                "serving-commits-0": {"weighted": {"services": [
                    {"name": "serving-commits-0-backend-0", "weight": 90},
                    {"name": "serving-commits-0-backend-1", "weight": 10},
                ]}},
                "serving-commits-0-backend-0": {"loadBalancer": {"servers": [
                    {"url": "http://127.0.0.1:41001"}, {"url": "http://127.0.0.1:41002"},
                ]}},
                "serving-commits-0-backend-1": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:41003"}]}},
            },
        }})
    );
}

#[rstest]
#[case::no_weight_is_one(json!([{"name": "commits-predictor", "port": 80}]), json!({"weighted": {"services": [{"name": "serving-commits-0-backend-0", "weight": 1}]}}))]
#[case::no_share(json!([{"name": "commits-predictor", "port": 80, "weight": 0}]), json!({"loadBalancer": {"servers": []}}))]
#[case::nobody(json!([]), json!({"loadBalancer": {"servers": []}}))]
fn shares(#[case] backends: Value, #[case] expected: Value) {
    let document = document_of(&json!({"rules": [{"backendRefs": backends}]}));
    assert_eq!(document["http"]["services"]["serving-commits-0"], expected);
}

#[rstest]
#[case(json!({}), "PathPrefix(`/`)")]
#[case(json!({"path": {"type": "Exact", "value": "/a"}}), "Path(`/a`)")]
#[case(json!({"path": {"value": "/a/"}}), "(Path(`/a`) || PathPrefix(`/a/`))")]
#[case(json!({"method": "POST", "headers": [{"name": "x-canary", "value": "v2"}], "queryParams": [{"name": "q", "value": "1"}]}),
    "PathPrefix(`/`) && Method(`POST`) && Header(`x-canary`, `v2`) && Query(`q`, `1`)")]
fn rules(#[case] pattern: Value, #[case] expected: &str) {
    let document = document_of(&json!({"rules": [{"matches": [pattern]}]}));
    assert_eq!(
        document["http"]["routers"]["serving-commits-0-0"]["rule"],
        expected
    );
}

#[test]
fn the_more_exact_match_comes_first() {
    let ordered = [
        json!({"path": {"type": "Exact", "value": "/a"}}),
        json!({"path": {"value": "/a/longer"}, "method": "GET"}),
        json!({"path": {"value": "/a/longer"}, "headers": [{"name": "h", "value": "v"}], "queryParams": [{"name": "q", "value": "v"}]}),
        json!({"path": {"value": "/a/longer"}, "headers": [{"name": "h", "value": "v"}]}),
        json!({"path": {"value": "/a/longer"}, "queryParams": [{"name": "q", "value": "v"}]}),
        json!({"path": {"value": "/a/longer"}}),
        json!({"path": {"value": "/a"}}),
        json!({}),
    ];
    let document = document_of(&json!({"rules": [{"matches": ordered}]}));
    let routers = document["http"]["routers"].as_object().unwrap();
    let priorities: Vec<u64> = (0..ordered.len())
        .map(|index| {
            routers[&format!("serving-commits-0-{index}")]["priority"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert!(
        priorities.is_sorted_by(|left, right| left > right),
        "{priorities:?}"
    );
}

#[test]
fn hosts_join_every_match() {
    let spec = json!({"hostnames": ["a.test", "b.test"], "rules": [{}]});
    let document = document_of(&spec);
    assert_eq!(
        document["http"]["routers"]["serving-commits-0-0"]["rule"],
        "(Host(`a.test`) || Host(`b.test`)) && PathPrefix(`/`)"
    );
}

#[rstest]
#[case(json!({"rules": [{"filters": [{"type": "URLRewrite"}]}]}), "spec.rules[0].filters: it is not carried out on this rung")]
#[case(json!({"rules": [{"matches": [{"path": {"type": "RegularExpression", "value": "/.*"}}]}]}), "spec.rules[0].matches[0].path.type: RegularExpression is not carried out on this rung")]
#[case(json!({"rules": [{"matches": [{"headers": [{"name": "h", "type": "RegularExpression", "value": ".*"}]}]}]}), "spec.rules[0].matches[0].headers: RegularExpression is not carried out on this rung")]
#[case(json!({"rules": [{"matches": [{"path": {"value": "/`) || Path(`/"}}]}]}), "spec.rules[0].matches[0].path.value: \"/`) || Path(`/\" is not carried out on this rung")]
#[case(json!({"rules": [{"matches": [{"path": {"value": "/{{ env }}"}}]}]}), "spec.rules[0].matches[0].path.value: \"/{{ env }}\" is not carried out on this rung")]
#[case(json!({"hostnames": ["*.test"], "rules": [{}]}), "spec.hostnames: *.test is not carried out on this rung")]
fn refusals(#[case] spec: Value, #[case] expected: &str) {
    assert_eq!(render(&route(&spec), &table()).unwrap_err().message, expected);
}

#[rstest]
#[case(json!({"name": "commits-predictor", "port": 80}), None)]
#[case::exists_with_nobody_ready(json!({"name": "idle-predictor", "port": 80}), None)]
#[case(json!({"name": "no-predictor", "port": 80}), Some("BackendNotFound"))]
#[case(json!({"name": "commits-predictor", "port": 80, "namespace": "other"}), Some("RefNotPermitted"))]
#[case(json!({"name": "commits-predictor", "kind": "InferenceService"}), Some("InvalidKind"))]
fn backends(#[case] backend: Value, #[case] expected: Option<&str>) {
    let route = route(&json!({"rules": [{"backendRefs": [backend]}]}));
    assert_eq!(
        unresolved(&route, &table()).map(|refusal| refusal.reason),
        expected
    );
}

#[test]
fn another_port_is_another_witness() {
    let route = route(&json!({"rules": [{"backendRefs": [{"name": "commits-predictor", "port": 80}]}]}));
    let before = render(&route, &table()).unwrap();
    assert_eq!(before, render(&route, &table()).unwrap());
    let mut moved = table();
    moved.insert(("serving".into(), "commits-predictor".into()), vec![41009]);
    let after = render(&route, &moved).unwrap();
    assert_ne!(before.witness, after.witness);
    assert!(after.text.contains(&after.witness));
    assert_eq!(before.ports, BTreeSet::from([41001, 41002]));
    assert_eq!(ports_of(&after.text), BTreeSet::from([41009]));
    assert_eq!(ports_of("http: {}"), BTreeSet::new());
}

#[rstest]
#[case(json!({"request": "30s", "backendRequest": "1m30s"}), Some("1m30s"))]
#[case(json!({"request": "30s"}), Some("30s"))]
#[case(json!({"request": "0s"}), None)]
#[case(json!({}), None)]
fn time_limits(#[case] timeouts: Value, #[case] expected: Option<&str>) {
    let backends = json!([{"name": "commits-predictor", "port": 80}]);
    let document = document_of(&json!({"rules": [{"backendRefs": backends, "timeouts": timeouts}]}));
    let transport =
        &document["http"]["services"]["serving-commits-0-backend-0"]["loadBalancer"]["serversTransport"];
    let limit = &document["http"]["serversTransports"]["serving-commits-0"]["forwardingTimeouts"]["responseHeaderTimeout"];
    assert_eq!(limit.as_str(), expected);
    assert_eq!(transport.as_str(), expected.map(|_| "serving-commits-0"));
}

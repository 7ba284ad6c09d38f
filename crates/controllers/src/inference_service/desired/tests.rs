use resources::{ClusterServingRuntime, InferenceService};
use rstest::rstest;
use serde_json::{Value, json};

use super::{Refusal, Workload, workloads};

fn runtime(name: &str, change: impl FnOnce(&mut Value)) -> ClusterServingRuntime {
    let mut object = json!({
        "apiVersion": "serving.kserve.io/v1alpha1", "kind": "ClusterServingRuntime", "metadata": {"name": name},
        "spec": {
            "supportedModelFormats": [{"name": "commits", "version": "1", "autoSelect": true, "priority": 1}],
            "containers": [{
                "name": "kserve-container", "image": "basecamp/train-deploy:serve-1",
                "command": ["python3", "-m", "server"],
                "args": ["--model_name={{.Name}}", "--model_dir=/mnt/models", "--http_port=$(PORT)"],
                "env": [{"name": "HOST", "value": "0.0.0.0"}, {"name": "PORT", "value": "8080"}],
                "readinessProbe": {"httpGet": {"path": "/v2/models/{{ .Name }}/ready", "port": 8080}},
            }],
        },
    });
    change(&mut object);
    serde_json::from_value(object).unwrap()
}

fn service(predictor: &Value, canary: &Value) -> InferenceService {
    serde_json::from_value(json!({
        "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
        "metadata": {"name": "commits", "namespace": "serving", "labels": {"team": "blue"}},
        "spec": {"predictor": predictor, "canary": canary},
    }))
    .unwrap()
}

fn model(uri: &str) -> Value {
    json!({"modelFormat": {"name": "commits"}, "runtime": "r1", "storageUri": uri})
}

fn asked(predictor: &Value, canary: &Value, runtimes: &[ClusterServingRuntime]) -> Vec<Workload> {
    workloads(&service(predictor, canary), runtimes)
        .into_iter()
        .map(|(_, workload)| workload.unwrap())
        .collect()
}

fn refused(predictor: &Value, runtimes: &[ClusterServingRuntime]) -> Refusal {
    workloads(&service(predictor, &json!([])), runtimes)
        .remove(0)
        .1
        .unwrap_err()
}

#[test]
fn the_runtime_is_filled_in() {
    let runtimes = [runtime("r1", |_| {})];
    let mut own = model("file:///m1");
    own["args"] = json!(["--workers=1"]);
    own["env"] = json!([{"name": "PORT", "value": "9000"}, {"name": "TEAM", "value": "{{.Labels.team}}"}]);
    let workload = asked(&json!({"model": own}), &json!([]), &runtimes).remove(0);
    assert_eq!(workload.service, "commits-predictor");
    assert_eq!(workload.replicas, 1);
    let container = serde_json::to_value(&workload.revision.container).unwrap();
    assert_eq!(
        container["args"],
        json!([
            "--model_name=commits",
            "--model_dir=/mnt/models",
            "--http_port=$(PORT)",
            "--workers=1"
        ])
    );
    assert_eq!(
        container["env"],
        json!([{"name": "HOST", "value": "0.0.0.0"}, {"name": "PORT", "value": "9000"}])
            .as_array()
            .unwrap()
            .iter()
            .cloned()
            .chain([json!({"name": "TEAM", "value": "{{.Labels.team}}"})])
            .map(|variable| serde_json::from_str::<Value>(
                &variable.to_string().replace("{{.Labels.team}}", "blue")
            )
            .unwrap())
            .collect::<Value>()
    );
    assert_eq!(
        container["readinessProbe"]["httpGet"]["path"],
        "/v2/models/commits/ready"
    );
}

#[test]
fn a_promotion_keeps_service_and_revision_of_the_canary() {
    let runtimes = [runtime("r1", |_| {})];
    let canary = json!([{"predictor": {"name": "v2", "model": {"modelFormat": {"name": "commits"}, "storageUri": "file:///m2"}}, "trafficPercent": 10}]);
    let before = asked(&json!({"model": model("file:///m1")}), &canary, &runtimes);
    let after = asked(
        &json!({"name": "v2", "model": model("file:///m2")}),
        &json!([]),
        &runtimes,
    );
    assert_eq!(before[1].service, "commits-v2-predictor");
    assert_eq!(
        before[1].revision.runtime, "r1",
        "what a canary leaves out is the stable predictor's"
    );
    assert_eq!(
        (&before[1].service, &before[1].revision),
        (&after[0].service, &after[0].revision)
    );
    assert_ne!(before[0].revision.id, before[1].revision.id);
}

#[test]
fn a_promotion_without_a_name_keeps_the_revision() {
    let runtimes = [runtime("r1", |_| {})];
    let canary = json!([{"predictor": {"name": "v2", "model": model("file:///m2")}, "trafficPercent": 10}]);
    let before = asked(&json!({"model": model("file:///m1")}), &canary, &runtimes);
    let after = asked(&json!({"model": model("file:///m2")}), &json!([]), &runtimes);
    assert_eq!(before[1].revision, after[0].revision);
}

#[rstest]
#[case(json!(4), json!(null), 50, (4, 2))]
#[case(json!(4), json!(1), 50, (4, 1))]
#[case(json!(3), json!(null), 10, (3, 1))]
#[case(json!(null), json!(null), 0, (1, 1))]
#[case(json!(0), json!(null), 100, (1, 1))]
fn replicas(
    #[case] stable: Value,
    #[case] canary: Value,
    #[case] percent: i32,
    #[case] expected: (usize, usize),
) {
    let runtimes = [runtime("r1", |_| {})];
    let canary = json!([{"predictor": {"name": "v2", "minReplicas": canary, "model": model("file:///m2")}, "trafficPercent": percent}]);
    let all = asked(
        &json!({"minReplicas": stable, "model": model("file:///m1")}),
        &canary,
        &runtimes,
    );
    assert_eq!((all[0].replicas, all[1].replicas), expected);
}

#[rstest]
#[case::another_model(json!({"storageUri": "file:///m2"}))]
#[case::another_argument(json!({"args": ["--x"]}))]
#[case::another_probe(json!({"readinessProbe": {"tcpSocket": {"port": 8080}}}))]
fn a_change_is_another_revision(#[case] change: Value) {
    let runtimes = [runtime("r1", |_| {})];
    let before = asked(&json!({"model": model("file:///m1")}), &json!([]), &runtimes);
    let mut changed = model("file:///m1");
    changed
        .as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    let after = asked(&json!({"model": changed}), &json!([]), &runtimes);
    assert_ne!(before[0].revision.id, after[0].revision.id);
}

#[test]
fn a_runtime_is_chosen_by_format_and_priority() {
    let runtimes = [
        runtime("low", |_| {}),
        runtime("high", |object| {
            object["spec"]["supportedModelFormats"][0]["priority"] = json!(5)
        }),
        runtime("disabled", |object| {
            object["spec"]["supportedModelFormats"][0]["priority"] = json!(9);
            object["spec"]["disabled"] = json!(true);
        }),
        runtime("by-name-only", |object| {
            object["spec"]["supportedModelFormats"][0] = json!({"name": "commits", "priority": 9});
        }),
    ];
    let predictor = json!({"model": {"modelFormat": {"name": "commits"}, "storageUri": "file:///m"}});
    assert_eq!(
        asked(&predictor, &json!([]), &runtimes)[0].revision.runtime,
        "high"
    );
}

#[rstest]
#[case(json!({"runtime": "gone"}), "RuntimeNotRecognized", "ClusterServingRuntime gone does not exist")]
#[case(json!({"runtime": "off"}), "RuntimeDisabled", "ClusterServingRuntime off is disabled")]
#[case(json!({"modelFormat": {"name": "onnx"}}), "NoSupportingRuntime", "ClusterServingRuntime r1 does not serve model format onnx")]
#[case(json!({"modelFormat": {"name": "onnx"}, "runtime": null}), "NoSupportingRuntime", "no ClusterServingRuntime serves model format onnx by itself: name one in model.runtime")]
#[case(json!({"args": ["{{.Nope}}"]}), "InvalidPredictorSpec", "\"{{.Nope}}\": only {{.Name}}, .Namespace, .Labels and .Annotations that exist are filled in")]
#[case(json!({"args": ["{{.Name"]}), "InvalidPredictorSpec", "\"{{.Name\": only {{.Name}}, .Namespace, .Labels and .Annotations that exist are filled in")]
#[case(json!({"runtime": "silent"}), "InvalidPredictorSpec", "container kserve-container: command must be set")]
fn refusals(#[case] change: Value, #[case] reason: &str, #[case] message: &str) {
    let runtimes = [
        runtime("r1", |_| {}),
        runtime("off", |object| object["spec"]["disabled"] = json!(true)),
        runtime("silent", |object| {
            object["spec"]["containers"][0]["command"] = json!(null)
        }),
    ];
    let mut own = model("file:///m1");
    own.as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    let refusal = refused(&json!({"model": own}), &runtimes);
    assert_eq!((refusal.reason, refusal.message.as_str()), (reason, message));
}

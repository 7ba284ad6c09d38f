//! The rules of each kind: a good object passes, and each change to it is refused by the field it broke.

#![allow(clippy::unwrap_used)] // a test's own steps

use resources::{Definition, definitions};
use rstest::rstest;
use serde_json::{Value, json};

fn definition(kind: &str) -> &'static Definition {
    definitions()
        .iter()
        .find(|definition| definition.kind == kind)
        .unwrap()
}

/// Rules and limits together, as the server asks them.
fn broken(kind: &str, object: &Value) -> Vec<String> {
    let definition = definition(kind);
    let rules = (definition.rules)(None, object);
    let limits = definition
        .support
        .map(|support| support.check(object))
        .unwrap_or_default();
    rules
        .into_iter()
        .chain(limits)
        .map(|error| error.to_string())
        .collect()
}

/// The object with one value set (or, for null, taken out) at a JSON pointer.
fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match object.pointer_mut(parent).unwrap() {
        Value::Object(fields) if value.is_null() => drop(fields.remove(last)),
        Value::Object(fields) => drop(fields.insert(last.to_owned(), value)),
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => items[last.parse::<usize>().unwrap()] = value,
        other => panic!("{parent} is {other}"),
    }
    object
}

fn experiment() -> Value {
    json!({
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "tune-0123456789ab", "namespace": "trials"},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "mae"},
            "algorithm": {"algorithmName": "tpe", "algorithmSettings": [{"name": "random_state", "value": "7"}]},
            "maxTrialCount": 20,
            "parallelTrialCount": 2,
            "maxFailedTrialCount": 3,
            "parameters": [
                {
                    "name": "rate",
                    "parameterType": "double",
                    "feasibleSpace": {"min": "0.01", "max": "0.3", "distribution": "logUniform"}
                },
                {"name": "leaves", "parameterType": "int", "feasibleSpace": {"min": "4", "max": "64", "step": "4"}},
                {"name": "loss", "parameterType": "categorical", "feasibleSpace": {"list": ["poisson", "squared_error"]}}
            ],
            "metricsCollectorSpec": {"collector": {"kind": "StdOut"}},
            "trialTemplate": {
                "retain": true,
                "primaryContainerName": "trial",
                "trialParameters": [
                    {"name": "rate", "reference": "rate"},
                    {"name": "leaves", "reference": "leaves"},
                    {"name": "loss", "reference": "loss"}
                ],
                "trialSpec": {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "spec": {
                        "backoffLimit": 0,
                        "template": {"spec": {
                            "restartPolicy": "Never",
                            "containers": [{
                                "name": "trial",
                                "image": "basecamp/train-deploy:tune-0123456789ab",
                                "command": ["python3", "-m", "steps.trial"],
                                "args": [
                                    "--rate=${trialParameters.rate}",
                                    "--leaves=${trialParameters.leaves}",
                                    "--loss=${trialParameters.loss}"
                                ]
                            }]
                        }}
                    }
                }
            }
        }
    })
}

fn ray_job() -> Value {
    json!({
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": "train-0123456789ab", "namespace": "training"},
        "spec": {
            "entrypoint": "python3 -m steps.train",
            "jobId": "train-0123456789ab",
            "submissionMode": "HTTPMode",
            "runtimeEnvYAML": "env_vars:\n  KFP_RUN_ID: x\n",
            "activeDeadlineSeconds": 600,
            "preRunningDeadlineSeconds": 120,
            "backoffLimit": 0,
            "shutdownAfterJobFinishes": true,
            "ttlSecondsAfterFinished": 60,
            "rayClusterSpec": {
                "rayVersion": "2.60.0",
                "headGroupSpec": {
                    "rayStartParams": {"dashboard-host": "0.0.0.0"},
                    "template": {"spec": {"containers": [{
                        "name": "ray-head",
                        "image": "basecamp/train-deploy:train-0123456789ab",
                        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}
                    }]}}
                }
            }
        }
    })
}

fn inference_service() -> Value {
    json!({
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": "next-week-commits",
            "namespace": "serving",
            "annotations": {"serving.kserve.io/deploymentMode": "Standard"}
        },
        "spec": {
            "predictor": {
                "name": "v1",
                "minReplicas": 1,
                "model": {
                    "modelFormat": {"name": "next-week-commits"},
                    "runtime": "next-week-commits-01234567",
                    "storageUri": "file:///models/1"
                }
            },
            "canary": [{
                "trafficPercent": 10,
                "predictor": {
                    "name": "v2",
                    "minReplicas": 1,
                    "model": {
                        "modelFormat": {"name": "next-week-commits"},
                        "runtime": "next-week-commits-01234567",
                        "storageUri": "s3://models/2"
                    }
                }
            }]
        }
    })
}

fn runtime() -> Value {
    json!({
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ClusterServingRuntime",
        "metadata": {"name": "next-week-commits-01234567"},
        "spec": {
            "supportedModelFormats": [{"name": "next-week-commits", "version": "1", "autoSelect": false}],
            "protocolVersions": ["v2"],
            "containers": [{
                "name": "kserve-container",
                "image": "basecamp/train-deploy:serve-0123456789ab",
                "command": ["python3", "-m", "server"],
                "args": ["--model_name={{.Name}}", "--model_dir=/mnt/models", "--http_port=$(PORT)"],
                "env": [{"name": "PORT", "value": "8080"}],
                "ports": [{"containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": 8080}},
                "lifecycle": {"preStop": {"sleep": {"seconds": 10}}}
            }]
        }
    })
}

fn route() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "next-week-commits", "namespace": "serving"},
        "spec": {
            "parentRefs": [{"name": "basecamp"}],
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": "/v2/models/next-week-commits"}}],
                "backendRefs": [
                    {"name": "next-week-commits-predictor", "port": 80, "weight": 90},
                    {"name": "next-week-commits-v2-predictor", "port": 80, "weight": 10}
                ],
                "timeouts": {"request": "30s", "backendRequest": "10s"}
            }]
        }
    })
}

fn good(kind: &str) -> Value {
    match kind {
        "Experiment" => experiment(),
        "RayJob" => ray_job(),
        "InferenceService" => inference_service(),
        "ClusterServingRuntime" => runtime(),
        "HTTPRoute" => route(),
        other => panic!("no example of {other}"),
    }
}

#[rstest]
fn a_good_object_passes(
    #[values(
        "Experiment",
        "RayJob",
        "InferenceService",
        "ClusterServingRuntime",
        "HTTPRoute"
    )]
    kind: &str,
) {
    assert_eq!(broken(kind, &good(kind)), Vec::<String>::new());
}

#[rstest]
// The cap and its neighbours.
#[case("Experiment", "/spec/maxTrialCount", json!(null), "spec.maxTrialCount: must be set: without a cap the experiment runs for ever")]
#[case("Experiment", "/spec/maxTrialCount", json!(0), "spec.maxTrialCount: 0 must be greater than 0")]
#[case("Experiment", "/spec/parallelTrialCount", json!(21), "spec.parallelTrialCount: 21 must not exceed spec.maxTrialCount, which is 20")]
#[case("Experiment", "/spec/parallelTrialCount", json!(0), "spec.parallelTrialCount: 0 must be at least 1")]
#[case("Experiment", "/spec/maxFailedTrialCount", json!(-1), "spec.maxFailedTrialCount: -1 must be at least 0")]
#[case("Experiment", "/metadata/name", json!("Tune"), "metadata.name: \"Tune\" must be lower-case letters, digits and dashes, beginning with a letter and not ending with a dash")]
#[case("Experiment", "/metadata/name", json!("tune-0123456789012345678901234567890123456"), "metadata.name: \"tune-0123456789012345678901234567890123456\" is longer than 40 characters")]
// The objective.
#[case("Experiment", "/spec/objective/type", json!("least"), "spec.objective.type: \"least\" must be one of minimize, maximize")]
#[case("Experiment", "/spec/objective/objectiveMetricName", json!(null), "spec.objective.objectiveMetricName: must be set")]
#[case("Experiment", "/spec/objective/additionalMetricNames", json!(["mae"]), "spec.objective.additionalMetricNames: must not repeat the objective's \"mae\"")]
#[case("Experiment", "/spec/algorithm/algorithmName", json!("magic"), "spec.algorithm.algorithmName: \"magic\" must be one of random, grid, tpe, multivariate-tpe, bayesianoptimization, cmaes, sobol, hyperband, enas, darts, pbt")]
#[case("Experiment", "/spec/algorithm/algorithmName", json!("cmaes"), "spec.algorithm.algorithmName: \"cmaes\" is not honoured by the embedded rung, only random, tpe, multivariate-tpe")]
#[case("Experiment", "/spec/earlyStopping", json!({"algorithmName": "medianstop"}), "spec.earlyStopping: is not honoured by the embedded rung: leave it out: every trial runs to its end")]
// The search space.
#[case("Experiment", "/spec/parameters", json!([]), "spec.parameters: must not be empty")]
#[case("Experiment", "/spec/parameters/0/feasibleSpace/min", json!("low"), "spec.parameters[0].feasibleSpace.min: \"low\" is not a number of kind double")]
#[case("Experiment", "/spec/parameters/0/feasibleSpace/min", json!("NaN"), "spec.parameters[0].feasibleSpace.min: \"NaN\" is not a number of kind double")]
#[case("Experiment", "/spec/parameters/0/feasibleSpace/min", json!("0"), "spec.parameters[0].feasibleSpace.min: 0 must be greater than 0: the distribution takes its logarithm")]
#[case("Experiment", "/spec/parameters/1/feasibleSpace/max", json!("6.5"), "spec.parameters[1].feasibleSpace.max: \"6.5\" is not a number of kind int")]
#[case("Experiment", "/spec/parameters/1/feasibleSpace/max", json!("2"), "spec.parameters[1].feasibleSpace.min: 4 must not exceed max, which is 2")]
#[case("Experiment", "/spec/parameters/2/feasibleSpace/list", json!(["a b"]), "spec.parameters[2].feasibleSpace.list[0]: \"a b\" holds ' ', which a shell may read otherwise: Katib hands it to sh unquoted")]
#[case("Experiment", "/spec/parameters/2/feasibleSpace/list", json!([]), "spec.parameters[2].feasibleSpace.list: must not be empty for a categorical parameter")]
#[case("Experiment", "/spec/parameters/1/name", json!("rate"), "spec.parameters[1].name: \"rate\" is already in the list")]
#[case("Experiment", "/spec/parameters/0/parameterType", json!(null), "spec.parameters[0].parameterType: \"\" must be one of double, int, discrete, categorical, unknown")]
// The trial's template.
#[case("Experiment", "/spec/trialTemplate/trialSpec/spec/template/spec/containers/0/command", json!(null), "spec.trialTemplate.trialSpec.spec.template.spec.containers[0].command: must be set: Katib would ask a registry for the image's entrypoint")]
#[case("Experiment", "/spec/trialTemplate/trialSpec/spec/template/spec/containers/0/command/2", json!("steps.trial; rm"), "spec.trialTemplate.trialSpec.spec.template.spec.containers[0].command[2]: \"steps.trial; rm\" holds ';', which a shell may read otherwise: Katib hands it to sh unquoted")]
#[case("Experiment", "/spec/trialTemplate/trialSpec/spec/template/spec/containers/0/args/-", json!("$HOME"), "spec.trialTemplate.trialSpec.spec.template.spec.containers[0].args[3]: \"$HOME\" holds '$', which a shell may read otherwise: Katib hands it to sh unquoted")]
#[case("Experiment", "/spec/trialTemplate/trialSpec/spec/template/spec/containers/0/args/-", json!("${trialParameters.depth}"), "spec.trialTemplate.trialSpec: ${trialParameters.depth} is not in trialParameters")]
#[case("Experiment", "/spec/trialTemplate/trialSpec/spec/template/spec/containers/0/args/0", json!("--rate=1"), "spec.trialTemplate.trialParameters[0].name: ${trialParameters.rate} is not in the template")]
#[case("Experiment", "/spec/trialTemplate/trialParameters/0/reference", json!("speed"), "spec.trialTemplate.trialParameters[0].reference: \"speed\" is not in spec.parameters")]
#[case("Experiment", "/spec/trialTemplate/primaryContainerName", json!("other"), "spec.trialTemplate.primaryContainerName: \"other\" is not a container of the template")]
#[case("Experiment", "/spec/trialTemplate/trialSpec/metadata", json!({"name": "x"}), "spec.trialTemplate.trialSpec.metadata.name: must be left out: each trial gets its own")]
#[case("Experiment", "/spec/trialTemplate/trialSpec/spec/template/spec/nodeSelector", json!({"gpu": "yes"}), "spec.trialTemplate.trialSpec.spec.template.spec.nodeSelector: is not honoured by the embedded rung")]
#[case("Experiment", "/spec/trialTemplate/trialSpec", json!(null), "spec.trialTemplate: one of trialSpec and configMap must be set")]
// The collector.
#[case("Experiment", "/spec/metricsCollectorSpec/collector/kind", json!("Push"), "spec.metricsCollectorSpec.collector.kind: \"Push\" is not honoured by the embedded rung, only StdOut")]
#[case("Experiment", "/spec/metricsCollectorSpec/source", json!({"filter": {"metricsFormat": ["(mae)=.*"]}}), "spec.metricsCollectorSpec.source.filter.metricsFormat[0]: \"(mae)=.*\" must have two groups: name and value")]
// RayJob.
#[case("RayJob", "/spec/entrypoint", json!(" "), "spec.entrypoint: must be set")]
#[case("RayJob", "/spec/rayClusterSpec", json!(null), "spec.rayClusterSpec: must be set, or else spec.clusterSelector")]
#[case("RayJob", "/spec/ttlSecondsAfterFinished", json!(-1), "spec.ttlSecondsAfterFinished: -1 must be at least 0")]
#[case("RayJob", "/spec/shutdownAfterJobFinishes", json!(false), "spec.ttlSecondsAfterFinished: needs spec.shutdownAfterJobFinishes")]
#[case("RayJob", "/spec/activeDeadlineSeconds", json!(0), "spec.activeDeadlineSeconds: 0 must be at least 1")]
#[case("RayJob", "/spec/suspend", json!(true), "spec.suspend: is not honoured by the embedded rung: create the job when it may run")]
#[case("RayJob", "/spec/runtimeEnvYAML", json!("a: [1"), "spec.runtimeEnvYAML: is not YAML: did not find expected ',' or ']' at line 2 column 1, while parsing a flow sequence at line 1 column 4")]
#[case("RayJob", "/spec/submissionMode", json!("SidecarMode"), "spec.submissionMode: \"SidecarMode\" is not honoured by the embedded rung, only HTTPMode, K8sJobMode")]
#[case("RayJob", "/spec/rayClusterSpec/workerGroupSpecs", json!([{"groupName": "w", "template": {"spec": {"containers": [{"name": "w"}]}}}]), "spec.rayClusterSpec.workerGroupSpecs: is not honoured by the embedded rung: one machine has one node: give the head what the job needs")]
#[case("RayJob", "/spec/rayClusterSpec/headGroupSpec/template/spec/containers", json!([]), "spec.rayClusterSpec.headGroupSpec.template.spec.containers: must not be empty")]
#[case("RayJob", "/spec/deletionStrategy", json!({"deletionRules": [{"policy": "DeleteCluster", "condition": {"jobStatus": "SUCCEEDED"}}]}), "spec.shutdownAfterJobFinishes: must not be set beside spec.deletionStrategy.deletionRules")]
// InferenceService.
#[case("InferenceService", "/metadata/name", json!("next.week"), "metadata.name: \"next.week\" must be lower-case letters, digits and dashes, beginning with a letter and not ending with a dash")]
#[case("InferenceService", "/metadata/annotations", json!({}), "metadata.annotations[serving.kserve.io/deploymentMode]: must be Standard: canaries exist in no other mode")]
#[case("InferenceService", "/spec/canary/0/predictor/name", json!("v1"), "spec.canary[0].predictor.name: \"v1\" is the stable predictor's name")]
#[case("InferenceService", "/spec/canary/0/predictor/name", json!(null), "spec.canary[0].predictor.name: must be set")]
#[case("InferenceService", "/spec/canary/0/predictor/minReplicas", json!(2), "spec.canary[0].predictor.minReplicas: must not exceed the stable predictor's")]
#[case("InferenceService", "/spec/canary/0/predictor/maxReplicas", json!(2), "spec.canary[0].predictor.maxReplicas: must be left out of a canary")]
#[case("InferenceService", "/spec/canary/0/trafficPercent", json!(101), "spec.canary[0].trafficPercent: 101 must be 0 to 100")]
#[case("InferenceService", "/spec/canary/0/trafficPercent", json!(null), "spec.canary[0].trafficPercent: must be set, 0 to 100")]
#[case("InferenceService", "/spec/predictor/model/storageUri", json!("models:/next-week-commits/1"), "spec.predictor.model.storageUri: \"models:/next-week-commits/1\" is MLflow's: resolve it to the place of the version's files")]
#[case("InferenceService", "/spec/predictor/model/storageUri", json!(null), "spec.predictor.model.storageUri: must be set")]
#[case("InferenceService", "/spec/predictor/model/modelFormat", json!({}), "spec.predictor.model.modelFormat.name: must be set")]
#[case("InferenceService", "/spec/predictor/canaryTrafficPercent", json!(10), "spec.predictor.canaryTrafficPercent: is Knative's, and ignored in Standard mode: use spec.canary")]
#[case("InferenceService", "/spec/predictor/nodeSelector", json!({"gpu": "yes"}), "spec.predictor.nodeSelector: is not honoured by the embedded rung")]
// ClusterServingRuntime.
#[case("ClusterServingRuntime", "/spec/containers/0/name", json!("server"), "spec.containers: one must be named kserve-container")]
#[case("ClusterServingRuntime", "/spec/supportedModelFormats", json!([]), "spec.supportedModelFormats: must not be empty")]
#[case("ClusterServingRuntime", "/spec/protocolVersions", json!(["v3"]), "spec.protocolVersions[0]: \"v3\" must be one of v1, v2, grpc-v1, grpc-v2")]
#[case("ClusterServingRuntime", "/spec/containers/0/lifecycle/postStart", json!({"exec": {"command": ["true"]}}), "spec.containers[0].lifecycle.postStart: is not honoured by the embedded rung")]
// HTTPRoute.
#[case("HTTPRoute", "/spec/rules/0/backendRefs/0/weight", json!(-1), "spec.rules[0].backendRefs[0].weight: -1 must be 0 to 1000000")]
#[case("HTTPRoute", "/spec/rules/0/backendRefs/0/port", json!(null), "spec.rules[0].backendRefs[0].port: must be set for a Service")]
#[case("HTTPRoute", "/spec/rules/0/matches/0/path/value", json!("v2"), "spec.rules[0].matches[0].path.value: \"v2\" must begin with /")]
#[case("HTTPRoute", "/spec/rules/0/matches/0/path/value", json!("/a/../b"), "spec.rules[0].matches[0].path.value: \"/a/../b\" must not hold \"/../\"")]
#[case("HTTPRoute", "/spec/rules/0/timeouts/backendRequest", json!("60s"), "spec.rules[0].timeouts.backendRequest: must not exceed timeouts.request")]
#[case("HTTPRoute", "/spec/rules/0/filters", json!([{"type": "URLRewrite"}]), "spec.rules[0].filters: is not honoured by the embedded rung: requests go on as they came")]
#[case("HTTPRoute", "/spec/rules/0/backendRefs/0/kind", json!("Gateway"), "spec.rules[0].backendRefs[0].kind: \"Gateway\" is not honoured by the embedded rung, only Service")]
fn a_broken_rule_names_its_field(
    #[case] kind: &str,
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] expected: &str,
) {
    let found = broken(kind, &with(good(kind), pointer, value));
    assert!(
        found.iter().any(|error| error == expected),
        "expected\n  {expected}\nfound\n  {}",
        found.join("\n  ")
    );
}

#[rstest]
#[case("/spec/maxTrialCount", json!(30), None)]
#[case("/spec/maxTrialCount", json!(5), Some("spec.maxTrialCount: must be greater than status.trials, which is 6"))]
#[case("/spec/objective/type", json!("maximize"), Some("spec: only parallelTrialCount, maxTrialCount and maxFailedTrialCount may change: give a new search a new name"))]
fn only_the_counts_of_an_experiment_change(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] expected: Option<&str>,
) {
    let old = with(experiment(), "/status", json!({"trials": 6}));
    let new = with(old.clone(), pointer, value);
    let found = (definition("Experiment").rules)(Some(&old), &new);
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    match expected {
        None => assert_eq!(found, Vec::<String>::new()),
        Some(expected) => assert!(found.iter().any(|error| error == expected), "{found:#?}"),
    }
}

#[test]
fn an_ended_experiment_does_not_go_on() {
    let ended = json!([{"type": "Succeeded", "status": "True", "reason": "ExperimentMaxTrialsReached"}]);
    let old = with(
        experiment(),
        "/status",
        json!({"trials": 20, "conditions": ended}),
    );
    let new = with(old.clone(), "/spec/maxTrialCount", json!(40));
    let found = (definition("Experiment").rules)(Some(&old), &new);
    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["spec.resumePolicy: the experiment has ended and may not go on: give a new search a new name"]
    );
}

#[rstest]
#[case(json!({"data": {"a/b": "x"}}), json!({}), "data[a/b]: must be at most 253 letters, digits, dashes, underscores and dots")]
#[case(json!({"data": {"..": "x"}}), json!({}), "data[..]: must be at most 253 letters, digits, dashes, underscores and dots")]
#[case(json!({"data": {"a": "y"}}), json!({"immutable": true, "data": {"a": "x"}}), "data: must not change: the object is immutable")]
#[case(json!({"data": {"a": "x"}, "binaryData": {"a": "eA=="}}), json!({}), "binaryData[a]: is already in data")]
fn configuration_keeps_its_rules(#[case] new: Value, #[case] old: Value, #[case] expected: &str) {
    let found = (definition("ConfigMap").rules)(Some(&old), &new);
    assert!(
        found.iter().any(|error| error.to_string() == expected),
        "{found:#?}"
    );
}

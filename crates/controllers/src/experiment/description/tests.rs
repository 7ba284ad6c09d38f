use std::collections::BTreeMap;

use image_store::Environment;
use resources::Experiment;
use rstest::rstest;
use serde_json::{Value, json};

use super::{DescriptionError, describe};
use crate::container::{Objects, Surroundings, program};
use crate::experiment::template::{Template, fields};

fn experiment(change: impl FnOnce(&mut Value)) -> Experiment {
    let mut object = json!({
        "apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment",
        "metadata": {"name": "tune-a", "namespace": "trials", "uid": "u-1"},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "mae", "additionalMetricNames": ["skill"],
                "metricStrategies": [{"name": "skill", "value": "latest"}]},
            "algorithm": {"algorithmName": "tpe", "algorithmSettings": [{"name": "random_state", "value": "7"}]},
            "maxTrialCount": 20, "maxFailedTrialCount": 3,
            "parameters": [
                {"name": "rate", "parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "1", "distribution": "logUniform"}},
                {"name": "leaves", "parameterType": "int", "feasibleSpace": {"min": "2", "max": "64"}},
            ],
            "trialTemplate": {
                "primaryContainerName": "trial",
                "trialParameters": [
                    {"name": "learningRate", "reference": "rate"},
                    {"name": "leaves", "reference": "leaves"},
                    {"name": "me", "reference": "${trialSpec.Name}"},
                    {"name": "where", "reference": "${trialSpec.Namespace}"},
                    {"name": "team", "reference": "${trialSpec.Labels[team]}"},
                ],
                "trialSpec": {
                    "apiVersion": "batch/v1", "kind": "Job", "metadata": {"labels": {"team": "blue"}},
                    "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 600, "template": {"spec": {
                        "restartPolicy": "Never",
                        "containers": [{
                            "name": "trial", "image": "basecamp/train-deploy:tune-1",
                            "command": ["python3", "-m", "steps.trial"],
                            "args": ["--rate=${trialParameters.learningRate}", "--leaves=${trialParameters.leaves}", "--seed=$(SEED)"],
                            "env": [
                                {"name": "SEED", "value": "1"},
                                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                            ],
                            "resources": {"requests": {"cpu": "500m"}},
                        }],
                    }}},
                },
            },
        },
    });
    change(&mut object);
    serde_json::from_value(object).unwrap()
}

fn described(experiment: &Experiment) -> Result<(Value, BTreeMap<String, String>), DescriptionError> {
    let template = Template::of(experiment, None)?;
    let image = Environment {
        path: vec!["/env/bin".into()],
        env: BTreeMap::new(),
        workdir: "/image".into(),
        modules: BTreeMap::new(),
        own: Vec::new(),
    };
    let around = Surroundings {
        base: &BTreeMap::new(),
        image: &image,
        objects: &Objects::default(),
        fields: &fields(experiment, &template),
        imposed: &[("BASECAMP_MARK", "m")],
    };
    let program = program(&template.container, &around)?;
    let (description, env) = describe(experiment, &template, program)?;
    Ok((serde_json::to_value(description).unwrap(), env))
}

#[test]
fn the_tuner_gets_all_it_needs() {
    let (description, env) = described(&experiment(|_| {})).unwrap();
    assert_eq!(
        description,
        json!({
            "uid": "u-1", "name": "tune-a",
            "objective": {"type": "minimize", "metric": "mae", "goal": null, "additionalMetrics": ["skill"],
                "strategies": {"mae": "min", "skill": "latest"}},
            "algorithm": "tpe", "settings": {"random_state": "7"},
            "parameters": [
                {"name": "rate", "type": "double", "min": "0.01", "max": "1", "step": "", "list": [], "distribution": "logUniform"},
                {"name": "leaves", "type": "int", "min": "2", "max": "64", "step": "", "list": [], "distribution": "uniform"},
            ],
            "maxTrials": 20, "parallelTrials": 3, "maxFailedTrials": 3, "filters": [], "retain": false,
            "trial": {
                "argv": ["python3", "-m", "steps.trial", "--rate=${trialParameters.learningRate}", "--leaves=${trialParameters.leaves}", "--seed=1"],
                "workdir": "/image", "cpus": 0.5, "backoffLimit": 0, "deadlineSeconds": 600,
                "parameters": {"learningRate": "rate", "leaves": "leaves"},
                "constants": {"where": "trials", "team": "blue"},
                "trialNameParameters": ["basecamp.trialName", "me"],
            },
        })
    );
    assert_eq!(env["POD"], "${trialParameters.basecamp.trialName}");
    assert_eq!(env["BASECAMP_MARK"], "m");
}

#[test]
fn a_template_in_a_config_map_is_the_same_template() {
    let inline = experiment(|_| {});
    let text = serde_yaml::to_string(
        inline
            .spec
            .trial_template
            .as_ref()
            .unwrap()
            .trial_spec
            .as_ref()
            .unwrap(),
    )
    .unwrap();
    let referring = experiment(|object| {
        object["spec"]["trialTemplate"]
            .as_object_mut()
            .unwrap()
            .remove("trialSpec");
    });
    let (left, right) = (
        Template::of(&inline, None).unwrap(),
        Template::of(&referring, Some(&text)).unwrap(),
    );
    assert_eq!(left.job, right.job);
}

#[rstest]
#[case("/spec/earlyStopping", json!({"algorithmName": "medianstop"}), "spec.earlyStopping: early stopping is not carried out on this rung; every trial runs to its end")]
#[case("/spec/resumePolicy", json!("LongRunning"), "spec.resumePolicy: LongRunning is not carried out on this rung; Never is")]
#[case("/spec/metricsCollectorSpec", json!({"collector": {"kind": "Push"}}), "spec.metricsCollectorSpec.collector.kind: Push is not carried out on this rung; StdOut is")]
#[case("/spec/algorithm/algorithmName", json!("hyperband"), "spec.algorithm.algorithmName: hyperband is not carried out on this rung; random, tpe, multivariate-tpe are")]
#[case("/spec/algorithm/algorithmSettings/0/name", json!("gamma"), "spec.algorithm.algorithmSettings: gamma is not carried out on this rung; random_state, n_startup_trials, n_EI_candidates, n_ei_candidates are")]
#[case("/spec/algorithm/algorithmSettings/0/value", json!("-1"), "spec.algorithm.algorithmSettings: random_state=\"-1\" is not carried out on this rung; whole numbers are")]
#[case("/spec/trialTemplate/trialSpec/kind", json!("RayJob"), "spec.trialTemplate.trialSpec: \"batch/v1\" \"RayJob\" is not carried out on this rung; a batch/v1 Job is")]
#[case("/spec/trialTemplate/trialSpec/spec/template/spec/volumes", json!([{"name": "v", "emptyDir": {}}]), "spec.trialTemplate.trialSpec: volumes is not carried out on this rung; environment variables and the image's files are")]
#[case("/spec/trialTemplate/primaryContainerName", json!("other"), "spec.trialTemplate.trialSpec: has no container other, the primaryContainerName")]
#[case("/spec/trialTemplate/trialParameters/0/reference", json!("no"), "spec.trialTemplate.trialParameters: learningRate refers to no, which is not known")]
#[case("/spec/trialTemplate/trialParameters/4/reference", json!("${trialSpec.Labels[no]}"), "spec.trialTemplate.trialParameters: team refers to ${trialSpec.Labels[no]}, which is not known")]
#[case("/spec/trialTemplate/trialSpec/spec/template/spec/containers/0/resources/requests/cpu", json!("lots"), "spec.trialTemplate.trialSpec: \"lots\" is not a quantity")]
#[case("/spec/trialTemplate/trialSpec/spec/template/spec/containers/0/command", json!([]), "spec.trialTemplate.trialSpec: container trial: command must be set")]
fn what_cannot_be_carried_out_is_named(#[case] pointer: &str, #[case] value: Value, #[case] expected: &str) {
    let experiment = experiment(|object| {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = object.pointer_mut(parent).unwrap();
        match key.parse::<usize>() {
            Ok(index) if parent.is_array() => parent[index] = value,
            _ => parent[key] = value,
        }
    });
    assert_eq!(described(&experiment).unwrap_err().to_string(), expected);
}

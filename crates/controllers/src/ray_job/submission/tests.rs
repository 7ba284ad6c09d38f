use super::*;
use rstest::rstest;
use serde_json::json;

fn job(change: impl FnOnce(&mut Value)) -> RayJob {
    let mut object = json!({
        "apiVersion": "ray.io/v1", "kind": "RayJob",
        "metadata": {"name": "train-1", "namespace": "training", "uid": "u-1"},
        "spec": {
            "entrypoint": "python3 -m steps.train --out s3://x",
            "runtimeEnvYAML": "env_vars:\n  SEED: 7\n  TEAM: red\n",
            "rayClusterSpec": {"headGroupSpec": {"rayStartParams": {}, "template": {"spec": {"containers": [{
                "name": "head", "image": "basecamp/train-deploy:train-1",
                "env": [{"name": "TEAM", "value": "blue"}, {"name": "JOB", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
            }]}}}},
        },
    });
    change(&mut object);
    serde_json::from_value(object).unwrap()
}

fn ray() -> Ray {
    Ray {
        address: "127.0.0.1:6379".into(),
        dashboard: "http://127.0.0.1:8265".parse().unwrap(),
        token: None,
        environment: BTreeMap::new(),
        cpus: 2.0,
        memory: 4e9,
    }
}

#[test]
fn the_job_gets_the_heads_environment() {
    let image = Environment {
        path: vec!["/env/bin".into()],
        env: BTreeMap::from([("PYTHONPATH".into(), "/image".into())]),
        workdir: "/image".into(),
        modules: BTreeMap::new(),
        own: Vec::new(),
    };
    let base = BTreeMap::from([
        ("BASECAMP_MARK".to_owned(), "m".to_owned()),
        ("PATH".to_owned(), "/bin".to_owned()),
    ]);
    let folder = Path::new("/state/it's here");
    let submission = submission(
        &job(|_| {}),
        "train-1-u1",
        &image,
        &Objects::default(),
        &base,
        folder,
    )
    .unwrap();
    assert_eq!(
        serde_json::to_value(submission).unwrap(),
        json!({
            "entrypoint": r"cd '/state/it'\''s here' && python3 -m steps.train --out s3://x",
            "submission_id": "train-1-u1",
            "runtime_env": {"env_vars": {
                "BASECAMP_MARK": "m", "JOB": "train-1",
                "PATH": "/env/bin:/bin",
                "PYTHONPATH": "/image", "SEED": "7", "TEAM": "red",
            }},
        })
    );
}

const HEAD: &str = "/spec/rayClusterSpec/headGroupSpec";

#[rstest]
#[case(&format!("{HEAD}/template/spec/containers/0/resources/requests/cpu"), json!("4"), "spec.rayClusterSpec.headGroupSpec asks for 4 CPU, the Ray head of this rung has 2: ask for less, or run on a cluster")]
#[case(&format!("{HEAD}/template/spec/containers/0/resources/requests/memory"), json!("8Gi"), "spec.rayClusterSpec.headGroupSpec asks for 8192 MiB, the Ray head of this rung has 3815 MiB: ask for less, or run on a cluster")]
#[case(&format!("{HEAD}/rayStartParams/num-cpus"), json!("3"), "spec.rayClusterSpec.headGroupSpec asks for 3 CPU, the Ray head of this rung has 2: ask for less, or run on a cluster")]
#[case("/spec/entrypointNumCpus", json!(2.5), "spec.entrypointNumCpus asks for 2.5 CPU, the Ray head of this rung has 2: ask for less, or run on a cluster")]
#[case("/spec/entrypointNumGpus", json!(1), "spec.entrypointNumGpus asks for a GPU, the Ray head of this rung has none: ask for less, or run on a cluster")]
#[case("/spec/suspend", json!(true), "spec.suspend is not carried out on this rung: create the job when it may run")]
#[case("/spec/rayClusterSpec", json!(null), "spec.rayClusterSpec must be set")]
fn what_the_head_cannot_do_is_refused(#[case] pointer: &str, #[case] value: Value, #[case] expected: &str) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let job = job(|object| object.pointer_mut(parent).unwrap()[key] = value);
    assert_eq!(check(&job, &ray()).unwrap_err().to_string(), expected);
}

#[test]
fn what_it_can_do_is_not() {
    check(&job(|_| {}), &ray()).unwrap();
}

#[rstest]
#[case("- a list", "spec.runtimeEnvYAML: [\"a list\"] is no mapping")]
#[case("a: [", "spec.runtimeEnvYAML: ")]
fn a_runtime_env_is_a_mapping(#[case] yaml: &str, #[case] expected: &str) {
    let message = runtime_env(Some(yaml)).unwrap_err().to_string();
    assert!(message.starts_with(expected), "{message}");
}

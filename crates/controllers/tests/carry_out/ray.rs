//! Experiments and RayJobs on one Ray head, with the daemon, the tuner and the head killed on the way.

use std::collections::BTreeMap;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use resources::{Experiment, RayJob};
use serde_json::{Value, json};

use crate::rung::{IMAGE, Rung, condition, eventually, gone, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn experiments_and_jobs() {
    let mut rung = Rung::start().await;
    objects(&rung).await;
    rung.start_ray().await;
    futures::join!(
        an_experiment_runs_to_its_cap(&rung),
        an_experiment_that_fails_says_why(&rung),
        jobs_end_as_their_entrypoints(&rung),
        a_job_that_is_late_or_deleted_is_stopped(&rung),
    );
    an_experiment_survives_the_daemon_and_the_tuner(&mut rung).await;
    a_deleted_experiment_leaves_nothing(&rung).await;
    a_lost_head_costs_no_job(&mut rung).await;
}

/// What trials and jobs refer to.
async fn objects(rung: &Rung) {
    for namespace in ["trials", "training"] {
        let map: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": "basecamp-endpoints"},
            "data": {"WITNESS": rung.state.path().join("witness"), "SECONDS_EACH": "0.1"},
        }))
        .unwrap();
        rung.api::<ConfigMap>(namespace)
            .create(&PostParams::default(), &map)
            .await
            .unwrap();
    }
    let secret: Secret =
        serde_json::from_value(json!({"metadata": {"name": "team"}, "data": {"name": "Ymx1ZQ=="}})).unwrap();
    rung.api::<Secret>("training")
        .create(&PostParams::default(), &secret)
        .await
        .unwrap();
}

/// How often each line was written by a trial or a job.
fn witness(rung: &Rung) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(rung.state.path().join("witness")).unwrap_or_default();
    text.lines().fold(BTreeMap::new(), |mut counts, line| {
        *counts.entry(line.to_owned()).or_default() += 1;
        counts
    })
}

fn experiment(name: &str, change: impl FnOnce(&mut Value)) -> Experiment {
    let mut object = json!({
        "apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment",
        "metadata": {"name": name, "namespace": "trials"},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "mae"},
            "algorithm": {"algorithmName": "tpe", "algorithmSettings": [{"name": "random_state", "value": "7"}]},
            "maxTrialCount": 5, "parallelTrialCount": 2, "maxFailedTrialCount": 1,
            "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
            "trialTemplate": {
                "primaryContainerName": "trial",
                "trialParameters": [{"name": "x", "reference": "x"}],
                "trialSpec": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"backoffLimit": 0, "template": {"spec": {
                    "restartPolicy": "Never",
                    "containers": [{
                        "name": "trial", "image": IMAGE,
                        "command": ["sh", "trial.sh"], "args": ["${trialParameters.x}"],
                        "envFrom": [{"configMapRef": {"name": "basecamp-endpoints"}}],
                        "resources": {"requests": {"cpu": "500m"}},
                    }],
                }}}},
            },
        },
    });
    change(&mut object);
    serde_json::from_value(object).unwrap()
}

const CONTAINER: &str = "/spec/trialTemplate/trialSpec/spec/template/spec/containers/0";

/// Trials that take their time.
fn slow(object: &mut Value) {
    object.pointer_mut(CONTAINER).unwrap()["env"] = json!([{"name": "SECONDS_EACH", "value": "2"}]);
}

fn succeeded(experiment: &Experiment) -> bool {
    condition(experiment, "Succeeded") == "True"
}

async fn an_experiment_runs_to_its_cap(rung: &Rung) {
    let experiments = rung.api::<Experiment>("trials");
    experiments
        .create(&PostParams::default(), &experiment("tune-a", |_| {}))
        .await
        .unwrap();
    let running = until(&experiments, "tune-a", "running", |experiment| {
        condition(experiment, "Running") == "True"
    })
    .await;
    assert!(!succeeded(&running));
    let done = until(&experiments, "tune-a", "succeeded", succeeded).await;
    let status = serde_json::to_value(done.status.unwrap()).unwrap();
    let names: Vec<String> = (0..5).map(|index| format!("tune-a-{index:03}")).collect();
    assert_eq!(
        (&status["trials"], &status["trialsSucceeded"]),
        (&json!(5), &json!(5))
    );
    assert_eq!(status["succeededTrialList"], json!(names));
    let best = &status["currentOptimalTrial"];
    assert!(names.contains(&best["bestTrialName"].as_str().unwrap().to_owned()));
    let metric = &best["observation"]["metrics"][0];
    assert_eq!(
        (&metric["name"], &metric["min"]),
        (&json!("mae"), &metric["latest"])
    );
    assert_eq!(best["parameterAssignments"][0]["name"], "x");
    assert!(status["completionTime"].is_string() && status["startTime"].is_string());
    let runs = witness(rung);
    assert!(names.iter().all(|name| runs[name] == 1), "{runs:?}");
}

async fn an_experiment_that_fails_says_why(rung: &Rung) {
    let experiments = rung.api::<Experiment>("trials");
    let silent = experiment("tune-silent", |object| {
        object.pointer_mut(CONTAINER).unwrap()["command"] = json!(["echo", "hello"]);
    });
    experiments.create(&PostParams::default(), &silent).await.unwrap();
    let unmapped = experiment("tune-unmapped", |object| {
        object.pointer_mut(CONTAINER).unwrap()["image"] = json!("test/recipe:other");
    });
    experiments
        .create(&PostParams::default(), &unmapped)
        .await
        .unwrap();
    for (name, expected) in [
        (
            "tune-silent",
            "trials failed or printed no mae, maxFailedTrialCount is 1",
        ),
        ("tune-unmapped", "image test/recipe:other is not mapped"),
    ] {
        let failed = until(&experiments, name, "failed", |experiment| {
            condition(experiment, "Failed") == "True"
        })
        .await;
        let status = failed.status.unwrap();
        let message = status.conditions.last().unwrap().message.clone().unwrap();
        assert!(message.contains(expected), "{message}");
    }
}

async fn an_experiment_survives_the_daemon_and_the_tuner(rung: &mut Rung) {
    let experiments = rung.api::<Experiment>("trials");
    experiments
        .create(&PostParams::default(), &experiment("tune-b", slow))
        .await
        .unwrap();
    let some_done = |experiment: &Experiment| {
        let status = experiment.status.clone().unwrap_or_default();
        status.trials_succeeded >= 1 && status.trials_running >= 1
    };
    let before = until(&experiments, "tune-b", "half done", some_done)
        .await
        .status
        .unwrap();
    rung.kill_controllers();
    let tuner = rung.tuners();
    kill(&tuner);
    rung.start_controllers().await;
    let done = until(&experiments, "tune-b", "succeeded", succeeded).await;
    let status = done.status.unwrap();
    assert_eq!((status.trials, status.trials_succeeded), (5, 5));
    let runs = witness(rung);
    for name in &before.succeeded_trial_list {
        assert_eq!(runs[name], 1, "a trial that was over ran again");
    }
    let names = runs.keys().filter(|name| name.starts_with("tune-b-")).count();
    assert_eq!(names, 5);
}

async fn a_deleted_experiment_leaves_nothing(rung: &Rung) {
    let experiments = rung.api::<Experiment>("trials");
    let hanging = experiment("tune-c", |object| {
        object.pointer_mut(CONTAINER).unwrap()["env"] = json!([{"name": "SECONDS_EACH", "value": "3141"}]);
    });
    experiments
        .create(&PostParams::default(), &hanging)
        .await
        .unwrap();
    eventually("two trials", async || {
        (rung.processes("sleep 3141").len() == 2).then_some(())
    })
    .await;
    experiments
        .delete("tune-c", &DeleteParams::default())
        .await
        .unwrap();
    gone(&experiments, "tune-c").await;
    assert_eq!(rung.processes("sleep 3141"), [0; 0]);
    assert_eq!(rung.tuners(), [0; 0]);
    let folders = std::fs::read_dir(rung.config.experiments.join("trials")).unwrap();
    let left: Vec<PathBuf> = folders.flatten().map(|entry| entry.path()).collect();
    assert!(
        !left.iter().any(|path| path.to_string_lossy().contains("tune-c")),
        "{left:?}"
    );
}

fn job(name: &str, argument: &str, change: impl FnOnce(&mut Value)) -> RayJob {
    let mut object = json!({
        "apiVersion": "ray.io/v1", "kind": "RayJob",
        "metadata": {"name": name, "namespace": "training"},
        "spec": {
            "entrypoint": format!("python job.py {argument}"),
            "submissionMode": "HTTPMode", "shutdownAfterJobFinishes": true,
            "rayClusterSpec": {"headGroupSpec": {"rayStartParams": {}, "template": {"spec": {"containers": [{
                "name": "head", "image": IMAGE,
                "envFrom": [{"configMapRef": {"name": "basecamp-endpoints"}}],
                "env": [{"name": "TEAM", "valueFrom": {"secretKeyRef": {"name": "team", "key": "name"}}}],
            }]}}}},
        },
    });
    change(&mut object);
    serde_json::from_value(object).unwrap()
}

async fn ended(jobs: &Api<RayJob>, name: &str) -> Value {
    let is_over = |job: &RayJob| {
        let status = job
            .status
            .as_ref()
            .and_then(|status| status.job_deployment_status.as_ref());
        status.is_some_and(|status| status.is_terminal())
    };
    serde_json::to_value(until(jobs, name, "over", is_over).await.status).unwrap()
}

/// Deployment status, job status, reason, attempts that succeeded and failed.
fn told(status: &Value) -> Value {
    let fields = [
        "jobDeploymentStatus",
        "jobStatus",
        "reason",
        "succeeded",
        "failed",
    ];
    fields.iter().map(|field| status[field].clone()).collect()
}

async fn jobs_end_as_their_entrypoints(rung: &Rung) {
    let jobs = rung.api::<RayJob>("training");
    let retried = |object: &mut Value| object["spec"]["backoffLimit"] = json!(1);
    let large = |object: &mut Value| object["spec"]["entrypointNumCpus"] = json!(64.0);
    for job in [
        job("good", "0", |_| {}),
        job("bad", "3", retried),
        job("large", "0", large),
    ] {
        jobs.create(&PostParams::default(), &job).await.unwrap();
    }
    let large = ended(&jobs, "large").await;
    assert_eq!(
        told(&large),
        json!(["Failed", null, "SubmissionFailed", null, null])
    );
    assert_eq!(
        large["message"],
        "spec.entrypointNumCpus asks for 64 CPU, the Ray head of this rung has 2: ask for less, or run on a cluster"
    );
    let good = ended(&jobs, "good").await;
    assert_eq!(told(&good), json!(["Complete", "SUCCEEDED", null, 1, null]));
    assert!(good["jobId"].as_str().unwrap().starts_with("good-"));
    assert!(good["rayJobInfo"]["endTime"].is_string());
    let bad = ended(&jobs, "bad").await;
    assert_eq!(told(&bad), json!(["Failed", "FAILED", "AppFailed", null, 2]));
    assert!(
        bad["message"].as_str().unwrap().contains("exit code 3"),
        "{}",
        bad["message"]
    );
    let witness = witness(rung);
    assert_eq!(
        (witness["blue 0"], witness["blue 3"]),
        (1, 2),
        "one run, and one with a retry, each with the Secret's variable"
    );
    let folder = rung.config.ray_jobs.join("training");
    eventually("no working directory", async || {
        std::fs::read_dir(&folder)
            .is_ok_and(|mut left| left.next().is_none())
            .then_some(())
    })
    .await;
}

async fn a_job_that_is_late_or_deleted_is_stopped(rung: &Rung) {
    let jobs = rung.api::<RayJob>("training");
    // Long enough for the program to run: Ray counts a job's processes, then kills these, and loses one that its shell
    // forks in between (`job_supervisor.py@ray-2.60.0`).
    let late = |object: &mut Value| object["spec"]["activeDeadlineSeconds"] = json!(5);
    jobs.create(&PostParams::default(), &job("late", "sleep", late))
        .await
        .unwrap();
    let status = ended(&jobs, "late").await;
    assert_eq!(status["reason"], "DeadlineExceeded");
    jobs.create(&PostParams::default(), &job("deleted", "sleep", |_| {}))
        .await
        .unwrap();
    until(&jobs, "deleted", "running", |job| {
        let status = job.status.as_ref().and_then(|status| status.job_status.as_ref());
        status.is_some_and(|status| status.as_str() == "RUNNING")
    })
    .await;
    jobs.delete("deleted", &DeleteParams::default()).await.unwrap();
    gone(&jobs, "deleted").await;
    eventually("no job to run", async || {
        rung.processes("job.py sleep").is_empty().then_some(())
    })
    .await;
}

async fn a_lost_head_costs_no_job(rung: &mut Rung) {
    let jobs = rung.api::<RayJob>("training");
    let runs = |rung: &Rung| witness(rung).get("blue sleep lost").copied();
    jobs.create(&PostParams::default(), &job("lost", "sleep lost", |_| {}))
        .await
        .unwrap();
    eventually("the job to run", async || (runs(rung) == Some(1)).then_some(())).await;
    rung.kill_ray();
    rung.start_ray().await;
    eventually("the job to run again", async || {
        (runs(rung) == Some(2)).then_some(())
    })
    .await;
    let lost = until(&jobs, "lost", "running", |job| {
        let status = job.status.as_ref().and_then(|status| status.job_status.as_ref());
        status.is_some_and(|status| status.as_str() == "RUNNING")
    })
    .await;
    assert_eq!(lost.status.unwrap().failed, None);
}

fn kill(pids: &[i32]) {
    assert!(!pids.is_empty(), "nothing to kill");
    for pid in pids {
        std::process::Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status()
            .unwrap();
    }
}

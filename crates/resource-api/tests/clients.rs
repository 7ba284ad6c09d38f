//! `kubectl` and the Python client, unmodified. Each runs where it is found; one that is not is reported as skipped.
//!
//! `kubectl` is looked for on PATH, and further ones in BASECAMP_KUBECTL (a list like PATH, of files). BASECAMP_PYTHON
//! names an interpreter whose environment has the `kubernetes` package.

#![allow(clippy::unwrap_used)] // a test's own steps

#[path = "api/served/mod.rs"]
mod served;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use served::{Served, experiment};

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut failed = Vec::new();
    let mut run = |name: String, work: &dyn Fn(&Served) -> Result<(), String>| {
        let served = runtime.block_on(Served::start());
        let started = Instant::now();
        let result = work(&served);
        runtime.block_on(served.end());
        match result {
            Ok(()) => println!("test {name} ... ok ({:.1?})", started.elapsed()),
            Err(why) => {
                println!("test {name} ... FAILED\n{why}");
                failed.push(name);
            }
        }
    };
    let kubectls = kubectls();
    if kubectls.is_empty() {
        println!("test kubectl ... SKIPPED (no kubectl on PATH, none in BASECAMP_KUBECTL)");
    }
    for kubectl in kubectls {
        run(format!("kubectl {}", kubectl.display()), &|served| {
            drive_kubectl(&kubectl, served)
        });
    }
    match std::env::var_os("BASECAMP_PYTHON") {
        None => println!("test python ... SKIPPED (BASECAMP_PYTHON names no interpreter)"),
        Some(python) => run("python".into(), &|served| {
            drive_python(Path::new(&python), served)
        }),
    }
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn kubectls() -> Vec<PathBuf> {
    let paths = |name: &str| std::env::var_os(name).unwrap_or_default();
    let on_path = std::env::split_paths(&paths("PATH"))
        .map(|folder| folder.join("kubectl"))
        .find(|file| file.is_file());
    on_path
        .into_iter()
        .chain(std::env::split_paths(&paths("BASECAMP_KUBECTL")).filter(|file| file.is_file()))
        .collect()
}

fn drive_python(python: &Path, served: &Served) -> Result<(), String> {
    let file = served.folder.path().join("experiment.json");
    std::fs::write(&file, experiment("tune").to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/kubernetes_client.py");
    let output = Command::new(python)
        .arg(script)
        .arg(file)
        .env("KUBECONFIG", &served.kubeconfig)
        .env("no_proxy", "127.0.0.1")
        .output()
        .map_err(|error| format!("{}: {error}", python.display()))?;
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if output.status.success() && out.trim().ends_with("ok") {
        Ok(())
    } else {
        Err(format!("{out}{err}"))
    }
}

/// One `kubectl` against one server.
struct Kubectl<'s> {
    program: &'s Path,
    served: &'s Served,
}

impl Kubectl<'_> {
    /// Runs it; what it says, and whether it succeeded.
    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.command().args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    /// It must succeed and say this.
    fn says(&self, arguments: &[&str], expected: &str) -> Result<String, String> {
        match self.run(arguments) {
            (true, said) if said.contains(expected) => Ok(said),
            (_, said) => Err(format!(
                "kubectl {}\nexpected: {expected}\nsaid: {said}",
                arguments.join(" ")
            )),
        }
    }

    /// It must fail and say this.
    fn refuses(&self, arguments: &[&str], expected: &str) -> Result<(), String> {
        match self.run(arguments) {
            (false, said) if said.contains(expected) => Ok(()),
            (_, said) => Err(format!(
                "kubectl {}\nexpected refusal: {expected}\nsaid: {said}",
                arguments.join(" ")
            )),
        }
    }

    /// Whether the object goes while `kubectl wait` looks at it.
    fn waits_for_deletion(&self, object: &str) -> std::thread::JoinHandle<bool> {
        let mut command = self.command();
        command.args(["wait", "--for=delete", object, "--timeout=30s"]);
        std::thread::spawn(move || command.output().unwrap().status.success())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command
            .env("KUBECONFIG", &self.served.kubeconfig)
            .env("HOME", self.served.folder.path())
            .env("no_proxy", "127.0.0.1");
        command
    }

    fn file(&self, name: &str, object: &serde_json::Value) -> String {
        let path = self.served.folder.path().join(name);
        std::fs::write(&path, object.to_string()).unwrap();
        path.display().to_string()
    }
}

fn drive_kubectl(program: &Path, served: &Served) -> Result<(), String> {
    let kubectl = Kubectl { program, served };
    let first = kubectl.file("first.json", &experiment("tune"));
    let mut other = experiment("tune");
    other["spec"]["maxTrialCount"] = 25.into();
    let second = kubectl.file("second.json", &other);

    let resources = kubectl.says(&["api-resources"], "isvc")?;
    for name in [
        "configmaps",
        "secrets",
        "events",
        "experiments",
        "rayjobs",
        "inferenceservices",
        "clusterservingruntimes",
        "httproutes",
    ] {
        if !resources.contains(name) {
            return Err(format!("api-resources does not tell {name}: {resources}"));
        }
    }
    kubectl.says(
        &["get", "experiments,rayjobs,inferenceservices,httproutes"],
        "No resources found",
    )?;
    kubectl.says(
        &["explain", "experiment.spec.objective.goal"],
        "A value that ends the search early",
    )?;

    // Client-side apply, then the same on the server's side: fields change hands.
    kubectl.says(&["apply", "-f", &first], "experiment.kubeflow.org/tune created")?;
    kubectl.says(&["apply", "-f", &first], "experiment.kubeflow.org/tune unchanged")?;
    kubectl.says(
        &["apply", "-f", &second],
        "experiment.kubeflow.org/tune configured",
    )?;
    kubectl.refuses(
        &["apply", "--server-side", "--field-manager=other", "-f", &first],
        ".spec.maxTrialCount",
    )?;
    kubectl.says(
        &["apply", "--server-side", "--force-conflicts", "-f", &first],
        "tune serverside-applied",
    )?;
    kubectl.says(
        &[
            "get",
            "experiment",
            "tune",
            "-o",
            "jsonpath={.spec.maxTrialCount}/{.metadata.generation}",
        ],
        "20/3",
    )?;

    kubectl.says(&["get", "experiments"], "CAP")?;
    kubectl.says(&["get", "experiments", "-o", "wide"], "BEST")?;
    kubectl.says(&["get", "experiment/tune", "-o", "yaml"], "maxTrialCount: 20")?;
    kubectl.says(&["get", "experiment/tune", "-o", "json"], "\"maxTrialCount\": 20")?;
    kubectl.says(&["get", "all", "-A"], "experiment.kubeflow.org/tune")?;
    kubectl.says(&["describe", "experiment", "tune"], "Events:")?;
    kubectl.says(&["label", "experiment", "tune", "run=r1"], "labeled")?;
    kubectl.says(
        &["get", "experiments", "-l", "run=r1", "-o", "name"],
        "experiment.kubeflow.org/tune",
    )?;
    kubectl.says(
        &[
            "patch",
            "experiment",
            "tune",
            "--type=merge",
            "-p",
            r#"{"spec":{"maxTrialCount":22}}"#,
        ],
        "patched",
    )?;
    let replace = r#"[{"op":"replace","path":"/spec/parallelTrialCount","value":3}]"#;
    kubectl.says(
        &["patch", "experiment", "tune", "--type=json", "-p", replace],
        "patched",
    )?;
    kubectl.refuses(
        &["patch", "experiment", "tune", "-p", "{}"],
        "strategic-merge-patch",
    )?;

    let status =
        r#"{"status":{"trials":1,"conditions":[{"type":"Succeeded","status":"True","reason":"x"}]}}"#;
    kubectl.says(
        &[
            "patch",
            "experiment",
            "tune",
            "--subresource=status",
            "--type=merge",
            "-p",
            status,
        ],
        "patched",
    )?;
    kubectl.says(
        &[
            "wait",
            "--for=condition=Succeeded",
            "experiment/tune",
            "--timeout=10s",
        ],
        "condition met",
    )?;
    kubectl.says(
        &[
            "wait",
            "--for=jsonpath={.status.trials}=1",
            "experiment/tune",
            "--timeout=10s",
        ],
        "condition met",
    )?;

    let mut endless = experiment("endless");
    endless["spec"].as_object_mut().unwrap().remove("maxTrialCount");
    let endless = kubectl.file("endless.json", &endless);
    kubectl.refuses(&["apply", "-f", &endless], "spec.maxTrialCount: must be set")?;
    let mut misspelt = experiment("misspelt");
    misspelt["spec"]["maxTrials"] = 3.into();
    let misspelt = kubectl.file("misspelt.json", &misspelt);
    kubectl.refuses(&["apply", "-f", &misspelt], "spec.maxTrials: unknown field")?;
    let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}});
    kubectl.refuses(
        &["apply", "-f", &kubectl.file("pod.json", &pod)],
        "no matches for kind \"Pod\"",
    )?;
    kubectl.refuses(&["get", "pods"], "doesn't have a resource type \"pods\"")?;

    kubectl.says(&["create", "configmap", "map", "--from-literal=a=1"], "created")?;
    kubectl.says(
        &[
            "create",
            "secret",
            "generic",
            "secret",
            "--from-literal=token=hello",
        ],
        "created",
    )?;
    kubectl.says(&["describe", "secret", "secret"], "token:  5 bytes")?;
    kubectl.says(
        &["patch", "configmap", "map", "-p", r#"{"data":{"b":"2"}}"#],
        "patched",
    )?;
    let map = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"}, "data": {"b": "3"}});
    kubectl.says(&["apply", "-f", &kubectl.file("map.json", &map)], "configured")?;
    kubectl.says(
        &["get", "configmap", "map", "-o", "jsonpath={.data}"],
        r#"{"a":"1","b":"3"}"#,
    )?;

    let uid = kubectl.says(
        &["get", "experiment", "tune", "-o", "jsonpath={.metadata.uid}"],
        "-",
    )?;
    let about = serde_json::json!({
        "apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "namespace": "default", "name": "tune", "uid": uid
    });
    let event = serde_json::json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "tune.1"}, "involvedObject": about,
        "reason": "TrialFailed", "message": "trial 3 ended with 1", "type": "Warning", "count": 1,
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z"
    });
    kubectl.says(
        &["apply", "-f", &kubectl.file("event.json", &event)],
        "event/tune.1 created",
    )?;
    kubectl.says(&["describe", "experiment", "tune"], "trial 3 ended with 1")?;
    kubectl.says(&["get", "events"], "experiment/tune")?;
    kubectl.says(&["get", "events.events.k8s.io"], "TrialFailed")?;
    kubectl.says(&["delete", "events", "--all"], "deleted")?;

    // A deletion that something waits for.
    let waiting = kubectl.waits_for_deletion("experiment/tune");
    let deleted = kubectl.says(&["delete", "experiment", "tune"], "deleted");
    let ended = waiting.join().unwrap();
    deleted?;
    if !ended {
        return Err("kubectl wait --for=delete did not end in time".into());
    }
    kubectl.says(&["delete", "configmaps,secrets", "--all"], "deleted")?;
    kubectl.says(&["delete", "-f", &first, "--ignore-not-found"], "")?;
    kubectl.says(&["get", "all,configmaps,secrets,events"], "No resources found")?;
    Ok(())
}

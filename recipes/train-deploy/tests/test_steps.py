"""The eight steps in order, each as KFP's own executor runs it from the image: a mini run. Budget: 90 s.

The compiled pipeline says what goes where. The cluster is played by the test alone: it runs the Experiment's trials and
the RayJob's entrypoint as processes; mlship is a script that notes its arguments. Times are printed with `-s`.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from compile import image
from features.datasets import Dataset
from forecast.ensemble import Hyperparameters, ensemble, scaled
from forecast.fit import fit_member
from forecast.model import Model
from pipeline import MEMBERS
from registry.provenance import MODEL
from registry.rest import Registry
from tests.conftest import RECIPE, lakehouse_env
from tests.test_compile import STEPS

MINI = {"seed": 3, "repositories": 2, "years": 1, "commits": 2000}
RUN_ID = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9"


class Cluster(ThreadingHTTPServer):
    """Just enough of a Kubernetes API for two kinds, over plain HTTP."""

    def __init__(self, env: dict[str, str]) -> None:
        """Listens on loopback."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.env = env
        self.objects: dict[str, Any] = {}
        self.over: dict[str, Event] = {}
        Thread(target=self.serve_forever, daemon=True).start()

    def create(self, name: str, made: dict[str, Any]) -> None:
        """The object is there at once, and has a status once its processes have run."""
        made["metadata"]["resourceVersion"] = "1"
        self.objects[name], self.over[name] = made, Event()

        def to_its_end() -> None:
            try:
                status = self.carry_out(made)
            except subprocess.CalledProcessError as error:
                why = error.stderr[-3000:]
                failed = {"type": "Failed", "status": "True", "message": why}
                status = {"jobStatus": "FAILED", "message": why, "conditions": [failed]}
            self.objects[name] = {**made, "status": status}
            self.over[name].set()

        Thread(target=to_its_end, daemon=True).start()

    def carry_out(self, made: dict[str, Any]) -> dict[str, Any]:
        """The object's status once its processes have run."""
        if made["kind"] == "RayJob":
            container = made["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
            self.run(made["spec"]["entrypoint"].split(), container)
            return {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}
        spec = made["spec"]
        container = spec["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"][0]
        tried: list[tuple[float, dict[str, str]]] = []
        for index in range(spec["maxTrialCount"]):
            chosen = {"learningRate": str(0.001 * 3**index), "batchSize": str(32 * (index + 1))}
            words = [word.replace("${trialParameters.", "{").format(**chosen) for word in container["command"]]
            output = self.run(words, container)
            tried.append((float(output.partition("mae=")[2]), chosen))
        mae, best = min(tried, key=lambda pair: pair[0])
        return {
            "trialsSucceeded": len(tried),
            "conditions": [{"type": "Succeeded", "status": "True"}],
            "currentOptimalTrial": {
                "bestTrialName": "best",
                "observation": {"metrics": [{"name": "mae", "min": str(mae), "max": str(mae), "latest": str(mae)}]},
                "parameterAssignments": [
                    {"name": "learning_rate", "value": best["learningRate"]},
                    {"name": "batch_size", "value": best["batchSize"]},
                ],
            },
        }

    def run(self, words: list[str], container: dict[str, Any]) -> str:
        """A container's process."""
        env = {**self.env, **{item["name"]: item["value"] for item in container["env"]}}
        words = [sys.executable if word == "python3" else word for word in words]
        return subprocess.run(words, env=env, capture_output=True, check=True, text=True).stdout


class _Handler(BaseHTTPRequestHandler):
    server: Cluster  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        made = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = made["metadata"]["name"]
        if name in self.server.objects:
            self.answer(409, {"message": f"{name} already exists"})
            return
        self.server.create(name, made)
        self.answer(201, made)

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if "watch" not in (query := parse_qs(asked.query)):
            self.answer(200, self.server.objects[asked.path.rpartition("/")[2]])
            return
        name = query["fieldSelector"][0].removeprefix("metadata.name=")
        self.server.over[name].wait()
        self.answer(200, {"type": "MODIFIED", "object": self.server.objects[name]})

    def answer(self, code: int, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode() + b"\n"
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Keeps the test's output its own."""


@dataclass
class Runner:
    """Runs steps of the compiled pipeline with KFP's executor, as an engine does: inputs in, outputs out."""

    spec: dict[str, Any]
    folder: Path
    env: dict[str, str]
    parameters: dict[str, Any]
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)

    def run(self, step: str) -> None:
        """One step, in a scratch folder with links to the image's files, as tasks are run."""
        work = self.folder / f"{step}-{len(self.seconds)}"
        work.mkdir(parents=True)
        for path in RECIPE.iterdir():
            (work / path.name).symlink_to(path)
        component = self.spec["components"][f"comp-{step}"]
        wanted = component.get("outputDefinitions", {})
        root = self.spec["root"]["dag"]["tasks"]
        tasks = {**root, **self.spec["components"]["comp-condition-1"]["dag"]["tasks"]}
        inputs = tasks[step].get("inputs", {})
        document = {
            "inputs": {
                "parameterValues": {key: self.value(source) for key, source in inputs.get("parameters", {}).items()},
                "artifacts": {key: self.artifact(source) for key, source in inputs.get("artifacts", {}).items()},
            },
            "outputs": {
                "parameters": {
                    key: {"outputFile": str(work / "parameters" / key)} for key in wanted.get("parameters", {})
                },
                "artifacts": {
                    key: {
                        "artifacts": [
                            {
                                "name": key,
                                "type": kind["artifactType"],
                                "uri": str(work / "artifacts" / key),
                                "metadata": {},
                            }
                        ]
                    }
                    for key, kind in wanted.get("artifacts", {}).items()
                },
                "outputFile": str(work / "executor_output.json"),
            },
        }
        container = self.spec["deploymentSpec"]["executors"][f"exec-{step}"]["container"]
        words = [sys.executable, *container["command"][1:], *container["args"]]
        words = [json.dumps(document) if word == "{{$}}" else word for word in words]
        env = {**self.env, **{item["name"]: item["value"] for item in container["env"]}}
        begun = time.monotonic()
        done = subprocess.run(words, cwd=work, env=env, capture_output=True, check=False, text=True)
        self.seconds[f"{step}-{len(self.seconds)}"] = time.monotonic() - begun
        self.logs[step] = done.stdout + done.stderr
        assert done.returncode == 0, self.logs[step]
        told = json.loads((work / "executor_output.json").read_text())
        self.outputs[step] = told.get("parameterValues", {})
        self.artifacts[step] = {key: item["artifacts"][0] for key, item in told.get("artifacts", {}).items()}

    def value(self, source: dict[str, Any]) -> Any:
        """A parameter: a constant, the pipeline's, or another step's output."""
        if "runtimeValue" in source:
            return source["runtimeValue"]["constant"]
        if "taskOutputParameter" in source:
            told = source["taskOutputParameter"]
            return self.outputs[told["producerTask"]][told["outputParameterKey"]]
        return self.from_channel(source["componentInputParameter"], self.outputs, self.parameters)

    def artifact(self, source: dict[str, Any]) -> Any:
        """An artifact that another step has written."""
        if "taskOutputArtifact" in source:
            told = source["taskOutputArtifact"]
            return {"artifacts": [self.artifacts[told["producerTask"]][told["outputArtifactKey"]]]}
        return {"artifacts": [self.from_channel(source["componentInputArtifact"], self.artifacts, {})]}

    def from_channel(self, name: str, produced: dict[str, Any], given: dict[str, Any]) -> Any:
        """Inside the condition, inputs are called after their producers."""
        name = name.removeprefix("pipelinechannel--")
        step, _, key = name.partition("-")
        return produced[step][key] if step in produced and key in produced[step] else given[name]


@pytest.fixture
def spec(package: dict[str, bytes]) -> dict[str, Any]:
    """The compiled pipeline."""
    return next(iter(yaml.safe_load_all(package["pipeline.yaml"])))


@pytest.fixture
def runner(spec: dict[str, Any], tmp_path: Path, mlflow_uri: str) -> Runner:
    """A lakehouse, a registry, a played cluster, and the compiled pipeline."""
    (tmp_path / "bin").mkdir()
    mlship = tmp_path / "bin" / "mlship"
    mlship.write_text('#!/bin/sh\necho "$@" >&2\necho \'{"endpoint": "http://e", "golden_requests": 4}\'\n')
    mlship.chmod(mlship.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "lakehouse").mkdir()
    env = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(RECIPE),
        "_KFP_RUNTIME": "true",
        "KFP_RUN_ID": RUN_ID,
        "BASECAMP_ARTIFACTS_ROOT": f"file://{tmp_path}/artifacts",
        "BASECAMP_NAMESPACE_TRIALS": "trials",
        "BASECAMP_NAMESPACE_TRAINING": "training",
        "MLFLOW_TRACKING_URI": mlflow_uri,
        "RAY_USAGE_STATS_ENABLED": "0",
        **lakehouse_env(tmp_path / "lakehouse"),
        # Which kernels linear algebra takes: another one rounds otherwise than this process does.
        **{key: value for key, value in os.environ.items() if key.startswith("OPENBLAS_")},
    }
    cluster = Cluster(env)
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{cluster.server_port}"}}],
        "users": [{"name": "x", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    env["KUBECONFIG"] = str(tmp_path / "kubeconfig")
    parameters = {"repositories": [], "synthetic": MINI, "max_trials": 2, "git_commit": "abc", "runtime": "the-runtime"}
    return Runner(spec, tmp_path / "tasks", env, parameters)


def fitted_here(runner: Runner) -> Model:
    """The model of the same data and hyperparameters, fitted in this process."""
    parts: list[Dataset] = []
    for name in ("train", "validation"):
        with open(runner.artifacts["extract"][name]["uri"], "rb") as source:
            parts.append(Dataset.read(source))
    whole = parts[0].joined(parts[1])
    chosen = Hyperparameters(runner.outputs["tune"]["learning_rate"], runner.outputs["tune"]["batch_size"])
    base = scaled(whole)
    return ensemble(base, [fit_member(base, whole, chosen, seed) for seed in range(MEMBERS)])


def test_the_eight_steps_run_and_run_again(runner: Runner) -> None:
    for step in STEPS:
        runner.run(step)
    print({step: round(seconds, 1) for step, seconds in runner.seconds.items()})
    first = dict(runner.outputs)
    assert first["ingest"]["rows"] > 1000
    assert int(first["ingest"]["snapshot_id"]) > 0
    assert "trials 2/2, best mae" in runner.logs["tune"]
    assert "(synthetic data)" in runner.logs["evaluate"]
    assert first["tune"]["trials"] == 2
    # Ray's tasks, in whatever order they ended, fitted what one process does.
    assert first["train"]["model_digest"] == fitted_here(runner).digest
    assert first["deploy"]["endpoint"] == "http://e"
    version = first["register"]["version"]
    assert f"deploy --model {MODEL} --version {version} --runtime the-runtime --json" in runner.logs["deploy"]
    metadata = runner.artifacts["extract"]["golden"]["metadata"]
    assert metadata["table"] == "abukix.commits"
    assert metadata["snapshot_id"] == first["ingest"]["snapshot_id"]
    metrics = runner.artifacts["evaluate"]["metrics"]["metadata"]
    assert metrics["skill"] == first["evaluate"]["skill"]
    registry = Registry(runner.env["MLFLOW_TRACKING_URI"])
    before = registry.versions(MODEL)
    (mine,) = [item for item in before if item["version"] == str(version)]
    tags = {tag["key"]: tag["value"] for tag in mine["tags"]}
    assert tags["basecamp.run_id"] == RUN_ID
    assert tags["basecamp.model_digest"] == first["train"]["model_digest"]
    assert mine["current_stage"] == "Staging"
    # A cached rerun: what is never cached runs again, and changes nothing.
    for step in ("ingest", "register", "deploy"):
        runner.run(step)
        assert runner.outputs[step] == first[step]
    assert registry.versions(MODEL) == before
    assert "holds all of it already" in runner.logs["ingest"]
    # A retried step attaches to what its first attempt created.
    runner.run("tune")
    assert runner.outputs["tune"] == first["tune"]
    assert "attached to it" in runner.logs["tune"]
    # An altered model is not registered.
    model = Path(runner.artifacts["train"]["model"]["uri"])
    model.write_bytes(model.read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(AssertionError, match="it was altered since"):
        runner.run("register")


def test_images_name_what_ran(spec: dict[str, Any]) -> None:
    tags = image(RECIPE, "basecamp", STEPS).tags
    for step in STEPS:
        container = spec["deploymentSpec"]["executors"][f"exec-{step}"]["container"]
        assert {"name": "RECIPE_IMAGE", "value": f"basecamp/train-deploy:{tags[step]}"} in container["env"]

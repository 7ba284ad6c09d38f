"""Registry, trial and model server, as processes. Budget: 120 s, most of it their start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from evaluation.golden import Spec, record
from features.datasets import Dataset
from forecast.ensemble import Hyperparameters, ensemble, scaled
from forecast.fit import fit_member
from registry import registering
from registry.folder import write as write_folder
from registry.provenance import MODEL, Provenance
from registry.rest import Registry, RegistryError
from tests.conftest import RECIPE, free_port, wait_for, write_dataset

FEATURES = ("commits_7d", "commits_28d", "authors_7d")


def rows(seed: int = 0, count: int = 60) -> Dataset:
    """Some rows with few features."""
    random = np.random.default_rng(seed)
    features = random.integers(0, 50, (count, len(FEATURES))).astype(float)
    names = np.array(["r"] * count)
    times = np.arange(count).astype("datetime64[D]").astype("datetime64[us]")
    return Dataset(names, times, FEATURES, features, features[:, 0] + random.integers(0, 3, count))


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version's folder as it is registered."""
    folder = tmp_path_factory.mktemp("model")
    base = scaled(rows())
    model = ensemble(base, [fit_member(base, rows(), Hyperparameters(0.01, 16), seed) for seed in (0, 1)])
    (folder / "fitted").write_bytes(model.to_bytes())
    write_folder(folder / "version", folder / "fitted", record(model, rows(1), Spec(3, 4, 1)))
    return folder / "version"


def provenance(data: str, commit: str = "commit") -> Provenance:
    return Provenance("run-1", "7", "c", data, "view", commit, "lock", "golden", "model")


def register(registry: Registry, data: str, folder: Path, commit: str = "commit") -> int:
    def put(target: Path) -> None:
        (target / "golden").mkdir(parents=True)
        for path in ("MLmodel", "golden/requests.json"):
            (target / path).write_bytes((folder / path).read_bytes())

    return registering.register(registry, provenance(data, commit), {"skill": 0.2, "mae": 3.0}, put)


def world(registry: Registry) -> list[tuple[str, str]]:
    return sorted((version["version"], version["current_stage"]) for version in registry.versions(MODEL))


@pytest.fixture
def registry(mlflow_uri: str) -> Registry:
    """The registry without a version."""
    registry = Registry(mlflow_uri)
    if registry.versions(MODEL):
        requests.delete(f"{mlflow_uri}/api/2.0/mlflow/registered-models/delete", json={"name": MODEL}, timeout=30)
    return registry


def stage(registry: Registry, version: int, to: str) -> None:
    registry._post("model-versions/transition-stage", {"name": MODEL, "version": str(version), "stage": to})


def test_one_version_carries_one_input_key(registry: Registry, model_folder: Path) -> None:
    assert register(registry, "a", model_folder) == 1
    assert register(registry, "a", model_folder) == 1
    assert register(registry, "b", model_folder) == 2
    # Predecessors leave Staging, and come back when their run is the last one.
    assert world(registry) == [("1", "Archived"), ("2", "Staging")]
    assert register(registry, "a", model_folder) == 1
    assert world(registry) == [("1", "Staging"), ("2", "Archived")]
    assert registry.alias(MODEL, "staging") == "1"
    (first, second) = sorted(registry.versions(MODEL), key=lambda version: version["version"])
    assert {tag["key"]: tag["value"] for tag in first["tags"]} == provenance("a").tags
    folder = Path(first["source"].removeprefix("file://"))
    assert (folder / "golden" / "requests.json").is_file()
    assert second["run_id"] != first["run_id"]


def test_a_matching_world_is_left_untouched(registry: Registry, model_folder: Path) -> None:
    register(registry, "a", model_folder)
    before = registry.versions(MODEL)
    calls: list[Any] = []
    send = registry._session.request
    registry._session.request = lambda method, url, **content: (calls.append(method), send(method, url, **content))[1]  # pyright: ignore[reportAttributeAccessIssue]
    register(registry, "a", model_folder)
    assert registry.versions(MODEL) == before
    assert set(calls) == {"GET"}


def test_production_is_never_touched(registry: Registry, model_folder: Path) -> None:
    register(registry, "a", model_folder)
    stage(registry, 1, "Production")
    assert register(registry, "a", model_folder) == 1
    assert register(registry, "b", model_folder) == 2
    assert world(registry) == [("1", "Production"), ("2", "Staging")]


def test_what_a_person_moved_is_put_right(registry: Registry, model_folder: Path) -> None:
    register(registry, "a", model_folder)
    register(registry, "b", model_folder)
    registry.set_alias(MODEL, "staging", "1")
    stage(registry, 1, "Staging")
    assert register(registry, "b", model_folder) == 2
    assert world(registry) == [("1", "Archived"), ("2", "Staging")]
    assert registry.alias(MODEL, "staging") == "2"
    registry.delete_version(MODEL, "2")
    # The tracking run of the input key is that of another commit by now.
    assert register(registry, "b", model_folder, "a later one") == 3
    assert registry.alias(MODEL, "staging") == "3"


CALLS = ("put_folder", "finish_run", "create_model", "create_version", "move_to_staging", "set_alias")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_a_register_killed_anywhere_is_completed(
    registry: Registry, model_folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, when: str
) -> None:
    owner: Any = registering if call == "put_folder" else Registry
    real = getattr(owner, call)

    def killed(*arguments: Any, **named: Any) -> None:
        if when == "after":
            real(*arguments, **named)
        raise KeyboardInterrupt

    data = f"{call}-{when}"
    with monkeypatch.context() as patch:
        patch.setattr(owner, call, killed)
        with pytest.raises(KeyboardInterrupt):
            register(registry, data, model_folder)
    assert register(registry, data, model_folder) == 1
    assert world(registry) == [("1", "Staging")]
    assert registry.alias(MODEL, "staging") == "1"
    runs = registry._post(
        "runs/search",
        {
            "experiment_ids": [registry.experiment("train-deploy")],
            "filter": f"tags.`basecamp.input_key` = '{provenance(data).input_key}'",
        },
    )["runs"]
    assert len(runs) == 1


def test_two_registers_at_once_leave_one_version(registry: Registry, model_folder: Path) -> None:
    both = threading.Barrier(2)
    found: list[int] = []

    class Waiting(Registry):
        def create_version(self, model: str, source: str, run_id: str, tags: dict[str, str]) -> Any:
            both.wait(30)
            return super().create_version(model, source, run_id, tags)

    def run() -> None:
        found.append(register(Waiting(registry.uri), "both", model_folder))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    (only,) = world(registry)
    assert only[1] == "Staging"
    assert int(only[0]) in found


def test_a_registry_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.rest.Retry", lambda **_: 0)
    with pytest.raises(
        RegistryError, match=r"registry http://127.0.0.1:1: model-versions/search: .*cargo xtask status"
    ):
        Registry("http://127.0.0.1:1").versions(MODEL)


def test_the_input_key_is_of_what_makes_the_model() -> None:
    key = provenance("a").input_key
    other = Provenance("run-2", "8", "c", "a", "view", "other", "lock", "golden", "model")
    assert other.input_key == key
    assert (
        len({Provenance(*("x" if index == field else "y" for index in range(9))).input_key for field in range(9)}) == 6
    )


def test_mlflow_loads_the_version(model_folder: Path) -> None:
    program = (
        "import sys, json, pandas as pd, mlflow.pyfunc; m = mlflow.pyfunc.load_model(sys.argv[1]);"
        " e = pd.read_json(sys.argv[1] + '/input_example.json', orient='split').astype(float);"
        " assert m.metadata.signature and m.metadata.saved_input_example_info;"
        " print(json.dumps(m.predict(e).tolist()))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(model_folder)], capture_output=True, check=True, cwd="/")
    recorded = json.loads((model_folder / "golden" / "predictions.json").read_text())
    assert json.loads(done.stdout.splitlines()[-1]) == recorded[0][:1]


@pytest.fixture(scope="module")
def endpoint(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The model server, started as its runtime says."""
    port = free_port()
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "server.main", f"--model_name={MODEL}", f"--model_dir={model_folder}"]
    env = {**os.environ, "HOST": "127.0.0.1", "PORT": str(port)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=RECIPE, env=env, stdout=output, stderr=output)
    try:
        wait_for(f"http://127.0.0.1:{port}/v2/models/{MODEL}/ready", process, log)
        yield f"http://127.0.0.1:{port}/v2/models/{MODEL}"
    finally:
        process.kill()
        process.wait()


def test_the_server_repeats_the_golden_answers_bit_for_bit(endpoint: str, model_folder: Path) -> None:
    asked = json.loads((model_folder / "golden" / "requests.json").read_text())
    recorded = json.loads((model_folder / "golden" / "predictions.json").read_text())
    assert len(asked) == len(recorded) == 3
    for request, prediction in zip(asked, recorded, strict=True):
        answer = requests.post(f"{endpoint}/infer", json=request, timeout=30).json()
        assert answer["id"] == request["id"]
        (output,) = answer["outputs"]
        assert output["data"] == prediction
        assert (output["shape"], output["datatype"]) == ([4], "FP64")


def test_the_server_tells_its_tensors_and_refuses_others(endpoint: str) -> None:
    told = requests.get(endpoint, timeout=30).json()
    assert told["inputs"] == [{"name": "features", "datatype": "FP64", "shape": [-1, 3]}]
    tensor = {"name": "features", "datatype": "FP64", "shape": [1, 3], "data": [1.0, 2.0, 3.0]}
    assert requests.post(f"{endpoint}/infer", json={"inputs": [tensor]}, timeout=30).json()["id"]
    for wrong, expected in (
        ({**tensor, "name": "x"}, "expected one named features"),
        ({**tensor, "data": [1.0, 2.0, -3.0]}, "every feature is a count"),
        ({**tensor, "shape": [3, 1]}, "expected (rows, 3)"),
    ):
        answer = requests.post(f"{endpoint}/infer", json={"inputs": [wrong]}, timeout=30)
        assert answer.status_code == 400
        assert expected in answer.text


def test_a_server_without_a_model_does_not_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server.main", "--model_name=m", f"--model_dir={tmp_path}"]
    done = subprocess.run(command, cwd=RECIPE, capture_output=True, check=False, text=True)
    assert done.returncode == 1
    assert f"model m in {tmp_path}: " in done.stderr


def test_a_trial_prints_its_metric_and_nothing_else(tmp_path: Path) -> None:
    write_dataset(rows(), tmp_path / "data")
    uri = f"file://{tmp_path}/data"
    command = [sys.executable, "-m", "tuning.trial", "--learning-rate=0.01", "--batch-size=16.0"]
    env = {**os.environ, "TRAIN_URI": uri, "VALIDATION_URI": uri}
    done = subprocess.run(command, cwd=RECIPE, env=env, capture_output=True, check=True, text=True)
    assert done.stdout.startswith("mae=")
    assert len(done.stdout.splitlines()) == 1
    assert float(done.stdout.partition("=")[2]) > 0

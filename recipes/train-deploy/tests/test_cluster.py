"""Experiment and RayJob: what is created, how it is watched. The Kubernetes client is played. Budget: 10 s.

The same steps run against the real resource API and its controllers in the recipe's own run.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kubernetes import client
from urllib3.exceptions import HTTPError

from cluster import watching
from cluster.watching import Kind, Objects, WatchError, run_name
from tests.conftest import free_port
from training import rayjob
from tuning import experiment
from tuning.experiment import ExperimentError

KIND = Kind("kubeflow.org", "v1beta1", "experiments", "Experiment")
NAME = "tune-0123456789ab"


class Server:
    """What the API answers, one state after the other; an exception is raised, `gone` is a 404."""

    def __init__(self, states: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """Takes the place of the client's API."""
        self.states = states
        self.calls: list[str] = []
        monkeypatch.setattr(watching.config, "load_config", lambda: None)
        monkeypatch.setattr(watching.client, "CustomObjectsApi", lambda: self)
        monkeypatch.setattr(watching, "_RECONNECT_SECONDS", 0.001)
        monkeypatch.setattr(watching.watch, "Watch", lambda: self)

    def _next(self) -> Any:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        if state == "gone":
            raise client.ApiException(status=404, reason="Not Found")
        return {"metadata": {"name": NAME, "namespace": "trials", "resourceVersion": "1"}, **state}

    def get_namespaced_custom_object(self, *_: str, **__: object) -> Any:
        self.calls.append("get")
        return self._next()

    def create_namespaced_custom_object(self, *arguments: Any, **_: object) -> Any:
        self.calls.append("create")
        return self._next() or arguments

    def delete_namespaced_custom_object(self, *_: str, **__: object) -> Any:
        self.calls.append("delete")
        return {}

    list_namespaced_custom_object = None

    def stream(self, _: object, *__: object, **___: object) -> Iterator[Any]:
        self.calls.append("watch")
        while len(self.states) > 1:
            yield {"type": "MODIFIED", "object": self._next()}


def status(succeeded: int, *conditions: str, mae: str = "3.5") -> dict[str, Any]:
    """An Experiment's state as Katib writes it: numbers as strings, parameters in any order."""
    optimal = {
        "bestTrialName": "t-7",
        "observation": {"metrics": [{"name": "mae", "latest": "9.9", "min": mae, "max": "9.9"}]},
        "parameterAssignments": [{"name": "batch_size", "value": "64"}, {"name": "learning_rate", "value": "0.003"}],
    }
    return {
        "spec": {"maxTrialCount": 20},
        "status": {
            "trialsSucceeded": succeeded,
            "trialsFailed": 1,
            "currentOptimalTrial": optimal if succeeded else {"observation": {}},
            "conditions": [{"type": name, "status": "True", "message": "why"} for name in conditions],
        },
    }


def until_over(server: Server, seconds: float = 10) -> list[str]:
    lines: list[str] = []
    deadline = time.monotonic() + seconds
    for state in Objects(KIND, "trials").states(NAME, deadline, experiment.progress):
        lines.append(experiment.progress(state))
        if experiment.result(state) is not None:
            return lines
    raise AssertionError(server.calls)


def test_progress_is_told_until_the_experiment_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    states = [status(0), status(6, "Running"), status(19, "Running", "Succeeded", "Restarting"), "gone"]
    lines = until_over(Server(states, monkeypatch))
    assert lines == ["trials 1/20", "trials 7/20, best mae 3.50", "trials 20/20, best mae 3.50"]


def test_an_api_that_goes_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    away: list[Any] = [status(0), HTTPError("refused"), ConnectionResetError(), status(19, "Succeeded"), "gone"]
    server = Server(away, monkeypatch)
    assert until_over(server)[-1] == "trials 20/20, best mae 3.50"
    assert server.calls[:2] == ["get", "watch"]


def test_too_old_a_version_starts_over(monkeypatch: pytest.MonkeyPatch) -> None:
    states = [status(0), client.ApiException(status=410, reason="Gone"), status(19, "Succeeded"), "gone"]
    assert until_over(Server(states, monkeypatch))[-1].startswith("trials 20/20")


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([status(2, "Failed")], "Experiment trials/tune-0123456789ab failed: why: `kubectl"),
        ([status(0, "Succeeded")], "names no best trial with a finite mae and both parameters: `kubectl"),
        ([status(3, "Succeeded", mae="unavailable")], "names no best trial"),
        ([status(3, "Succeeded", mae="NaN")], "names no best trial"),
        ([status(3, "Succeeded", mae="-inf")], "names no best trial"),
    ],
)
def test_a_failed_experiment_says_why(monkeypatch: pytest.MonkeyPatch, states: list[Any], expected: str) -> None:
    with pytest.raises(ExperimentError, match=expected):
        until_over(Server(states, monkeypatch))


def test_waiting_ends_with_what_was_last_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WatchError, match=r"took too long; last seen: trials 4/20, best mae 3.50"):
        until_over(Server([status(3, "Running")], monkeypatch), seconds=0.05)
    with pytest.raises(WatchError, match=r"was deleted while it was waited for; last seen: trials 4/20"):
        until_over(Server([status(3, "Running"), "gone"], monkeypatch))
    with pytest.raises(WatchError, match="does not answer: refused"):
        until_over(Server([HTTPError("refused")], monkeypatch), seconds=0.05)


@pytest.fixture
def api_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Objects]:
    """The real client, of a server at this address."""
    monkeypatch.setattr(watching, "_RECONNECT_SECONDS", 0.001)

    def connected(host: str) -> Objects:
        configuration = client.Configuration()
        configuration.host = host
        monkeypatch.setattr(watching.config, "load_config", lambda: client.Configuration.set_default(configuration))
        monkeypatch.setattr(client.Configuration, "_default", None)
        return Objects(KIND, "trials")

    return connected


@pytest.mark.parametrize(
    ("call", "done"),
    [
        (lambda objects: objects.get(NAME, time.monotonic() + 3600), "read"),
        (
            lambda objects: objects.create_or_attach(
                {"metadata": {"name": NAME}}, experiment.failed, time.monotonic() + 3600
            ),
            "created",
        ),
    ],
)
def test_an_api_that_stays_away_is_given_up(
    api_at: Callable[[str], Objects],
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[[Objects], object],
    done: str,
) -> None:
    monkeypatch.setattr(watching, "_SILENCE_SECONDS", 0.05)
    host = f"https://127.0.0.1:{free_port()}"
    expected = (
        f"Experiment trials/{NAME} cannot be {done}: the Kubernetes API at {host} does not answer: .*refused.*:"
        " `cargo xtask status`"
    )
    with pytest.raises(WatchError, match=expected):
        call(api_at(host))


def test_an_api_that_does_not_answer_is_given_up(
    api_at: Callable[[str], Objects],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "_SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(watching, "_ANSWER_SECONDS", 0.05)
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(WatchError, match=r"does not answer: .*timed out"),
    ):
        api_at(f"http://127.0.0.1:{mute.getsockname()[1]}").get(NAME, time.monotonic() + 3600)


def certificate(folder: Path) -> ssl.SSLContext:
    """Of a server on loopback, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "another")])
    today = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + signed.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_an_api_of_another_authority_is_given_up_at_once(api_at: Callable[[str], Objects], tmp_path: Path) -> None:
    # With the patience that it has in a step: waiting would make no difference.
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = certificate(tmp_path).wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        begun = time.monotonic()
        with pytest.raises(WatchError, match=r"does not answer: .*certificate verify failed"):
            api_at(f"https://127.0.0.1:{server.server_port}").get(NAME, begun + 3600)
        server.shutdown()
    assert time.monotonic() - begun < watching._SILENCE_SECONDS / 4


def test_an_earlier_attempt_s_object_is_attached_to(monkeypatch: pytest.MonkeyPatch) -> None:
    exists = client.ApiException(status=409, reason="Conflict")
    document = {"metadata": {"name": NAME}}
    server = Server([exists, status(3, "Running")], monkeypatch)
    found = Objects(KIND, "trials").create_or_attach(document, experiment.failed, time.monotonic() + 5)
    assert found["status"]["trialsSucceeded"] == 3
    assert server.calls == ["create", "get"]
    # One that has failed makes way.
    server = Server([exists, status(3, "Failed"), "gone", status(0)], monkeypatch)
    Objects(KIND, "trials").create_or_attach(document, experiment.failed, time.monotonic() + 5)
    assert server.calls == ["create", "get", "delete", "get", "create"]


def test_a_refusal_says_what_the_server_said(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = client.ApiException(status=422, reason="Unprocessable")
    refusal.body = '{"message": "spec.maxTrialCount must be set"}'
    Server([refusal], monkeypatch)
    with pytest.raises(WatchError, match=r"Experiment trials/tune-0123456789ab was refused: spec.maxTrialCount must"):
        Objects(KIND, "trials").create_or_attach({"metadata": {"name": NAME}}, experiment.failed, time.monotonic() + 5)


def test_names_come_from_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFP_RUN_ID", "01234567-89AB-cdef-0123-456789abcdef")
    assert run_name("tune") == NAME
    monkeypatch.delenv("KFP_RUN_ID")
    with pytest.raises(WatchError, match="KFP_RUN_ID is not set"):
        run_name("tune")


def test_the_experiment_keeps_katibs_rules() -> None:
    made = experiment.document(NAME, "trials", 3, "image:tag", {"TRAIN_URI": "file:///a b"})
    spec = made["spec"]
    assert (spec["maxTrialCount"], spec["parallelTrialCount"]) == (3, 2)
    assert "goal" not in spec["objective"]
    assert {"name": "random_state", "value": "7"} in spec["algorithm"]["algorithmSettings"]
    axes = {axis["name"]: axis for axis in spec["parameters"]}
    assert axes["learning_rate"]["feasibleSpace"]["distribution"] == "logUniform"
    assert all(isinstance(axis["feasibleSpace"][bound], str) for axis in axes.values() for bound in ("min", "max"))
    referred = {item["name"]: item["reference"] for item in spec["trialTemplate"]["trialParameters"]}
    assert sorted(referred.values()) == sorted(axes)
    job = spec["trialTemplate"]["trialSpec"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert job["spec"]["backoffLimit"] == 0
    assert container["name"] == spec["trialTemplate"]["primaryContainerName"]
    # The webhook joins command and args for a shell: what could be misread travels as environment.
    assert not any(character in word for word in container["command"] for character in " '\"`;&|<>*?!\\")
    assert {f"${{trialParameters.{name}}}" for name in referred} == {
        word.partition("=")[2] for word in container["command"] if "=" in word
    }
    assert {"name": "TRAIN_URI", "value": "file:///a b"} in container["env"]
    assert container["image"] == "image:tag"
    assert len(NAME) <= 40


@pytest.mark.parametrize(("trials", "parallel", "failed"), [(1, 1, 1), (2, 2, 2), (3, 2, 3), (20, 2, 3)])
def test_no_count_exceeds_the_trials(trials: int, parallel: int, failed: int) -> None:
    spec = experiment.document(NAME, "trials", trials, "i", {})["spec"]
    counts = (spec["maxTrialCount"], spec["parallelTrialCount"], spec["maxFailedTrialCount"])
    assert counts == (trials, parallel, failed)


@pytest.mark.parametrize("count", [0, -1, 21])
def test_the_cap_is_kept(count: int) -> None:
    with pytest.raises(ExperimentError, match=f"max_trials is {count}: experiment.yaml allows 1 to 20"):
        experiment.document(NAME, "trials", count, "i", {})


def test_a_command_for_a_shell_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = yaml.safe_load(experiment.TEMPLATE.read_text())
    spec = template["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
    spec["containers"][0]["command"].append("a; rm -r b")
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(template))
    monkeypatch.setattr(experiment, "TEMPLATE", tmp_path / "experiment.yaml")
    with pytest.raises(ExperimentError, match="'a; rm -r b' in the trial's command would be read by a shell"):
        experiment.document(NAME, "trials", 3, "i", {})


@pytest.mark.parametrize(
    ("found", "line", "over"),
    [
        ({}, "job new", False),
        ({"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"}, "job running running", False),
        ({"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}, "job complete succeeded", True),
    ],
)
def test_a_ray_job_is_followed(found: dict[str, str], line: str, over: bool) -> None:
    job = {**rayjob.document("train-1", "training", "image:tag", {"A": "b"}), "status": found}
    assert rayjob.progress(job) == line
    assert rayjob.finished(job) is over
    container = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "image:tag"
    assert {"name": "A", "value": "b"} in container["env"]


@pytest.mark.parametrize("found", [{"jobDeploymentStatus": "ValidationFailed"}, {"jobStatus": "STOPPED"}])
def test_a_failed_ray_job_says_why(found: dict[str, str]) -> None:
    job = {"metadata": {"name": "train-1", "namespace": "training"}, "status": {**found, "message": "no memory"}}
    with pytest.raises(rayjob.TrainingError, match="RayJob training/train-1 failed:  no memory"):
        rayjob.finished(job)

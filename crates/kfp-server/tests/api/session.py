"""What people do with the unmodified kfp.Client, against the server at argv[1]."""

import base64
import json
import sys
import tarfile
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kfp
import kfp_server_api
from kfp import compiler, dsl

IMAGE = "tests/steps:v1"
TIMEOUT = 120


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def greet(who: str) -> str:
    """Say hello."""
    print(f"greeting {who}")
    return f"hello {who}"


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def linger(seconds: int) -> int:
    """Take its time."""
    import time

    print("lingering", flush=True)
    time.sleep(seconds)
    return seconds


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def break_down() -> str:
    """Fail."""
    raise RuntimeError("broken on purpose")


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gated(gate: str, log: str) -> str:
    """Fail until somebody opens the gate; note every try."""
    from pathlib import Path

    with Path(log).open("a") as tries:
        tries.write("gated\n")
    if not Path(gate).exists():
        raise RuntimeError("the gate is closed")
    return "through"


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def note(log: str, text: dsl.Output[dsl.Artifact]) -> str:
    """Note every try, and leave a text."""
    from pathlib import Path

    with Path(log).open("a") as tries:
        tries.write("note\n")
    Path(text.path).write_text("noted")
    return "noted"


@dsl.pipeline(name="twice")
def twice(gate: str, log: str) -> None:
    """Succeed, then fail until the gate is open."""
    first: Any = note(log=log)  # pyright: ignore[reportCallIssue] (KFP supplies outputs)
    second: Any = gated(gate=gate, log=log)
    second.after(first)


@dsl.pipeline(name="hello")
def hello(who: str = "world") -> str:
    """Greet twice, the second time what the first returned, and once more for Ada only."""
    first: Any = greet(who=who)
    with dsl.If(first.output == "hello Ada"):
        greet(who="Countess")
    last: Any = greet(who=first.output)
    return last.output


@dsl.pipeline(name="slow")
def slow() -> None:
    """Take a minute, if nobody stops it."""
    linger(seconds=60)


@dsl.pipeline(name="broken")
def broken() -> None:
    """Fail."""
    break_down()


def package(pipeline: Any, folder: Path) -> str:
    """Compile a pipeline."""
    path = str(folder / f"{pipeline.name}.yaml")
    compiler.Compiler().compile(pipeline, path)
    return path


def nodes(run: Any) -> list[tuple[str, str]]:
    """Tell name and state of each node; a run that has just been made has none yet."""
    details = run.run_details.task_details if run.run_details else []
    return sorted((node.display_name, node.state) for node in details)


def finished(client: Any, run_id: str) -> Any:
    """Wait as people do."""
    return client.wait_for_run_completion(run_id, timeout=TIMEOUT, sleep_duration=0.1)


def until_running(client: Any, run_id: str) -> None:
    """Wait until something of the run runs."""
    deadline = time.monotonic() + TIMEOUT
    while ("executor", "RUNNING") not in (seen := nodes(client.get_run(run_id))):
        assert time.monotonic() < deadline, f"nothing of {run_id} runs: {seen}"
        time.sleep(0.05)


def refused(call: Callable[[], Any], status: int) -> dict[str, Any]:
    """Return the body of the error that a call ends in."""
    try:
        call()
    except kfp_server_api.ApiException as error:
        answered, body = error.status, error.body
    else:
        raise AssertionError(f"not refused with {status}")
    assert answered == status, f"{answered} {body}"
    return json.loads(str(body))


def upload(client: Any, folder: Path) -> tuple[str, str]:
    """Upload a pipeline and a second version, and find them again."""
    path = package(hello, folder)
    pipeline = client.upload_pipeline(path, pipeline_name="hello", description="greets")
    assert client.get_pipeline_id("hello") == pipeline.pipeline_id
    assert client.get_pipeline_id("nobody") is None
    assert client.get_pipeline(pipeline.pipeline_id).description == "greets"
    version = client.upload_pipeline_version(path, "second", pipeline_name="hello")
    listed = client.list_pipeline_versions(pipeline.pipeline_id, sort_by="created_at desc")
    assert [found.display_name for found in listed.pipeline_versions] == ["second", "hello"]
    found = client.get_pipeline_version(pipeline.pipeline_id, version.pipeline_version_id)
    assert found.pipeline_spec["pipelineInfo"]["name"] == "hello"
    assert client.list_pipelines().total_size == 1
    refused(lambda: client.upload_pipeline(path, pipeline_name="hello"), 409)
    empty = folder / "empty.yaml"
    empty.write_text("pipelineInfo: {name: x}\n")
    told = refused(lambda: client.upload_pipeline(str(empty), pipeline_name="x"), 400)
    assert told["error_message"], told
    return pipeline.pipeline_id, version.pipeline_version_id


def run_twice(client: Any, experiment_id: str, pipeline_id: str, version_id: str) -> None:
    """Run the same twice: the second run takes everything from the cache."""
    asked = {"pipeline_id": pipeline_id, "version_id": version_id, "params": {"who": "Ada"}}
    first = finished(client, client.run_pipeline(experiment_id, "first", **asked).run_id)
    assert first.state == "SUCCEEDED", first
    assert first.finished_at >= first.created_at
    assert [status.state for status in first.state_history] == ["PENDING", "RUNNING", "SUCCEEDED"]
    ran = [("executor", "SUCCEEDED")] * 3
    tasks = [(name, "SUCCEEDED") for name in ("condition-1", "greet", "greet-2", "greet-3", "root")]
    assert nodes(first) == sorted(ran + tasks), nodes(first)

    second = finished(client, client.run_pipeline(experiment_id, "second", **asked).run_id)
    assert nodes(second) == sorted([("executor", "SKIPPED")] * 3 + tasks), nodes(second)


def closed_gate(client: Any, folder: Path) -> None:
    """Run a package whose condition is false: what is in it is skipped, the run succeeds."""
    made = client.create_run_from_pipeline_package(
        package(hello, folder),
        arguments={"who": "Bob"},
        run_name="gate",
        experiment_name="tests",
        enable_caching=False,
    )
    run = made.wait_for_run_completion(timeout=TIMEOUT)
    assert run.state == "SUCCEEDED", run
    assert ("condition-1", "SKIPPED") in nodes(run), nodes(run)
    assert run.pipeline_spec["pipelineInfo"]["name"] == "hello"


def failure(client: Any, folder: Path) -> None:
    """Run a step that fails: the run fails, and says why."""
    made = client.create_run_from_pipeline_package(package(broken, folder), run_name="broken")
    run = finished(client, made.run_id)
    assert run.state == "FAILED", run
    assert run.error.message, run
    assert ("break-down", "FAILED") in nodes(run), nodes(run)


def termination(client: Any, folder: Path) -> None:
    """Terminate a run: it ends soon, and the client's own wait sees it."""
    made = client.create_run_from_pipeline_package(package(slow, folder), run_name="slow")
    until_running(client, made.run_id)
    started = time.monotonic()
    client.terminate_run(made.run_id)
    run = finished(client, made.run_id)
    assert run.state == "FAILED", run
    assert time.monotonic() - started < 30
    assert "CANCELING" in [status.state for status in run.state_history], run.state_history
    told = refused(lambda: client.terminate_run(made.run_id), 400)
    assert told["code"] == 9, told


def retry(client: Any, folder: Path) -> None:
    """Retry a run that failed: what failed is tried again, what succeeded is not."""
    gate, log = folder / "gate", folder / "tries"
    made = client.create_run_from_pipeline_package(
        package(twice, folder), run_name="twice", arguments={"gate": str(gate), "log": str(log)}
    )
    assert finished(client, made.run_id).state == "FAILED"
    gate.touch()
    client.runs.run_service_retry_run(run_id=made.run_id)
    run = finished(client, made.run_id)
    assert run.state == "SUCCEEDED", run
    assert log.read_text().split() == ["note", "gated", "gated"], log.read_text()
    refused(lambda: client.runs.run_service_retry_run(run_id=made.run_id), 400)

    node = next(node.task_id for node in run.run_details.task_details if node.display_name == "note")
    address = f"{client._existing_config.host}/apis/v2beta1/runs/{run.run_id}/nodes/{node}/artifacts/text:read"
    with urllib.request.urlopen(address) as answer:
        assert base64.b64decode(json.load(answer)["data"]) == b"noted"


def recurring(client: Any, folder: Path, experiment_id: str) -> None:
    """Run every second, pause, go on, delete."""
    asked = {"pipeline_package_path": package(hello, folder), "params": {"who": "Ada"}}
    made = client.create_recurring_run(
        experiment_id, "ticking", cron_expression="* * * * * *", max_concurrency=2, no_catchup=True, **asked
    )
    assert (made.status, made.max_concurrency, made.no_catchup) == ("ENABLED", "2", True), made
    of_it = json.dumps(
        {"predicates": [{"operation": "EQUALS", "key": "recurring_run_id", "stringValue": made.recurring_run_id}]}
    )
    deadline = time.monotonic() + TIMEOUT
    while len((seen := client.list_runs(filter=of_it, sort_by="scheduled_at")).runs or []) < 2:
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)
    first = finished(client, seen.runs[0].run_id)
    assert first.state == "SUCCEEDED", first
    assert first.recurring_run_id == made.recurring_run_id
    assert first.scheduled_at < seen.runs[1].scheduled_at, seen
    client.disable_recurring_run(made.recurring_run_id)
    assert client.get_recurring_run(made.recurring_run_id).status == "DISABLED"
    client.enable_recurring_run(made.recurring_run_id)
    listed = client.list_recurring_runs(experiment_id=experiment_id)
    assert [found.status for found in listed.recurring_runs] == ["ENABLED"], listed
    client.delete_recurring_run(made.recurring_run_id)
    refused(lambda: client.get_recurring_run(made.recurring_run_id), 404)

    slow_one = client.create_recurring_run(
        experiment_id, "daily", interval_second=86400, enabled=False, start_time="2026-01-01T00:00:00Z", **asked
    )
    assert slow_one.trigger.periodic_schedule.interval_second == "86400", slow_one
    assert slow_one.status == "DISABLED", slow_one
    client.delete_recurring_run(slow_one.recurring_run_id)
    told = refused(
        lambda: client.create_recurring_run(experiment_id, "odd", cron_expression="0 61 * * * *", **asked), 400
    )
    assert told["code"] == 3, told


def archives(client: Any, folder: Path) -> None:
    """Upload packages as archives."""
    path = Path(package(hello, folder))
    zipped, tarball = folder / "hello.zip", folder / "hello.tar.gz"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.write(path, "pipeline.yaml")
    with tarfile.open(tarball, "w:gz") as archive:
        archive.add(path, "pipeline.yaml")
    for file in (zipped, tarball):
        pipeline = client.upload_pipeline(str(file), pipeline_name=file.name)
        versions = client.list_pipeline_versions(pipeline.pipeline_id).pipeline_versions
        assert versions[0].pipeline_spec["pipelineInfo"]["name"] == "hello", versions
        refused(lambda made=pipeline: client.delete_pipeline(made.pipeline_id), 400)
        client.delete_pipeline_version(pipeline.pipeline_id, versions[0].pipeline_version_id)
        client.delete_pipeline(pipeline.pipeline_id)


def put_away(client: Any, folder: Path) -> None:
    """Archive and unarchive a run and its experiment, then delete both."""
    made = client.create_run_from_pipeline_package(package(hello, folder), run_name="old", experiment_name="archive")
    run = finished(client, made.run_id)
    client.archive_run(run.run_id)
    assert client.get_run(run.run_id).storage_state == "ARCHIVED"
    client.unarchive_run(run.run_id)
    assert client.get_run(run.run_id).storage_state == "AVAILABLE"
    client.archive_experiment(run.experiment_id)
    assert client.get_experiment(run.experiment_id).storage_state == "ARCHIVED"
    assert client.get_run(run.run_id).storage_state == "ARCHIVED"
    told = refused(lambda: client.unarchive_run(run.run_id), 400)
    assert told["code"] == 9, told
    client.unarchive_experiment(run.experiment_id)
    client.delete_run(run.run_id)
    refused(lambda: client.get_run(run.run_id), 404)
    client.delete_experiment(run.experiment_id)
    refused(lambda: client.get_experiment(run.experiment_id), 404)


def lists(client: Any, experiment_id: str) -> None:
    """Page, order, filter."""
    names: list[str] = []
    token = ""
    while True:
        page = client.list_runs(page_size=2, page_token=token, sort_by="created_at")
        names += [run.display_name for run in page.runs]
        token = page.next_page_token
        if not token:
            break
    assert names == ["first", "second", "gate", "broken", "slow"], names
    assert client.list_runs(experiment_id=experiment_id).total_size == 3
    by_name = {"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": "gate"}]}
    assert client.list_runs(filter=json.dumps(by_name)).total_size == 1
    failed = {"predicates": [{"operation": "EQUALS", "key": "state", "stringValue": "FAILED"}]}
    assert client.list_runs(filter=json.dumps(failed)).total_size == 2


def absences(client: Any) -> None:
    """Ask for what is not there: it is told with KFP's code."""
    told = refused(lambda: client.get_run("00000000-0000-4000-8000-000000000000"), 404)
    assert told["code"] == 5, told
    refused(lambda: client.get_experiment(experiment_id="none"), 404)
    refused(lambda: client.run_pipeline("none", "x", pipeline_id="a", version_id="b"), 404)


def main(url: str) -> None:
    """Do all of it."""
    client: Any = kfp.Client(host=url)
    assert client.get_kfp_healthz().multi_user is False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pipeline_id, version_id = upload(client, folder)
        experiment = client.create_experiment("tests", description="of the client")
        assert client.create_experiment("tests").experiment_id == experiment.experiment_id
        assert client.get_experiment(experiment_name="Default").display_name == "Default"
        run_twice(client, experiment.experiment_id, pipeline_id, version_id)
        closed_gate(client, folder)
        failure(client, folder)
        termination(client, folder)
        lists(client, experiment.experiment_id)
        retry(client, folder)
        recurring(client, folder, experiment.experiment_id)
        archives(client, folder)
        put_away(client, folder)
        absences(client)


if __name__ == "__main__":
    main(sys.argv[1])

"""What people do with the unmodified kfp.Client, against the server at argv[1]."""

import json
import sys
import tempfile
import time
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
        absences(client)


if __name__ == "__main__":
    main(sys.argv[1])

"""Runs every compiled pipeline of a folder through the API of a rung, by the unmodified KFP client.

Outcomes: SUCCEEDED and FAILED as the run ended, REFUSED where it did not begin, TIMEOUT. What a pipeline is expected to
do is read from a file of patterns (see expected.yaml); parameters without a default get a value of their type.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import fnmatch
import io
import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import yaml

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from kfp import client as kfp_client  # noqa: E402  (it warns on import)
from kfp_server_api import ApiException  # noqa: E402

VALUES: dict[str, Any] = {
    "NUMBER_INTEGER": 7,
    "NUMBER_DOUBLE": 0.5,
    "BOOLEAN": True,
    "LIST": ["a"],
    "STRUCT": {"A": "1", "B": "2"},
}
ENDED = {"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"}
CLOUD = ("gs://", "oci://", "s3://", "minio://")


@dataclasses.dataclass
class Row:
    """What became of one pipeline."""

    pipeline: str
    outcome: str
    reason: str
    expected: str
    peer: str | None
    seconds: float
    detail: str
    as_expected: bool = dataclasses.field(repr=False)


@dataclasses.dataclass
class Expectation:
    """What a pipeline is expected to do, and what it is given."""

    state: str = "SUCCEEDED"
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    outputs: dict[str, Any] = dataclasses.field(default_factory=dict)
    because: str = ""


def expectation(patterns: dict[str, Any], name: str) -> Expectation:
    """Return that of the first pattern that matches."""
    for pattern, said in patterns.items():
        if fnmatch.fnmatch(name, pattern):
            return Expectation(said) if isinstance(said, str) else Expectation(**said)
    return Expectation()


def documents(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a package, none where it is no YAML."""
    try:
        return [one for one in yaml.safe_load_all(path.read_text()) if isinstance(one, dict)]
    except yaml.YAMLError:
        return []


def arguments(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a value for every parameter that needs one."""
    parameters = spec.get("root", {}).get("inputDefinitions", {}).get("parameters", {})
    return {
        name: VALUES.get(kind["parameterType"], "text")
        for name, kind in parameters.items()
        if "defaultValue" not in kind and not kind.get("isOptional")
    }


def of_the_file(path: Path, spec: dict[str, Any], detail: str) -> str:
    """Return what in the file itself keeps a pipeline from ending well here: a class of reasons, and the proof."""
    executors = spec.get("deploymentSpec", {}).get("executors", {}).values()
    images = {one["container"]["image"] for one in executors if "container" in one}
    missing = sorted(image for image in images if f"image {image}" in detail)
    if missing:
        return f"image: {missing[0]}"
    text = path.read_text()
    found = next((scheme for scheme in CLOUD if scheme in text), None)
    if found:
        return f"cloud account: {found}"
    if any("customJob" in one for one in executors):
        return "cloud account: customJob"
    return ""


class Rung:
    """A rung, by its API."""

    def __init__(self, url: str, timeout: float) -> None:
        self.client: Any = kfp_client.Client(host=url)
        self.timeout = timeout
        self.experiment = self.client.create_experiment("conformance").experiment_id

    def run(self, path: Path, name: str, expected: Expectation) -> Row:
        """Upload a package, run it, and say what became of it."""
        start = time.monotonic()
        specs = documents(path)
        spec = next((one for one in specs if "root" in one), {})
        try:
            uploaded = self.client.upload_pipeline(str(path), pipeline_name=f"{name} {time.time_ns()}")
            versions = self.client.list_pipeline_versions(uploaded.pipeline_id).pipeline_versions
            run = self.client.run_pipeline(
                self.experiment,
                job_name=name,
                pipeline_id=uploaded.pipeline_id,
                version_id=versions[0].pipeline_version_id,
                params={**arguments(spec), **expected.arguments},
            )
        except ApiException as error:
            said = json.loads(error.body or "{}").get("message", str(error.reason))
            return self.row(path, spec, name, "REFUSED", expected, start, said)
        except (ValueError, RuntimeError, yaml.YAMLError) as error:
            return self.row(path, spec, name, "REFUSED", expected, start, f"by the client: {error}")
        ended = self.client.get_run(run.run_id)
        while ended.state not in ENDED:
            if time.monotonic() - start > self.timeout:
                with contextlib.suppress(ApiException):  # It may have ended just now.
                    self.client.terminate_run(run.run_id)
                return self.row(path, spec, name, "TIMEOUT", expected, start, "")
            time.sleep(0.25)
            ended = self.client.get_run(run.run_id)
        detail = self.failures(ended)
        given = self.outputs(run.run_id) if expected.outputs else {}
        wrong = {key: given.get(key) for key, value in expected.outputs.items() if given.get(key) != value}
        if wrong:
            detail = f"outputs {wrong}, expected {expected.outputs}"
        row = self.row(path, spec, name, ended.state, expected, start, detail)
        row.as_expected &= not wrong
        return row

    def outputs(self, run_id: str) -> dict[str, Any]:
        """Return the output parameters of a run, by KFP 3's call; 2.17 tells none."""
        # The client knows no such call yet.
        call = self.client._run_api.api_client.call_api
        told, _, _ = call(f"/apis/v2beta1/runs/{run_id}/tasks", "GET", response_type="object")
        root = next(task for task in told["tasks"] if not task.get("parent_task_id"))
        parameters = root.get("outputs", {}).get("parameters", [])
        return {one["parameter_key"]: one["value"] for one in parameters}

    def failures(self, run: Any) -> str:
        """Return what the tasks say that failed, the innermost ones."""
        tasks = (run.run_details and run.run_details.task_details) or []
        said = {task.display_name: task.error.message for task in tasks if task.state == "FAILED" and task.error}
        inner = {name: text for name, text in said.items() if "failed" not in text or "exit code" in text}
        return "; ".join(f"{name}: {text}" for name, text in (inner or said).items() if text)

    def row(
        self,
        path: Path,
        spec: dict[str, Any],
        name: str,
        outcome: str,
        expected: Expectation,
        start: float,
        detail: str,
    ) -> Row:
        """Return the row of a pipeline."""
        as_expected = outcome == expected.state
        reason = expected.because if as_expected else of_the_file(path, spec, detail)
        seconds = round(time.monotonic() - start, 2)
        return Row(name, outcome, reason, expected.state, None, seconds, detail, as_expected)


def main() -> int:
    """Run a folder; the exit code says whether all did what was expected, or what the file itself explains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", required=True, help="of the KFP API")
    parser.add_argument("--expect", type=Path, help="patterns and what they are expected to do")
    parser.add_argument("--only", default="*", help="a pattern of names")
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    patterns = yaml.safe_load(given.expect.read_text()) if given.expect else {}
    # The client prints an address for whatever it makes.
    out, sys.stdout = sys.stdout, io.StringIO()
    rung = Rung(given.url, given.timeout)
    names = {path.relative_to(given.folder).with_suffix("").as_posix(): path for path in given.folder.rglob("*.yaml")}
    chosen = {name: path for name, path in sorted(names.items()) if fnmatch.fnmatch(name, given.only)}
    rows = []
    with concurrent.futures.ThreadPoolExecutor(given.at_once) as pool:
        started = [
            pool.submit(rung.run, path, name, expectation(patterns, name))
            for name, path in chosen.items()
            if not given.expect or path.resolve() != given.expect.resolve()
        ]
        for done in started:
            row = done.result()
            rows.append(row)
            if not given.json:
                mark = "ok" if row.as_expected else "explained" if row.reason else "UNEXPLAINED"
                why = row.reason or row.detail[:160]
                line = f"{row.pipeline:<72} {row.outcome:<10} {row.seconds:>7.2f} s  {mark:<11} {why}"
                print(line, file=out, flush=True)
    if given.json:
        keys = ("pipeline", "outcome", "reason", "expected", "peer", "seconds", "detail")
        told = [{key: getattr(row, key) for key in keys} for row in rows]
        print(json.dumps(told, indent=1), file=out)
    as_expected = sum(row.as_expected for row in rows)
    explained = sum(not row.as_expected and row.reason != "" for row in rows)
    unexplained = len(rows) - as_expected - explained
    print(
        f"{len(rows)} pipelines: {as_expected} as expected, {explained} explained, {unexplained} not", file=sys.stderr
    )
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())

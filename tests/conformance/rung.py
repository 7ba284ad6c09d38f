"""A rung, by KFP's API and KFP's own client, unmodified."""

import contextlib
import json
import logging
import time
import warnings
from pathlib import Path
from typing import Any

import yaml
from ending import End

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from kfp import client as kfp_client  # noqa: E402  (it warns on import)
from kfp_server_api import ApiException  # noqa: E402

ENDED = {"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"}
PERIOD = 0.25


class Rung:
    """Runs pipelines, each to its end."""

    def __init__(self, url: str) -> None:
        self.client: Any = kfp_client.Client(host=url)
        self.experiment = self.client.create_experiment("conformance").experiment_id

    def run(self, path: Path, name: str, arguments: dict[str, Any], timeout: float) -> End:
        """Upload a package, run it, and say what became of it."""
        start = time.monotonic()

        def end(outcome: str, detail: str, outputs: dict[str, Any] | None = None) -> End:
            return End(outcome, detail, outputs or {}, round(time.monotonic() - start, 2))

        try:
            uploaded = self.client.upload_pipeline(str(path), pipeline_name=f"{name} {time.time_ns()}")
            versions = self.client.list_pipeline_versions(uploaded.pipeline_id).pipeline_versions
            run = self.client.run_pipeline(
                self.experiment,
                job_name=name,
                pipeline_id=uploaded.pipeline_id,
                version_id=versions[0].pipeline_version_id,
                params=arguments,
            )
        except ApiException as error:
            told = json.loads(error.body or "{}")
            return end("REFUSED", told.get("error_details") or told.get("message") or str(error.reason))
        except (ValueError, RuntimeError, yaml.YAMLError) as error:
            return end("REFUSED", f"by the client: {error}")
        ended = self.client.get_run(run.run_id)
        while ended.state not in ENDED:
            if time.monotonic() - start > timeout:
                with contextlib.suppress(ApiException):  # It may have ended just now.
                    self.client.terminate_run(run.run_id)
                return end("TIMEOUT", f"{ended.state} after {timeout:.0f} s")
            # KFP has no watch on runs.
            time.sleep(PERIOD)
            ended = self.client.get_run(run.run_id)
        return end(ended.state, failures(ended), self.outputs(run.run_id))

    def outputs(self, run_id: str) -> dict[str, Any]:
        """Return the output parameters of a run, by KFP 3's call; 2.17 tells none."""
        call = self.client._run_api.api_client.call_api
        try:
            told, _, _ = call(f"/apis/v2beta1/runs/{run_id}/tasks", "GET", response_type="object")
        except ApiException as error:
            if error.status == 404:
                return {}
            raise
        root = next((task for task in told["tasks"] if not task.get("parent_task_id")), {})
        parameters = root.get("outputs", {}).get("parameters", [])
        return {one["parameter_key"]: one.get("value") for one in parameters}


def failures(run: Any) -> str:
    """Return what the tasks say that failed, the innermost ones."""
    tasks = (run.run_details and run.run_details.task_details) or []
    said = {task.display_name: task.error.message for task in tasks if task.state == "FAILED" and task.error}
    inner = {name: text for name, text in said.items() if "failed" not in text or "exit code" in text}
    inner.pop("executor", None)
    return "; ".join(f"{name}: {text}" for name, text in (inner or said).items() if text)

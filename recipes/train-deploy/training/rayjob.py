"""The RayJob: made from `rayjob.yaml`, watched to its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

READS = ("training/rayjob.yaml",)
TEMPLATE = Path(__file__).resolve().parent / "rayjob.yaml"

Document = dict[str, Any]


class TrainingError(Exception):
    """The job ended without a model; the message names it and says what to do."""


def document(name: str, namespace: str, image: str, env: dict[str, str]) -> Document:
    """The RayJob to create."""
    job: Document = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
    job["metadata"].update(name=name, namespace=namespace)
    container = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    container["image"] = image
    container["env"] += [{"name": key, "value": value} for key, value in env.items()]
    return job


def failed(job: Document) -> bool:
    """Whether it has ended without success."""
    status = job.get("status") or {}
    return status.get("jobDeploymentStatus") in ("Failed", "ValidationFailed") or status.get("jobStatus") in (
        "FAILED",
        "STOPPED",
    )


def progress(job: Document) -> str:
    """One short line about it."""
    status = job.get("status") or {}
    words = [status.get("jobDeploymentStatus") or "new", status.get("jobStatus") or ""]
    return "job " + " ".join(word.lower() for word in words if word)


def finished(job: Document) -> bool:
    """Whether it has succeeded; raises TrainingError where it failed."""
    status = job.get("status") or {}
    if failed(job):
        where = job["metadata"]["namespace"], job["metadata"]["name"]
        raise TrainingError(
            f"RayJob {where[0]}/{where[1]} failed: {status.get('reason') or ''}"
            f" {status.get('message') or 'no message'}:"
            f" `kubectl --kubeconfig .basecamp/kubeconfig describe rayjob -n {where[0]} {where[1]}`",
        )
    return status.get("jobStatus") == "SUCCEEDED"

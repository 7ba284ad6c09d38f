"""The Experiment: made from `experiment.yaml`, watched, and read for its best trial."""

from __future__ import annotations

import copy
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

READS = ("experiment.yaml",)
TEMPLATE = Path(__file__).resolve().parent.parent / "experiment.yaml"
# What a shell would read otherwise than it is written (upstream: Katib's pod webhook joins the command for `sh -c`).
_PLAIN = re.compile(r"[A-Za-z0-9_./:=,@%+\-]*(\$\{trialParameters\.[A-Za-z]+\}[A-Za-z0-9_./:=,@%+\-]*)*")

Document = dict[str, Any]


class ExperimentError(Exception):
    """The Experiment cannot be made, or ended without a usable result; the message names it and says what to do."""


@dataclass(frozen=True)
class Best:
    """The best trial."""

    trial: str
    learning_rate: float
    batch_size: int
    mae: float
    trials: int
    """How many trials the choice was made from."""


def document(name: str, namespace: str, max_trials: int, image: str, env: dict[str, str]) -> Document:
    """The Experiment to create; raises ExperimentError for more trials than the file's cap, or none."""
    experiment: Document = copy.deepcopy(yaml.safe_load(TEMPLATE.read_text(encoding="utf-8")))
    spec = experiment["spec"]
    cap = spec["maxTrialCount"]
    if not 1 <= max_trials <= cap:
        raise ExperimentError(f"parameter max_trials is {max_trials}: {TEMPLATE.name} allows 1 to {cap}")
    experiment["metadata"].update(name=name, namespace=namespace)
    spec["maxTrialCount"] = max_trials
    # Katib takes neither more trials at once nor more failed ones than there are.
    for count in ("parallelTrialCount", "maxFailedTrialCount"):
        spec[count] = min(spec[count], max_trials)
    container = spec["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"][0]
    container["image"] = image
    container["env"] += [{"name": key, "value": value} for key, value in env.items()]
    for word in container["command"]:
        if not _PLAIN.fullmatch(word):
            raise ExperimentError(f"{TEMPLATE.name}: {word!r} in the trial's command would be read by a shell")
    return experiment


def failed(experiment: Document) -> bool:
    """Whether it has ended in failure."""
    return _condition(experiment, "Failed") is not None


def progress(experiment: Document) -> str:
    """One short line about it."""
    status = experiment.get("status") or {}
    done = sum(status.get(key) or 0 for key in ("trialsSucceeded", "trialsFailed", "trialMetricsUnavailable"))
    line = f"trials {done}/{experiment['spec']['maxTrialCount']}"
    best = _best(experiment)
    return f"{line}, best mae {best.mae:.2f}" if best else line


def result(experiment: Document) -> Best | None:
    """The best trial once the Experiment has succeeded, None while it runs; raises ExperimentError where it failed."""
    # With a goal, Restarting may stay True behind Succeeded: only these two types tell.
    failure = _condition(experiment, "Failed")
    name = f"Experiment {experiment['metadata']['namespace']}/{experiment['metadata']['name']}"
    describe = (
        "`kubectl --kubeconfig .basecamp/kubeconfig describe experiment"
        f" -n {experiment['metadata']['namespace']} {experiment['metadata']['name']}`"
    )
    if failure is not None:
        raise ExperimentError(f"{name} failed: {failure.get('message') or failure.get('reason')}: {describe}")
    if _condition(experiment, "Succeeded") is None:
        return None
    best = _best(experiment)
    if best is None:
        raise ExperimentError(
            f"{name} succeeded and names no best trial with a finite mae and both parameters: {describe}",
        )
    return best


def _condition(experiment: Document, type_: str) -> Document | None:
    for condition in (experiment.get("status") or {}).get("conditions") or []:
        if condition.get("type") == type_ and condition.get("status") == "True":
            return condition
    return None


def _best(experiment: Document) -> Best | None:
    status = experiment.get("status") or {}
    optimal = status.get("currentOptimalTrial") or {}
    values = {item["name"]: item["value"] for item in optimal.get("parameterAssignments") or []}
    metrics = {item["name"]: item for item in (optimal.get("observation") or {}).get("metrics") or []}
    try:
        # A minimised objective goes by its smallest reading.
        best = Best(
            trial=optimal["bestTrialName"],
            learning_rate=float(values["learning_rate"]),
            batch_size=int(float(values["batch_size"])),
            mae=float(metrics["mae"]["min"]),
            trials=status.get("trialsSucceeded") or 0,
        )
    except (KeyError, ValueError, OverflowError):
        return None
    return best if math.isfinite(best.mae) and math.isfinite(best.learning_rate) else None

"""Whether the experiment is over: one function, asked after every trial and after every restart.

Order and reasons are Katib's: katib:pkg/controller.v1beta1/experiment/util/status_util.go@v0.19.0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from tuner.experiment import Experiment
from tuner.records import Record, State, now, write_json

FILE = "verdict.json"


@dataclass(frozen=True)
class Verdict:
    """How the experiment ended; the condition that the controller sets."""

    type: str
    """`Succeeded` or `Failed`."""
    reason: str
    message: str


def decide(experiment: Experiment, records: Iterable[Record]) -> Verdict | None:
    """The verdict on these trials; None while there is something left to do."""
    records = list(records)
    objectives = [record.objective for record in records if record.objective is not None]
    goal = experiment.objective.goal
    if goal is not None and any(
        value <= goal if experiment.objective.type == "minimize" else value >= goal for value in objectives
    ):
        return Verdict(
            "Succeeded",
            "ExperimentGoalReached",
            "Experiment has succeeded because Objective goal has reached",
        )
    failed = sum(record.state in (State.FAILED, State.METRICS_UNAVAILABLE) for record in records)
    cap = experiment.max_failed_trials
    if cap is not None and failed and failed >= cap:
        return Verdict(
            "Failed",
            "ExperimentFailed",
            f"Experiment has failed because max failed count has reached: {failed} of {len(records)} trials"
            f" failed or printed no {experiment.objective.metric}, maxFailedTrialCount is {cap}",
        )
    if sum(record.state.over for record in records) >= experiment.max_trials:
        return Verdict(
            "Succeeded",
            "ExperimentMaxTrialsReached",
            "Experiment has succeeded because max trial count has reached",
        )
    return None


def invalid(message: str) -> Verdict:
    """The verdict on an experiment that cannot be carried out at all."""
    return Verdict("Failed", "ExperimentFailed", message)


def write(experiment: Experiment, verdict: Verdict) -> None:
    """Records the verdict: from here on nothing starts."""
    write_json(experiment.directory / FILE, {**asdict(verdict), "time": now()})


def written(experiment: Experiment) -> bool:
    """Whether there is a verdict already."""
    return (experiment.directory / FILE).exists()


def read(experiment: Experiment) -> Verdict:
    """The verdict on disk."""
    document = json.loads((experiment.directory / FILE).read_text(encoding="utf-8"))
    return Verdict(document["type"], document["reason"], document["message"])

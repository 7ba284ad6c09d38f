"""What to do: the experiment as the controller wrote it, with every reference resolved.

The controller writes `experiment.json` into the experiment's folder; this module is the only one that reads it.
Values keep Katib's spelling (`kubeflow.org/v1beta1` Experiment), strings where Katib has strings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

ENV_PREFIX = "TRIAL_ENV_"
"""Environment variables of a trial reach this program under this prefix: they may hold secrets, so no file has them."""

ObjectiveType = Literal["minimize", "maximize"]
Strategy = Literal["min", "max", "latest"]


@dataclass(frozen=True)
class Parameter:
    """One axis of the search space; bounds are numbers in text, as Katib has them."""

    name: str
    type: Literal["double", "int", "discrete", "categorical"]
    min: str = ""
    max: str = ""
    step: str = ""
    list: tuple[str, ...] = ()
    distribution: str = "uniform"


@dataclass(frozen=True)
class Objective:
    """What is optimised, and how a trial's many readings of a metric become one number."""

    type: ObjectiveType
    metric: str
    goal: float | None = None
    additional_metrics: tuple[str, ...] = ()
    strategies: dict[str, Strategy] = field(default_factory=dict)

    @property
    def metrics(self) -> list[str]:
        """Every metric to collect, the objective first."""
        return [self.metric, *self.additional_metrics]

    def strategy(self, metric: str) -> Strategy:
        """Katib's default where none is declared: the best reading
        (katib:pkg/apis/controller/experiments/v1beta1/experiment_defaults.go@v0.19.0)."""
        default: Strategy = "min" if self.type == "minimize" else "max"
        return self.strategies.get(metric, default)


@dataclass(frozen=True)
class TrialCommand:
    """The primary container of the trial's Job, ready to run but for `${trialParameters.…}`."""

    argv: tuple[str, ...]
    env: dict[str, str]
    workdir: Path
    cpus: float
    backoff_limit: int
    deadline_seconds: float | None
    parameters: dict[str, str]
    """Trial parameter → parameter of the search space it refers to."""
    constants: dict[str, str]
    """Trial parameter → text known beforehand (`${trialSpec.Namespace}` and the like)."""
    trial_name_parameters: tuple[str, ...]
    """Trial parameters that refer to `${trialSpec.Name}`."""


@dataclass(frozen=True)
class Experiment:
    """One Experiment."""

    uid: str
    name: str
    directory: Path
    objective: Objective
    algorithm: str
    settings: dict[str, str]
    parameters: tuple[Parameter, ...]
    max_trials: int
    parallel_trials: int
    max_failed_trials: int | None
    filters: tuple[str, ...]
    retain: bool
    trial: TrialCommand

    @property
    def seed(self) -> int | None:
        """`random_state`, Katib's name for the seed."""
        text = self.settings.get("random_state")
        return int(text) if text is not None else None

    @staticmethod
    def read(directory: Path, environment: Mapping[str, str]) -> Experiment:
        """Reads `experiment.json` of this folder, and the trial's variables from this program's environment."""
        document: dict[str, Any] = json.loads((directory / "experiment.json").read_text(encoding="utf-8"))
        objective = document["objective"]
        trial = document["trial"]
        return Experiment(
            uid=document["uid"],
            name=document["name"],
            directory=directory,
            objective=Objective(
                type=objective["type"],
                metric=objective["metric"],
                goal=objective.get("goal"),
                additional_metrics=tuple(objective.get("additionalMetrics", ())),
                strategies=dict(objective.get("strategies", {})),
            ),
            algorithm=document["algorithm"],
            settings=dict(document.get("settings", {})),
            parameters=tuple(
                Parameter(**{**parameter, "list": tuple(parameter.get("list", ()))})
                for parameter in document["parameters"]
            ),
            max_trials=document["maxTrials"],
            parallel_trials=document["parallelTrials"],
            max_failed_trials=document.get("maxFailedTrials"),
            filters=tuple(document.get("filters", ())),
            retain=document.get("retain", False),
            trial=TrialCommand(
                argv=tuple(trial["argv"]),
                env={
                    name.removeprefix(ENV_PREFIX): value
                    for name, value in environment.items()
                    if name.startswith(ENV_PREFIX)
                },
                workdir=Path(trial["workdir"]),
                cpus=trial["cpus"],
                backoff_limit=trial["backoffLimit"],
                deadline_seconds=trial.get("deadlineSeconds"),
                parameters=dict(trial["parameters"]),
                constants=dict(trial.get("constants", {})),
                trial_name_parameters=tuple(trial.get("trialNameParameters", ())),
            ),
        )

"""When an experiment is over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tuner.experiment import Experiment
from tuner.records import Record, State
from tuner.verdict import decide


def trials(text: str) -> list[Record]:
    """`1.5` succeeded with that objective, `F` failed, `U` had no metric, `R` runs, `K` was killed."""
    states = {"F": State.FAILED, "U": State.METRICS_UNAVAILABLE, "R": State.RUNNING, "K": State.KILLED}
    return [
        Record(
            f"t-{index}",
            index,
            {},
            states.get(word, State.SUCCEEDED),
            objective=None if word in states else float(word),
        )
        for index, word in enumerate(text.split())
    ]


@pytest.mark.parametrize(
    ("records", "changes", "reason"),
    [
        pytest.param("", {}, None, id="nothing ran"),
        pytest.param("1 2 R", {}, None, id="one left and one running"),
        pytest.param("1 2 3 R", {}, None, id="the last one runs"),
        pytest.param("1 2 3 4", {}, "ExperimentMaxTrialsReached", id="cap"),
        pytest.param("F F F F", {}, "ExperimentMaxTrialsReached", id="cap with failures only, as Katib"),
        pytest.param("1 F U R", {"maxFailedTrials": 2}, "ExperimentFailed", id="a missing metric is a failure"),
        pytest.param("1 F", {"maxFailedTrials": 2}, None, id="below the cap of failures"),
        pytest.param("1 2", {"maxFailedTrials": 0}, None, id="no failure is no failure"),
        pytest.param("F 2", {"maxFailedTrials": 0}, "ExperimentFailed", id="zero allows none"),
        pytest.param("F 2 3 4", {"maxFailedTrials": 1}, "ExperimentFailed", id="failures before the cap"),
        pytest.param("3 2 R", {"goal": 2.0}, "ExperimentGoalReached", id="goal to minimise"),
        pytest.param("3 2.1", {"goal": 2.0}, None, id="goal missed"),
        pytest.param("1 2", {"goal": 2.0, "type": "maximize"}, "ExperimentGoalReached", id="goal to maximise"),
        pytest.param("F 2", {"goal": 2.0, "maxFailedTrials": 1}, "ExperimentGoalReached", id="goal before failures"),
    ],
)
def test_decide(experiment: Callable[..., Path], records: str, changes: dict, reason: str | None) -> None:
    objective = {"type": changes.pop("type", "minimize"), "metric": "mae", "goal": changes.pop("goal", None)}
    verdict = decide(Experiment.read(experiment(objective=objective, **changes), {}), trials(records))
    assert (verdict and verdict.reason) == reason

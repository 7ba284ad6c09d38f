"""Whole experiments on a real Ray head, with the tuner and the head killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from conftest import PROGRAM, Head
from test_trial import wait_for

from tuner.experiment import Experiment
from tuner.records import Record, Records, State
from tuner.verdict import Verdict, read, written

END_SECONDS = 120
# Each run of a trial leaves a line outside of everything that a restart cleans.
WITNESS = """echo "$KATIB_TRIAL_NAME $PPID" >> "$WITNESS"\n"""
GOOD = WITNESS + """awk -v x="$1" 'BEGIN { print "mae=" (x - 0.3) * (x - 0.3) }'\n"""
# Quick until the file is there, then it hangs.
HANGING = GOOD + """[ ! -e "$WITNESS.hang" ] || exec sleep 300\n"""


class Tuner:
    """The program on one folder."""

    def __init__(self, head: Head, folder: Path) -> None:
        self.folder = folder
        self.witness = folder / "witness"
        self.log = (folder / "tuner.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM, "run", folder],
            env={**head.env, "TRIAL_ENV_PATH": os.environ["PATH"], "TRIAL_ENV_WITNESS": str(self.witness)},
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def ends(self) -> int:
        """Its exit code."""
        return self.process.wait(END_SECONDS)

    def verdict(self) -> Verdict:
        """What it came to, and it must."""
        code = self.ends()
        assert code == 0, (self.folder / "tuner.log").read_text()
        return read(Experiment.read(self.folder, {}))

    def runs(self) -> list[list[str]]:
        """Trial and actor of every run so far."""
        return [line.split() for line in self.witness.read_text().splitlines()] if self.witness.exists() else []


def states(folder: Path) -> Counter[State]:
    """How many trials rest in which state."""
    return Counter(record.state for record in Records(folder).all())


def over(folder: Path) -> dict[str, Record]:
    """The trials that are over, by name."""
    return {record.name: record for record in Records(folder).all() if record.state.over}


def test_twenty_trials_take_at_most_two_actors(head: Head, experiment: Callable[..., Path]) -> None:
    folder = experiment(GOOD, maxTrials=20, algorithm="tpe")
    tuner = Tuner(head, folder)
    assert tuner.verdict().reason == "ExperimentMaxTrialsReached"
    assert states(folder) == {State.SUCCEEDED: 20}
    runs = tuner.runs()
    assert sorted(trial for trial, _ in runs) == [f"tune-test-{index:03}" for index in range(20)]
    assert len({actor for _, actor in runs}) <= 2
    told = (folder / "tuner.log").read_text().splitlines()
    assert [line.split(",")[0] for line in told if line.startswith("trials ")][-1] == "trials 20/20"
    assert told[-1] == "Succeeded: Experiment has succeeded because max trial count has reached"
    assert not (folder / "tune").exists()


def test_failures_end_the_experiment(head: Head, experiment: Callable[..., Path]) -> None:
    script = WITNESS + 'case "$KATIB_TRIAL_NAME" in *0) exit 1;; *1) echo hello;; *) exec sleep 300;; esac'
    folder = experiment(script, maxFailedTrials=2)
    tuner = Tuner(head, folder)
    verdict = tuner.verdict()
    assert (verdict.type, verdict.reason) == ("Failed", "ExperimentFailed")
    assert "2 of " in verdict.message
    found = states(folder)
    assert found[State.FAILED] == 1
    assert found[State.METRICS_UNAVAILABLE] == 1
    assert found[State.SUCCEEDED] == found[State.RUNNING] == found[State.PENDING] == 0
    assert not left_running(folder)


def test_the_goal_ends_what_runs(head: Head, experiment: Callable[..., Path]) -> None:
    script = WITNESS + 'case "$KATIB_TRIAL_NAME" in *0) exec sleep 300;; *) echo mae=0.5;; esac'
    folder = experiment(script, objective={"type": "minimize", "metric": "mae", "goal": 0.5})
    tuner = Tuner(head, folder)
    assert tuner.verdict().reason == "ExperimentGoalReached"
    assert Records(folder).read("tune-test-000").state == State.KILLED
    assert not left_running(folder)


def test_more_than_the_head_has_is_refused(head: Head, experiment: Callable[..., Path]) -> None:
    folder = experiment(trial={"cpus": 64})
    verdict = Tuner(head, folder).verdict()
    assert (verdict.type, verdict.message) == ("Failed", "a trial requests 64 CPU, the Ray head has 2")


def test_told_to_stop_it_leaves_trials_open(head: Head, experiment: Callable[..., Path]) -> None:
    folder, tuner = half_way(head, experiment)
    finished = over(folder)
    tuner.process.send_signal(signal.SIGTERM)
    assert tuner.ends() == 128 + signal.SIGTERM
    assert not left_running(folder)
    assert over(folder) == finished
    continues(head, folder, finished)


def test_a_killed_tuner_continues(head: Head, experiment: Callable[..., Path]) -> None:
    folder, tuner = half_way(head, experiment)
    finished = over(folder)
    tuner.process.kill()
    assert tuner.ends() == -signal.SIGKILL
    continues(head, folder, finished)


def test_a_killed_head_is_survived(head: Head, experiment: Callable[..., Path]) -> None:
    folder, tuner = half_way(head, experiment)
    finished = over(folder)
    head.kill()
    try:
        assert tuner.ends() != 0
        assert over(folder) == finished
        assert not written(Experiment.read(folder, {}))
    finally:
        head.start()
    continues(head, folder, finished)


def half_way(head: Head, experiment: Callable[..., Path]) -> tuple[Path, Tuner]:
    """An experiment with some trials over and two hanging."""
    folder = experiment(HANGING, maxTrials=6)
    tuner = Tuner(head, folder)
    wait_for(lambda: len(over(folder)) >= 2, "two finished trials")
    Path(f"{tuner.witness}.hang").touch()
    wait_for(lambda: states(folder)[State.RUNNING] == 2 and len(left_running(folder)) >= 2, "two hanging trials")
    return folder, tuner


def continues(head: Head, folder: Path, finished: dict[str, Record]) -> None:
    """A tuner that starts now finishes the experiment: nothing twice that was over, nothing above the cap."""
    Path(f"{folder}/witness.hang").unlink()
    tuner = Tuner(head, folder)
    assert tuner.verdict().reason == "ExperimentMaxTrialsReached"
    assert states(folder) == {State.SUCCEEDED: 6}
    assert {name: record for name, record in over(folder).items() if name in finished} == finished
    runs = Counter(trial for trial, _ in tuner.runs())
    assert {name: runs[name] for name in finished} == dict.fromkeys(finished, 1)
    assert sorted(runs) == [f"tune-test-{index:03}" for index in range(6)]


def left_running(folder: Path) -> list[bytes]:
    """Environments of what runs for this experiment."""
    from tuner import trial

    mark = f"{trial.MARK}={Experiment.read(folder, {}).uid}/".encode()
    return [environ for _, environ in trial._processes() if mark in environ]

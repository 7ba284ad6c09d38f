"""One trial as a process, without Ray."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PROGRAM

from tuner import trial, verdict
from tuner.experiment import Experiment
from tuner.records import Lease, Record, Records, State

ENV = {"TRIAL_ENV_PATH": os.environ["PATH"], "TRIAL_ENV_WORD": "two words", "UNRELATED": "1"}
DEADLINE = 120.0
"""For a thing that takes a second or two where nothing else runs: only a failure waits for it."""


def one(folder: Path) -> tuple[Experiment, Records, Lease]:
    """The experiment of this folder with one trial waiting."""
    experiment, records = Experiment.read(folder, ENV), Records(folder)
    records.write(Record("tune-test-000", 0, {"x": 0.5}))
    return experiment, records, Lease.take(folder)


def ran(folder: Path) -> tuple[Record, str]:
    """That trial's record after it ran, and its log."""
    experiment, records, lease = one(folder)
    record = trial.run(experiment, records, lease, "tune-test-000")
    assert records.read(record.name) == record
    return record, records.log(record.name).read_text()


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """What the condition returns once it holds."""
    latest = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < latest, f"no {what} within {DEADLINE} s"
        time.sleep(0.01)
    return found


def test_success(experiment: Callable[..., Path]) -> None:
    folder = experiment()
    record, log = ran(folder)
    assert (record.state, record.objective, log) == (State.SUCCEEDED, pytest.approx(0.04), "mae=0.04\n")
    assert not Records(folder).scratch(record.name).exists()


def test_a_retained_trial_keeps_its_folder(experiment: Callable[..., Path]) -> None:
    folder = experiment("echo mae=1; echo kept > file", retain=True)
    record, _ = ran(folder)
    assert (Records(folder).scratch(record.name) / "file").read_text() == "kept\n"
    assert not (folder.parent / "image" / "file").exists()


def test_what_a_trial_is_given(experiment: Callable[..., Path]) -> None:
    script = 'printf "%s|" "$1" "$2" "$KATIB_TRIAL_NAME" "$WORD" "$UNRELATED" "$HOME" "$PWD"; env >&2'
    folder = experiment(
        script,
        trial={
            "argv": ["sh", "trial.sh", "${trialParameters.x}", "${trialParameters.n}-${trialParameters.ns}"],
            "constants": {"ns": "trials"},
            "trialNameParameters": ["n"],
        },
    )
    _, log = ran(folder)
    scratch = str(Records(folder).scratch("tune-test-000"))
    expected = ["0.5", "tune-test-000-trials", "tune-test-000", "two words", "", scratch, scratch]
    assert log.split("|")[:7] == expected
    assert "RAY_" not in log


@pytest.mark.parametrize(
    ("script", "changes", "state", "message"),
    [
        ("echo oh no; exit 3", {}, State.FAILED, "Trial has failed: exit code 3, last line: oh no"),
        ("kill -9 $$", {}, State.FAILED, "Trial has failed: killed by signal 9"),
        ("echo hello", {}, State.METRICS_UNAVAILABLE, "Metrics are not available: no number for mae in "),
        ("echo mae=nan", {}, State.METRICS_UNAVAILABLE, "Metrics are not available: no number for mae in "),
        ("sleep 60", {"deadlineSeconds": 0.2}, State.FAILED, "Trial ran longer than 0.2 s"),
        (
            "",
            {"argv": ["no-such-program"]},
            State.FAILED,
            "Trial has failed: exit code 127, last line: no-such-program: [Errno 2]",
        ),
    ],
)
def test_failure(experiment: Callable[..., Path], script: str, changes: dict, state: State, message: str) -> None:
    record, _ = ran(experiment(script, trial=changes))
    assert record.state == state
    assert record.message.startswith(message)
    assert record.completionTime


def test_a_failing_trial_is_tried_as_often_as_the_job_says(experiment: Callable[..., Path]) -> None:
    script = 'echo "try" >> ../tries; [ "$(wc -l < ../tries)" = 3 ] && echo mae=1'
    folder = experiment(script, trial={"backoffLimit": 2})
    record, _ = ran(folder)
    assert record.state == State.SUCCEEDED
    assert (folder / "trials" / "tries").read_text() == "try\n" * 3


def test_children_end_with_the_trial(experiment: Callable[..., Path]) -> None:
    folder = experiment("setsid sleep 300 & sleep 301 & echo mae=1")
    record, _ = ran(folder)
    assert record.state == State.SUCCEEDED
    mark = f"BASECAMP_TRIAL={Experiment.read(folder, ENV).uid}/".encode()
    assert not [environ for _, environ in trial._processes() if mark in environ]


def test_an_ended_trial_is_not_run_again(experiment: Callable[..., Path]) -> None:
    folder = experiment("echo mae=1; echo ran >> ../runs")
    first, _ = ran(folder)
    known, records = Experiment.read(folder, ENV), Records(folder)
    assert trial.run(known, records, Lease.take(folder), first.name) == first
    assert (folder / "trials" / "runs").read_text() == "ran\n"


def test_who_lost_the_lease_leaves_the_trial_open(experiment: Callable[..., Path]) -> None:
    folder = experiment("echo started; exec sleep 300")
    known, records, lease = one(folder)
    runner = threading.Thread(target=trial.run, args=(known, records, lease, "tune-test-000"))
    runner.start()
    log = records.log("tune-test-000")
    wait_for(lambda: log.exists() and log.read_text(), "output")
    Lease.take(folder)
    trial.end(known)
    runner.join(DEADLINE)
    assert not runner.is_alive()
    assert records.read("tune-test-000").state == State.RUNNING


def test_a_trial_that_runs_when_the_verdict_comes_is_killed(experiment: Callable[..., Path]) -> None:
    folder = experiment("echo started; exec sleep 300")
    known, records, lease = one(folder)
    runner = threading.Thread(target=trial.run, args=(known, records, lease, "tune-test-000"))
    runner.start()
    log = records.log("tune-test-000")
    wait_for(lambda: log.exists() and log.read_text(), "output")
    verdict.write(known, verdict.invalid("over"))
    trial.end(known)
    runner.join(DEADLINE)
    assert records.read("tune-test-000").state == State.KILLED


def test_end_from_the_command_line(experiment: Callable[..., Path]) -> None:
    folder = experiment()
    uid = Experiment.read(folder, ENV).uid
    left = subprocess.Popen(["sleep", "300"], env={**os.environ, trial.MARK: f"{uid}/t"}, start_new_session=True)
    other = subprocess.Popen(["sleep", "300"], env={**os.environ, trial.MARK: f"{uid}0/t"}, start_new_session=True)
    try:
        # Reaped as the kernel kills it: a zombie's environment is empty, so nothing waits for this.
        subprocess.run([sys.executable, PROGRAM, "end", folder], check=True, timeout=DEADLINE)
        assert left.wait(DEADLINE) == -9
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()

"""Runs one trial: its command as a process, its output to its log, its metrics into its record."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

from tuner import verdict
from tuner.collector import lines_of, number, observe
from tuner.experiment import Experiment, TrialCommand
from tuner.records import Lease, Record, Records, State, assignment

MARK = "BASECAMP_TRIAL"
"""Environment variable by which the processes of a trial are known: `<experiment uid>/<trial name>`."""

_KILL_SECONDS = 10.0
"""How long a killed process may take to disappear; longer means that it hangs in the kernel."""


def run(experiment: Experiment, records: Records, lease: Lease, name: str) -> Record:
    """Runs the trial to its end and returns its record, which is on disk by then.

    A trial that is over already stays as it is. One that is open was interrupted: what is left of it is ended first.
    One that loses the lease while it runs stays open, for the tuner that took it.
    """
    record = records.read(name)
    if record.state.over:
        return record
    end(experiment, name)
    if not lease.held():
        return record
    record = record.started()
    records.write(record)
    code, late = _attempts(experiment, records, lease, record)
    ended = _judge(experiment, records, record, code, late)
    if not lease.held():
        return record
    if not experiment.retain:
        rmtree(records.scratch(name), ignore_errors=True)
    records.write(ended)
    return ended


def command(trial: TrialCommand, record: Record) -> tuple[list[str], dict[str, str]]:
    """The trial's argv and environment, `${trialParameters.…}` replaced as Katib does: as text, everywhere."""
    texts = {
        **trial.constants,
        **{parameter: assignment(record.parameters[axis]) for parameter, axis in trial.parameters.items()},
        **{parameter: record.name for parameter in trial.trial_name_parameters},
    }

    def filled(text: str) -> str:
        for parameter, value in texts.items():
            text = text.replace(f"${{trialParameters.{parameter}}}", value)
        return text

    return [filled(word) for word in trial.argv], {
        **{key: filled(value) for key, value in trial.env.items()},
        "KATIB_TRIAL_NAME": record.name,
    }


def end(experiment: Experiment, name: str | None = None) -> None:
    """Kills what is left of one trial, or of all, with every process of their sessions; returns when they are gone."""
    mark = f"{MARK}={experiment.uid}/{name or ''}".encode()

    def marked(environment: bytes) -> bool:
        return any(variable == mark if name else variable.startswith(mark) for variable in environment.split(b"\0"))

    latest = time.monotonic() + _KILL_SECONDS
    while sessions := {session for session, environment in _processes() if marked(environment)}:
        if time.monotonic() > latest:
            raise TimeoutError(f"sessions {sorted(sessions)} of {name or experiment.name} survive SIGKILL")
        for pid in _members(sessions):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # A killed process is gone when the kernel has torn it down; nothing tells a stranger's end but asking.
        time.sleep(0.01)


def _attempts(experiment: Experiment, records: Records, lease: Lease, record: Record) -> tuple[int, bool]:
    """Runs the Job's pods one after the other; the last exit code, and whether the Job's deadline cut it short."""
    argv, env = command(experiment.trial, record)
    deadline = experiment.trial.deadline_seconds
    latest = time.monotonic() + deadline if deadline is not None else None
    code = 0
    with records.log(record.name).open("wb") as log:
        for _ in range(experiment.trial.backoff_limit + 1):
            scratch = _scratch(experiment.trial, records.scratch(record.name))
            places = {"HOME": str(scratch), "TMPDIR": str(scratch / ".tmp"), "PWD": str(scratch)}
            marked = {**places, **env, MARK: f"{experiment.uid}/{record.name}"}
            process = _start(argv, marked, scratch, log.fileno())
            if process is None:
                return 127, False
            try:
                # Asked after the start: whoever ends trials says so first, and looks for processes then.
                if not lease.held() or verdict.written(experiment):
                    return -signal.SIGKILL, False
                code = process.wait(None if latest is None else max(0.0, latest - time.monotonic()))
            except subprocess.TimeoutExpired:
                return -signal.SIGKILL, True
            finally:
                # Whatever the command left behind ends with it, as in a pod.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                end(experiment, record.name)
            if code == 0 or verdict.written(experiment):
                return code, False
    return code, False


def _start(argv: list[str], env: dict[str, str], scratch: Path, log: int) -> subprocess.Popen[bytes] | None:
    """The command in a session of its own; None where it cannot be started, which the log then tells."""
    try:
        return subprocess.Popen(
            argv, cwd=scratch, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    except OSError as error:
        os.write(log, f"{argv[0]}: {error}\n".encode())
        return None


def _judge(experiment: Experiment, records: Records, record: Record, code: int, late: bool) -> Record:
    if late:
        deadline = experiment.trial.deadline_seconds
        return record.ended(State.FAILED, "DeadlineExceeded", f"Trial ran longer than {deadline:g} s")
    if code != 0 and verdict.written(experiment):
        return record.ended(State.KILLED, "TrialKilled", "Trial was ended because the experiment was over")
    if code != 0:
        return record.ended(State.FAILED, "TrialFailed", f"Trial has failed: {_how(code)}{_last_line(records, record)}")
    objective = experiment.objective
    observation = observe(lines_of(records.log(record.name)), objective.metrics, experiment.filters)
    value = number(observation[0], objective.strategy(objective.metric)) if observation else None
    if value is None:
        return record.ended(
            State.METRICS_UNAVAILABLE,
            "MetricsUnavailable",
            f"Metrics are not available: no number for {objective.metric} in {records.log(record.name)}",
        )
    return replace(record, observation=observation, objective=value).ended(State.SUCCEEDED, "TrialSucceeded")


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def _last_line(records: Records, record: Record) -> str:
    last = ""
    for line in lines_of(records.log(record.name)):
        last = line.strip() or last
    return f", last line: {last[:500]}" if last else ""


def _scratch(trial: TrialCommand, scratch: Path) -> Path:
    """An empty working directory where the image's files appear by link: what is written stays outside of the image."""
    rmtree(scratch, ignore_errors=True)
    (scratch / ".tmp").mkdir(parents=True)
    for entry in trial.workdir.iterdir():
        (scratch / entry.name).symlink_to(entry)
    return scratch


def _processes() -> list[tuple[int, bytes]]:
    """Session and environment of every process that lets itself be read."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                environment = (folder / "environ").read_bytes()
                found.append((os.getsid(int(folder.name)), environment))
    return found


def _members(sessions: set[int]) -> list[int]:
    """Every process of these sessions, this one's own session left out."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                pid = int(folder.name)
                if os.getsid(pid) in sessions - {os.getsid(0)}:
                    found.append(pid)
    return found

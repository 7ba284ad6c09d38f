"""What was done: one file a trial, `trials/<name>.json`, replaced in one step.

A record is written before its trial starts, so that neither a killed tuner nor a killed Ray can make the experiment
exceed its cap: a restarted tuner counts records, finishes the open ones under their own names and parameters, and
only then asks for new ones. The controller reads the same files to tell the Experiment's status.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

Value = int | float | str


def assignment(value: Value) -> str:
    """The value as text, exact: what the trial's command gets and what the status shows."""
    return value if isinstance(value, str) else repr(value)


class State(StrEnum):
    """Katib's trial conditions, those that a trial can rest in here."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    KILLED = "Killed"

    @property
    def over(self) -> bool:
        """Whether the trial will not run again."""
        return self not in (State.PENDING, State.RUNNING)


@dataclass(frozen=True)
class Metric:
    """One metric as Katib's observation has it; texts exactly as the trial printed them, or `unavailable`."""

    name: str
    min: str
    max: str
    latest: str


@dataclass(frozen=True)
class Record:
    """One trial."""

    name: str
    index: int
    parameters: dict[str, Value]
    state: State = State.PENDING
    observation: tuple[Metric, ...] = ()
    objective: float | None = None
    reason: str = ""
    message: str = ""
    startTime: str | None = None
    completionTime: str | None = None
    assignments: tuple[dict[str, str], ...] = field(default=())

    def started(self) -> Record:
        """The record of the trial now running."""
        return replace(self, state=State.RUNNING, reason="TrialRunning", startTime=self.startTime or now())

    def ended(self, state: State, reason: str, message: str = "") -> Record:
        """The record of the trial now over."""
        return replace(self, state=state, reason=reason, message=message, completionTime=now())


class Records:
    """The trials of one experiment, on disk."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "trials"
        self.directory.mkdir(parents=True, exist_ok=True)

    def write(self, record: Record) -> None:
        """Replaces the trial's record; it survives a loss of power once this returns."""
        write_json(self.directory / f"{record.name}.json", asdict(record))

    def read(self, name: str) -> Record:
        """The trial's record."""
        return _record(json.loads((self.directory / f"{name}.json").read_text(encoding="utf-8")))

    def all(self) -> list[Record]:
        """Every trial, in order of creation."""
        found = [_record(json.loads(path.read_text(encoding="utf-8"))) for path in self.directory.glob("*.json")]
        return sorted(found, key=lambda record: record.index)

    def log(self, name: str) -> Path:
        """Where the trial's standard output and error go."""
        return self.directory / f"{name}.log"

    def scratch(self, name: str) -> Path:
        """The trial's working directory."""
        return self.directory / f"{name}.scratch"


class Lease:
    """Who may write records: the tuner that took the lease last, and the Ray actors it made.

    An actor may outlive its tuner for a moment, and would take the end of a trial that its successor killed for the
    trial's own failure.
    """

    def __init__(self, directory: Path, token: str) -> None:
        self._file = directory / "lease.json"
        self._token = token

    @staticmethod
    def take(directory: Path) -> Lease:
        """Takes the lease from whoever has it."""
        lease = Lease(directory, uuid.uuid4().hex)
        write_json(lease._file, {"token": lease._token})
        return lease

    def held(self) -> bool:
        """Whether nobody took it since, and it was not given back."""
        try:
            return json.loads(self._file.read_text(encoding="utf-8"))["token"] == self._token
        except FileNotFoundError:
            return False

    def give_back(self) -> None:
        """Lets nobody write any more."""
        if self.held():
            self._file.unlink(missing_ok=True)


def now() -> str:
    """This moment as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Writes a file in one step: a reader, and a restart, sees the old one or this one."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _record(document: dict[str, Any]) -> Record:
    return Record(
        **{
            **document,
            "state": State(document["state"]),
            "observation": tuple(Metric(**metric) for metric in document["observation"]),
            "assignments": tuple(document["assignments"]),
        }
    )

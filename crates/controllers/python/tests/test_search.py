"""Which trial comes next: a record before a suggestion, and the same one after a restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ray.tune.search import Searcher

from tuner.experiment import Experiment
from tuner.records import Record, Records, State
from tuner.search import OBJECTIVE, RecordedSearch

SPACE = [
    {"name": "rate", "type": "double", "min": "0.0001", "max": "1", "distribution": "logUniform"},
    {"name": "leaves", "type": "int", "min": "2", "max": "64"},
    {"name": "loss", "type": "categorical", "list": ["a", "b"]},
]


def begun(folder: Path) -> tuple[RecordedSearch, Records]:
    """A search of this folder, as a tuner that starts makes it."""
    records = Records(folder)
    return RecordedSearch(Experiment.read(folder, {}), records), records


def finish(search: RecordedSearch, records: Records, trial_id: str, objective: float) -> None:
    """Ends a trial as its actor and Ray Tune do."""
    record = search.record(trial_id)
    records.write(replace(record, objective=objective).ended(State.SUCCEEDED, "TrialSucceeded"))
    search.on_trial_complete(trial_id, {OBJECTIVE: objective, "training_iteration": 1})


def sequence(folder: Path, restart_after: int | None) -> list[dict]:
    """Parameters of 14 trials, past TPE's random beginning, one after the other."""
    search, records = begun(folder)
    for index in range(14):
        if index == restart_after:
            search, records = begun(folder)
        assert search.suggest(str(index)) == {"trial": f"tune-test-{index:03}"}
        rate = records.read(f"tune-test-{index:03}").parameters["rate"]
        finish(search, records, str(index), abs(float(rate) - 0.01))
    return [record.parameters for record in records.all()]


@pytest.fixture
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Folders of one experiment."""
    from conftest import document

    def make() -> Path:
        import json

        folder = tmp_path_factory.mktemp("experiment")
        described = document(algorithm="tpe", parameters=SPACE, maxTrials=14)
        (folder / "experiment.json").write_text(json.dumps(described))
        return folder

    return make


def test_a_restart_changes_nothing(folders: Callable[..., Path]) -> None:
    straight = sequence(folders(), restart_after=None)
    assert sequence(folders(), restart_after=3) == straight
    assert sequence(folders(), restart_after=12) == straight
    assert len({str(parameters) for parameters in straight}) == 14


def test_the_cap_counts_records(folders: Callable[..., Path]) -> None:
    folder = folders()
    sequence(folder, restart_after=None)
    search, records = begun(folder)
    assert search.suggest("late") == Searcher.FINISHED
    assert len(records.all()) == 14


def test_open_trials_come_first_and_as_they_were(folders: Callable[..., Path]) -> None:
    folder = folders()
    search, records = begun(folder)
    for trial_id in "abc":
        search.suggest(trial_id)
    records.write(records.read("tune-test-000").started())
    finish(search, records, "b", 0.5)
    before = {record.name: record.parameters for record in records.all()}

    search, records = begun(folder)
    again = [search.suggest(trial_id) for trial_id in "xyz"]
    assert again == [{"trial": "tune-test-000"}, {"trial": "tune-test-002"}, {"trial": "tune-test-003"}]
    after = {record.name: record.parameters for record in records.all()}
    assert {name: after[name] for name in before} == before
    for trial_id in "xyz":
        finish(search, records, trial_id, 0.25)


def test_a_record_is_there_before_the_trial_can_start(folders: Callable[..., Path]) -> None:
    search, records = begun(folders())
    search.suggest("a")
    record = records.read("tune-test-000")
    assert record.state == State.PENDING
    assert {entry["name"]: entry["value"] for entry in record.assignments} == {
        name: value if isinstance(value, str) else repr(value) for name, value in record.parameters.items()
    }


def test_failed_trials_teach_nothing(folders: Callable[..., Path]) -> None:
    folder = folders()
    search, records = begun(folder)
    search.suggest("a")
    records.write(search.record("a").ended(State.FAILED, "TrialFailed"))
    search.on_trial_complete("a", {OBJECTIVE: None})
    restarted, _ = begun(folder)
    for study in (search._ot_study, restarted._ot_study):
        assert study is not None
        assert [trial.state.name for trial in study.trials] == ["FAIL"]


def test_a_record_reads_as_written(tmp_path: Path) -> None:
    records = Records(tmp_path)
    record = Record("t-0", 0, {"x": 0.1, "n": 3, "c": "a"}, State.SUCCEEDED, objective=1e-300)
    records.write(record)
    assert records.all() == [record]

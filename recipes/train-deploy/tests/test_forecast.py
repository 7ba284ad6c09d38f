"""The model: canonical, deterministic, better than the naive forecast. Budget: 40 s."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kfp import dsl

import pipeline
from evaluation import report
from evaluation.golden import GoldenError, Spec, digest, record
from features.datasets import Dataset, DatasetError, write
from features.days import Commits, repository_days
from features.extraction import _labelled, _origins
from features.views import FEATURES
from forecast.ensemble import Hyperparameters, ensemble, scaled
from forecast.fit import fit_member
from forecast.inference import answer, request
from forecast.model import Model, ModelError
from forecast.skill import NAIVE, Score, score
from lakehouse.generation import batches
from lakehouse.synthetic import Spec as World
from steps.evaluate import evaluate
from tests.conftest import RECIPE, write_dataset
from tuning.trial import validation_error

CHOSEN = Hyperparameters(0.003, 64)
MEMBERS = range(2)
"""Fewer than are trained: what these reach, more do."""
SPEC = Spec(requests=3, rows_per_request=4, minimum_rows=8)


@cache
def world(seed: int = 7) -> tuple[Dataset, Dataset, Dataset]:
    """Training, validation and golden set of the default synthetic repositories, without the lakehouse between."""
    parts = [rows for _, rows, _ in batches(World(seed=seed, repositories=24, years=3, commits=200_000))]
    commits = Commits.of(pa.Table.from_batches(parts))
    days = {item.repository: item for item in repository_days(commits, commits.cutoff)}
    origins = _origins(list(days.values()), commits.cutoff)
    rows = _labelled(list(days.values()), origins).to_pylist()
    moments = np.array([int(row["event_timestamp"].timestamp()) // 86_400 for row in rows])
    features = np.array(
        [
            [days[row["repository"]].features[name][moment - days[row["repository"]].first] for name in FEATURES]
            for row, moment in zip(rows, moments, strict=True)
        ],
    )
    whole = Dataset(
        np.array([row["repository"] for row in rows]),
        moments.astype("datetime64[D]").astype("datetime64[us]"),
        FEATURES,
        features,
        np.array([row["commits_next_7d"] for row in rows]),
    )
    held_out = len(origins) // 6
    bounds = origins[-2 * held_out], origins[-held_out]

    def part(keep: np.ndarray) -> Dataset:
        return replace(
            whole,
            repositories=whole.repositories[keep],
            times=whole.times[keep],
            features=whole.features[keep],
            labels=whole.labels[keep],
        )

    return (
        part(moments < bounds[0]),
        part((moments >= bounds[0]) & (moments < bounds[1])),
        part(moments >= bounds[1]),
    )


def part_of(dataset: Dataset, rows: int) -> Dataset:
    """Its first rows."""
    arrays = ("repositories", "times", "features", "labels")
    return replace(dataset, **{name: getattr(dataset, name)[:rows] for name in arrays})


@cache
def fitted() -> Model:
    train, validation, _ = world()
    whole = train.joined(validation)
    base = scaled(whole)
    return ensemble(base, [fit_member(base, whole, CHOSEN, seed) for seed in MEMBERS])


# The corners of the search space, and its middle: no search ends anywhere worse.
@pytest.mark.parametrize(
    ("seed", "chosen"),
    [
        (7, Hyperparameters(0.0003, 16)),
        (7, CHOSEN),
        (7, Hyperparameters(0.03, 256)),
        (8, CHOSEN),
        (9, CHOSEN),
    ],
)
def test_skill_on_synthetic_repositories_clears_the_default_threshold(seed: int, chosen: Hyperparameters) -> None:
    train, validation, golden = world(seed)
    whole = train.joined(validation)
    base = scaled(whole)
    model = ensemble(base, [fit_member(base, whole, chosen, member) for member in MEMBERS])
    found = score(model.predict(golden.features), golden.column(NAIVE), golden.labels)
    assert found.skill > pipeline.THRESHOLD + 0.03, found


def test_labels_shuffled_in_time_leave_no_skill() -> None:
    """The skill comes from what is known, not from the way it is measured."""
    train, _, golden = world()
    shuffled = replace(train, labels=np.random.default_rng(0).permutation(train.labels))
    base = scaled(shuffled)
    model = ensemble(base, [fit_member(base, shuffled, CHOSEN, 0)])
    assert score(model.predict(golden.features), golden.column(NAIVE), golden.labels).skill < 0


def test_both_hyperparameters_change_the_model() -> None:
    train, validation, _ = world()
    errors = [
        validation_error(train, validation, chosen)
        for chosen in (CHOSEN, Hyperparameters(0.0031, 64), Hyperparameters(0.003, 65))
    ]
    assert len(set(errors)) == 3


def test_two_processes_fit_the_same_bytes(tmp_path: Path) -> None:
    train, _, _ = world()
    write_dataset(train, tmp_path / "train")
    program = (
        "import sys; from features.datasets import Dataset; from forecast.ensemble import *;"
        " from forecast.fit import fit_member; d = Dataset.read(open(sys.argv[1], 'rb')); b = scaled(d);"
        " print(ensemble(b, [fit_member(b, d, Hyperparameters(0.003, 64), s) for s in (0, 1)]).digest)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "train")],
            cwd=RECIPE,
            env={**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
            stdout=subprocess.PIPE,
        )
        for threads in ("1", "2")
    ]
    said = {process.communicate(timeout=120)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(said) == 1


def test_the_canonical_form_reads_back_the_same() -> None:
    model = fitted()
    again = Model.from_bytes(model.to_bytes())
    assert again.to_bytes() == model.to_bytes()
    assert again.digest == model.digest
    golden = world()[2]
    assert (again.predict(golden.features) == model.predict(golden.features)).all()


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.just(len(FEATURES))), elements=st.floats(0, 1e6)))
def test_a_row_has_one_prediction_alone_and_in_a_batch(rows: np.ndarray) -> None:
    model = fitted()
    alone = [model.predict(rows[index : index + 1])[0] for index in range(len(rows))]
    together = model.predict(rows)
    assert together.tobytes() == np.array(alone).tobytes()
    assert (together >= 0).all()
    assert np.isfinite(together).all()
    over_the_wire = json.loads(json.dumps(request("x", rows)))
    assert answer(model, over_the_wire["inputs"]).tobytes() == together.tobytes()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: b"{}", "not a model file"),
        (lambda text: b"\xff", "not a model file"),
        (lambda text: text.replace(b"commits/1", b"commits/9"), "has format 'basecamp.next-week-commits/9'"),
        (lambda text: text.replace(b'"commits_28d",', b""), "its parts do not fit together"),
        (lambda text: text.replace(b'"output_bias":', b'"output_bias":1e999,"x":', 1), "not finite"),
    ],
)
def test_a_wrong_model_file_says_so(change: Callable[[bytes], bytes], expected: str) -> None:
    with pytest.raises(ModelError, match=expected):
        Model.from_bytes(change(fitted().to_bytes()))


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        ({"name": "x"}, "expected one named features"),
        ({"datatype": "INT64"}, "has datatype INT64"),
        ({"shape": [3]}, "cannot reshape"),
        ({"data": ["a"]}, "could not convert"),
        ({"data": [-1.0] * len(FEATURES)}, "negative or not finite"),
        ({"shape": [len(FEATURES), 1]}, "expected \\(rows, 22\\)"),
    ],
)
def test_a_wrong_request_says_so(tensor: dict[str, object], expected: str) -> None:
    good = request("x", np.ones((1, len(FEATURES))))["inputs"][0]
    with pytest.raises(ModelError, match=expected):
        answer(fitted(), [{**good, **tensor}])


def test_the_report_adds_up() -> None:
    model, golden = fitted(), world()[2]
    made = report.evaluate(model, golden, SPEC)
    assert sum(item.rows for item in made.slices.values()) == made.overall.rows == len(golden.labels)
    weighted = sum(item.mae * item.rows for item in made.slices.values()) / made.overall.rows
    assert weighted == pytest.approx(made.overall.mae)
    assert made.actual.sum() == golden.labels.sum()
    page = report.page(made, model.digest)
    assert "Synthetic data" in page
    assert "http" not in page


def test_golden_answers_are_those_of_the_model() -> None:
    model, golden = fitted(), world()[2]
    recorded = record(model, golden, SPEC)
    assert len(recorded["requests"]) == 3
    flat = [value for answers in recorded["predictions"] for value in answers]
    rows = np.concatenate([np.array(asked["inputs"][0]["data"]) for asked in recorded["requests"]]).reshape(-1, 22)
    assert model.predict(rows).tolist() == flat
    assert digest(recorded, SPEC) != digest(recorded, replace(SPEC, minimum_rows=9))
    assert Spec.read().requests > 0


def test_what_cannot_be_judged_stops_the_evaluation() -> None:
    model, golden = fitted(), world()[2]
    with pytest.raises(GoldenError, match="fewer than its minimum"):
        report.evaluate(model, golden, replace(SPEC, minimum_rows=10_000))
    with pytest.raises(GoldenError, match=r"model \w{12}: its error on the golden set is nan, no number to judge by"):
        report.evaluate(model, replace(golden, labels=golden.labels * np.nan), SPEC)


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_model_of_no_measure_leaves_the_evaluation_without_a_figure(tmp_path: Path) -> None:
    """Its parameters are numbers and its answers are not: there is nothing that a gate could read."""
    model, golden = fitted(), world()[2]
    (tmp_path / "model").write_bytes(replace(model, members=(replace(model.members[0], output_bias=1e300),)).to_bytes())
    write_dataset(golden, tmp_path / "golden")

    def artifact(kind: type[dsl.Artifact], name: str) -> Any:
        return kind(name=name, uri=str(tmp_path / name))

    with pytest.raises(GoldenError, match=r"its error on the golden set is inf, .* so it is not registered: narrow"):
        evaluate(
            artifact(dsl.Model, "model"),
            artifact(dsl.Dataset, "golden"),
            artifact(dsl.Metrics, "metrics"),
            artifact(dsl.HTML, "chart"),
            artifact(dsl.Artifact, "golden_answers"),
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["golden", "model"]


@pytest.mark.filterwarnings("ignore:.* encountered in ")
@pytest.mark.parametrize("learning_rate", [1e300, float("nan"), 0.0])
def test_a_trial_that_comes_to_nothing_has_no_metric(learning_rate: float) -> None:
    few, validation, _ = (part_of(dataset, 200) for dataset in world())
    with pytest.raises(ValueError, match=r"non-finite parameter weights|'learning_rate_init' parameter"):
        validation_error(few, validation, Hyperparameters(learning_rate, 16))


@pytest.mark.parametrize(
    ("mae", "naive", "expected"),
    [(1.0, 2.0, 0.5), (2.0, 2.0, 0.0), (3.0, 2.0, -0.5), (0.0, 0.0, 0.0), (1.0, 0.0, -1.0)],
)
def test_skill(mae: float, naive: float, expected: float) -> None:
    assert Score(1, mae, naive).skill == expected


def test_a_wrong_data_set_says_so(tmp_path: Path) -> None:
    write(pa.table({"repository": ["r"]}), str(tmp_path / "x"))
    with pytest.raises(DatasetError, match="lacks columns \\['commits_next_7d', 'event_timestamp'\\]"):
        Dataset.read((tmp_path / "x").open("rb"))

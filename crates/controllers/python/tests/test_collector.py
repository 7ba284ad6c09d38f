"""Metrics of a log, against what Katib's collector makes of the same lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.collector import LONGEST_LINE, lines_of, number, observe
from tuner.records import Metric


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(["mae=3.5"], ("3.5", "3.5", "3.5"), id="one reading"),
        pytest.param(["mae=3.5", "mae=2", "mae=9"], ("2", "9", "9"), id="min, max and latest"),
        pytest.param(["mae = -7.53e-05"], ("-7.53e-05",) * 3, id="spaces and an exponent"),
        pytest.param(["epoch 1: loss=4 mae=3, other=1"], ("3", "3", "3"), id="among other words"),
        pytest.param(["nmae=1", "mae=2"], ("2", "2", "2"), id="a longer name is another metric"),
        pytest.param(["mae=1 mae=5"], ("1", "5", "5"), id="twice in a line"),
        pytest.param(
            ["2026-01-02T00:00:00Z mae=1", "2026-01-01T00:00:00Z mae=5"], ("1", "5", "1"), id="latest by time stamp"
        ),
        pytest.param(["mae: 3.5"], None, id="another format"),
        pytest.param(["nothing here"], None, id="no reading"),
    ],
)
def test_default_format(lines: list[str], expected: tuple[str, str, str] | None) -> None:
    observation = observe(lines, ["mae"], [])
    assert observation == ((Metric("mae", *expected),) if expected else ())


def test_own_format_replaces_the_default() -> None:
    observation = observe(["{mae: 3.5}", "mae=1"], ["mae"], [r"{(\w+): ([0-9.]+)}"])
    assert observation == (Metric("mae", "3.5", "3.5", "3.5"),)


def test_a_further_metric_may_be_missing() -> None:
    observation = observe(["mae=1"], ["mae", "skill"], [])
    assert observation[1] == Metric("skill", "unavailable", "unavailable", "unavailable")


def test_the_objective_may_not() -> None:
    assert observe(["skill=1"], ["mae", "skill"], []) == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [("mae=3", 3.0), ("mae=nan", None), ("mae=inf", None), ("mae=", None)],
)
def test_a_metric_that_is_no_number_is_none(line: str, expected: float | None) -> None:
    observation = observe([line], ["mae"], [r"(\w+)=(\S*)"])
    assert number(observation[0], "min") == expected


@pytest.mark.parametrize(("strategy", "expected"), [("min", 1.0), ("max", 5.0), ("latest", 3.0)])
def test_strategies(strategy: str, expected: float) -> None:
    assert number(Metric("mae", "1", "5", "3"), strategy) == expected


def test_an_endless_line_is_read_in_bounded_pieces(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * (3 * LONGEST_LINE) + b"mae=1\nmae=2\n")
    lines = list(lines_of(log))
    assert [len(line) for line in lines] == [LONGEST_LINE, len("mae=2\n")]

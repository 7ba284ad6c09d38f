"""A trial's metrics, read from its output as Katib's StdOut collector does.

Source of the rules: katib:pkg/metricscollector/v1beta1/file-metricscollector/file-metricscollector.go and
katib:pkg/controller.v1beta1/trial/trial_controller_util.go (getMetrics), both @v0.19.0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from tuner.records import Metric

UNAVAILABLE = "unavailable"
DEFAULT_FILTER = r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"
LONGEST_LINE = 64 * 1024
"""Bytes of a line that are looked at: a trial that prints without line ends must not fill the memory."""

_NO_TIME = datetime.min.replace(tzinfo=UTC)


def observe(lines: Iterable[str], metrics: list[str], filters: Iterable[str]) -> tuple[Metric, ...]:
    """The observation of these lines, one entry a metric; none at all where the first metric never appears.

    `metrics` has the objective first. `filters` are regular expressions with the name in the first group and the
    value in the second; none means Katib's default, `name=value`.
    """
    expressions = [re.compile(expression) for expression in filters] or [re.compile(DEFAULT_FILTER)]
    readings = {metric: _Reading() for metric in metrics}
    for line in lines:
        if not any(metric in line for metric in metrics):
            continue
        time = _timestamp(line)
        for expression in expressions:
            for match in expression.finditer(line):
                groups = match.groups()
                if len(groups) < 2:
                    continue
                name, value = (groups[0] or "").strip(), (groups[1] or "").strip()
                if name in readings:
                    readings[name].add(value, time)
    if readings[metrics[0]].latest == UNAVAILABLE:
        return ()
    return tuple(Metric(name, reading.min, reading.max, reading.latest) for name, reading in readings.items())


def lines_of(path: Path) -> Iterator[str]:
    """The log's lines in bounded memory; of an overlong line, its beginning."""
    with path.open("rb") as file:
        while piece := file.readline(LONGEST_LINE):
            yield piece.decode("utf-8", errors="replace")
            while piece and not piece.endswith(b"\n"):
                piece = file.readline(LONGEST_LINE)


def number(metric: Metric, strategy: str) -> float | None:
    """The metric's one number under this strategy; None where it isn't a finite one: nothing can be optimised by it."""
    text = {"min": metric.min, "max": metric.max, "latest": metric.latest}[strategy]
    if text == UNAVAILABLE:
        text = metric.latest
    return _float(text)


class _Reading:
    def __init__(self) -> None:
        self.min = self.max = self.latest = UNAVAILABLE
        self._time = _NO_TIME

    def add(self, text: str, time: datetime) -> None:
        value = _float(text)
        if value is not None:
            smallest, largest = _float(self.min), _float(self.max)
            if smallest is None or value < smallest:
                self.min = text
            if largest is None or value > largest:
                self.max = text
        if time >= self._time:
            self._time = time
            self.latest = text


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _timestamp(line: str) -> datetime:
    first, separator, _ = line.partition(" ")
    if not separator:
        return _NO_TIME
    try:
        time = datetime.fromisoformat(first)
    except ValueError:
        return _NO_TIME
    return time if time.tzinfo else _NO_TIME

"""How good predictions are: mean absolute error, and skill over the seasonal-naive forecast."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

NAIVE = "commits_7d"
"""The seasonal-naive forecast, its season the week: each coming day brings what that weekday brought last."""


def mean_absolute_error(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Commits a week by which the predictions are off, on average."""
    return float(np.abs(predictions - labels).mean())


@dataclass(frozen=True)
class Score:
    """One slice's figures."""

    rows: int
    mae: float
    naive_mae: float

    @property
    def skill(self) -> float:
        """1 - MAE / MAE of the naive forecast: 0 is as good as that, 1 is never wrong.

        Where the naive forecast is never wrong (a repository that sleeps throughout): 0 if neither is the model, else
        minus infinity has no place in a chart, and it is -1.
        """
        if self.naive_mae == 0:
            return 0.0 if self.mae == 0 else -1.0
        return 1.0 - self.mae / self.naive_mae

    @property
    def finite(self) -> bool:
        """Whether the figures are numbers."""
        return math.isfinite(self.mae) and math.isfinite(self.naive_mae)


def score(predictions: np.ndarray, naive: np.ndarray, labels: np.ndarray) -> Score:
    """The figures of these rows."""
    return Score(len(labels), mean_absolute_error(predictions, labels), mean_absolute_error(naive, labels))

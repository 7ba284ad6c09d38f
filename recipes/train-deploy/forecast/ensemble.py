"""What surrounds the fitting of members: hyperparameters, scaling before, the finished model after. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.model import Member, Model

if TYPE_CHECKING:
    from features.datasets import Dataset


@dataclass(frozen=True)
class Hyperparameters:
    """What the search chooses."""

    learning_rate: float
    batch_size: int


def scaled(dataset: Dataset) -> Model:
    """A model without members yet: features and their scale over this data set."""
    roots = np.sqrt(dataset.features)
    deviation = roots.std(axis=0)
    return Model(
        features=dataset.names,
        mean=roots.mean(axis=0),
        scale=np.where(deviation > 0, deviation, 1.0),
        members=(),
    )


def ensemble(base: Model, members: list[Member]) -> Model:
    """The model of these members; raises ModelError where a parameter is not finite."""
    model = Model(base.features, base.mean, base.scale, tuple(members))
    model.check()
    return model

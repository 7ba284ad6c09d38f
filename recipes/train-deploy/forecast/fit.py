"""Fits members of the ensemble with scikit-learn, the same way in a trial and in the training job.

Deterministic on one type of machine: seeds are given, and linear algebra runs on one thread, because sums over several
threads are rounded in whatever order these finish.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from forecast.model import Member, Model
from features.datasets import Dataset

HIDDEN_UNITS = 16
EPOCHS = 40


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


def fit_member(base: Model, dataset: Dataset, chosen: Hyperparameters, seed: int) -> Member:
    """Fits one network on a bootstrap sample of the rows, drawn and begun with this seed."""
    random = np.random.default_rng(seed)
    sample = random.integers(0, len(dataset.labels), len(dataset.labels))
    rows, labels = dataset.features[sample], dataset.labels[sample]
    network = MLPRegressor(
        hidden_layer_sizes=(HIDDEN_UNITS,),
        learning_rate_init=chosen.learning_rate,
        batch_size=min(chosen.batch_size, len(rows)),
        max_iter=EPOCHS,
        alpha=1e-3,
        random_state=seed,
    )
    with threadpool_limits(1), warnings.catch_warnings():
        # The number of epochs is fixed on purpose: it is what the search compares at.
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(base.inputs(rows), np.sqrt(labels) - base.baseline(rows))
    hidden, output = network.coefs_
    return Member(
        hidden_weights=hidden,
        hidden_bias=network.intercepts_[0],
        output_weights=output[:, 0],
        output_bias=float(network.intercepts_[1][0]),
    )


def ensemble(base: Model, members: list[Member]) -> Model:
    """The model of these members; raises ModelError where a parameter is not finite."""
    model = Model(base.features, base.mean, base.scale, tuple(members))
    model.check()
    return model

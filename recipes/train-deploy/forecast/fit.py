"""Fits members of the ensemble with scikit-learn, the same way in a trial and in the training job.

Deterministic on one type of machine: seeds are given, and linear algebra runs on one thread, because sums over several
threads are rounded in whatever order these finish.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np
from threadpoolctl import threadpool_limits

from features.datasets import Dataset
from forecast.ensemble import Hyperparameters
from forecast.model import Member, Model

# scikit-learn imports pandas where it finds it, only to know a data frame when it gets one. Importing the two is most
# of what a trial does, and pandas a third of that: while scikit-learn is loaded there is none.
_pandas_is_loaded = "pandas" in sys.modules
if not _pandas_is_loaded:
    sys.modules["pandas"] = None  # pyright: ignore[reportArgumentType]
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.neural_network import MLPRegressor  # noqa: E402

if not _pandas_is_loaded:
    del sys.modules["pandas"]

HIDDEN_UNITS = 16
EPOCHS = 40


def fit_member(base: Model, dataset: Dataset, chosen: Hyperparameters, seed: int) -> Member:
    """Fits one network on a bootstrap sample of the rows, drawn and begun with this seed."""
    random = np.random.default_rng(seed)
    sample = random.integers(0, len(dataset.labels), len(dataset.labels))
    rows, labels = dataset.features[sample], dataset.labels[sample]
    network = MLPRegressor(
        hidden_layer_sizes=(HIDDEN_UNITS,),
        learning_rate_init=chosen.learning_rate,
        batch_size=min(chosen.batch_size, len(rows)),  # pyright: ignore[reportArgumentType]
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

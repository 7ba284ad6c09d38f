"""One trial: fits one network with the given hyperparameters and prints its error on the validation set.

Run by the trial template of `experiment.yaml`. Metrics are read from the output: `mae=3.21`.
"""

from __future__ import annotations

import argparse
import os

from artifacts import open_uri
from features.datasets import Dataset
from forecast.ensemble import Hyperparameters, ensemble, scaled
from forecast.skill import mean_absolute_error

SEED = 0


def validation_error(train: Dataset, validation: Dataset, chosen: Hyperparameters) -> float:
    """Mean absolute error on the validation set, commits a week, of a network fitted on the training set."""
    from forecast.fit import fit_member

    base = scaled(train)
    model = ensemble(base, [fit_member(base, train, chosen, SEED)])
    return mean_absolute_error(model.predict(validation.features), validation.labels)


def main() -> None:
    """Reads arguments and data, prints the metric."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning-rate", type=float, required=True)
    # Katib writes whole numbers as it likes: 64 or 64.0.
    parser.add_argument("--batch-size", type=float, required=True)
    arguments = parser.parse_args()
    with open_uri(os.environ["TRAIN_URI"], "rb") as source:
        train = Dataset.read(source)
    with open_uri(os.environ["VALIDATION_URI"], "rb") as source:
        validation = Dataset.read(source)
    chosen = Hyperparameters(arguments.learning_rate, int(arguments.batch_size))
    print(f"mae={validation_error(train, validation, chosen):.6f}", flush=True)


if __name__ == "__main__":
    main()

"""The program of the training job: fits the ensemble's members as Ray tasks, and writes the model.

Reads TRAIN_URI, VALIDATION_URI, LEARNING_RATE, BATCH_SIZE, MEMBERS; writes MODEL_URI. Tasks may end in any order and on
any worker: each member depends on its own seed only, and they are put together in the order of their seeds.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import ray

from artifacts import open_uri
from features.datasets import Dataset
from forecast.ensemble import Hyperparameters, ensemble, scaled

if TYPE_CHECKING:
    from forecast.model import Member, Model


@ray.remote(num_cpus=1)
def member(base: Model, dataset: Dataset, chosen: Hyperparameters, seed: int) -> Member:
    """One member, fitted where Ray has a CPU for it."""
    from forecast.fit import fit_member

    return fit_member(base, dataset, chosen, seed)


def fit(dataset: Dataset, chosen: Hyperparameters, members: int) -> Model:
    """The whole ensemble, fitted on the Ray cluster this process is connected to."""
    base = scaled(dataset)
    shared = ray.put(base), ray.put(dataset), ray.put(chosen)
    waiting = [member.remote(*shared, seed) for seed in range(members)]
    for done in range(1, members + 1):
        ray.wait(waiting, num_returns=done)
        print(f"members {done}/{members}", flush=True)
    return ensemble(base, ray.get(waiting))


def main() -> None:
    """Reads the data sets, fits, writes the model."""
    ray.init(log_to_driver=False, configure_logging=False)
    datasets: list[Dataset] = []
    for variable in ("TRAIN_URI", "VALIDATION_URI"):
        with open_uri(os.environ[variable], "rb") as source:
            datasets.append(Dataset.read(source))
    chosen = Hyperparameters(float(os.environ["LEARNING_RATE"]), int(os.environ["BATCH_SIZE"]))
    # The search compared on the validation weeks; the model that goes on may learn from them.
    model = fit(datasets[0].joined(datasets[1]), chosen, int(os.environ["MEMBERS"]))
    with open_uri(os.environ["MODEL_URI"], "wb") as target:
        target.write(model.to_bytes())
    print(f"model {model.digest}", flush=True)
    # At the interpreter's end Ray would do this as well, after half a second for logs, which are not sent here.
    ray.shutdown()


if __name__ == "__main__":
    main()

"""Step 3: search learning rate and batch size."""

from typing import NamedTuple

from kfp.dsl import Dataset, Input

STARTS = ("tuning.trial",)


class Outputs(NamedTuple):
    """What the search chose, recorded so that it can be replayed."""

    learning_rate: float
    batch_size: int
    mae: float
    trials: int


def tune(train: Input[Dataset], validation: Input[Dataset], max_trials: int) -> Outputs:
    """Create the Experiment of experiment.yaml and wait for its best trial.

    Args:
        train: What trials fit on.
        validation: What they are compared on.
        max_trials: How many, at most as many as experiment.yaml allows.

    Returns:
        The best trial's hyperparameters, its mean absolute error on the validation set in commits a week, and the
        number of trials it was the best of.
    """
    import os
    import time

    from artifacts import uri_of
    from cluster.watching import Kind, Objects, run_name
    from tuning import experiment

    name, namespace = run_name("tune"), os.environ["BASECAMP_NAMESPACE_TRIALS"]
    document = experiment.document(
        name,
        namespace,
        # A KFP number is a double, whatever its declared type.
        int(max_trials),
        os.environ["RECIPE_IMAGE"],
        {"TRAIN_URI": uri_of(train), "VALIDATION_URI": uri_of(validation)},
    )
    objects = Objects(Kind("kubeflow.org", "v1beta1", "experiments", "Experiment"), namespace)
    deadline = time.monotonic() + 3600
    objects.create_or_attach(document, experiment.failed, deadline)
    told = ""
    for state in objects.states(name, deadline, experiment.progress):
        line = experiment.progress(state)
        if line != told:
            print(line, flush=True)
            told = line
        best = experiment.result(state)
        if best is not None:
            print(f"tune: learning_rate {best.learning_rate:.6g}, batch_size {best.batch_size} from {best.trial}")
            return Outputs(best.learning_rate, best.batch_size, best.mae, best.trials)
    raise AssertionError("states end by an exception only")

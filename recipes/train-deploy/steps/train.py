"""Step 4: fit the model on a Ray cluster."""

from typing import NamedTuple

from kfp.dsl import Dataset, Input, Model, Output

STARTS = ("training.job",)


class Outputs(NamedTuple):
    """What later steps are keyed by."""

    model_digest: str


def train(
    train: Input[Dataset],
    validation: Input[Dataset],
    learning_rate: float,
    batch_size: int,
    members: int,
    model: Output[Model],
) -> Outputs:
    """Create a RayJob that fits the ensemble, and take the model that it writes.

    Args:
        train: Data set to fit on.
        validation: A further one to fit on, now that the search is over.
        learning_rate: Step size of the optimiser.
        batch_size: Rows a step.
        members: Networks of the ensemble.
        model: The fitted parameters in their canonical form.

    Returns:
        SHA-256 of that form.
    """
    import os
    import time
    from pathlib import Path

    from artifacts import open_uri, root, uri_of
    from cluster.watching import Kind, Objects, run_name
    from forecast.model import FORMAT
    from forecast.model import Model as Fitted
    from training import rayjob

    name, namespace = run_name("train"), os.environ["BASECAMP_NAMESPACE_TRAINING"]
    # The job writes where both sides can reach; the artifact's own place belongs to the pipeline's launcher.
    written = f"{root()}/training/{name}/model.json"
    document = rayjob.document(
        name,
        namespace,
        os.environ["RECIPE_IMAGE"],
        {
            "TRAIN_URI": uri_of(train),
            "VALIDATION_URI": uri_of(validation),
            # A KFP number is a double, whatever its declared type: 8 may arrive as 8.0.
            "LEARNING_RATE": repr(float(learning_rate)),
            "BATCH_SIZE": str(int(batch_size)),
            "MEMBERS": str(int(members)),
            "MODEL_URI": written,
        },
    )
    objects = Objects(Kind("ray.io", "v1", "rayjobs", "RayJob"), namespace)
    deadline = time.monotonic() + 3600
    objects.create_or_attach(document, rayjob.failed, deadline)
    told = ""
    for state in objects.states(name, deadline, rayjob.progress):
        line = rayjob.progress(state)
        if line != told:
            print(line, flush=True)
            told = line
        if rayjob.finished(state):
            break
    with open_uri(written, "rb") as source:
        content = source.read()
    fitted = Fitted.from_bytes(content)
    Path(model.path).write_bytes(content)
    model.metadata.update({"format": FORMAT, "digest": fitted.digest, "members": int(members)})
    print(f"train: {len(fitted.members)} members, model {fitted.digest[:12]}")
    return Outputs(fitted.digest)

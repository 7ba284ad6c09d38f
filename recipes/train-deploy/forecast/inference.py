"""A request of the Open Inference Protocol v2 to predictions: the one way, in evaluation and in the model server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forecast.model import Model, ModelError

INPUT = "features"
OUTPUT = "commits_next_7d"
DATATYPE = "FP64"


def request(identifier: str, rows: np.ndarray) -> dict[str, Any]:
    """The request that asks for these rows: one tensor (rows, features)."""
    return {
        "id": identifier,
        "inputs": [
            {
                "name": INPUT,
                "shape": list(rows.shape),
                "datatype": DATATYPE,
                "data": [float(value) for value in rows.ravel()],
            },
        ],
    }


def answer(model: Model, inputs: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Predictions for a request's inputs; raises ModelError where they are not what the model takes."""
    if len(inputs) != 1 or inputs[0]["name"] != INPUT:
        raise ModelError(f"the request has inputs {[tensor['name'] for tensor in inputs]}, expected one named {INPUT}")
    tensor = inputs[0]
    if tensor["datatype"] != DATATYPE:
        raise ModelError(f"input {INPUT} has datatype {tensor['datatype']}, expected {DATATYPE}")
    try:
        rows = np.array(tensor["data"], dtype=np.float64).reshape(tensor["shape"])
    except (TypeError, ValueError) as error:
        raise ModelError(f"input {INPUT}: {error}") from error
    return model.predict(rows)

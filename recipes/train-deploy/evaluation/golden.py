"""The golden set's specification, and the golden requests with their recorded answers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from features.datasets import Dataset
from forecast.inference import answer, request
from forecast.model import Model

READS = ("golden/golden.yaml",)
SPEC = Path(__file__).resolve().parent.parent / "golden" / "golden.yaml"


class GoldenError(Exception):
    """The golden set does not carry an evaluation; the message says why."""


@dataclass(frozen=True)
class Spec:
    """`golden/golden.yaml`."""

    requests: int
    rows_per_request: int
    minimum_rows: int

    @staticmethod
    def read() -> Spec:
        """Reads the file of this recipe."""
        return Spec(**yaml.safe_load(SPEC.read_text(encoding="utf-8")))


def record(model: Model, golden: Dataset, spec: Spec) -> dict[str, Any]:
    """Requests and answers, spread evenly over the golden set's rows.

    A request is written and read back as JSON before it is answered, as one that arrives over the wire.
    """
    count = min(spec.requests * spec.rows_per_request, len(golden.labels))
    chosen = np.linspace(0, len(golden.labels) - 1, count).astype(int)
    requests: list[dict[str, Any]] = []
    predictions: list[list[float]] = []
    for start in range(0, count, spec.rows_per_request):
        rows = golden.features[chosen[start : start + spec.rows_per_request]]
        asked = json.loads(json.dumps(request(f"golden-{len(requests) + 1}", rows)))
        requests.append(asked)
        predictions.append(answer(model, asked["inputs"]).tolist())
    return {"requests": requests, "predictions": predictions}


def digest(recorded: dict[str, Any], spec: Spec) -> str:
    """Names the golden set: its specification, requests and answers."""
    document = {"spec": asdict(spec), **recorded}
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

"""The model as data, and its predictions. NumPy only: this is what the model server runs.

An ensemble of networks with one hidden layer, over the square roots of the features: counts vary with their square
root, so a large repository and a small one weigh alike. The networks predict by how much the square root of next
week's count differs from that of the mean week of the last four.

Predictions are made of additions, multiplications, divisions and square roots in a fixed order, element by element.
IEEE 754 rounds each of these in one way only, so the same row gives the same bits alone and in a batch, here and in the
model server, on every machine.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

BASELINE = "commits_28d"
"""The feature whose quarter is the mean week."""
FORMAT = "basecamp.next-week-commits/1"


class ModelError(Exception):
    """A file that is not a model of this format, or input that does not fit the model."""


@dataclass(frozen=True)
class Member:
    """One network of the ensemble."""

    hidden_weights: np.ndarray
    """(features, hidden)"""
    hidden_bias: np.ndarray
    """(hidden,)"""
    output_weights: np.ndarray
    """(hidden,)"""
    output_bias: float


@dataclass(frozen=True)
class Model:
    """The fitted parameters."""

    features: tuple[str, ...]
    mean: np.ndarray
    """Of each feature's square root, over the rows the model was fitted on."""
    scale: np.ndarray
    """Standard deviation of the same; 1 for a feature that never varies."""
    members: tuple[Member, ...]

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Commits of the coming week, one float64 a row; `rows` is (rows, features) in the order of `features`."""
        rows = np.asarray(rows, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.features):
            raise ModelError(f"input has shape {rows.shape}, expected (rows, {len(self.features)}): {self.features}")
        if not np.isfinite(rows).all() or (rows < 0).any():
            raise ModelError("input holds a value that is negative or not finite: every feature is a count")
        inputs = self.inputs(rows)
        correction = np.zeros(len(rows))
        for member in self.members:
            hidden = np.broadcast_to(member.hidden_bias, (len(rows), member.hidden_bias.size)).copy()
            for feature in range(len(self.features)):
                hidden += inputs[:, feature : feature + 1] * member.hidden_weights[feature]
            np.maximum(hidden, 0.0, out=hidden)
            output = np.full(len(rows), member.output_bias)
            for unit in range(member.output_weights.size):
                output += hidden[:, unit] * member.output_weights[unit]
            correction += output
        root = self.baseline(rows) + correction / len(self.members)
        return np.square(np.maximum(root, 0.0))

    def inputs(self, rows: np.ndarray) -> np.ndarray:
        """What the networks see."""
        return (np.sqrt(rows) - self.mean) / self.scale

    def baseline(self, rows: np.ndarray) -> np.ndarray:
        """Square root of the mean week of the last four."""
        return np.sqrt(rows[:, self.features.index(BASELINE)] / 4.0)

    def to_bytes(self) -> bytes:
        """The canonical form: equal parameters, equal bytes. Numbers are written so that they read back the same."""
        document = {
            "format": FORMAT,
            "features": list(self.features),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "members": [
                {
                    "hidden_weights": member.hidden_weights.tolist(),
                    "hidden_bias": member.hidden_bias.tolist(),
                    "output_weights": member.output_weights.tolist(),
                    "output_bias": member.output_bias,
                }
                for member in self.members
            ],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    @staticmethod
    def from_bytes(content: bytes) -> Model:
        """Reads what `to_bytes` wrote; raises ModelError saying what is wrong."""
        try:
            document = json.loads(content)
            if document["format"] != FORMAT:
                raise ModelError(f"model has format {document['format']!r}, this program reads {FORMAT!r}")
            model = Model(
                features=tuple(document["features"]),
                mean=np.array(document["mean"], dtype=np.float64),
                scale=np.array(document["scale"], dtype=np.float64),
                members=tuple(
                    Member(
                        hidden_weights=np.array(member["hidden_weights"], dtype=np.float64),
                        hidden_bias=np.array(member["hidden_bias"], dtype=np.float64),
                        output_weights=np.array(member["output_weights"], dtype=np.float64),
                        output_bias=float(member["output_bias"]),
                    )
                    for member in document["members"]
                ),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"this is not a model file: {error!r}") from error
        model.check()
        return model

    def check(self) -> None:
        """Raises ModelError where shapes do not fit together or a number is not finite."""
        count = len(self.features)
        fits = (
            BASELINE in self.features
            and self.mean.shape == self.scale.shape == (count,)
            and len(self.members) > 0
            and all(
                member.hidden_weights.shape == (count, member.hidden_bias.size)
                and member.output_weights.shape == member.hidden_bias.shape
                for member in self.members
            )
        )
        if not fits:
            raise ModelError("this is not a model file: its parts do not fit together")
        numbers = [self.mean, self.scale]
        for member in self.members:
            numbers += [
                member.hidden_weights,
                member.hidden_bias,
                member.output_weights,
                np.array(member.output_bias),
            ]
        if not all(np.isfinite(number).all() for number in numbers):
            raise ModelError("the model holds a parameter that is not finite: its learning rate was too high")

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

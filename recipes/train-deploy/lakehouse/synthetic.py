"""What synthetic repositories are asked for, for when no real ones are given; `generation.py` makes their rows.

Apart from it, because a run that finds them ingested asks for no row, and loading NumPy and Arrow takes its time.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

VERSION = 1
"""Raised with every change to the rows a spec gives."""


@dataclass(frozen=True)
class Spec:
    """What to make up: a pipeline parameter."""

    seed: int
    repositories: int
    years: int
    commits: int
    """Expected over all repositories; the number drawn differs by its noise."""

    @staticmethod
    def parse(document: dict[str, object]) -> Spec:
        """Reads the pipeline's parameter; raises ValueError naming what is wrong with it."""
        expected = set(Spec.__dataclass_fields__)
        if set(document) != expected:
            raise ValueError(f"parameter synthetic has {sorted(document)}, expected exactly {sorted(expected)}")
        numbers: dict[str, int] = {}
        for name, value in document.items():
            # A KFP parameter of type dict brings every number as a float.
            if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
                raise ValueError(f"parameter synthetic: {name} is {value!r}, expected a whole number")
            numbers[name] = int(value)
        spec = Spec(**numbers)
        if min(spec.repositories, spec.years, spec.commits) < 1 or spec.seed < 0:
            raise ValueError(f"parameter synthetic: {numbers} needs at least 1 repository, year and commit, seed ≥ 0")
        return spec

    @property
    def digest(self) -> str:
        """Names the rows: the spec, and the version of their generation."""
        document = json.dumps({"version": VERSION, **asdict(self)}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(document.encode()).hexdigest()

    @property
    def names(self) -> list[str]:
        """The repositories' names. The digest keeps worlds of different specs apart in one table."""
        return [f"synthetic-{self.digest[:8]}/{index:03d}" for index in range(self.repositories)]

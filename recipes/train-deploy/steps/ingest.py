"""Step 1: bring the repositories' commits into the lakehouse."""

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from lakehouse.ingest import ingest_bundles, ingest_synthetic, parse_bundles


class Outputs(NamedTuple):
    """Parameters only: on KFP a step that runs again makes new artifact ids, and all that reads them would miss."""

    snapshot_id: str
    content_digest: str
    rows: int
    repositories: list


def ingest(repositories: list, synthetic: dict) -> Outputs:
    """Ingest git bundles into `abukix.commits`, or synthetic repositories where none are given.

    Args:
        repositories: Bundles, each with name, uri and digest.
        synthetic: Seed, repositories, years and commits of the synthetic ones.

    Returns:
        The snapshot that holds them, as text because a KFP number is a double and a snapshot id has 63 bits; the set
        digest of their rows; how many rows; and the repositories' names.
    """
    if repositories:
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as scratch:
            done = ingest_bundles(parse_bundles(repositories), Path(scratch))
    else:
        from lakehouse.synthetic import Spec

        done = ingest_synthetic(Spec.parse(synthetic))
    print(f"ingest: {done.rows:,} commits of {len(done.repositories)} repositories in snapshot {done.snapshot_id}")
    return Outputs(str(done.snapshot_id), done.content_digest, done.rows, done.repositories)

"""Step 2: features and labels as of every week, split by time."""

from typing import NamedTuple

from kfp.dsl import Dataset, Output


class Outputs(NamedTuple):
    """What later steps are keyed by."""

    dataset_digest: str
    feature_views: str


def extract(
    snapshot_id: str,
    content_digest: str,
    repositories: list,
    train: Output[Dataset],
    validation: Output[Dataset],
    golden: Output[Dataset],
) -> Outputs:
    """Extract training, validation and golden sets from a pinned snapshot.

    Args:
        snapshot_id: Snapshot of `abukix.commits`.
        content_digest: Digest of the repositories' rows in it: part of this step's key, so that a lakehouse built anew
            is not mistaken for an old one.
        repositories: Their names.
        train: The oldest weeks.
        validation: The weeks after them.
        golden: The newest weeks.

    Returns:
        A digest over the three files, and the names of the feature views they were made with.
    """
    import hashlib
    import json
    from pathlib import Path

    from features.datasets import write
    from features.extraction import extract as extract_tables
    from lakehouse.catalog import COMMITS

    extracted = extract_tables(int(snapshot_id), [str(name) for name in repositories])
    from features.views import VIEW

    digests: dict[str, str] = {}
    for output, table in (
        (train, extracted.train),
        (validation, extracted.validation),
        (golden, extracted.golden),
    ):
        write(table, output.path)
        name = output.name.rpartition("/")[2]
        digests[name] = hashlib.sha256(Path(output.path).read_bytes()).hexdigest()
        output.metadata.update(
            {
                "table": COMMITS,
                "snapshot_id": snapshot_id,
                "content_digest": content_digest,
                "features_snapshot_id": str(extracted.features_snapshot_id),
                "feature_views": VIEW,
                "cutoff": extracted.cutoff,
                "rows": table.num_rows,
                "digest": digests[name],
            },
        )
        print(f"extract: {table.num_rows:,} rows of {len(set(table['event_timestamp'].to_pylist()))} weeks to {name}")
    ordered = [digests_of for _, digests_of in sorted(digests.items())]
    return Outputs(hashlib.sha256(json.dumps(ordered).encode()).hexdigest(), VIEW)

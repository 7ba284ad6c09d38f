"""From a snapshot of `abukix.commits` to training, validation and golden sets, through Feast."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.datasets import KEYS, LABEL
from features.days import COLUMNS, Commits, Days, TooLittleHistoryError, repository_days, to_arrow
from features.leakage import refuse_peeking
from lakehouse.catalog import (
    COMMITS,
    REPOSITORY_DAYS,
    damaged,
    intact,
    load,
    load_or_create,
    open_catalog,
    refuse_other_columns,
)
from lakehouse.commits import recorded

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

WARM_UP_DAYS = 28
"""A repository younger than this gives no rows: its windows are not filled."""
HELD_OUT_SHARE = 6
"""Validation and golden set get one in so many weeks each, the newest ones golden."""
LEAST_WEEKS = 12
_CONTENT = "basecamp.content"
_MICROSECONDS_A_DAY = 86_400_000_000
_ATTEMPTS = 20


class ExtractError(Exception):
    """What was asked for cannot be extracted; the message names it and says what to do."""


@dataclass(frozen=True)
class Extracted:
    """Three data sets, split by time, and where they come from."""

    train: pa.Table
    validation: pa.Table
    golden: pa.Table
    features_snapshot_id: int
    """Snapshot of the dense table that Feast read."""
    cutoff: str
    """The day on which the last full week ends."""


def extract(snapshot_id: int, repositories: list[str]) -> Extracted:
    """Extracts the data sets of these repositories from one snapshot of the table of commits."""
    catalog = open_catalog()
    commits = Commits.of(_commits(catalog, snapshot_id, repositories))
    cutoff = commits.cutoff
    days = repository_days(commits, cutoff)
    origins = _origins(days, cutoff)
    # One look in the middle of every build of the features: a peeking one shows at any time.
    refuse_peeking(repository_days, commits, int(origins[len(origins) // 2]), cutoff)
    dense = to_arrow(days)
    print(f"extract: {dense.num_rows:,} repository days up to {_iso(cutoff)}", flush=True)
    features_snapshot_id = write_days(catalog, dense)
    rows = _labelled(days, origins)
    joined = _features(features_snapshot_id, rows)
    held_out = max(2, len(origins) // HELD_OUT_SHARE)
    golden_from, validation_from = origins[-held_out], origins[-2 * held_out]
    day = pc.divide(pc.cast(joined["event_timestamp"], pa.int64()), _MICROSECONDS_A_DAY)  # pyright: ignore[reportAttributeAccessIssue]
    day = day.to_numpy()
    return Extracted(
        train=joined.filter(pa.array(day < validation_from)),
        validation=joined.filter(pa.array((day >= validation_from) & (day < golden_from))),
        golden=joined.filter(pa.array(day >= golden_from)),
        features_snapshot_id=features_snapshot_id,
        cutoff=_iso(cutoff),
    )


def write_days(catalog: Catalog, dense: pa.Table) -> int:
    """Keeps the dense table in the lakehouse and returns its snapshot; one that holds the same rows is used again."""
    from pyiceberg.exceptions import CommitFailedException

    content = table_digest(dense)
    for _ in range(_ATTEMPTS):
        table = load_or_create(catalog, REPOSITORY_DAYS, dense.schema)
        found = _snapshot_of(table, content)
        if found is not None:
            return found
        _refuse_other_columns(catalog, table, dense)
        try:
            with intact(catalog, REPOSITORY_DAYS), table.transaction() as change:
                with change.update_schema() as schema:
                    schema.union_by_name(dense.schema)
                properties = {_CONTENT: content}
                if table.current_snapshot() is None:
                    change.append(dense, snapshot_properties=properties)
                else:
                    change.overwrite(dense, snapshot_properties=properties)
        except CommitFailedException:
            # Another extract was faster: both sets of rows stay readable, each by its own snapshot.
            continue
    raise ExtractError(
        f"table {REPOSITORY_DAYS}: {_ATTEMPTS} times in a row another writer was faster:"
        " `cargo xtask recipe train-deploy` tries again"
    )


def _refuse_other_columns(catalog: Catalog, table: Table, dense: pa.Table) -> None:
    """Features come and go; but a column of the same name has the same type, and none that is gone was required."""
    expected = dict.fromkeys(dense.column_names, "double") | {"repository": "string", "day": "timestamptz"}
    found = {
        field.name: str(field.field_type) for field in table.schema().fields if field.name in expected or field.required
    }
    refuse_other_columns(catalog, REPOSITORY_DAYS, expected | found, expected)


def table_digest(table: pa.Table) -> str:
    """SHA-256 over columns and values; how the table is chunked plays no part."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _snapshot_of(table: Table, content: str) -> int | None:
    for snapshot in reversed(table.metadata.snapshots):
        # An overwrite leaves two snapshots of one content: that of the deletion, which holds no row, and the rows' own.
        properties = snapshot.summary.additional_properties if snapshot.summary else {}
        if properties.get(_CONTENT) == content and properties.get("total-records") != "0":
            return snapshot.snapshot_id
    return None


def _commits(catalog: Catalog, snapshot_id: int, repositories: list[str]) -> pa.Table:
    from pyiceberg.expressions import In

    table = load(catalog, COMMITS)
    if table is None or table.snapshot_by_id(snapshot_id) is None:
        raise ExtractError(
            f"table {COMMITS} has no snapshot {snapshot_id}: `cargo xtask recipe train-deploy` begins with ingest"
        )
    scan = table.scan(
        row_filter=In("repository", set(repositories)),  # pyright: ignore[reportCallIssue]
        selected_fields=COLUMNS,
        snapshot_id=snapshot_id,
    )
    with intact(catalog, COMMITS):
        rows = scan.to_arrow()
    known = recorded(table, snapshot_id)
    expected = sum(known[name].rows for name in repositories if name in known)
    # PyIceberg takes a list of files that is cut off for a shorter one.
    if rows.num_rows != expected:
        raise damaged(
            catalog, COMMITS, f"snapshot {snapshot_id} holds {rows.num_rows} of the {expected} commits ingested"
        )
    if rows.num_rows == 0:
        raise ExtractError(
            f"snapshot {snapshot_id} of {COMMITS} holds no commit of {', '.join(repositories)}:"
            " `cargo xtask recipe train-deploy` begins with ingest",
        )
    return rows


def _origins(days: list[Days], cutoff: int) -> np.ndarray:
    """The Mondays from which a whole week is known, each with at least one warmed-up repository."""
    first = min(item.first for item in days) + WARM_UP_DAYS - 1
    origins = np.arange(cutoff - 7, first - 1, -7)[::-1]
    if len(origins) < LEAST_WEEKS:
        raise TooLittleHistoryError(
            f"{len(origins)} full weeks of history after {WARM_UP_DAYS} days of warm-up up to {_iso(cutoff)},"
            f" at least {LEAST_WEEKS} are needed to train, validate and test on: give repositories with more history by"
            " `--repo PATH`",
        )
    return origins


def _labelled(days: list[Days], origins: np.ndarray) -> pa.Table:
    names: list[str] = []
    moments: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for item in days:
        mine = origins[origins >= item.first + WARM_UP_DAYS - 1]
        names += [item.repository] * len(mine)
        moments.append(mine)
        labels.append(item.commits[mine - item.first])
    table = pa.table(
        {
            "repository": names,
            "event_timestamp": pc.cast(
                pa.array(np.concatenate(moments) * _MICROSECONDS_A_DAY),
                pa.timestamp("us", tz="UTC"),
            ),
            LABEL: np.concatenate(labels),
        },
    )
    return table.sort_by([("event_timestamp", "ascending"), ("repository", "ascending")])


def _features(features_snapshot_id: int, rows: pa.Table) -> pa.Table:
    """Point-in-time features of these rows, as Feast finds them."""
    from features.views import FEATURES, REPOSITORY, next_week_commits, repository_activity, store

    with tempfile.TemporaryDirectory() as folder:
        features = store(str(Path(folder) / "registry.db"))
        view = repository_activity(features_snapshot_id)
        service = next_week_commits(view)
        features.apply([REPOSITORY, view, service])
        found = features.get_historical_features(entity_df=rows.to_pandas(), features=service).to_arrow()
    found = found.select([*KEYS, *FEATURES, LABEL]).sort_by([(KEYS[1], "ascending"), (KEYS[0], "ascending")])
    empty = [name for name in FEATURES if found[name].null_count]
    if empty or found.num_rows != rows.num_rows:
        raise damaged(
            open_catalog(),
            REPOSITORY_DAYS,
            f"Feast found {found.num_rows} of {rows.num_rows} rows in it, without values for {empty or 'no feature'}",
        )
    columns = {
        KEYS[0]: found[KEYS[0]].cast(pa.string()),
        KEYS[1]: found[KEYS[1]].cast(pa.timestamp("us", tz="UTC")),
        **{name: found[name].cast(pa.float64()) for name in (*FEATURES, LABEL)},
    }
    return pa.table(columns).combine_chunks()


def _iso(day: int) -> str:
    return str(np.datetime64(day, "D"))

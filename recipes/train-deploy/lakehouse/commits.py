"""The table `abukix.commits`: append-only, one row a commit of a repository, and the record of what is in it.

Every append writes into its own snapshot's summary what it has added, one property a repository. So the rows and the
record of them come into being in one atomic step, and going back to an older snapshot goes back with both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse import catalog as catalogs
from lakehouse.catalog import COMMITS

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

_PROPERTY = "basecamp.repository."
# `rows.SCHEMA` in Iceberg's words: looking at a table needs no Arrow.
_COLUMNS = {
    "repository": "string",
    "sha": "string",
    "committed_at": "timestamptz",
    "author": "string",
    "parents": "int",
    "files_changed": "int",
    "insertions": "long",
    "deletions": "long",
}


class ConcurrentAppendError(Exception):
    """Somebody else has appended since the table was read: look again."""


@dataclass(frozen=True)
class Recorded:
    """A repository as the table has it."""

    source: str
    """Digest of the bundle, or of the synthetic spec, that it was last read from."""
    head: str
    """The commit whose history is in the table; empty for synthetic repositories."""
    rows: int
    digest: int
    """Set digest of its rows."""
    snapshot_id: int
    """The snapshot in which it was last extended."""


def load(catalog: Catalog) -> Table | None:
    """The table, or None where it has not been made; raises SchemaError where another one has its name."""
    table = catalogs.load(catalog, COMMITS)
    if table is not None:
        _refuse_other_columns(catalog, table)
    return table


def load_or_create(catalog: Catalog) -> Table:
    """The table, made where it is not there; raises SchemaError where another one has its name."""
    from lakehouse.rows import SCHEMA

    table = catalogs.load_or_create(catalog, COMMITS, SCHEMA)
    _refuse_other_columns(catalog, table)
    return table


def _refuse_other_columns(catalog: Catalog, table: Table) -> None:
    catalogs.refuse_other_columns(
        catalog, COMMITS, {field.name: str(field.field_type) for field in table.schema().fields}, _COLUMNS
    )


def recorded(table: Table | None, snapshot_id: int | None = None) -> dict[str, Recorded]:
    """What the table holds, by repository: in its current state, or as it was at a snapshot."""
    known: dict[str, Recorded] = {}
    if table is None:
        return known
    snapshot = table.current_snapshot() if snapshot_id is None else table.snapshot_by_id(snapshot_id)
    while snapshot is not None:
        properties = snapshot.summary.additional_properties if snapshot.summary else {}
        for key, value in properties.items():
            name = key.removeprefix(_PROPERTY)
            if key.startswith(_PROPERTY) and name not in known:
                entry = json.loads(value)
                known[name] = Recorded(
                    source=entry["source"],
                    head=entry["head"],
                    rows=entry["rows"],
                    digest=int(entry["digest"], 16),
                    snapshot_id=snapshot.snapshot_id,
                )
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None
    return known


def latest_snapshot(table: Table, snapshot_ids: set[int]) -> int:
    """The newest of these snapshots in the table's current line of history."""
    snapshot = table.current_snapshot()
    while snapshot is not None:
        if snapshot.snapshot_id in snapshot_ids:
            return snapshot.snapshot_id
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None
    raise LookupError(f"table {COMMITS}: none of the snapshots {sorted(snapshot_ids)} is in its current history")


def append(table: Table, rows: pa.Table, entries: dict[str, Recorded]) -> None:
    """Appends rows and their record in one snapshot.

    Raises ConcurrentAppendError where the table is not as `table` was read; nothing is appended then. `snapshot_id`
    of the entries is not written: it is the new snapshot's own.
    """
    from pyiceberg.exceptions import CommitFailedException

    from lakehouse.rows import text

    properties = {
        f"{_PROPERTY}{name}": json.dumps(
            {"source": entry.source, "head": entry.head, "rows": entry.rows, "digest": text(entry.digest)},
            sort_keys=True,
        )
        for name, entry in entries.items()
    }
    try:
        with catalogs.intact(table.catalog, COMMITS):
            table.append(rows, snapshot_properties=properties)
    except CommitFailedException as error:
        raise ConcurrentAppendError(str(error)) from error

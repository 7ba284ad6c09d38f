"""Tables that are damaged, or of another shape: told by name, mended by the command that is told. Budget: 15 s."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyiceberg.cli.console import run as pyiceberg

from features.extraction import Extracted, extract, table_digest, write_days
from lakehouse.catalog import COMMITS, REPOSITORY_DAYS, CatalogError, DamagedTableError, SchemaError, open_catalog
from lakehouse.ingest import Ingested, ingest_synthetic
from lakehouse.synthetic import Spec

SPEC = Spec(seed=1, repositories=2, years=1, commits=300)
OTHER = Spec(seed=2, repositories=1, years=1, commits=100)


def metadata(table: str, lakehouse: Path) -> Path:
    del lakehouse
    return Path(open_catalog().load_table(table).metadata_location.removeprefix("file://"))


def manifest_list(table: str, lakehouse: Path) -> Path:
    return next((lakehouse / "warehouse").glob(f"{table.replace('.', '/')}/metadata/snap-*.avro"))


def manifest(table: str, lakehouse: Path) -> Path:
    return next((lakehouse / "warehouse").glob(f"{table.replace('.', '/')}/metadata/*-m0.avro"))


def data(table: str, lakehouse: Path) -> Path:
    return next((lakehouse / "warehouse").glob(f"{table.replace('.', '/')}/data/*.parquet"))


def missing(file: Path) -> None:
    file.unlink()


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-200])


def garbage(file: Path) -> None:
    file.write_bytes(b"\0garbage" * 20)


def ingest_more(_: Ingested) -> None:
    ingest_synthetic(OTHER)


def ingest_again(_: Ingested) -> None:
    ingest_synthetic(SPEC)


def extract_it(done: Ingested) -> Extracted:
    return extract(done.snapshot_id, done.repositories)


def type_it(message: str) -> None:
    """Types the command that stands in a message."""
    assert "\n" not in message, "of a failed step the last line is shown"
    (command,) = re.findall("`([^`]+)`", message)
    program, *words = shlex.split(command)
    assert Path(program) == Path(sys.executable).with_name("pyiceberg")
    typed = CliRunner().invoke(pyiceberg, words)
    assert typed.exit_code == 0, typed.output


@pytest.mark.parametrize(
    ("find", "harm", "call", "expected"),
    [
        (metadata, missing, ingest_again, r"\[Errno 2\] No such file or directory: '/.*\.metadata\.json': `"),
        (
            metadata,
            cut_off,
            ingest_again,
            r"1 validation error for .* Invalid JSON: EOF while parsing a .* column \d+: `",
        ),
        (metadata, garbage, ingest_more, "Invalid JSON: expected value at line 1 column 1: `"),
        (metadata, garbage, extract_it, "Invalid JSON: expected value at line 1 column 1: `"),
        (manifest_list, missing, ingest_more, r"Failed to open local file '/.*/snap-.*\.avro'"),
        (manifest_list, cut_off, extract_it, ""),
        (manifest_list, garbage, ingest_more, ""),
        (manifest, cut_off, extract_it, ""),
        (data, missing, extract_it, r"Failed to open local file '/.*\.parquet'"),
        (data, cut_off, extract_it, "Parquet magic bytes not found in footer"),
    ],
)
def test_a_damaged_table_is_named_and_made_anew(
    lakehouse: Path,
    find: Callable[[str, Path], Path],
    harm: Callable[[Path], None],
    call: Callable[[Ingested], object],
    expected: str,
) -> None:
    first = ingest_synthetic(SPEC)
    harm(find(COMMITS, lakehouse))
    files = {file: file.read_bytes() for file in lakehouse.rglob("*.metadata.json")}
    with pytest.raises(DamagedTableError, match=rf"^table abukix\.commits is damaged: .*{expected}") as told:
        call(first)
    assert {file: file.read_bytes() for file in lakehouse.rglob("*.metadata.json")} == files, "no commit was made"
    type_it(str(told.value))
    # Made anew, it holds the same.
    done = ingest_synthetic(SPEC)
    assert (done.content_digest, done.rows) == (first.content_digest, first.rows)
    assert open_catalog().load_table(COMMITS).scan().to_arrow().num_rows == done.rows


@pytest.mark.usefixtures("lakehouse")
def test_rows_that_are_no_longer_listed_are_missed() -> None:
    """As PyIceberg reads some lists of files that are cut off: as if they had ended there."""
    done = ingest_synthetic(SPEC)
    ingest_synthetic(OTHER)
    table = open_catalog().load_table(COMMITS)
    lists = [Path(snapshot.manifest_list.removeprefix("file://")) for snapshot in table.metadata.snapshots]
    # The first snapshot's list in place of the second's: its own rows are gone.
    lists[1].write_bytes(lists[0].read_bytes())
    both = [*done.repositories, *OTHER.names]
    with pytest.raises(
        DamagedTableError, match=rf"snapshot \d+ holds {done.rows} of the \d+ commits ingested: `"
    ) as told:
        extract(table.metadata.snapshots[1].snapshot_id, both)
    type_it(str(told.value))
    assert ingest_synthetic(SPEC).content_digest == done.content_digest


@pytest.mark.parametrize(("find", "harm"), [(metadata, cut_off), (data, cut_off)])
def test_damaged_features_are_named_and_made_anew(
    lakehouse: Path, find: Callable[[str, Path], Path], harm: Callable[[Path], None]
) -> None:
    done = ingest_synthetic(SPEC)
    first = extract_it(done)
    harm(find(REPOSITORY_DAYS, lakehouse))
    with pytest.raises(DamagedTableError, match=r"^table abukix\.repository_days is damaged: ") as told:
        extract_it(done)
    type_it(str(told.value))
    again = extract_it(done)
    assert table_digest(again.train) == table_digest(first.train)


@pytest.mark.usefixtures("lakehouse")
def test_a_table_of_other_columns_is_named_and_kept_apart() -> None:
    catalog = open_catalog()
    catalog.create_namespace("abukix")
    theirs = catalog.create_table(
        COMMITS, pa.schema([pa.field("repository", pa.int64()), pa.field("colour", pa.string())])
    )
    with pytest.raises(
        SchemaError,
        match=r"^table abukix.commits has other columns than this recipe writes: author is missing, expected string;"
        r" colour is string, expected none of that name; .*; repository is long, expected string; .*`.* rename"
        " abukix.commits abukix.commits_before` keeps it",
    ) as told:
        ingest_synthetic(SPEC)
    assert catalog.load_table(COMMITS).metadata == theirs.metadata
    type_it(str(told.value))
    assert ingest_synthetic(SPEC).rows > 0
    assert catalog.load_table(f"{COMMITS}_before").schema() == theirs.schema()


@pytest.mark.usefixtures("lakehouse")
def test_a_column_that_is_gone_is_missed_though_nothing_is_to_be_ingested() -> None:
    ingest_synthetic(SPEC)
    with open_catalog().load_table(COMMITS).update_schema() as schema:
        schema.delete_column("author")
    with pytest.raises(SchemaError, match="author is missing, expected string") as told:
        ingest_synthetic(SPEC)
    type_it(str(told.value))
    assert ingest_synthetic(SPEC).rows > 0


def dense(**columns: Any) -> pa.Table:
    return pa.table({"repository": ["r"], "day": pa.array([0], pa.timestamp("us", tz="UTC")), **columns})


@pytest.mark.usefixtures("lakehouse")
def test_features_of_another_type_are_named_and_kept_apart() -> None:
    catalog = open_catalog()
    catalog.create_namespace("abukix")
    catalog.create_table(REPOSITORY_DAYS, dense(commits_7d=["many"]).schema)
    with pytest.raises(SchemaError, match=r"abukix.repository_days .*: commits_7d is string, expected double:") as told:
        write_days(open_catalog(), dense(commits_7d=[1.0]))
    type_it(str(told.value))
    first = write_days(open_catalog(), dense(commits_7d=[1.0]))
    # Features may come and go: the other ones stay as they are.
    second = write_days(open_catalog(), dense(commits_14d=[2.0]))
    table = open_catalog().load_table(REPOSITORY_DAYS)
    assert table.scan(snapshot_id=first).to_arrow()["commits_7d"].to_pylist() == [1.0]
    assert table.scan(snapshot_id=second).to_arrow()["commits_14d"].to_pylist() == [2.0]


@pytest.mark.usefixtures("lakehouse")
def test_who_loses_the_race_for_the_features_writes_them_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another extract commits after this one has read the table, and before it writes."""
    from features import extraction

    read = extraction.load_or_create

    def stale(*arguments: Any) -> Any:
        monkeypatch.setattr(extraction, "load_or_create", read)
        table = read(*arguments)
        write_days(open_catalog(), dense(commits_7d=[1.0]))
        return table

    monkeypatch.setattr(extraction, "load_or_create", stale)
    mine = write_days(open_catalog(), dense(commits_7d=[2.0]))
    table = open_catalog().load_table(REPOSITORY_DAYS)
    assert table.scan(snapshot_id=mine).to_arrow()["commits_7d"].to_pylist() == [2.0]
    # Both stay readable.
    theirs = write_days(open_catalog(), dense(commits_7d=[1.0]))
    assert theirs != mine
    assert table.scan(snapshot_id=theirs).to_arrow()["commits_7d"].to_pylist() == [1.0]


def test_a_damaged_catalog_is_named_and_made_anew(lakehouse: Path) -> None:
    first = ingest_synthetic(SPEC)
    file = lakehouse / "catalog.db"
    garbage(file)
    with pytest.raises(CatalogError, match=f"{file}: .*file is not a database.*: `mv {file} {file}.damaged`") as told:
        ingest_synthetic(SPEC)
    assert "\n" not in str(told.value)
    file.rename(f"{file}.damaged")
    assert ingest_synthetic(SPEC).content_digest == first.content_digest

"""The Iceberg catalog `abukix`, found by PyIceberg's own environment variables, and nothing of it hard-wired."""

from __future__ import annotations

import errno
import os
import re
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

NAME = "abukix"
COMMITS = f"{NAME}.commits"
REPOSITORY_DAYS = f"{NAME}.repository_days"

# Reading a table's metadata needs no Arrow; loading PyIceberg's Arrow reader costs as much as everything else here.
LIGHT = {"py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO"}

# PyIceberg 0.12 repeats a commit that lost a race on top of the winner's, unasked. What we append was worked out for
# the table as it was read: who loses must look again, or the same commits would be in it twice.
NO_RETRY = {"commit.retry.num-retries": "0"}

_ATTEMPTS = 5
_PAUSE_SECONDS = 0.2


class CatalogError(Exception):
    """The catalog cannot be used; the message names it and says what to do."""


class DamagedTableError(CatalogError):
    """Files of a table are missing, or are not what Iceberg writes."""


class SchemaError(CatalogError):
    """A table's columns are not those of this recipe."""


def open_catalog(properties: dict[str, str] | None = None) -> Catalog:
    """The catalog; raises CatalogError where the environment names none or it does not open."""
    uri = os.environ.get(f"PYICEBERG_CATALOG__{NAME.upper()}__URI")
    if not uri:
        raise CatalogError(
            f"environment variable PYICEBERG_CATALOG__{NAME.upper()}__URI is not set:"
            " a step gets it from the ConfigMap basecamp-endpoints (`cargo xtask up`)",
        )
    from pyiceberg.catalog import load_catalog

    reason: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            return load_catalog(NAME, **(properties or {}))
        except Exception as error:
            # Steps that make a new SQL catalog's own tables at once: who is late finds one of them made, not both.
            if type(error).__module__.partition(".")[0] != "sqlalchemy":
                raise
            reason = error
            # Not one of its subclasses, which tell of locks and races: this one, of a file that is no database.
            if type(error).__name__ == "DatabaseError":
                break
            time.sleep(_PAUSE_SECONDS)
    assert reason is not None
    advice = "`cargo xtask status` shows what is up"
    if type(reason).__name__ == "DatabaseError" and uri.startswith("sqlite:///"):
        file = uri.removeprefix("sqlite:///")
        advice = f"`mv {file} {file}.damaged` puts it away, and the next run makes a new one"
    raise CatalogError(f"catalog {NAME} at {uri}: {_in_one_line(reason)}: {advice}") from reason


def load(catalog: Catalog, name: str) -> Table | None:
    """The table, or None where it has not been made; raises DamagedTableError where its metadata cannot be read."""
    from pyiceberg.exceptions import NoSuchTableError

    try:
        with intact(catalog, name):
            return catalog.load_table(name)
    except NoSuchTableError:
        return None


def load_or_create(catalog: Catalog, name: str, schema: pa.Schema) -> Table:
    """The table, made where it is not there; a commit to it that loses a race fails."""
    from pyiceberg.exceptions import TableAlreadyExistsError

    table = load(catalog, name)
    if table is None:
        _create_namespace(catalog, name.partition(".")[0])
        try:
            return catalog.create_table(name, schema, properties=NO_RETRY)
        except TableAlreadyExistsError:
            table = catalog.load_table(name)
    if not table.properties.items() >= NO_RETRY.items():
        with table.transaction() as change:
            change.set_properties(NO_RETRY)
    return table


def _create_namespace(catalog: Catalog, namespace: str) -> None:
    try:
        catalog.create_namespace(namespace)
    except Exception:
        # A SQL catalog tells of a lost race by its database's own error.
        if not catalog.namespace_exists(namespace):
            raise


@contextmanager
def intact(catalog: Catalog, name: str) -> Iterator[None]:
    """Within it the table's files are read; raises DamagedTableError where one is missing or is no Iceberg."""
    from pyiceberg.exceptions import ResolveError, ValidationError

    # What PyIceberg's and Arrow's readers were seen to raise over files with bytes altered, cut off or put in.
    unreadable = (ValueError, LookupError, TypeError, EOFError, SystemError, ValidationError, ResolveError, zlib.error)
    try:
        yield
    except (OSError, *unreadable) as error:
        # The system's own complaints (no permission, no space) say nothing of what is in a file, but for one.
        if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
            raise
        raise damaged(catalog, name, _in_one_line(error)) from error


def damaged(catalog: Catalog, name: str, reason: str) -> DamagedTableError:
    """The error that says so, and what to type."""
    return DamagedTableError(
        f"table {name} is damaged: {reason}: `{_pyiceberg(catalog, 'drop', 'table', name)}` forgets it"
        " (its files stay), and the next run makes it anew",
    )


def refuse_other_columns(catalog: Catalog, name: str, found: dict[str, str], expected: dict[str, str]) -> None:
    """Raises SchemaError where names or types of columns differ."""
    if found != expected:
        differing = [
            f"{column} is {found.get(column, 'missing')}, expected {expected.get(column, 'none of that name')}"
            for column in sorted({*found, *expected})
            if found.get(column) != expected.get(column)
        ]
        raise SchemaError(
            f"table {name} has other columns than this recipe writes: {'; '.join(differing)}:"
            f" `{_pyiceberg(catalog, 'rename', name, f'{name}_before')}` keeps it under another name, and the next run"
            " makes its own",
        )


def _pyiceberg(catalog: Catalog, *words: str) -> str:
    """A command to type, with the program that PyIceberg has installed beside this Python."""
    program = Path(sys.executable).with_name("pyiceberg")
    return " ".join([str(program), "--catalog", NAME, "--uri", catalog.properties.get("uri", "URI"), *words])


def _in_one_line(error: Exception) -> str:
    # Of a failed step the last line is shown, and those of pydantic and SQLAlchemy only say where to read on.
    lines = [re.sub(r" \[type=.*", "", line.strip()) for line in str(error).splitlines() if "https://" not in line]
    return " ".join(lines) or type(error).__name__

"""The Iceberg catalog `abukix`, found by PyIceberg's own environment variables, and nothing of it hard-wired."""

from __future__ import annotations

import os
import time
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
            time.sleep(_PAUSE_SECONDS)
    raise CatalogError(f"catalog {NAME} at {uri}: {reason}: `cargo xtask status` shows what is up") from reason


def load_or_create(catalog: Catalog, name: str, schema: pa.Schema) -> Table:
    """The table, made where it is not there; a commit to it that loses a race fails."""
    from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError

    try:
        table = catalog.load_table(name)
    except NoSuchTableError:
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

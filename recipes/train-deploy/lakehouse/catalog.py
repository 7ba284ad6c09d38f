"""The Iceberg catalog `abukix`, found by PyIceberg's own environment variables, and nothing of it hard-wired."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

NAME = "abukix"
COMMITS = f"{NAME}.commits"
REPOSITORY_DAYS = f"{NAME}.repository_days"

# Reading a table's metadata needs no Arrow; loading PyIceberg's Arrow reader costs as much as everything else here.
LIGHT = {"py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO"}


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

    try:
        return load_catalog(NAME, **(properties or {}))
    except Exception as first:
        # Two steps that make a new SQL catalog's own tables at once: the second one finds them made.
        if type(first).__module__.partition(".")[0] != "sqlalchemy":
            raise
        try:
            return load_catalog(NAME, **(properties or {}))
        except Exception as error:
            raise CatalogError(f"catalog {NAME} at {uri}: {error}: `cargo xtask status` shows what is up") from error

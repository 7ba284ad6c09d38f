"""Feast's IcebergSource with two things added: the snapshot to read, and which columns.

Feast 0.67's own reads the table's newest state, whole. Where the catalog is comes from PyIceberg's environment
variables, so that no address gets into a feature's definition.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from features import unchecked  # noqa: F401

# isort: split
from feast.infra.data_sources.contrib.iceberg_catalog.iceberg_source import IcebergSource
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.repo_config import RepoConfig

from lakehouse.catalog import NAME, intact, open_catalog


class PinnedIcebergSource(IcebergSource):
    """A table as it was at one snapshot, reduced to some columns."""

    def __init__(self, *, table: str, snapshot_id: int, columns: list[str], timestamp_field: str) -> None:
        """`table` is `namespace.name` in the catalog that the environment names."""
        namespace, _, name = table.rpartition(".")
        super().__init__(
            name=table,
            warehouse=NAME,
            namespace=namespace,
            table=name,
            # Anything but "rest" makes Feast ask `get_catalog_client` for the table.
            catalog_type="environment",
            catalog_name=NAME,
            timestamp_field=timestamp_field,
        )
        self.snapshot_id = snapshot_id
        self.columns = columns

    def get_catalog_client(self) -> _PinnedCatalog:  # pyright: ignore[reportIncompatibleMethodOverride]
        """What Feast's DuckDB store calls `load_table(...).scan().to_arrow()` on."""
        return _PinnedCatalog(self)

    def get_table_column_names_and_types(self, config: RepoConfig) -> Iterable[tuple[str, str]]:  # noqa: ARG002
        """The chosen columns only."""
        fields = open_catalog().load_table(self.name).schema().fields
        return [(field.name, str(field.field_type)) for field in fields if field.name in self.columns]

    def source_type(self) -> DataSourceProto.SourceType.ValueType:
        """Feast rebuilds only custom sources by their own class."""
        return DataSourceProto.CUSTOM_SOURCE

    def _to_proto_impl(self) -> DataSourceProto:
        options = {"table": self.name, "snapshot_id": self.snapshot_id, "columns": self.columns}
        return DataSourceProto(
            name=self.name,
            type=DataSourceProto.CUSTOM_SOURCE,
            data_source_class_type=f"{type(self).__module__}.{type(self).__qualname__}",
            custom_options=DataSourceProto.CustomSourceOptions(configuration=json.dumps(options).encode()),
            timestamp_field=self.timestamp_field,
        )

    @staticmethod
    def from_proto(data_source: DataSourceProto) -> PinnedIcebergSource:
        """Reads back what the registry keeps."""
        options = json.loads(data_source.custom_options.configuration)
        return PinnedIcebergSource(**options, timestamp_field=data_source.timestamp_field)

    def __eq__(self, other: object) -> bool:
        """Equal where table, snapshot and columns are."""
        return (
            super().__eq__(other)
            and isinstance(other, PinnedIcebergSource)
            and (self.snapshot_id, self.columns) == (other.snapshot_id, other.columns)
        )

    __hash__ = IcebergSource.__hash__


class _PinnedCatalog:
    def __init__(self, source: PinnedIcebergSource) -> None:
        self._source = source

    def load_table(self, _name: str) -> _PinnedCatalog:
        return self

    def scan(self) -> _PinnedCatalog:
        return self

    def to_arrow(self) -> pa.Table:
        source = self._source
        catalog: Any = open_catalog()
        with intact(catalog, source.name):
            table = catalog.load_table(source.name)
            return table.scan(snapshot_id=source.snapshot_id, selected_fields=tuple(source.columns)).to_arrow()

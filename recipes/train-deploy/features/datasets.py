"""A data set: rows (repository, time) with features and the label, in a Parquet file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

KEYS = ("repository", "event_timestamp")
LABEL = "commits_next_7d"
"""Commits of the seven days from the row's time on."""


class DatasetError(Exception):
    """A file that is not such a data set."""


@dataclass(frozen=True)
class Dataset:
    """Its columns as arrays, rows in the order of time, then repository."""

    repositories: np.ndarray
    times: np.ndarray
    """datetime64[us], UTC."""
    names: tuple[str, ...]
    """Features, in order."""
    features: np.ndarray
    """(rows, features), float64."""
    labels: np.ndarray
    """float64"""

    @staticmethod
    def read(source: IO[bytes]) -> Dataset:
        """Reads a Parquet file; raises DatasetError where columns are missing or a value is no number."""
        # Not `read_table`: that loads Arrow's dataset machinery and pandas, for nothing that one file needs.
        table = pq.ParquetFile(source).read()
        missing = {*KEYS, LABEL} - set(table.column_names)
        if missing or table.num_rows == 0:
            raise DatasetError(f"data set has {table.num_rows} rows and lacks columns {sorted(missing)}")
        names = tuple(name for name in table.column_names if name not in (*KEYS, LABEL))
        features = np.stack([_numbers(table[name].cast(pa.float64())) for name in names], axis=1)
        labels = _numbers(table[LABEL].cast(pa.float64()))
        if not (np.isfinite(features).all() and np.isfinite(labels).all()):
            raise DatasetError("data set holds a value that is not a finite number")
        return Dataset(
            repositories=np.array(table["repository"].to_pylist()),
            times=_numbers(table["event_timestamp"].cast(pa.int64())).astype("datetime64[us]"),
            names=names,
            features=features,
            labels=labels,
        )

    def column(self, name: str) -> np.ndarray:
        """One feature's values."""
        return self.features[:, self.names.index(name)]

    def joined(self, other: Dataset) -> Dataset:
        """The rows of both; the two must have the same features."""
        if self.names != other.names:
            raise DatasetError(f"data sets have different features: {self.names} and {other.names}")
        return Dataset(
            np.concatenate([self.repositories, other.repositories]),
            np.concatenate([self.times, other.times]),
            self.names,
            np.concatenate([self.features, other.features]),
            np.concatenate([self.labels, other.labels]),
        )


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    # `to_numpy` imports pandas where it finds it, a second for nothing.
    if column.null_count:
        raise DatasetError("data set holds an empty value")
    return np.from_dlpack(column.combine_chunks())


def write(table: pa.Table, path: str) -> None:
    """Writes a data set's file. Equal rows give equal bytes: nothing of time or place goes in."""
    pq.write_table(table, path, compression="zstd", store_schema=False)

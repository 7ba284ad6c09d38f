"""One commit as a row of `abukix.commits`, in Arrow."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pyarrow as pa

SCHEMA = pa.schema(
    [
        pa.field("repository", pa.string(), nullable=False),
        pa.field("sha", pa.string(), nullable=False),
        # Committer date in UTC, whole seconds. Null where the date cannot be true (see `history.plausible`): such a
        # commit happened, but nobody knows when, and it stays out of every window.
        pa.field("committed_at", pa.timestamp("us", tz="UTC"), nullable=True),
        # The author's e-mail address, lower case: authors are only ever counted.
        pa.field("author", pa.string(), nullable=False),
        pa.field("parents", pa.int32(), nullable=False),
        pa.field("files_changed", pa.int32(), nullable=False),
        pa.field("insertions", pa.int64(), nullable=False),
        pa.field("deletions", pa.int64(), nullable=False),
    ],
)

_MODULUS = 1 << 256


def set_digest(lines: Iterable[bytes]) -> int:
    """Digest of rows as a set: the sum of their SHA-256 modulo 2^256, so that order and batches do not matter.

    Sums of two disjoint sets add up to that of their union: an ingest that appends adds its own share.
    """
    sha256, from_bytes = hashlib.sha256, int.from_bytes
    return sum(from_bytes(sha256(line).digest(), "big") for line in lines) % _MODULUS


def combined(digests: Iterable[int]) -> int:
    """The digest of the union of disjoint sets."""
    return sum(digests) % _MODULUS


def text(digest: int) -> str:
    """A digest as people and parameters have it: 64 hexadecimal digits."""
    return f"{digest:064x}"

"""Brings repositories into `abukix.commits`: looks first, reads what is missing, appends it in one snapshot."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from artifacts import open_uri
from lakehouse import commits
from lakehouse.catalog import COMMITS, LIGHT, open_catalog
from lakehouse.commits import Recorded

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table

    from lakehouse.synthetic import Spec

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_ATTEMPTS = 20
_DAY = 24 * 60 * 60


class IngestError(Exception):
    """The input cannot be ingested; the message names it and says what to do. Nothing was appended."""


class RewrittenHistoryError(IngestError):
    """A repository that no longer holds the commit up to which it was ingested."""


@dataclass(frozen=True)
class Bundle:
    """A repository as a git bundle somewhere."""

    name: str
    uri: str
    digest: str
    """SHA-256 of the file, hexadecimal."""


@dataclass(frozen=True)
class Ingested:
    """What stands in the table now, for the repositories that were asked for."""

    snapshot_id: int
    """The newest snapshot in which one of them was extended: others' ingests do not move it."""
    content_digest: str
    """Set digest of their rows."""
    rows: int
    repositories: list[str]


def parse_bundles(documents: list[dict[str, str]]) -> list[Bundle]:
    """Reads the pipeline's parameter `repositories`; raises IngestError naming the entry that is wrong."""
    bundles: list[Bundle] = []
    for document in documents:
        if set(document) != {"name", "uri", "digest"} or not all(isinstance(text, str) for text in document.values()):
            raise IngestError(f"parameter repositories: {document} must have exactly name, uri and digest, as text")
        digest = document["digest"].removeprefix("sha256:")
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise IngestError(f"repository {document['name']}: digest {document['digest']!r} is not a SHA-256")
        if not _NAME.fullmatch(document["name"]) or document["name"].startswith("synthetic-"):
            raise IngestError(
                f"repository name {document['name']!r}: use letters, digits and ._/- only, at most 100,"
                " and leave names that begin with synthetic- to synthetic ones: `--repo NAME=PATH` gives it another",
            )
        bundles.append(Bundle(document["name"], document["uri"], digest))
    names = [bundle.name for bundle in bundles]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise IngestError(
            f"repositories {', '.join(twice)} are given twice: give each a name of its own: `--repo NAME=PATH`"
        )
    return bundles


def ingest_bundles(bundles: list[Bundle], scratch: Path) -> Ingested:
    """Ingests git bundles; `scratch` is an empty folder for their contents."""
    return _ingest(_Bundles(bundles, scratch))


def ingest_synthetic(spec: Spec) -> Ingested:
    """Ingests the synthetic repositories of a spec."""
    return _ingest(_Synthetic(spec))


@dataclass(frozen=True)
class _Reading:
    """The rows of one repository that are not in the table yet."""

    repository: str
    source: str
    head: str
    rows: list[pa.RecordBatch]
    digest: int

    def entry(self, before: Recorded | None) -> Recorded:
        """The repository's record once these rows are in the table."""
        from lakehouse.rows import combined

        count = sum(batch.num_rows for batch in self.rows)
        if before is None:
            return Recorded(self.source, self.head, count, self.digest, 0)
        return Recorded(self.source, self.head, before.rows + count, combined([before.digest, self.digest]), 0)


class _Source(Protocol):
    names: list[str]

    def may_be_missing(self, known: dict[str, Recorded]) -> bool:
        """Whether the table may lack something: a quick look, that reads nothing but the record."""
        ...

    def missing(self, known: dict[str, Recorded]) -> list[_Reading]:
        """What the table lacks."""
        ...


class _Bundles:
    def __init__(self, bundles: list[Bundle], scratch: Path) -> None:
        self.names = [bundle.name for bundle in bundles]
        self._bundles = bundles
        self._scratch = scratch
        self._readings: dict[tuple[str, str], _Reading | None] = {}

    def may_be_missing(self, known: dict[str, Recorded]) -> bool:
        return any(self._differs(bundle, known) for bundle in self._bundles)

    def missing(self, known: dict[str, Recorded]) -> list[_Reading]:
        found: list[_Reading | None] = []
        for bundle in self._bundles:
            if self._differs(bundle, known):
                before = known.get(bundle.name)
                key = bundle.name, before.head if before else ""
                if key not in self._readings:
                    self._readings[key] = self._read(bundle, before)
                found.append(self._readings[key])
        return [reading for reading in found if reading is not None]

    def _differs(self, bundle: Bundle, known: dict[str, Recorded]) -> bool:
        return bundle.name not in known or known[bundle.name].source != bundle.digest

    def _read(self, bundle: Bundle, before: Recorded | None) -> _Reading | None:
        from lakehouse.history import OLDER_COMMIT, History, day_of

        folder = self._scratch / f"{len(self._readings):03d}"
        folder.mkdir()
        file = folder / "bundle"
        _fetch(bundle, file)
        if before is not None and History.head_of(bundle.name, file, folder) == before.head:
            # The same history, packed anew.
            return None
        history = History.unpack(bundle.name, file, folder / "repository")
        if history.head_time > time.time() + _DAY:
            raise IngestError(
                f"repository {bundle.name}: its newest commit {history.head} is dated"
                f" {day_of(history.head_time)}, this machine's clock says {day_of(int(time.time()))}:"
                f" set the clock, or {OLDER_COMMIT}",
            )
        if before is not None and not history.descends_from(before.head):
            raise RewrittenHistoryError(
                f"repository {bundle.name}: its history was rewritten: commit {before.head}, up to which it was"
                f" ingested, is not part of the history of {history.head}. Nothing was ingested; if the new history"
                " is the right one, give it another name: `--repo NAME=PATH`",
            )
        rows: list[pa.RecordBatch] = []
        digest = count = undated = 0
        for batch in history.batches(since=before.head if before is not None else None):
            rows.append(batch.rows)
            digest += batch.digest
            count += batch.rows.num_rows
            undated += batch.undated
            print(f"ingest: {bundle.name}: {count:,} commits read", flush=True)
        if undated:
            print(
                f"ingest: {bundle.name}: {undated:,} of {count:,} commits carry a date that cannot be true"
                " (before 1972, or after the newest commit's own): they are kept without one, outside every window",
                flush=True,
            )
        return _Reading(bundle.name, bundle.digest, history.head, rows, digest % (1 << 256))


class _Synthetic:
    def __init__(self, spec: Spec) -> None:
        self.names = spec.names
        self._spec = spec
        self._readings: list[_Reading] = []

    def may_be_missing(self, known: dict[str, Recorded]) -> bool:
        return any(name not in known for name in self.names)

    def missing(self, known: dict[str, Recorded]) -> list[_Reading]:
        if not self._readings:
            from lakehouse.generation import batches

            for name, rows, digest in batches(self._spec):
                self._readings.append(_Reading(name, self._spec.digest, "", [rows], digest))
            print(f"ingest: {len(self.names)} synthetic repositories made up with seed {self._spec.seed}", flush=True)
        return [reading for reading in self._readings if reading.repository not in known]


def _ingest(source: _Source) -> Ingested:
    # A look at the metadata alone tells in most runs that there is nothing to do.
    table = commits.load(open_catalog(LIGHT))
    if source.may_be_missing(commits.recorded(table)):
        table = _append_missing(source)
    else:
        print(f"ingest: {COMMITS} holds all of it already", flush=True)
    assert table is not None
    known = commits.recorded(table)
    wanted = {name: known[name] for name in source.names}
    return Ingested(
        snapshot_id=commits.latest_snapshot(table, {entry.snapshot_id for entry in wanted.values()}),
        content_digest=f"{sum(entry.digest for entry in wanted.values()) % (1 << 256):064x}",
        rows=sum(entry.rows for entry in wanted.values()),
        repositories=source.names,
    )


def _append_missing(source: _Source) -> Table:
    import pyarrow as pa

    from lakehouse.rows import SCHEMA

    catalog = open_catalog()
    for _ in range(_ATTEMPTS):
        table = commits.load_or_create(catalog)
        known = commits.recorded(table)
        readings = source.missing(known)
        if not readings:
            return table
        rows = pa.Table.from_batches([batch for reading in readings for batch in reading.rows], SCHEMA)
        entries = {reading.repository: reading.entry(known.get(reading.repository)) for reading in readings}
        try:
            commits.append(table, rows, entries)
        except commits.ConcurrentAppendError:
            print(f"ingest: another ingest was faster; looking at {COMMITS} again", flush=True)
            continue
        print(f"ingest: {rows.num_rows:,} commits of {len(entries)} repositories appended to {COMMITS}", flush=True)
        return table
    raise IngestError(
        f"table {COMMITS}: {_ATTEMPTS} times in a row another ingest was faster:"
        " `cargo xtask recipe train-deploy` tries again",
    )


def _fetch(bundle: Bundle, file: Path) -> None:
    digest = hashlib.sha256()
    try:
        with open_uri(bundle.uri, "rb") as remote, file.open("wb") as local:
            while chunk := remote.read(1 << 20):
                digest.update(chunk)
                local.write(chunk)
    except (OSError, ValueError) as error:
        raise IngestError(
            f"repository {bundle.name}: its bundle {bundle.uri} cannot be read: {error}: {_anew(bundle)}"
        ) from error
    if digest.hexdigest() != bundle.digest:
        raise IngestError(
            f"repository {bundle.name}: its bundle {bundle.uri} has SHA-256 {digest.hexdigest()},"
            f" expected {bundle.digest}: {_anew(bundle)}",
        )


def _anew(bundle: Bundle) -> str:
    scheme, _, path = bundle.uri.rpartition("://")
    if scheme == "file":
        return f"`rm -f {path}`, then the same `cargo xtask recipe` again bundles it anew"
    return "upload it again"

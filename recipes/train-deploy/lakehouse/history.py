"""Reads a git history into Arrow batches about as fast as `git log` writes it.

Fields: object name, committer date, author's e-mail, parents, and the totals of `--shortstat`. The totals cost what
computing a diff costs, in git as here; `--numstat` would cost the same diffs and one line a file more, and nothing
reads single files. Subjects and names are left out: no feature needs them, and they are personal data.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.rows import SCHEMA, set_digest

# A field cannot hold NUL, whatever bytes a commit has. The record begins with one too, so that what follows the
# last field of a record (its totals, on lines of their own) ends where the next record begins.
_FORMAT = "tformat:%x00%H%x00%ct%x00%ae%x00%P%x00"
_FIELDS = 5
_CHUNK = 4 << 20
_DAY = 24 * 60 * 60
EARLIEST = 63_072_000
"""1972-01-01 00:00 UTC: nothing that is under version control was committed before the first version control system
(SCCS, Bell Labs, 1972). What is dated earlier comes of a clock that began at the epoch, or of no date at all."""
_LONGEST_TIME = 18
"""Digits of a date that fit into 64 bits, whatever they are; a commit may claim more."""
_HUGE_FILE = "32m"
"""Files from this size on git takes as they are: it counts them, but compares no lines and holds none in memory."""
_TOTALS = (
    r"(?:(?P<files>\d+) files? changed)?(?:, (?P<insertions>\d+) insertions?\(\+\))?"
    r"(?:, (?P<deletions>\d+) deletions?\(-\))?"
)
LONGEST_AUTHOR = 320
"""Characters kept of an e-mail address: the longest one that mail allows (RFC 3696, errata 1690)."""


OLDER_COMMIT = "`git tag well-dated COMMIT` on an older commit whose date is right, then `--ref well-dated`"
"""What to type where the newest commit's date cannot be true."""


class HistoryError(Exception):
    """A repository whose history cannot be read; the message names it and says what to do."""


@dataclass(frozen=True)
class Batch:
    """Some commits as rows, the digest of these rows as a set, and how many have no believable date."""

    rows: pa.RecordBatch
    digest: int
    undated: int


class History:
    """One repository's history, unpacked from a git bundle into a scratch folder."""

    def __init__(self, repository: str, folder: Path, head: str) -> None:
        """`folder` is a bare repository holding `head`."""
        self.repository = repository
        self.folder = folder
        self.head = head
        self.head_time = int(_git(repository, folder, "log", "-1", "--format=%ct", head).strip() or 0)
        if self.head_time < EARLIEST:
            raise HistoryError(
                f"repository {repository}: its newest commit {head} is dated {day_of(self.head_time)}, so no other date"
                f" can be judged by it: {OLDER_COMMIT}",
            )

    @staticmethod
    def unpack(repository: str, bundle: Path, folder: Path) -> History:
        """Unpacks a bundle: its HEAD, or its only reference where it names no HEAD.

        Raises HistoryError where the file is no bundle, is incomplete (made from a shallow clone) or names no commit.
        """
        folder.mkdir(parents=True)
        _git(repository, folder, "init", "--quiet", "--bare", ".")
        head = History.head_of(repository, bundle, folder)
        _git(repository, folder, "bundle", "unbundle", str(bundle))
        if _git(repository, folder, "cat-file", "-t", f"{head}^{{}}").strip() != "commit":
            raise HistoryError(f"repository {repository}: {head} is not a commit")
        head = _git(repository, folder, "rev-parse", "--verify", f"{head}^{{commit}}").strip()
        return History(repository, folder, head)

    @staticmethod
    def head_of(repository: str, bundle: Path, folder: Path) -> str:
        """The object that a bundle's history ends in, told by its first lines; `folder` is any folder.

        Raises HistoryError where the file is no bundle, or names no reference to go by.
        """
        lines = _git(repository, folder, "bundle", "list-heads", str(bundle)).splitlines()
        names = {name: sha for sha, name in (line.split(" ", 1) for line in lines)}
        if not names:
            raise HistoryError(
                f"repository {repository}: the bundle holds no reference, so there is no history in it:"
                " bundle a commit, for example `git bundle create FILE HEAD`",
            )
        if "HEAD" not in names and len(names) > 1:
            raise HistoryError(
                f"repository {repository}: the bundle holds {len(names)} references and no HEAD:"
                " bundle one of them, for example `git bundle create FILE HEAD`",
            )
        return names.get("HEAD") or next(iter(names.values()))

    def descends_from(self, ancestor: str) -> bool:
        """Whether the commit is still part of this history."""
        process = _run(self.folder, "merge-base", "--is-ancestor", ancestor, self.head)
        # 1: no; 128: this history does not even know the commit.
        return process.returncode == 0

    def plausible(self, seconds: pa.Int64Array) -> pa.BooleanArray:
        """Which committer dates can be true.

        Not before EARLIEST (a missing date becomes the epoch), and not later than a day after the newest commit's own
        date, the day being for clocks that differ: nothing that HEAD builds on was made after it. The clock of this
        machine plays no part, so that a history gives the same rows wherever and whenever it is read.
        """
        return pc.and_(pc.greater_equal(seconds, EARLIEST), pc.less_equal(seconds, self.head_time + _DAY))  # pyright: ignore[reportAttributeAccessIssue]

    def batches(self, since: str | None = None) -> Iterator[Batch]:
        """The commits reachable from HEAD, merges included, but for those reachable from `since`."""
        arguments = [
            "-c",
            "log.showSignature=false",
            "-c",
            "log.showRoot=true",
            "log",
            f"--format={_FORMAT}",
            "--shortstat",
            "--no-renames",
            "--no-ext-diff",
            "--no-textconv",
            "--no-mailmap",
            "--no-color",
            "--no-decorate",
            self.head,
        ]
        if since is not None:
            arguments += ["--not", since]
        with tempfile.TemporaryFile() as complaints:
            process = subprocess.Popen(
                ["git", "-C", str(self.folder), *arguments, "--"],
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=_environment(),
            )
            try:
                yield from self._parse(process)
            finally:
                process.kill()
                process.wait()
            complaints.seek(0)
            if process.returncode:
                raise _failure(self.repository, "log", complaints.read())

    def _parse(self, process: subprocess.Popen[bytes]) -> Iterator[Batch]:
        stdout = process.stdout
        assert stdout is not None
        rest: list[bytes] = [b""]
        while chunk := stdout.read(_CHUNK):
            first, *others = chunk.split(b"\0")
            rest[-1] += first
            rest += others
            # The first item is what stands before the first NUL: nothing. The last record may go on in the next chunk.
            complete = (len(rest) - 2) // _FIELDS
            if complete > 0:
                yield self._batch(rest[1 : 1 + complete * _FIELDS])
                rest = [b"", *rest[1 + complete * _FIELDS :]]
        if process.wait() == 0 and len(rest) > 1:
            yield self._batch(rest[1:])

    def _batch(self, fields: list[bytes]) -> Batch:
        shas, times, authors, parents, totals = (fields[index::_FIELDS] for index in range(_FIELDS))
        # git prints any number of digits that a commit has, and nothing for what is no number at all.
        readable = [time if 0 < len(time) <= _LONGEST_TIME else b"0" for time in times]
        seconds = pc.cast(pa.array(readable, pa.binary()).cast(pa.string()), pa.int64())
        dated = self.plausible(seconds)
        numbers = pc.extract_regex(  # pyright: ignore[reportAttributeAccessIssue]
            pa.array([total.strip() for total in totals], pa.binary()).cast(pa.string()),
            pattern=_TOTALS,
        )

        def total(name: str, type_: pa.DataType) -> pa.Array:
            digits = numbers.field(name)
            return pc.cast(pc.if_else(pc.equal(digits, ""), "0", digits), type_)  # pyright: ignore[reportAttributeAccessIssue]

        columns = [
            pa.repeat(self.repository, len(shas)),
            pa.array(shas, pa.binary()).cast(pa.string()),
            pc.cast(pc.multiply(pc.if_else(dated, seconds, None), 1_000_000), SCHEMA.field("committed_at").type),  # pyright: ignore[reportAttributeAccessIssue]
            pa.array([_author(author) for author in authors], pa.string()),
            pa.array([len(names.split()) for names in parents], pa.int32()),
            total("files", pa.int32()),
            total("insertions", pa.int64()),
            total("deletions", pa.int64()),
        ]
        name = self.repository.encode()
        digest = set_digest(b"\0".join((name, *record)) for record in zip(shas, times, authors, totals, strict=True))
        undated = len(shas) - (pc.sum(dated).as_py() or 0)  # pyright: ignore[reportAttributeAccessIssue]
        return Batch(pa.RecordBatch.from_arrays(columns, schema=SCHEMA), digest, undated)


def day_of(seconds: int) -> str:
    """A date for people."""
    # A commit may claim a year that no calendar here has.
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"


def _author(raw: bytes) -> str:
    # A commit may hold any bytes: those that are not UTF-8 are written out, so that different authors stay different.
    return raw.decode("utf-8", errors="backslashreplace").strip().lower()[:LONGEST_AUTHOR]


def _environment() -> dict[str, str]:
    # The user's own git configuration must not change what a history says, nor may git wait for an answer.
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.bigFileThreshold",
        "GIT_CONFIG_VALUE_0": _HUGE_FILE,
        "LC_ALL": "C",
    }


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=_environment(),
    )


def _git(repository: str, folder: Path, *arguments: str) -> str:
    try:
        process = _run(folder, *arguments)
    except FileNotFoundError:
        raise HistoryError("git is not on PATH: `cargo xtask doctor` says how to get it") from None
    if process.returncode:
        raise _failure(repository, arguments[0], process.stderr)
    return process.stdout.decode("utf-8", errors="backslashreplace")


def _failure(repository: str, command: str, complaint: bytes) -> HistoryError:
    said = complaint.decode("utf-8", errors="backslashreplace").strip().splitlines()
    reason = said[-1] if said else "no reason given"
    shallow = any("prerequisite" in line or "Could not read" in line or "shallow" in line for line in said)
    advice = "make the bundle anew: `git bundle create FILE HEAD`"
    if shallow:
        advice = "the history is cut off: complete it with `git fetch --unshallow` and bundle it again"
    return HistoryError(f"repository {repository}: git {command}: {reason}; {advice}")

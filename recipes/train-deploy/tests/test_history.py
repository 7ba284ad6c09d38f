"""Reading git histories. Budget: 15 s."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse import history
from lakehouse.history import EARLIEST, History, HistoryError
from lakehouse.rows import set_digest
from tests.conftest import DAY, MONDAY, Repository

Make = Callable[[str], Repository]


def read(path: Path, tmp_path: Path, since: str | None = None) -> tuple[list[dict[str, Any]], int, int]:
    unpacked = History.unpack("r", path, tmp_path / f"scratch-{path.stem}-{since}")
    batches = list(unpacked.batches(since))
    rows = pa.Table.from_batches([batch.rows for batch in batches]).to_pylist() if batches else []
    return rows, sum(batch.digest for batch in batches) % (1 << 256), sum(batch.undated for batch in batches)


def test_fields_are_those_that_git_tells(repository: Make, tmp_path: Path) -> None:
    made = repository("r")
    made.commit(MONDAY, email="Ann@Example.org", lines=3)
    made.git("checkout", "-q", "-b", "side")
    made.commit(MONDAY + 10, lines=2)
    made.git("checkout", "-q", "main")
    made.commit(MONDAY + 20, name="file-1", lines=1)
    date = {"GIT_COMMITTER_DATE": f"@{MONDAY + 30} -0700"}
    made.git("merge", "-q", "--no-ff", "-m", "merge", "side", env=date)
    made.bundle(tmp_path / "r.bundle")
    rows, _, undated = read(tmp_path / "r.bundle", tmp_path)
    told = {
        (
            row["committed_at"].timestamp() - MONDAY,
            *(row[name] for name in ("author", "parents", "files_changed", "insertions", "deletions")),
        )
        for row in rows
    }
    # The merge is there with two parents and no change of its own; times are UTC whatever zone the committer was in.
    assert told == {
        (0.0, "ann@example.org", 0, 1, 3, 0),
        (10.0, "a@example.org", 1, 1, 2, 0),
        (20.0, "a@example.org", 1, 1, 0, 2),
        (30.0, "a@example.org", 2, 0, 0, 0),
    }
    assert undated == 0
    assert {row["sha"] for row in rows} == set(made.git("log", "--format=%H").split())


@pytest.mark.parametrize("chunk", [1, 7, 64, 4 << 20])
def test_chunks_of_any_size_give_the_same_rows(
    repository: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    made = repository("r")
    shas = [made.commit(MONDAY + index, lines=index + 1) for index in range(5)]
    made.bundle(tmp_path / "r.bundle")
    monkeypatch.setattr(history, "_CHUNK", chunk)
    rows, _, _ = read(tmp_path / "r.bundle", tmp_path)
    assert [row["sha"] for row in rows] == shas[::-1]
    assert [row["insertions"] for row in rows] == [5, 4, 3, 2, 1]


def test_only_what_is_new_is_read_and_digests_add_up(repository: Make, tmp_path: Path) -> None:
    made = repository("r")
    first = made.commit(MONDAY)
    made.bundle(tmp_path / "one.bundle")
    second = made.commit(MONDAY + 1)
    made.bundle(tmp_path / "two.bundle")
    _, before, _ = read(tmp_path / "one.bundle", tmp_path)
    rows, added, _ = read(tmp_path / "two.bundle", tmp_path, since=first)
    _, whole, _ = read(tmp_path / "two.bundle", tmp_path)
    assert [row["sha"] for row in rows] == [second]
    assert (before + added) % (1 << 256) == whole


def test_a_set_has_one_digest_in_any_order() -> None:
    assert set_digest([b"a", b"b"]) == set_digest([b"b", b"a"]) != set_digest([b"ab"])


def test_bytes_that_are_not_utf8_keep_authors_apart(repository: Make, tmp_path: Path) -> None:
    made = repository("r")
    # A path, two authors' names and addresses, and messages.
    with open(os.fsencode(made.folder) + b"/\xe9", "wb") as file:
        file.write(b"x\n")
    made.commit(MONDAY)
    for byte in (b"\xe9", b"\xe8"):
        made.chain(
            b"author %s <%s@x> %d +0000\ncommitter X <x@x> %d +0000\n\n\xff\x00\n" % (byte, byte, MONDAY, MONDAY)
        )
    made.bundle(tmp_path / "r.bundle")
    rows, _, _ = read(tmp_path / "r.bundle", tmp_path)
    assert {row["author"] for row in rows} == {"a@example.org", "\\xe9@x", "\\xe8@x"}
    assert [row["files_changed"] for row in rows] == [0, 0, 2]


def test_dates_that_cannot_be_true_are_kept_without_one(repository: Make, tmp_path: Path) -> None:
    believed = {
        "0 +0000": False,
        "86400 +0000": False,
        f"{EARLIEST - 1} +0000": False,
        f"{EARLIEST} +0000": True,
        # Clocks differ: half a day after HEAD is believed.
        f"{MONDAY + DAY // 2} +0000": True,
        f"{MONDAY + DAY + 1} +0000": False,
        "4102444800 +0000": False,  # 2100
        "9223372036854775807 +0000": False,
        "99999999999999999999999 +0000": False,
        "-5 +0000": False,
        "yesterday": False,
    }
    made = repository("r")
    made.commit(MONDAY)
    made.dated(*believed, f"{MONDAY} +0000")
    made.bundle(tmp_path / "r.bundle")
    rows, _, undated = read(tmp_path / "r.bundle", tmp_path)
    found = [row["committed_at"] is not None for row in reversed(rows)]
    assert dict(zip(believed, found[1:-1], strict=True)) == believed
    assert (found[0], found[-1], undated) == (True, True, found.count(False))


def test_a_huge_file_costs_no_diff(repository: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = repository("r")
    made.commit(MONDAY, name="huge", lines=1 << 20)
    made.commit(MONDAY + 1, name="huge", lines=(1 << 20) + 1)
    made.bundle(tmp_path / "r.bundle")
    whole, _, _ = read(tmp_path / "r.bundle", tmp_path)
    assert [row["insertions"] for row in whole] == [1, 1 << 20]
    monkeypatch.setattr(history, "_HUGE_FILE", "1m")
    (tmp_path / "again").mkdir()
    rows, _, _ = read(tmp_path / "r.bundle", tmp_path / "again")
    # The file counts, its lines do not: git never had them in memory.
    assert [(row["files_changed"], row["insertions"]) for row in rows] == [(1, 0), (1, 0)]


def shallow(made: Repository, path: Path) -> None:
    made.commit(MONDAY)
    made.commit(MONDAY + 1)
    clone = made.folder.parent / "shallow"
    made.git("clone", "-q", "--depth", "1", f"file://{made.folder}", str(clone))
    made.git("-C", str(clone), "bundle", "create", "-q", str(path), "HEAD")


def no_bundle(_: Repository, path: Path) -> None:
    path.write_bytes(b"no bundle")


def empty_file(_: Repository, path: Path) -> None:
    path.write_bytes(b"")


def cut_off(made: Repository, path: Path) -> None:
    made.commit(MONDAY)
    made.bundle(path)
    path.write_bytes(path.read_bytes()[:-40])


def two_branches(made: Repository, path: Path) -> None:
    made.commit(MONDAY)
    made.git("branch", "other")
    made.bundle(path, "main", "other")


def since_a_commit(made: Repository, path: Path) -> None:
    made.commit(MONDAY)
    made.commit(MONDAY + 1)
    made.bundle(path, "HEAD~1..HEAD")


def epoch_head(made: Repository, path: Path) -> None:
    made.commit(0)
    made.bundle(path)


def head_of_1971(made: Repository, path: Path) -> None:
    made.commit(EARLIEST - 1)
    made.bundle(path)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (no_bundle, "does not look like a v2 or v3 bundle file; make the bundle anew: `git bundle create FILE HEAD`"),
        (empty_file, "does not look like a v2 or v3 bundle file; make the bundle anew: `git bundle create FILE HEAD`"),
        (cut_off, "; make the bundle anew: `git bundle create FILE HEAD`"),
        (two_branches, "holds 2 references and no HEAD"),
        (since_a_commit, "complete it with `git fetch --unshallow`"),
        (shallow, "complete it with `git fetch --unshallow`"),
        (epoch_head, "is dated 1970-01-01, so no other date can be judged by it: `git tag well-dated COMMIT`"),
        (head_of_1971, "is dated 1971-12-31"),
    ],
)
def test_bad_bundles_say_what_to_do(
    repository: Make, tmp_path: Path, write: Callable[[Repository, Path], None], expected: str
) -> None:
    path = tmp_path / "r.bundle"
    write(repository("r"), path)
    with pytest.raises(HistoryError) as refused:
        read(path, tmp_path)
    assert str(refused.value).startswith("repository r: ")
    assert expected in str(refused.value)


def test_the_only_reference_stands_in_for_head(repository: Make, tmp_path: Path) -> None:
    made = repository("r")
    sha = made.commit(MONDAY)
    made.git("tag", "-a", "-m", "t", "v1")
    made.bundle(tmp_path / "r.bundle", "v1")
    assert [row["sha"] for row in read(tmp_path / "r.bundle", tmp_path)[0]] == [sha]


def test_the_users_git_configuration_changes_nothing(
    repository: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = repository("r")
    made.commit(MONDAY)
    made.bundle(tmp_path / "r.bundle")
    expected = read(tmp_path / "r.bundle", tmp_path)
    config = tmp_path / "config"
    config.write_text("[log]\n showSignature = true\n showRoot = false\n[format]\n pretty = oneline\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    (tmp_path / "again").mkdir()
    assert read(tmp_path / "r.bundle", tmp_path / "again") == expected


def test_git_is_missed_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HistoryError, match="git is not on PATH"):
        History.unpack("r", tmp_path / "r.bundle", tmp_path / "scratch")


def test_reading_keeps_up_with_git_log(repository: Make, tmp_path: Path) -> None:
    """At most twice `git log` with the same fields, in one run: 20,000 commits."""
    import time

    made = repository("r")
    stream = b"".join(
        b"commit refs/heads/main\ncommitter A <a%d@x> %d +0000\ndata 1\nc\nM 100644 inline f%d\ndata 2\n%d\n"
        % (index % 50, MONDAY + index, index % 40, index % 10)
        for index in range(20_000)
    )
    made.git("fast-import", "--quiet", stdin=stream)
    made.git("bundle", "create", "-q", str(tmp_path / "r.bundle"), "main")
    unpacked = History.unpack("r", tmp_path / "r.bundle", tmp_path / "scratch")
    ratios: list[float] = []
    for _ in range(3):
        begun = time.perf_counter()
        command = ["git", "log", "--format=%H%x00%ct%x00%ae%x00%P", "--shortstat", "--no-renames", unpacked.head]
        subprocess.run(command, cwd=unpacked.folder, check=True, stdout=subprocess.DEVNULL)
        git = time.perf_counter() - begun
        begun = time.perf_counter()
        assert sum(batch.rows.num_rows for batch in unpacked.batches()) == 20_000
        ratios.append((time.perf_counter() - begun) / git)
    assert min(ratios) <= 2, ratios

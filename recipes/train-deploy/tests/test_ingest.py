"""The table of commits: append-only, idempotent, safe under concurrency and crashes. Budget: 30 s."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features.days import Commits, repository_days
from lakehouse import commits, generation, ingest, synthetic
from lakehouse.catalog import COMMITS, CatalogError, open_catalog
from lakehouse.history import HistoryError
from lakehouse.ingest import IngestError, RewrittenHistoryError, ingest_bundles, ingest_synthetic, parse_bundles
from tests.conftest import DAY, MONDAY, RECIPE, Repository, described

Make = Callable[[str], Repository]
SPEC = synthetic.Spec(seed=1, repositories=2, years=1, commits=300)


def run(documents: list[dict[str, str]], tmp_path: Path) -> ingest.Ingested:
    scratch = tmp_path / f"scratch-{time.monotonic_ns()}"
    scratch.mkdir()
    return ingest_bundles(parse_bundles(documents), scratch)


def snapshots() -> int:
    return len(open_catalog().load_table(COMMITS).metadata.snapshots)


@pytest.mark.usefixtures("lakehouse")
def test_the_same_again_appends_nothing(repository: Make, tmp_path: Path) -> None:
    made = repository("r")
    for index in range(3):
        made.commit(MONDAY + index)
    documents = [made.bundle(tmp_path / "r.bundle")]
    first = run(documents, tmp_path)
    assert (first.rows, first.repositories) == (3, ["r"])
    assert run(documents, tmp_path) == first
    # The same history, packed anew: other bytes, no new snapshot.
    made.git("config", "pack.compression", "0")
    made.git("repack", "-q", "-a", "-d", "-F")
    again = made.bundle(tmp_path / "r.bundle")
    assert again["digest"] != documents[0]["digest"]
    assert run([again], tmp_path) == first
    assert snapshots() == 1


@pytest.mark.usefixtures("lakehouse")
def test_a_later_ingest_appends_only_new_commits(repository: Make, tmp_path: Path) -> None:
    made = repository("r")
    old = made.commit(MONDAY)
    first = run([made.bundle(tmp_path / "r.bundle")], tmp_path)
    new = made.commit(MONDAY + DAY)
    second = run([made.bundle(tmp_path / "r.bundle")], tmp_path)
    table = open_catalog().load_table(COMMITS)
    assert second.rows == 2
    assert second.snapshot_id != first.snapshot_id
    assert sorted(table.scan().to_arrow()["sha"].to_pylist()) == sorted([old, new])
    assert table.scan(snapshot_id=first.snapshot_id).to_arrow()["sha"].to_pylist() == [old]
    # Whatever the way there, equal rows have one digest.
    whole = {**made.bundle(tmp_path / "r.bundle"), "name": "r"}
    assert second.content_digest != first.content_digest
    assert run([whole], tmp_path).content_digest == second.content_digest


@pytest.mark.usefixtures("lakehouse")
def test_a_rewritten_history_is_refused(repository: Make, tmp_path: Path) -> None:
    made = repository("r")
    made.commit(MONDAY)
    old = made.commit(MONDAY + 1)
    first = run([made.bundle(tmp_path / "r.bundle")], tmp_path)
    made.git("reset", "-q", "--hard", "HEAD~1")
    made.commit(MONDAY + 2)
    with pytest.raises(RewrittenHistoryError, match=f"repository r: its history was rewritten: commit {old}"):
        run([made.bundle(tmp_path / "r.bundle")], tmp_path)
    assert snapshots() == 1
    other = {**described(tmp_path / "r.bundle"), "name": "r-rewritten"}
    assert run([other], tmp_path).rows == 2
    assert first.rows == 2


@pytest.mark.usefixtures("lakehouse")
def test_one_bad_repository_appends_none(repository: Make, tmp_path: Path) -> None:
    made = repository("good")
    made.commit(MONDAY)
    good = made.bundle(tmp_path / "good.bundle")
    (tmp_path / "bad.bundle").write_bytes(b"")
    with pytest.raises(HistoryError, match="repository bad"):
        run([good, described(tmp_path / "bad.bundle")], tmp_path)
    assert commits.recorded(commits.load(open_catalog())) == {}
    assert run([good], tmp_path).rows == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"digest": "0" * 64}, "expected 0000.*: `rm -f /.*/r.bundle`, then the same `cargo xtask recipe` again"),
        ({"digest": "short"}, "is not a SHA-256"),
        ({"uri": "file:///nowhere/r.bundle"}, "cannot be read: .*: `rm -f /nowhere/r.bundle`"),
        ({"uri": "carrier-pigeon://r"}, "cannot be read"),
        ({"name": "synthetic-1/0"}, "leave names that begin with synthetic- to synthetic ones"),
        ({"name": "../r"}, "use letters, digits"),
        ({"name": "caf\u00e9 \ufffd"}, "use letters, digits .*`--repo NAME=PATH` gives it another"),
        ({"extra": "x"}, "must have exactly name, uri and digest"),
    ],
)
@pytest.mark.usefixtures("lakehouse")
def test_a_wrong_parameter_is_named(repository: Make, tmp_path: Path, change: dict[str, str], expected: str) -> None:
    made = repository("r")
    made.commit(MONDAY)
    with pytest.raises(IngestError, match=expected):
        run([{**made.bundle(tmp_path / "r.bundle"), **change}], tmp_path)


def test_a_repository_given_twice_is_refused() -> None:
    entry = {"name": "r", "uri": "file:///r", "digest": "0" * 64}
    with pytest.raises(IngestError, match="repositories r are given twice"):
        parse_bundles([entry, entry])


@pytest.mark.usefixtures("lakehouse")
def test_a_newest_commit_from_the_future_is_refused(repository: Make, tmp_path: Path) -> None:
    made = repository("r")
    made.commit(MONDAY)
    made.git("tag", "well-dated")
    made.commit(4_102_444_800)
    with pytest.raises(IngestError, match=r"is dated 2100-01-01, this machine's clock says .* `--ref well-dated`"):
        run([made.bundle(tmp_path / "r.bundle")], tmp_path)
    assert commits.recorded(commits.load(open_catalog())) == {}
    # As it is told to.
    assert run([made.bundle(tmp_path / "r.bundle", "well-dated")], tmp_path).rows == 1


@pytest.mark.usefixtures("lakehouse")
def test_dates_that_cannot_be_true_are_told_and_are_in_no_week(
    repository: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = repository("r")
    for day in range(0, 28, 7):
        made.commit(MONDAY + day * DAY)
    made.dated("0 +0000", "4102444800 +0000", f"{MONDAY + 28 * DAY} +0000")
    assert run([made.bundle(tmp_path / "r.bundle")], tmp_path).rows == 7
    assert "r: 2 of 7 commits carry a date that cannot be true (before 1972, or after" in capsys.readouterr().out
    dated = Commits.of(open_catalog().load_table(COMMITS).scan().to_arrow())
    (days,) = repository_days(dated, dated.cutoff)
    # From the day after the first believable commit to the Monday of the last.
    assert (days.first, len(days.commits)) == (MONDAY // DAY + 1, 28)
    assert days.commits[6::7].tolist() == [1, 1, 1, 0]


@pytest.mark.usefixtures("lakehouse")
def test_others_ingests_do_not_move_a_snapshot() -> None:
    first = ingest_synthetic(SPEC)
    other = ingest_synthetic(synthetic.Spec(seed=2, repositories=2, years=1, commits=300))
    assert ingest_synthetic(SPEC) == first
    assert other.snapshot_id != first.snapshot_id


def test_no_catalog_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYICEBERG_CATALOG__ABUKIX__URI", raising=False)
    with pytest.raises(CatalogError, match="cargo xtask up"):
        ingest_synthetic(SPEC)


@pytest.mark.usefixtures("lakehouse")
def test_a_crash_before_the_commit_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyiceberg.catalog.sql import SqlCatalog

    with monkeypatch.context() as patch:

        def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(SqlCatalog, "commit_table", killed)
        with pytest.raises(KeyboardInterrupt):
            ingest_synthetic(SPEC)
    assert commits.recorded(commits.load(open_catalog())) == {}
    done = ingest_synthetic(SPEC)
    assert open_catalog().load_table(COMMITS).scan().to_arrow().num_rows == done.rows


def keys() -> list[tuple[str, str]]:
    """Each row's repository and commit."""
    rows = open_catalog().load_table(COMMITS).scan().to_arrow()
    return sorted(zip(rows["repository"].to_pylist(), rows["sha"].to_pylist(), strict=True))


@pytest.mark.usefixtures("lakehouse")
def test_concurrent_ingests_add_up() -> None:
    """Four at once into a catalog that none of them has seen, each on connections of its own: two of one spec."""
    specs = [SPEC, SPEC, replace(SPEC, seed=2), replace(SPEC, seed=3)]
    together = threading.Barrier(len(specs))

    def one(spec: synthetic.Spec) -> ingest.Ingested:
        together.wait(60)
        return ingest_synthetic(spec)

    with ThreadPoolExecutor(len(specs)) as pool:
        done = list(pool.map(one, specs))
    assert done[0] == done[1]
    assert len(keys()) == len(set(keys())) == sum(each.rows for each in done[1:])
    assert len({repository for repository, _ in keys()}) == 6


@pytest.mark.parametrize("winner", [SPEC, replace(SPEC, seed=2)], ids=["the-same", "another"])
@pytest.mark.usefixtures("lakehouse")
def test_who_loses_the_race_for_a_commit_looks_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], winner: synthetic.Spec
) -> None:
    """Another ingest commits after this one has read the table, and before it appends."""
    append = commits.append

    def late(*arguments: Any) -> None:
        monkeypatch.setattr(commits, "append", append)
        ingest_synthetic(winner)
        append(*arguments)

    monkeypatch.setattr(commits, "append", late)
    done = ingest_synthetic(SPEC)
    assert "another ingest was faster; looking at abukix.commits again" in capsys.readouterr().out
    assert len(keys()) == len(set(keys())) == done.rows + (0 if winner == SPEC else ingest_synthetic(winner).rows)
    assert snapshots() == (1 if winner == SPEC else 2)
    assert ingest_synthetic(SPEC) == done


def test_a_spec_gives_the_same_rows_in_every_process() -> None:
    program = (
        "from lakehouse.generation import *; from features.extraction import table_digest; import pyarrow as pa;"
        f" parts = list(batches({SPEC!r})); print(table_digest(pa.Table.from_batches([p[1] for p in parts])))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=RECIPE,
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_the_default_world_is_as_large_as_promised() -> None:
    spec = synthetic.Spec(seed=7, repositories=24, years=3, commits=200_000)
    begun = time.process_time()
    parts = list(generation.batches(spec))
    assert time.process_time() - begun < 10
    rows = pa.Table.from_batches([part[1] for part in parts])
    assert 190_000 < rows.num_rows < 210_000
    assert len(set(rows["sha"].to_pylist())) == rows.num_rows
    assert all(name.startswith("synthetic-") for name, _, _ in parts)
    # Quiet spells: every repository has at least one of more than a week.
    for _, part, _ in parts:
        seconds = pc.cast(part.column("committed_at"), pa.int64()).to_numpy() // 1_000_000
        assert np.diff(seconds).max() > 7 * DAY


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"seed": "x"}, "seed is 'x', expected a whole number"),
        ({"years": 1.5}, "years is 1.5, expected a whole number"),
        ({"commits": 0}, "needs at least 1 repository, year and commit"),
        ({"colour": 1}, "expected exactly"),
    ],
)
def test_a_wrong_spec_is_named(change: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        synthetic.Spec.parse({"seed": 1, "repositories": 1, "years": 1, "commits": 1, **change})

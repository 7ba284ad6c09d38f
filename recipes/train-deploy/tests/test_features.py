"""Windows, cutoff and leakage. Budget: 30 s."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import extraction
from features.days import Commits, Days, TooLittleHistoryError, repository_days, to_arrow
from features.extraction import ExtractError, extract, table_digest
from features.leakage import PeekingFeatureError, refuse_peeking
from features.views import FEATURES
from lakehouse.generation import batches
from lakehouse.ingest import ingest_bundles, ingest_synthetic, parse_bundles
from lakehouse.rows import SCHEMA
from lakehouse.synthetic import Spec
from tests.conftest import DAY, MONDAY, Repository

MONDAY_DAY = MONDAY // DAY


def log(*events: tuple[str, float | None, str], churn: int = 3) -> pa.Table:
    """Commits as (repository, day relative to the Monday, author)."""
    rows = [
        {
            "repository": repository,
            "sha": f"{index:040d}",
            "committed_at": None if day is None else int((MONDAY + day * DAY) * 1_000_000),
            "author": author,
            "parents": 1 + index % 2,
            "files_changed": 1,
            "insertions": churn,
            "deletions": 1,
        }
        for index, (repository, day, author) in enumerate(events)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def built(table: pa.Table) -> tuple[Commits, dict[str, Days]]:
    commits = Commits.of(table)
    return commits, {item.repository: item for item in repository_days(commits, commits.cutoff)}


def test_a_commit_on_the_cutoff_belongs_to_the_open_week() -> None:
    commits, days = built(log(("r", -10, "a"), ("r", -0.001, "a"), ("r", 0, "a")))
    assert commits.cutoff == MONDAY_DAY
    item = days["r"]
    # [t-7, t): the one a minute before midnight is in, the one at midnight is not.
    assert item.features["commits_7d"][MONDAY_DAY - item.first] == 1
    # and it is no label of the week before.
    assert item.commits[MONDAY_DAY - 7 - item.first] == 1


def test_only_a_later_commit_closes_a_week() -> None:
    assert built(log(("r", -10, "a"), ("r", -0.001, "a")))[0].cutoff == MONDAY_DAY - 7
    assert built(log(("r", -10, "a"), ("r", 6.999, "a")))[0].cutoff == MONDAY_DAY


def test_a_quiet_repository_counts_as_zero() -> None:
    _, days = built(log(("quiet", -60, "a"), ("busy", -1, "b"), ("busy", 0, "b"), ("busy", -60, "b")))
    quiet = days["quiet"]
    at = MONDAY_DAY - quiet.first
    assert quiet.features["commits_7d"][at] == quiet.features["authors_28d"][at] == quiet.features["churn_28d"][at] == 0
    assert quiet.features["days_since_last"][at] == 60
    assert quiet.features["commits_84d"][at] == 1
    assert quiet.commits[at - 7] == 0


def test_commits_without_a_date_are_in_no_window() -> None:
    with_one = log(("r", -10, "a"), ("r", 0, "a"), ("r", None, "z"))
    without = log(("r", -10, "a"), ("r", 0, "a"))
    assert to_arrow(list(built(with_one)[1].values())).equals(to_arrow(list(built(without)[1].values())))
    with pytest.raises(TooLittleHistoryError, match="none of the 1 commits has a date"):
        Commits.of(log(("r", None, "z")))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["r", "s"]), st.floats(-120, 6.9), st.sampled_from(["a", "b", "c"])),
        min_size=3,
        max_size=60,
    )
)
def test_plain_sql_over_the_log_gives_the_same_numbers(events: list[tuple[str, float, str]]) -> None:
    table = log(*events, ("r", 0, "a"), ("r", -130, "a"))
    _, days = built(table)
    assert parity(table, days) > 0


def parity(table: pa.Table, days: dict[str, Days]) -> int:
    """Compares each day's windows with SQL; how many numbers were compared."""
    dense = to_arrow(list(days.values()))
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    database.register("log", table)
    database.register("dense", dense)

    def window(days_: int, what: str) -> str:
        return f"{what} FILTER (committed_at >= day - INTERVAL {days_} DAY AND committed_at < day)"

    columns = {f"commits_{n}d": window(n, "count(sha)") for n in (7, 14, 21, 28, 84)}
    for n in (7, 28):
        columns[f"authors_{n}d"] = window(n, "count(DISTINCT author)")
        columns[f"churn_{n}d"] = f"coalesce({window(n, 'sum(insertions + deletions)')}, 0)"
        columns[f"files_{n}d"] = f"coalesce({window(n, 'sum(files_changed)')}, 0)"
        columns[f"merges_{n}d"] = f"coalesce({window(n, 'sum((parents > 1)::INT)')}, 0)"
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    for number, name in enumerate(names, start=1):
        columns[f"{name}_28d"] = window(28, f"sum((isodow(committed_at) = {number})::INT)").join(["coalesce(", ", 0)"])
    columns["days_since_last"] = (
        "least(coalesce(date_diff('day', max(committed_at) FILTER (committed_at < day), day), 364), 364)"
    )
    columns["commits_year_ago"] = (
        "count(sha) FILTER (committed_at >= day - INTERVAL 364 DAY AND committed_at < day - INTERVAL 357 DAY)"
    )
    assert set(columns) == set(FEATURES)
    selected = ", ".join(f"({sql})::DOUBLE AS {name}" for name, sql in columns.items())
    sql = (
        f"SELECT dense.repository, day, {selected} FROM (SELECT repository, day FROM dense) AS dense"
        " LEFT JOIN log ON log.repository = dense.repository"
        " GROUP BY dense.repository, day ORDER BY dense.repository, day"
    )
    expected: Any = database.execute(sql).to_arrow_table()
    ordered = dense.sort_by([("repository", "ascending"), ("day", "ascending")])
    for name in columns:
        np.testing.assert_array_equal(
            expected[name].to_numpy(),
            ordered[name].to_numpy(),
            name,
        )
    return dense.num_rows * len(columns)


def test_sql_parity_on_synthetic_repositories() -> None:
    parts = [part for _, part, _ in batches(Spec(seed=3, repositories=2, years=2, commits=2000))]
    table = pa.Table.from_batches(parts)
    _, days = built(table)
    assert parity(table, days) > 20_000


def peeking(window: slice) -> Callable[[Commits, int], list[Days]]:
    """Builds the features with a planted one: commits of some days relative to each day, the day itself being 0."""

    def build(commits: Commits, cutoff: int) -> list[Days]:
        days = repository_days(commits, cutoff)
        for item in days:
            index = commits.repositories.index(item.repository)
            mine = commits.day[commits.repository == index]
            moments = np.arange(item.first, item.first + item.commits.size)
            item.features["planted"] = np.array(
                [((mine >= t + window.start) & (mine < t + window.stop)).sum() for t in moments], dtype=float
            )
        return days

    return build


@pytest.mark.parametrize(("window", "caught"), [(slice(-7, 0), False), (slice(-7, 1), True), (slice(0, 7), True)])
def test_a_feature_that_peeks_is_caught(window: slice, caught: bool) -> None:
    events = [("r", float(day) + 0.5, "a") for day in range(-60, 3)]
    commits = Commits.of(log(*events))
    if caught:
        with pytest.raises(PeekingFeatureError, match="feature planted of repository r"):
            refuse_peeking(peeking(window), commits, MONDAY_DAY - 21, commits.cutoff)
    else:
        refuse_peeking(peeking(window), commits, MONDAY_DAY - 21, commits.cutoff)


@pytest.mark.usefixtures("lakehouse")
def test_a_peeking_feature_stops_the_extraction(monkeypatch: pytest.MonkeyPatch) -> None:
    done = ingest_synthetic(Spec(seed=1, repositories=1, years=1, commits=1000))
    monkeypatch.setattr(extraction, "repository_days", peeking(slice(0, 1)))
    with pytest.raises(PeekingFeatureError):
        extract(done.snapshot_id, done.repositories)


@pytest.mark.usefixtures("lakehouse")
def test_data_sets_are_split_by_time_and_equal_the_windows() -> None:
    spec = Spec(seed=1, repositories=3, years=1, commits=1500)
    done = ingest_synthetic(spec)
    extracted = extract(done.snapshot_id, done.repositories)
    parts = (extracted.train, extracted.validation, extracted.golden)
    spans = [(min(times), max(times)) for times in (part["event_timestamp"].to_pylist() for part in parts)]
    # The label of a row covers the seven days from its time on: the next set begins no sooner.
    for (_, last), (first, _) in itertools.pairwise(spans):
        assert (first - last).days == 7
    assert {moment.weekday() for part in parts for moment in part["event_timestamp"].to_pylist()} == {0}
    assert str(spans[-1][1].date()) == str(np.datetime64(extracted.cutoff) - 7)
    # What came through Feast is what was computed.
    _, days = built(pa.Table.from_batches([part for _, part, _ in batches(spec)]))
    compared = 0
    for part in parts:
        for row in part.to_pylist():
            item = days[row["repository"]]
            at = int(row["event_timestamp"].timestamp()) // DAY - item.first
            assert row["commits_next_7d"] == item.commits[at]
            assert [row[name] for name in FEATURES] == [item.features[name][at] for name in FEATURES]
            compared += 1
    assert compared > 100
    # Again: nothing new is written, and all is the same.
    again = extract(done.snapshot_id, done.repositories)
    assert again.features_snapshot_id == extracted.features_snapshot_id
    assert [table_digest(part) for part in (again.train, again.validation, again.golden)] == [
        table_digest(part) for part in parts
    ]


@pytest.mark.usefixtures("lakehouse")
def test_commits_of_the_open_week_change_no_data_set(repository: Callable[[str], Repository], tmp_path: Path) -> None:
    made = repository("r")
    stream = b"".join(
        b"commit refs/heads/main\ncommitter A <a%d@x> %d +0000\ndata 1\nc\nM 100644 inline f%d\ndata 2\n%d\n"
        % (index % 3, MONDAY + index * DAY // 2, index % 10, index % 10)
        for index in range(14 * 20 + 1)
    )
    made.git("fast-import", "--quiet", stdin=stream)
    made.git("reset", "-q", "--hard", "main")

    def data() -> tuple[int, list[str]]:
        scratch = tmp_path / f"scratch-{made.git('rev-parse', 'HEAD')}"
        scratch.mkdir()
        done = ingest_bundles(parse_bundles([made.bundle(tmp_path / "r.bundle")]), scratch)
        extracted = extract(done.snapshot_id, done.repositories)
        return done.snapshot_id, [table_digest(t) for t in (extracted.train, extracted.validation, extracted.golden)]

    first = data()
    made.commit(MONDAY + 20 * 7 * DAY + 3 * DAY)
    second = data()
    assert second[0] != first[0]
    assert second[1] == first[1]
    made.commit(MONDAY + 21 * 7 * DAY)
    assert data()[1] != first[1]


@pytest.mark.usefixtures("lakehouse")
def test_too_little_and_unknown_are_named() -> None:
    done = ingest_synthetic(Spec(seed=1, repositories=1, years=1, commits=1000))
    with pytest.raises(ExtractError, match="has no snapshot 12"):
        extract(12, done.repositories)
    with pytest.raises(ExtractError, match="holds no commit of nobody"):
        extract(done.snapshot_id, ["nobody"])
    commits = Commits.of(log(*[("r", float(day), "a") for day in range(-60, 1)]))
    with pytest.raises(TooLittleHistoryError, match="at least 12 are needed"):
        extraction._origins(repository_days(commits, commits.cutoff), commits.cutoff)

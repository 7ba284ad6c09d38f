"""The dense table (repository, day): windows over the commits before each day, quiet days counted as zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS = ("repository", "committed_at", "author", "parents", "files_changed", "insertions", "deletions")
"""Columns of `abukix.commits` that the windows read."""

LONGEST_QUIET = 364
"""`days_since_last` stops counting here: a repository quiet for longer is just quiet."""

_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0.
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class TooLittleHistoryError(Exception):
    """The snapshot's commits give no window; the message says what there is."""


@dataclass(frozen=True)
class Commits:
    """Commits as arrays, sorted by repository and time; those without a date are gone."""

    repositories: list[str]
    """Names in order."""
    repository: np.ndarray
    """Index into `repositories`, one a commit."""
    day: np.ndarray
    """Days since 1970-01-01 in UTC."""
    author: np.ndarray
    """A number for each author address."""
    merge: np.ndarray
    files: np.ndarray
    churn: np.ndarray
    """Lines added and deleted."""

    @staticmethod
    def of(table: pa.Table) -> Commits:
        """Takes rows with COLUMNS in any order."""
        dated = table.filter(pc.is_valid(table["committed_at"]))  # pyright: ignore[reportAttributeAccessIssue]
        if dated.num_rows == 0:
            raise TooLittleHistoryError(
                f"none of the {table.num_rows} commits has a date: there is nothing to learn from:"
                " give other repositories by `--repo PATH`",
            )
        names, repository = np.unique(dated["repository"].to_numpy(zero_copy_only=False), return_inverse=True)
        seconds = pc.cast(dated["committed_at"], pa.int64()).to_numpy() // 1_000_000
        author = dated["author"].combine_chunks().dictionary_encode().indices.to_numpy()
        order = np.lexsort((seconds, repository))
        numbers = {
            name: dated[name].to_numpy().astype(np.int64)[order]
            for name in ("parents", "files_changed", "insertions", "deletions")
        }
        return Commits(
            repositories=[str(name) for name in names],
            repository=repository[order],
            day=(seconds // 86_400)[order],
            author=author[order].astype(np.int64),
            merge=numbers["parents"] > 1,
            files=numbers["files_changed"],
            churn=numbers["insertions"] + numbers["deletions"],
        )

    @property
    def cutoff(self) -> int:
        """The day on which the last full week ends: the Monday of the week in which the newest commit lies.

        A week is full once a later commit exists. The clock plays no part.
        """
        newest = int(self.day.max())
        return newest - (newest + _EPOCH_WEEKDAY) % 7

    def before(self, day: int) -> Commits:
        """The commits before this day alone."""
        keep = self.day < day
        return Commits(
            self.repositories,
            self.repository[keep],
            self.day[keep],
            self.author[keep],
            self.merge[keep],
            self.files[keep],
            self.churn[keep],
        )


@dataclass(frozen=True)
class Days:
    """One repository's features for every day from `first` to the cutoff, both included."""

    repository: str
    first: int
    """The day after its first commit's."""
    features: dict[str, np.ndarray]
    """One float64 array a feature, one value a day."""
    commits: np.ndarray
    """Commits of the seven days from each day on, `[t, t+7)`; only days up to cutoff - 7 are complete."""


def repository_days(commits: Commits, cutoff: int) -> list[Days]:
    """The dense table up to the cutoff, repository by repository, without those whose first commit is not before it."""
    bounds = np.searchsorted(commits.repository, np.arange(len(commits.repositories) + 1))
    found: list[Days] = []
    for index, name in enumerate(commits.repositories):
        rows = slice(int(bounds[index]), int(bounds[index + 1]))
        if rows.start < rows.stop and (start := int(commits.day[rows.start])) < cutoff:
            found.append(_days(commits, rows, name, start, cutoff))
    if not found:
        raise TooLittleHistoryError(
            f"no commit of {', '.join(commits.repositories)} is older than the week of the newest one: there is no full"
            " week to learn from: give repositories with more history by `--repo PATH`",
        )
    return found


def _days(commits: Commits, rows: slice, name: str, start: int, cutoff: int) -> Days:
    day = commits.day[rows] - start
    length = cutoff - start
    # What happened on each day before the cutoff; the open week's commits are left out of everything.
    closed = day < length
    day, author = day[closed], commits.author[rows][closed]

    def daily(weights: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(day, None if weights is None else weights[rows][closed], length).astype(np.float64)

    count, churn, files = daily(), daily(commits.churn), daily(commits.files)
    merges = daily(commits.merge)
    weekday = (np.arange(length) + start + _EPOCH_WEEKDAY) % 7
    features: dict[str, np.ndarray] = {}
    for days in (7, 14, 21, 28, 84):
        features[f"commits_{days}d"] = _trailing(count, days)
    for days in (7, 28):
        features[f"authors_{days}d"] = _authors(day, author, length, days)
        features[f"churn_{days}d"] = _trailing(churn, days)
        features[f"files_{days}d"] = _trailing(files, days)
        features[f"merges_{days}d"] = _trailing(merges, days)
    for index, weekday_name in enumerate(_WEEKDAYS):
        features[f"{weekday_name}_28d"] = _trailing(np.where(weekday == index, count, 0.0), 28)
    features["days_since_last"] = _days_since_last(count)
    # The week that begins today, a year ago: 52 weeks, so that weekdays agree.
    features["commits_year_ago"] = _trailing(count, 364) - _trailing(count, 357)
    # From the day after the first commit on: on the first one itself nothing was known yet.
    ahead = _trailing(np.concatenate([count, np.zeros(7)]), 7)[7:]
    return Days(name, start + 1, {key: values[1:] for key, values in features.items()}, ahead[1:])


def _trailing(daily: np.ndarray, days: int) -> np.ndarray:
    """Sums over `[t-days, t)` for t from 0 to the number of days, the last one included."""
    total = np.concatenate([[0.0], np.cumsum(daily)])
    return total - np.concatenate([np.zeros(min(days, total.size)), total[:-days]])[: total.size]


def _authors(day: np.ndarray, author: np.ndarray, length: int, days: int) -> np.ndarray:
    """Different authors within `[t-days, t)`: each is counted from the day after a commit until it is too old."""
    pairs = np.unique(author * np.int64(length) + day) if day.size else np.empty(0, np.int64)
    who, when = pairs // length, pairs % length
    until = when + days
    again = np.concatenate([who[1:] == who[:-1], [False]]) if who.size else np.empty(0, bool)
    following = np.concatenate([when[1:], [0]]) if when.size else when
    until = np.where(again, np.minimum(until, following), until)
    change = np.zeros(length + 2)
    np.add.at(change, when + 1, 1.0)
    np.add.at(change, np.minimum(until, length) + 1, -1.0)
    return np.cumsum(change)[: length + 1]


def _days_since_last(daily: np.ndarray) -> np.ndarray:
    """Days from the last one with a commit to t, at most LONGEST_QUIET; 1 on the day after a commit."""
    days = np.arange(daily.size + 1)
    last = np.maximum.accumulate(np.concatenate([[-LONGEST_QUIET], np.where(daily > 0, days[:-1], -LONGEST_QUIET)]))
    return np.minimum(days - last, LONGEST_QUIET).astype(np.float64)


def to_arrow(days: list[Days]) -> pa.Table:
    """The dense table as it is kept in the lakehouse: repository, day (UTC midnight), one column a feature."""
    names = list(days[0].features)
    moments = np.concatenate([np.arange(item.first, item.first + item.commits.size) for item in days])
    columns: dict[str, pa.Array] = {
        "repository": pa.array(np.repeat([item.repository for item in days], [item.commits.size for item in days])),
        "day": pc.cast(pa.array(moments * 86_400_000_000), pa.timestamp("us", tz="UTC")),
    }
    for name in names:
        columns[name] = pa.array(np.concatenate([item.features[name] for item in days]))
    return pa.table(columns)

"""A seeded world of repositories: the rows of a spec. Equal specs give equal rows.

Each repository has a size, a trend, a working week, a year with quiet spells (holidays, and months in which nothing
happens), and campaigns: weeks of higher activity that are announced one week before by more authors, larger commits
and more merges. So the past holds signals about the coming week that last week's count alone does not tell, and every
one of them is noisy. Nothing here knows how features are made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.rows import SCHEMA, set_digest
from lakehouse.synthetic import Spec

FIRST_DAY = np.datetime64("2021-01-04")
"""A Monday. Fixed, so that the same spec gives the same history for ever."""

_WEEKDAYS = np.array([1.15, 1.25, 1.25, 1.2, 1.0, 0.35, 0.3])
_CAMPAIGN_WEEKS = 3


def batches(spec: Spec) -> Iterator[tuple[str, pa.RecordBatch, int]]:
    """Name, rows and set digest of each repository, in order of their names."""
    seeds = np.random.SeedSequence(spec.seed).spawn(spec.repositories + 1)
    # Sizes spread over a factor of about ten around their mean, as in an organisation's real repositories.
    sizes = np.random.default_rng(seeds[-1]).lognormal(0.0, 0.6, spec.repositories)
    weeks = spec.years * 52
    sizes *= spec.commits / (sizes.sum() * weeks)
    for name, size, seed in zip(spec.names, sizes, seeds[:-1], strict=True):
        rows, digest = _repository(name, size, weeks, np.random.default_rng(seed))
        yield name, rows, digest


def _repository(
    name: str,
    commits_a_week: float,
    weeks: int,
    random: np.random.Generator,
) -> tuple[pa.RecordBatch, int]:
    activity, announced = _activity(weeks, random)
    days = np.repeat(activity, 7) * np.tile(_WEEKDAYS / _WEEKDAYS.sum(), weeks)
    # The year's quiet weeks: about its end, shared by all repositories.
    week_of_year = np.arange(weeks) % 52
    days *= np.repeat(np.where(np.isin(week_of_year, (50, 51)), 0.25, 1.0), 7)
    days *= commits_a_week / (days.sum() / weeks)
    counts = random.poisson(days * random.gamma(12.0, 1 / 12.0, days.size))
    total = int(counts.sum())

    day = np.repeat(np.arange(days.size), counts)
    second = day * 86_400 + np.clip(random.normal(13.5 * 3600, 3.2 * 3600, total), 0, 86_399).astype(np.int64)
    second = np.sort(second)
    signal = announced[second // (7 * 86_400)]

    crew = max(3, round(commits_a_week / 6))
    # Before a campaign more people than the usual crew commit.
    pool = np.where(random.random(total) < 0.5 * signal, 3 * crew, crew)
    author = (random.random(total) ** 1.6 * pool).astype(np.int64)
    files = 1 + random.poisson(1.5 + 2.5 * signal)
    insertions = (random.lognormal(2.6 + 0.9 * signal, 1.0)).astype(np.int64)
    deletions = (random.lognormal(1.9 + 0.5 * signal, 1.0)).astype(np.int64)
    parents = 1 + (random.random(total) < 0.08 + 0.10 * signal).astype(np.int64)
    parents[:1] = 0

    epoch = FIRST_DAY.astype("datetime64[s]").astype(np.int64)
    time = epoch + second
    # Names as git would give them: one for each row's content and place.
    head = name.encode()
    shas = [
        hashlib.sha1(b"%s %d %d %d" % (head, index, moment, who), usedforsecurity=False).hexdigest()
        for index, (moment, who) in enumerate(zip(time.tolist(), author.tolist(), strict=True))
    ]
    columns = [
        pa.repeat(name, total),
        pa.array(shas, pa.string()),
        pc.cast(pa.array(time * 1_000_000), SCHEMA.field("committed_at").type),
        pa.array([f"author-{who:03d}@synthetic.invalid" for who in author.tolist()], pa.string()),
        pa.array(parents, pa.int32()),
        pa.array(files, pa.int32()),
        pa.array(insertions, pa.int64()),
        pa.array(deletions, pa.int64()),
    ]
    rows = pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
    record = zip(shas, parents.tolist(), files.tolist(), insertions.tolist(), deletions.tolist(), strict=True)
    digest = set_digest(b"%s\0%s\0%d\0%d\0%d\0%d" % (head, sha.encode(), *numbers) for sha, *numbers in record)
    return rows, digest


def _activity(weeks: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Relative activity of each week, and how strongly each week announces a campaign that begins with the next."""
    week = np.arange(weeks)
    trend = np.exp(random.normal(0.0, 0.25) * week / 52)
    # A drift that one week's count shows only through its noise: the mean of several weeks is worth more.
    drift = np.exp(np.cumsum(random.normal(0.0, 0.05, weeks)))
    season = 1 + 0.15 * np.sin(2 * np.pi * (week + random.integers(52)) / 52)
    activity = trend * drift * season
    announced = np.zeros(weeks)
    begin = int(random.integers(4, 14))
    while begin < weeks:
        strength = random.uniform(0.6, 1.6)
        activity[begin : begin + _CAMPAIGN_WEEKS] *= 1 + strength * np.array([1.0, 0.8, 0.4])[: weeks - begin]
        announced[begin - 1] = min(1.0, strength)
        begin += int(random.integers(7, 15))
    # One or two spells in which nothing at all happens, and one repository in five sleeps for long.
    for _ in range(int(random.integers(1, 3))):
        start = int(random.integers(0, max(1, weeks - 5)))
        activity[start : start + int(random.integers(2, 5))] = 0.0
    if random.random() < 0.2:
        start = int(random.integers(0, weeks))
        activity[start : start + int(random.integers(8, 16))] = 0.0
    if not activity.any():
        activity[:] = 1.0
    return activity, announced

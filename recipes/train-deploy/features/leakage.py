"""Catches a feature that peeks: one whose value at t changes when everything from t on is taken away."""

from __future__ import annotations

from collections.abc import Callable

from features.days import Commits, Days


class PeekingFeatureError(Exception):
    """A feature knows what happened at or after its own time; the message names it."""


def refuse_peeking(build: Callable[[Commits, int], list[Days]], commits: Commits, at: int, cutoff: int) -> None:
    """Builds the features of day `at` twice, with and without the commits from `at` on.

    Raises PeekingFeatureError where a value differs.
    """
    then = {item.repository: item for item in build(commits.before(at), at)}
    for item in build(commits, cutoff):
        if item.repository not in then:
            continue
        earlier = then[item.repository]
        for name, values in item.features.items():
            seen = float(values[at - item.first])
            known = float(earlier.features[name][at - earlier.first])
            if seen != known:
                raise PeekingFeatureError(
                    f"feature {name} of repository {item.repository} is {seen:g} on day {at} since 1970, and {known:g}"
                    " when computed from earlier commits alone: it peeks past its timestamp",
                )

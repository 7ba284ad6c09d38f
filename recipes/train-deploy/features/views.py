"""The features by their Feast names. To add one: compute it in `days.py`, name it here."""

from __future__ import annotations

from datetime import timedelta

from features import unchecked  # noqa: F401

# isort: split
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, RepoConfig, ValueType
from feast.types import Float64

from features.source import PinnedIcebergSource
from lakehouse.catalog import REPOSITORY_DAYS

VIEW = "repository_activity"
SERVICE = "next_week_commits"

FEATURES = (
    "commits_7d",
    "commits_14d",
    "commits_21d",
    "commits_28d",
    "commits_84d",
    "commits_year_ago",
    "authors_7d",
    "authors_28d",
    "churn_7d",
    "churn_28d",
    "files_7d",
    "files_28d",
    "merges_7d",
    "merges_28d",
    "monday_28d",
    "tuesday_28d",
    "wednesday_28d",
    "thursday_28d",
    "friday_28d",
    "saturday_28d",
    "sunday_28d",
    "days_since_last",
)

REPOSITORY = Entity(name="repository", join_keys=["repository"], value_type=ValueType.STRING)


def repository_activity(snapshot_id: int) -> FeatureView:
    """What each repository was like on each day, read from one snapshot of the dense table."""
    return FeatureView(
        name=VIEW,
        entities=[REPOSITORY],
        # The table has a row for every day: an older one than the day's own must never stand in for it.
        ttl=timedelta(hours=1),
        schema=[Field(name=name, dtype=Float64) for name in FEATURES],
        source=PinnedIcebergSource(
            table=REPOSITORY_DAYS,
            snapshot_id=snapshot_id,
            columns=["repository", "day", *FEATURES],
            timestamp_field="day",
        ),
        online=False,
    )


def next_week_commits(view: FeatureView) -> FeatureService:
    """The features that the model of this name reads."""
    return FeatureService(name=SERVICE, features=[view])


def store(registry: str) -> FeatureStore:
    """A store that reads with DuckDB; `registry` is a file of its own, because the definitions live in this recipe."""
    return FeatureStore(
        config=RepoConfig(
            project="train_deploy",
            provider="local",
            registry=registry,
            offline_store={"type": "duckdb"},
            online_store=None,
            entity_key_serialization_version=3,
        ),
    )

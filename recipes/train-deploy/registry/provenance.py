"""Where a model version comes from: its tags and its input key.

Names are those of the crate `model-registry` (provenance.rs), which reads them back.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

MODEL = "next-week-commits"
INPUT_KEY = "basecamp.input_key"
MODEL_FILE = "artifacts/model.json"
GOLDEN_REQUESTS = "golden/requests.json"
GOLDEN_PREDICTIONS = "golden/predictions.json"


def files(model: bytes, golden: dict[str, Any]) -> dict[str, bytes]:
    """What a version's folder holds that is the model's own: the rest is MLflow's, to load it by."""
    return {
        MODEL_FILE: model,
        GOLDEN_REQUESTS: json.dumps(golden["requests"]).encode(),
        GOLDEN_PREDICTIONS: json.dumps(golden["predictions"]).encode(),
    }


@dataclass(frozen=True)
class Provenance:
    """What determines a version, and who made it."""

    run_id: str
    snapshot_id: str
    content_digest: str
    dataset_digest: str
    feature_views: str
    git_commit: str
    lock_digest: str
    golden_digest: str
    model_digest: str

    @property
    def input_key(self) -> str:
        """Digest of everything that determines the version: data, features, golden set, model, lock.

        Not of the threshold, which judges a model and does not make it; nor of the git commit and the run, which tell
        who came by: the same model made again is the same version.
        """
        document = {
            "snapshot_content": self.content_digest,
            "datasets": self.dataset_digest,
            "golden": self.golden_digest,
            "model": self.model_digest,
            "lock": self.lock_digest,
        }
        return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def tags(self) -> dict[str, str]:
        """The version's tags, which go in with its creation."""
        return {
            "basecamp.run_id": self.run_id,
            "basecamp.snapshot_id": self.snapshot_id,
            "basecamp.feature_views": self.feature_views,
            "basecamp.git_commit": self.git_commit,
            "basecamp.lock_digest": self.lock_digest,
            "basecamp.golden_digest": self.golden_digest,
            "basecamp.model_digest": self.model_digest,
            INPUT_KEY: self.input_key,
        }

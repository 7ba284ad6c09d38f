"""Step 7: one version of the model for what it was made of, in Staging."""

from typing import NamedTuple

from kfp.dsl import Artifact, Input, Model

READS = ("requirements.lock",)


class Outputs(NamedTuple):
    """What is deployed, and what it is known by."""

    version: int
    input_key: str


def register(
    model: Input[Model],
    golden_answers: Input[Artifact],
    model_digest: str,
    golden_digest: str,
    dataset_digest: str,
    content_digest: str,
    snapshot_id: str,
    feature_views: str,
    git_commit: str,
    skill: float,
    mae: float,
) -> Outputs:
    """Register the model, unless a version of the same input key is there.

    Args:
        model: The fitted parameters.
        golden_answers: Golden requests and predictions.
        model_digest: Digest of the fitted parameters.
        golden_digest: Names the golden set with its answers.
        dataset_digest: Digest of the data sets.
        content_digest: Digest of the rows in the snapshot.
        snapshot_id: The snapshot.
        feature_views: Names of the feature views.
        git_commit: Commit of the recipe's repository.
        skill: Skill on the golden set.
        mae: Mean absolute error on the golden set.

    Returns:
        The version's number and its input key.
    """
    import hashlib
    import json
    import os
    from pathlib import Path

    from registry.provenance import Provenance, files
    from registry.registering import mend
    from registry.registering import register as reconcile
    from registry.rest import Registry

    lock = Path(__file__).resolve().parent.parent / "requirements.lock"
    provenance = Provenance(
        run_id=os.environ["KFP_RUN_ID"],
        snapshot_id=snapshot_id,
        content_digest=content_digest,
        dataset_digest=dataset_digest,
        feature_views=feature_views,
        git_commit=git_commit,
        lock_digest=hashlib.sha256(lock.read_bytes()).hexdigest(),
        golden_digest=golden_digest,
        model_digest=model_digest,
    )
    content = Path(model.path).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != model_digest:
        raise ValueError(
            f"model {model.uri} has SHA-256 {found}, the step train wrote {model_digest}: it was altered since;"
            " nothing was registered: run train again",
        )

    golden = json.loads(Path(golden_answers.path).read_text(encoding="utf-8"))

    def write_folder(folder: Path) -> None:
        from registry.folder import write

        write(folder, Path(model.path), golden)

    registry = Registry()
    version = reconcile(registry, provenance, {"skill": skill, "mae": mae}, write_folder)
    mend(registry, version, files(content, golden), write_folder)
    return Outputs(version, provenance.input_key)

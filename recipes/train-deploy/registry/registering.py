"""Brings the registry to where it should be: looks first, does what is missing, leaves the rest alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from artifacts import open_uri, put_folder
from registry.provenance import INPUT_KEY, MODEL, Provenance
from registry.rest import Document, Registry, RegistryError

STAGING = "Staging"
PRODUCTION = "Production"
ALIAS = "staging"
_EXPERIMENT = "train-deploy"
_TRIES = 5
_COMMIT = "mlflow.source.git.commit"
"""MLflow's own tag for it (mlflow/utils/mlflow_tags.py@v3.17.2): whoever came last has made the version."""


def register(
    registry: Registry,
    provenance: Provenance,
    metrics: dict[str, float],
    write_folder: Callable[[Path], None],
) -> int:
    """The version of this input key, registered where it is not, in Staging with its alias.

    May be killed anywhere and called again: files go under the tracking run of the input key, the version comes into
    being with its tags, and stage and alias are set whenever they are not right.
    """
    versions = registry.versions(MODEL)
    version = _version_of(versions, provenance.input_key)
    if version is None:
        versions = _create_again(registry, provenance, metrics, write_folder)
        version = _version_of(versions, provenance.input_key)
        assert version is not None
        # Two registers of one input key at once have made two versions: the first one stays, for both.
        for other in versions:
            if _key(other) == provenance.input_key and other is not version:
                registry.delete_version(MODEL, other["version"])
        print(f"register: version {version['version']} of {MODEL} created", flush=True)
    number = version["version"]
    if version["current_stage"] == PRODUCTION:
        print(f"register: version {number} is in {PRODUCTION}, where a person has put it: it stays there", flush=True)
        return int(number)
    crowded = any(other["current_stage"] == STAGING and other is not version for other in versions)
    if version["current_stage"] != STAGING or crowded:
        registry.move_to_staging(MODEL, number)
    if registry.alias(MODEL, ALIAS) != number:
        registry.set_alias(MODEL, ALIAS, number)
    print(f"register: version {number} of {MODEL} in {STAGING}", flush=True)
    return int(number)


def mend(registry: Registry, version: int, files: dict[str, bytes], write_folder: Callable[[Path], None]) -> None:
    """Writes a version's folder anew where one of these files is gone or is not what was registered."""
    source = next(found["source"] for found in registry.versions(MODEL) if found["version"] == str(version))
    altered = [path for path, content in files.items() if _read(f"{source}/{path}") != content]
    if altered:
        _put(source, write_folder)
        print(
            f"register: version {version} of {MODEL}: {', '.join(altered)} had been altered since it was registered:"
            " written anew",
            flush=True,
        )


def _create_again(
    registry: Registry,
    provenance: Provenance,
    metrics: dict[str, float],
    write_folder: Callable[[Path], None],
) -> list[Document]:
    """Creates the version, again where another register writes the same rows at that moment; the versions then."""
    for left in reversed(range(_TRIES)):
        try:
            _create(registry, provenance, metrics, write_folder)
        except RegistryError as error:
            if left == 0 or not error.is_collision:
                raise
        versions = registry.versions(MODEL)
        if _version_of(versions, provenance.input_key) is not None:
            return versions
    raise AssertionError("a version that was created is there")


def _create(
    registry: Registry,
    provenance: Provenance,
    metrics: dict[str, float],
    write_folder: Callable[[Path], None],
) -> None:
    run = registry.run(registry.experiment(_EXPERIMENT), provenance.input_key, f"{MODEL}-{provenance.input_key[:12]}")
    run_id, artifacts = run["info"]["run_id"], run["info"]["artifact_uri"]
    _put(f"{artifacts}/model", write_folder)
    registry.finish_run(run_id, metrics, {"model_digest": provenance.model_digest}, {_COMMIT: provenance.git_commit})
    registry.create_model(MODEL)
    registry.create_version(MODEL, f"{artifacts}/model", run_id, provenance.tags)


def _put(uri: str, write_folder: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        write_folder(folder)
        # Not by MLflow's client: its first call loads the plugins of everything installed, Feast among them.
        put_folder(folder, uri)


def _read(uri: str) -> bytes | None:
    try:
        with open_uri(uri, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _version_of(versions: list[Document], input_key: str) -> Document | None:
    mine = [version for version in versions if _key(version) == input_key and version.get("status") == "READY"]
    return min(mine, key=lambda version: int(version["version"]), default=None)


def _key(version: Document) -> str | None:
    return next((tag["value"] for tag in version.get("tags", []) if tag["key"] == INPUT_KEY), None)

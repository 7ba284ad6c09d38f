"""What a hand has altered of a registered version, and what a deployment that fails says. Budget: 15 s."""

from __future__ import annotations

import stat
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from artifacts import open_uri
from registry.provenance import GOLDEN_PREDICTIONS, MODEL, MODEL_FILE, Provenance, files
from registry.registering import mend, register
from registry.rest import Registry, RegistryError
from steps.deploy import deploy

FILES = files(b'{"members": []}', {"requests": [{"id": "golden-1"}], "predictions": [[0.5]]})


@pytest.mark.parametrize(
    ("path", "altered", "written"),
    [
        ("", None, []),
        (MODEL_FILE, b'{"membert": []}', [MODEL_FILE]),
        (GOLDEN_PREDICTIONS, b"[[0.25]]", [GOLDEN_PREDICTIONS]),
        (MODEL_FILE, None, [MODEL_FILE]),
    ],
)
def test_an_altered_file_is_written_anew_and_named(
    mlflow_uri: str,
    capsys: pytest.CaptureFixture[str],
    path: str,
    altered: bytes | None,
    written: list[str],
) -> None:
    def write_folder(folder: Path) -> None:
        for name, content in {**FILES, "MLmodel": b"flavors: {}"}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    registry = Registry(mlflow_uri)
    registry.create_model(MODEL)
    run = registry.run(registry.experiment("mending"), uuid.uuid4().hex, "mending")["info"]
    source = Path(run["artifact_uri"].removeprefix("file://")) / "model"
    write_folder(source)
    version = registry.create_version(MODEL, f"file://{source}", run["run_id"], {})["version"]
    if altered is not None:
        (source / path).write_bytes(altered)
    elif path:
        (source / path).unlink()
    mend(registry, int(version), FILES, write_folder)
    for name, content in FILES.items():
        with open_uri(f"file://{source}/{name}", "rb") as file:
            assert file.read() == content
    expected = [
        f"register: version {version} of {MODEL}: {name} had been altered since it was registered: written anew"
        for name in written
    ]
    assert capsys.readouterr().out.splitlines() == expected


def test_a_collision_with_another_register_is_tried_again(mlflow_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real, collisions = Registry.finish_run, [RegistryError("log-batch: UNIQUE (https://sqlalche.me/e/21/gkpj)")]

    def collide(*arguments: Any) -> None:
        if collisions:
            raise collisions.pop()
        real(*arguments)

    monkeypatch.setattr(Registry, "finish_run", collide)
    provenance = Provenance("run-1", "7", "c", uuid.uuid4().hex, "view", "commit", "lock", "golden", "model")
    registry = Registry(mlflow_uri)
    number = register(registry, provenance, {}, lambda folder: folder.mkdir())
    assert not collisions
    mine = [version for version in registry.versions(MODEL) if version["version"] == str(number)]
    assert mine[0]["current_stage"] == "Staging"
    collisions.append(RegistryError("log-batch: no room"))
    with pytest.raises(RegistryError, match="no room"):
        register(registry, replace(provenance, content_digest="other"), {}, lambda folder: folder.mkdir())


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (
            "printf 'error: InferenceService m failed: no memory\\n  event: x\\nnext: `mlship status`\\n' >&2; exit 1",
            "InferenceService m failed: no memory: `mlship status`",
        ),
        (
            "kill -9 $$",
            f"`mlship deploy --model {MODEL} --version 2 --runtime r --json` was killed: `cargo xtask status`",
        ),
    ],
)
def test_a_failed_deployment_says_what_mlship_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], script: str, expected: str
) -> None:
    mlship = tmp_path / "mlship"
    mlship.write_text(f"#!/bin/sh\necho waiting >&2\n{script}\n")
    mlship.chmod(mlship.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(RuntimeError) as error:
        deploy(2, "r")
    assert str(error.value) == expected
    assert capsys.readouterr().err.startswith("waiting\n")

"""Artifacts by URI: one way to open them, whatever the rung keeps them in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from kfp.dsl import Artifact


def open_uri(uri: str, mode: str) -> IO[bytes]:
    """Opens a URI (`file://`, `s3://`, KFP's `minio://`) or a plain path with fsspec.

    S3 clients read AWS_ENDPOINT_URL and their keys from the environment by themselves.
    """
    import fsspec

    # KFP's own word for an S3 store that is not Amazon's.
    uri = uri.replace("minio://", "s3://", 1) if uri.startswith("minio://") else uri
    auto_mkdir: dict[str, Any] = {"auto_mkdir": True} if "://" not in uri or uri.startswith("file://") else {}
    return cast("IO[bytes]", fsspec.open(uri, mode, **auto_mkdir).open())  # pyright: ignore[reportAttributeAccessIssue]


def put_folder(folder: Path, uri: str) -> None:
    """Copies a folder's files to a place; what is there under the same names is replaced."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            with open_uri(f"{uri}/{file.relative_to(folder).as_posix()}", "wb") as target:
                target.write(file.read_bytes())


def uri_of(artifact: Artifact) -> str:
    """Where others can read an artifact that a step has: a URI, with a scheme."""
    return artifact.uri if "://" in artifact.uri else f"file://{os.path.abspath(artifact.uri)}"


def root() -> str:
    """The root under which artifacts are written, without a trailing slash."""
    return os.environ["BASECAMP_ARTIFACTS_ROOT"]

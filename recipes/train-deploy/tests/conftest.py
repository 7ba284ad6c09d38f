"""A lakehouse of one's own, git histories to order, and the services that tests share."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from features.datasets import KEYS, LABEL, Dataset, write

RECIPE = Path(__file__).resolve().parent.parent
MONDAY = 1_700_438_400
"""2023-11-20 00:00 UTC, a Monday."""
DAY = 86_400


@pytest.fixture
def lakehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty SQL catalog, named by the environment as for a step."""
    folder = tmp_path / "lakehouse"
    folder.mkdir()
    for key, value in lakehouse_env(folder).items():
        monkeypatch.setenv(key, value)
    # PyIceberg reads the environment once, when it is imported: a step's process has one lakehouse, this one many.
    from pyiceberg import catalog
    from pyiceberg.utils.config import Config

    monkeypatch.setattr(catalog, "_ENV_CONFIG", Config())
    return folder


def lakehouse_env(folder: Path) -> dict[str, str]:
    """The variables that name a catalog in this folder."""
    return {
        "PYICEBERG_CATALOG__ABUKIX__TYPE": "sql",
        "PYICEBERG_CATALOG__ABUKIX__URI": f"sqlite:///{folder}/catalog.db",
        "PYICEBERG_CATALOG__ABUKIX__WAREHOUSE": f"file://{folder}/warehouse",
    }


class Repository:
    """A git repository that a test writes commits into."""

    def __init__(self, folder: Path) -> None:
        """Makes it empty."""
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self._count = 0

    def git(self, *arguments: str, env: dict[str, str] | None = None, stdin: bytes | None = None) -> str:
        """Runs git in it, with nothing of the user's configuration."""
        clean = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        clean |= {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in IDENTITY.items()}
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env={**clean, **(env or {})},
            input=stdin,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode("utf-8", errors="replace").strip()

    def commit(self, seconds: int, *, email: str = "a@example.org", lines: int = 1, name: str | None = None) -> str:
        """One commit at this time that adds a file of so many lines; its object name."""
        self._count += 1
        (self.folder / (name or f"file-{self._count}")).write_text("x\n" * lines)
        self.git("add", "-A")
        date = f"@{seconds} +0200"
        env = {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": f"@{max(seconds - 999, 0)} +0000"}
        self.git("commit", "-q", "--allow-empty", "-m", f"c{self._count}", env={**env, "GIT_AUTHOR_EMAIL": email})
        return self.git("rev-parse", "HEAD")

    def chain(self, *commits: bytes) -> str:
        """One commit upon the other from HEAD, each with these bytes from `author` on; the last one's name."""
        tree, head = self.git("rev-parse", "HEAD^{tree}", "HEAD").split()
        for commit in commits:
            raw = b"tree %s\nparent %s\n%s" % (tree.encode(), head.encode(), commit)
            head = self.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw)
        self.git("update-ref", "refs/heads/main", head)
        return head

    def dated(self, *dates: str) -> str:
        """One commit upon the other with these committer dates as they stand; the last one's name."""
        who = b"author X <x@x> 4102444800 +0000\ncommitter X <x@x> %s\n\nm\n"
        return self.chain(*(who % date.encode() for date in dates))

    def bundle(self, path: Path, *revisions: str) -> dict[str, str]:
        """A bundle as the pipeline's parameter names it; the file's name is the repository's."""
        self.git("bundle", "create", "-q", str(path), *(revisions or ("HEAD",)))
        return described(path)


IDENTITY = {"NAME": "A", "EMAIL": "a@example.org"}


def described(path: Path) -> dict[str, str]:
    """A file as an entry of the pipeline's parameter `repositories`."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"name": path.stem, "uri": f"file://{path}", "digest": digest}


def write_dataset(dataset: Dataset, path: Path) -> None:
    """A data set as `extract` writes it."""
    columns = {name: dataset.column(name) for name in dataset.names}
    keys = dict(zip(KEYS, (dataset.repositories, dataset.times), strict=True))
    write(pa.table({**keys, **columns, LABEL: dataset.labels}), str(path))


@pytest.fixture
def repository(tmp_path: Path) -> Callable[[str], Repository]:
    """Makes repositories by name."""
    return lambda name: Repository(tmp_path / "repositories" / name)


def compiled(folder: Path, out: Path, seed: str) -> dict[str, bytes]:
    """What compiling a recipe writes, by file name; `seed` is for Python's hashes."""
    env = {"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": seed}
    subprocess.run(
        [sys.executable, "compile.py", "--out", str(out)], cwd=folder, env=env, check=True, capture_output=True
    )
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """This recipe, compiled."""
    return compiled(RECIPE, tmp_path_factory.mktemp("compiled") / "out", "1")


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 180) -> None:
    """Returns once the URL answers 200; the error carries what was last seen, and the log's end."""
    deadline = time.monotonic() + seconds
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    seen = "nothing"
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with opener.open(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError as error:
            seen = str(error)
        # HTTP has nothing to wait on: this is the one place that asks again.
        time.sleep(0.1)
    pytest.fail(f"{url} did not answer: {seen}; exit code {process.poll()}; log ends: {log.read_text()[-2000:]}")


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Server:
    """A process that comes up to answer at an address."""

    process: subprocess.Popen[bytes]
    uri: str
    log: Path


@pytest.fixture(scope="session", autouse=True)
def mlflow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server | None]:
    """A real MLflow server on loopback, one for all tests that need it: it starts while the others run."""
    if not any("mlflow_uri" in getattr(item, "fixturenames", ()) for item in request.session.items):
        yield None
        return
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--no-serve-artifacts"]
    command += ["--default-artifact-root", f"file://{folder}/artifacts"]
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=env, cwd=folder, start_new_session=True)
    try:
        yield Server(process, f"http://127.0.0.1:{port}", log)
    finally:
        os.killpg(process.pid, 9)
        process.wait()


@pytest.fixture(scope="session")
def mlflow_uri(mlflow: Server) -> str:
    """Where it answers."""
    wait_for(f"{mlflow.uri}/health", mlflow.process, mlflow.log)
    return mlflow.uri

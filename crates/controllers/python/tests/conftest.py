"""A private Ray head, and experiments small enough to run in seconds."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PROGRAM = HERE.parent / "tune.py"
SESSION_SECONDS = 90


class Head:
    """A Ray head on loopback with a token, known by its process group alone."""

    def __init__(self) -> None:
        # A path of a Ray socket may have 107 bytes: the folder must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
        self.port = _free_port()
        self.dashboard = _free_port()
        self.env = {
            "PATH": os.environ["PATH"],
            "RAY_ADDRESS": f"127.0.0.1:{self.port}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            # Loopback only: without it Ray replaces 127.0.0.1 by the machine's own address.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "HEAD_OF_TEST": self.folder.name,
            # What the controller gives a tuner (src/experiment/tuner.rs).
            "RAY_AIR_NEW_OUTPUT": "0",
            "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
            "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
            "RAY_CHDIR_TO_TRIAL_DIR": "0",
            "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
        }
        self.start()

    def start(self) -> None:
        """Starts it, and waits until a driver can connect."""
        options = {
            "--node-ip-address": "127.0.0.1",
            "--port": self.port,
            "--include-dashboard": "false",
            "--ray-client-server-port": _free_port(),
            "--num-cpus": 2,
            "--object-store-memory": 100_000_000,
            "--temp-dir": self.folder,
        }
        words = [f"{name}={value}" for name, value in options.items()]
        command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", *words]
        with (self.folder / "head.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        latest = time.monotonic() + SESSION_SECONDS
        while "Ray runtime started" not in (self.folder / "head.log").read_text(errors="replace"):
            assert self.process.poll() is None and time.monotonic() < latest, (self.folder / "head.log").read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        """Kills everything of it at once, as a loss of power does."""
        mark = f"HEAD_OF_TEST={self.folder.name}".encode()
        sessions = {self.process.pid}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    pid = int(folder.name)
                    if mark in (folder / "environ").read_bytes() or os.getsid(pid) in sessions:
                        os.kill(pid, signal.SIGKILL)
                except OSError:
                    continue
        self.process.wait()
        (self.folder / "head.log").write_text("")


@pytest.fixture(scope="session")
def head() -> Iterator[Head]:
    """One head for all tests."""
    head = Head()
    yield head
    head.kill()
    shutil.rmtree(head.folder, ignore_errors=True)


def document(**changes: Any) -> dict[str, Any]:
    """An experiment of four quick trials: minimise (x - 0.3)² as `sh` and `awk` compute it."""
    trial = {
        "argv": ["sh", "trial.sh", "${trialParameters.x}"],
        "workdir": "",
        "cpus": 1,
        "backoffLimit": 0,
        "parameters": {"x": "x"},
        **changes.pop("trial", {}),
    }
    return {
        "uid": f"uid-{secrets.token_hex(4)}",
        "name": "tune-test",
        "objective": {"type": "minimize", "metric": "mae"},
        "algorithm": "random",
        "settings": {"random_state": "7"},
        "parameters": [{"name": "x", "type": "double", "min": "0", "max": "1"}],
        "maxTrials": 4,
        "parallelTrials": 2,
        "trial": trial,
        **changes,
    }


GOOD = """awk -v x="$1" 'BEGIN { print "mae=" (x - 0.3) * (x - 0.3) }'\n"""


@pytest.fixture
def experiment(tmp_path: Path) -> Callable[..., Path]:
    """Writes an experiment's folder: `experiment(script, **changes of the document)`."""

    def write(script: str = GOOD, **changes: Any) -> Path:
        image = tmp_path / "image"
        image.mkdir()
        (image / "trial.sh").write_text(script)
        described = document(**changes)
        described["trial"]["workdir"] = str(image)
        folder = tmp_path / "experiment"
        folder.mkdir()
        (folder / "experiment.json").write_text(json.dumps(described))
        return folder

    return write


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]

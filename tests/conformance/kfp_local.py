"""kfp.local, which runs a compiled pipeline in the process that asks: each one in an environment of its own.

As a program: runs the package at argv[1] with the arguments in argv[2], files in argv[3], and says how it ended.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from ending import End

# What the environment that the product runs on has of these.
PACKAGES = ("kfp", "kfp-kubernetes")
# The scripts around Python components ask for these.
INSTALLERS = ("pip", "setuptools", "wheel")


class KfpLocal:
    """Runs pipelines, each to its end, each with Python packages that no other one has changed."""

    def __init__(self, uv: Path) -> None:
        self.uv = uv
        self.requirements = [f"{name}=={metadata.version(name)}" for name in PACKAGES]

    def run(self, path: Path, arguments: dict[str, Any], timeout: float) -> End:
        """Run a package, and say what became of it."""
        # Its steps install packages where they run, so the next pipeline must not run there.
        with tempfile.TemporaryDirectory(prefix="kfp-local-", ignore_cleanup_errors=True) as folder:
            python = self.environment(Path(folder, "environment"))
            return run_with(python, path, arguments, Path(folder), timeout)

    def environment(self, folder: Path) -> Path:
        """Make an environment with what runs pipelines, and return its interpreter."""
        python = folder / "bin/python3"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "check": True}
        subprocess.run([self.uv, "venv", "--python", sys.executable, folder], **quiet)
        packages = [*self.requirements, *INSTALLERS]
        subprocess.run([self.uv, "pip", "install", "--python", python, *packages], **quiet)
        return python


def run_with(python: Path, path: Path, arguments: dict[str, Any], folder: Path, timeout: float) -> End:
    """Run a package by an interpreter that has kfp, and say what became of it."""
    home = folder / "home"
    home.mkdir()
    environment = {
        **os.environ,
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": str(Path(__file__).parent),
    }
    environment.pop("VIRTUAL_ENV", None)
    command = [python, "-W", "ignore", __file__, path.resolve(), json.dumps(arguments), folder / "root"]
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        told, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return End("TIMEOUT", f"still running after {timeout:.0f} s", {}, round(time.monotonic() - start, 2))
    seconds = round(time.monotonic() - start, 2)
    try:
        said = json.loads(told.splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        return End("FAILED", f"it ended with {process.returncode}", {}, seconds)
    return End(said["outcome"], said["detail"], said["outputs"], seconds)


def run_here(package: str, arguments: dict[str, Any], root: str) -> dict[str, Any]:
    """Run a package in this process."""
    from kfp import components, local

    try:
        pipeline = components.load_component_from_file(package)
    except Exception as error:  # Whatever it says of a file: it takes none.
        return {"outcome": "REFUSED", "detail": f"{type(error).__name__}: {error}", "outputs": {}}
    # The environment is this pipeline's own already.
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=root, workspace_root=f"{root}-workspace")
    try:
        task: Any = pipeline(**arguments)
        outputs = {key: value for key, value in task.outputs.items() if plain(value)}
    except Exception as error:  # Likewise of a run.
        return {"outcome": "FAILED", "detail": f"{type(error).__name__}: {error}"[:2000], "outputs": {}}
    return {"outcome": "SUCCEEDED", "detail": "", "outputs": outputs}


def plain(value: Any) -> bool:
    """Whether a value is a parameter's, and not an artifact."""
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


def find_uv(state: Path) -> Path | None:
    """Return uv: the one on PATH, else the one in the state folder."""
    found = shutil.which("uv")
    own = state / "uv/bin/uv"
    return Path(found) if found else own if own.is_file() else None


if __name__ == "__main__":
    answer = run_here(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3])
    print()
    print(json.dumps(answer), flush=True)

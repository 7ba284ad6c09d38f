"""The notebook, run from end to end as the program that it is. Budget: 20 s."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.conftest import RECIPE


def test_every_cell_runs_and_the_model_beats_last_week() -> None:
    # With nothing of a rung in its environment.
    env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    done = subprocess.run(
        [sys.executable, "notebook.py"],
        cwd=RECIPE,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    skill = re.search(r"skill ([+-]\S+) on synthetic data", done.stdout)
    assert skill is not None, done.stdout
    assert float(skill[1]) > 0, done.stdout

"""Times the train-deploy recipe: cold (up and first run), warm (services up, nothing cached), cached (run again).

Arguments: platform-ctl, the folder of Python environments, optionally --json.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMPORTS = ["kfp", "mlflow", "feast", "pyiceberg.catalog", "sklearn.ensemble", "ray", "kubernetes", "kserve"]
TARGETS = {"warm": 90.0, "cached": 10.0}


def timed(command: list[str]) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run a command; its seconds and its result."""
    start = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return time.monotonic() - start, done


def recipe(platform_ctl: str, state: str) -> dict:
    """Run the recipe once."""
    seconds, done = timed([platform_ctl, "--state-dir", state, "--json", "recipe", "train-deploy"])
    if not done.stdout:
        sys.exit(done.returncode or 1)
    report = json.loads(done.stdout)
    return {"seconds": seconds, "exit_code": done.returncode, "steps": report["steps"]}


def imports() -> dict[str, float]:
    """Seconds that a fresh interpreter takes to import each library, beyond its own start."""
    bare, _ = timed([sys.executable, "-c", "pass"])
    return {name: round(timed([sys.executable, "-c", f"import {name}"])[0] - bare, 2) for name in IMPORTS}


def measure(platform_ctl: str, environments: Path) -> dict:
    """Bring a rung up in a new state folder, run, run again, take it down."""
    with tempfile.TemporaryDirectory(prefix="basecamp-bench-") as state:
        Path(state, "python").symlink_to(environments)
        try:
            up, done = timed([platform_ctl, "--state-dir", state, "up"])
            if done.returncode:
                sys.exit(done.returncode)
            warm = recipe(platform_ctl, state)
            cached = recipe(platform_ctl, state)
        finally:
            timed([platform_ctl, "--state-dir", state, "down"])
    cold = {**warm, "seconds": up + warm["seconds"]}
    return {"up_seconds": up, "runs": {"cold": cold, "warm": warm, "cached": cached}, "import_seconds": imports()}


def table(result: dict) -> str:
    """Lines for people."""
    lines = [f"up {result['up_seconds']:.1f} s", "", f"{'step':<16}{'warm':>9}{'cached':>9}"]
    runs = result["runs"]
    again = {step["name"]: step for step in runs["cached"]["steps"]}
    for step in runs["warm"]["steps"]:
        later = again.get(step["name"], {})
        note = "  (cached)" if later.get("cached") else ""
        lines.append(f"{step['name']:<16}{step['seconds'] or 0:>9.1f}{later.get('seconds') or 0:>9.1f}{note}")
    # The recipe's steps follow one another: their sum is the critical path. A condition's time is that of its steps.
    for name in ("warm", "cached"):
        steps = [step for step in runs[name]["steps"] if not step["name"].startswith("condition-")]
        path = sum(step["seconds"] or 0 for step in steps)
        wall = runs[name]["seconds"]
        lines.append(f"{name}: wall {wall:.1f} s, critical path {path:.1f} s, target {TARGETS[name]:.0f} s")
    lines.append(f"cold: wall {runs['cold']['seconds']:.1f} s with up")
    lines.append("imports: " + ", ".join(f"{name} {seconds} s" for name, seconds in result["import_seconds"].items()))
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    result = measure(sys.argv[1], Path(sys.argv[2]).resolve())
    print(json.dumps(result) if "--json" in sys.argv else table(result))
    sys.exit(max(run["exit_code"] for run in result["runs"].values()))


main()

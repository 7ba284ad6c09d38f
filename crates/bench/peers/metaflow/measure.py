"""Metaflow with its local datastore: a process a task, two at a time.

Arguments: `chain N` or `parallel N`.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEAD = "from metaflow import FlowSpec, step\n\n\nclass Bench(FlowSpec):\n"
STEP = "    @step\n    def {name}(self{more}):\n        {body}\n\n"


def chain(count: int) -> str:
    """Write a flow of steps one after the other."""
    names = ["start", *(f"step_{nth}" for nth in range(1, count - 1)), "end"]
    bodies = [*(f"self.next(self.{name})" for name in names[1:]), "pass"]
    return "".join(STEP.format(name=name, more="", body=body) for name, body in zip(names, bodies, strict=True))


def parallel(count: int) -> str:
    """Write a flow of steps side by side, between the three that Metaflow wants around them."""
    return (
        STEP.format(name="start", more="", body=f"self.n = list(range({count})); self.next(self.work, foreach='n')")
        + STEP.format(name="work", more="", body="self.next(self.join)")
        + STEP.format(name="join", more=", inputs", body="self.next(self.end)")
        + STEP.format(name="end", more="", body="pass")
    )


def main() -> None:
    """Run."""
    steps = {"chain": chain, "parallel": parallel}[sys.argv[1]](int(sys.argv[2]))
    with tempfile.TemporaryDirectory() as root:
        flow = Path(root, "flow.py")
        flow.write_text(f"{HEAD}{steps}\nif __name__ == '__main__':\n    Bench()\n")
        own = {
            "HOME": root,
            "METAFLOW_HOME": root,
            "METAFLOW_USER": "bench",
            "METAFLOW_DEFAULT_DATASTORE": "local",
            "METAFLOW_DEFAULT_METADATA": "local",
            "METAFLOW_DATASTORE_SYSROOT_LOCAL": root,
        }
        command = [sys.executable, str(flow), "--quiet", "run", "--max-workers", "2"]
        start = time.monotonic()
        subprocess.run(command, env=os.environ | own, cwd=root, check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - start
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print("\n" + json.dumps({"seconds": seconds, "rss_mb": largest / 1024}))


main()

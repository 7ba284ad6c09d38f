"""`tune run DIRECTORY` carries out the experiment of this folder, `tune end DIRECTORY` ends what is left of it.

`run` needs RAY_ADDRESS, and RAY_AUTH_MODE and RAY_AUTH_TOKEN where the head asks for a token; the variables of a trial
come under `TRIAL_ENV_`. Exit code 0: there is a verdict in DIRECTORY/verdict.json. Another one: run it again, it
continues.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from tuner import trial
from tuner.experiment import Experiment


def main(arguments: list[str]) -> int:
    """Runs the program; returns its exit code."""
    match arguments:
        case ["run", directory]:
            return run(Experiment.read(Path(directory), os.environ))
        case ["end", directory]:
            trial.end(Experiment.read(Path(directory), os.environ))
            return 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2


def run(experiment: Experiment) -> int:
    """Carries out the experiment."""
    from tuner.study import carry_out

    # It reports, at length, the absence of the result files turned off above.
    logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)
    reached = carry_out(experiment)
    if reached is None:
        print("stopped before a verdict", file=sys.stderr)
        return 1
    print(f"{reached.type}: {reached.message}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Carries out one Katib Experiment with Ray Tune and Optuna.

`experiment` is what to do, `records` what was done, `verdict` whether it is over; `space` and `search` choose the
next trial, `trial` runs it, `collector` reads its metrics, `study` ties them together.
"""

import sys

# Ray imports MLflow where it finds it, only to count callbacks of a kind that is not used here.
sys.modules["mlflow"] = None  # pyright: ignore[reportArgumentType]

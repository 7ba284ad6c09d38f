"""The folder of a model version: MLflow's own layout, with the golden requests beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from forecast.inference import OUTPUT
from forecast.model import Model
from registry.provenance import files

# What MLflow copies beside the model, to load it by.
STARTS = ("registry.predictor",)
RECIPE = Path(__file__).resolve().parent.parent


def write(folder: Path, model_file: Path, golden: dict[str, Any]) -> None:
    """Writes MLmodel, fitted parameters (`artifacts/model.json`), signature, input example, code and golden files."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ColSpec, DataType, Schema

    model = Model.from_bytes(model_file.read_bytes())
    tensor = golden["requests"][0]["inputs"][0]
    width = len(model.features)
    example = pd.DataFrame([dict(zip(model.features, tensor["data"][:width], strict=True))])
    staged = folder.parent / "model.json"
    staged.write_bytes(model_file.read_bytes())
    save_model(
        path=str(folder),
        python_model=str(RECIPE / "registry" / "predictor.py"),
        artifacts={"model": str(staged)},
        input_example=example,
        code_paths=[str(RECIPE / "forecast")],
        # Given: inferring them would load the model once more, in a process of its own.
        pip_requirements=["mlflow==3.17.2", "numpy"],
        signature=ModelSignature(
            inputs=Schema([ColSpec(DataType.double, name) for name in model.features]),
            outputs=Schema([ColSpec(DataType.double, OUTPUT)]),
        ),
    )
    for path, content in files(model_file.read_bytes(), golden).items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)

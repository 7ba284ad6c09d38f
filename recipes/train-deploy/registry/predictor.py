"""The model as MLflow loads it by `mlflow.pyfunc.load_model`: for a notebook; rungs serve it with `server/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from forecast.model import Model


class NextWeekCommits(PythonModel):
    """Predicts from a data frame with one column a feature."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401
        """Reads the fitted parameters."""
        self._model = Model.from_bytes(Path(context.artifacts["model"]).read_bytes())

    # Without annotations: MLflow reads these as a schema, and the schema is the signature's.
    def predict(self, context, model_input, params=None):  # noqa: ANN001, ANN201, ARG002  # pyright: ignore[reportMissingParameterType, reportIncompatibleMethodOverride]
        """Commits of the coming week, one a row."""
        return self._model.predict(model_input[list(self._model.features)].to_numpy(dtype=np.float64))


set_model(NextWeekCommits())

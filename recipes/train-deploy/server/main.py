"""Serves the model by the Open Inference Protocol v2. One program, on every rung.

    python3 -m server.main --model_name=NAME --model_dir=DIR

DIR is a version's folder as `register` wrote it. HOST and PORT say where to listen.
"""

from __future__ import annotations

import os
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from fastapi import HTTPException
from kserve import InferOutput, InferRequest, InferResponse, ModelServer
from kserve import Model as ServedModel
from kserve.model_server import parser

from forecast.inference import DATATYPE, INPUT, OUTPUT, answer
from forecast.model import Model, ModelError

MODEL_FILE = Path("artifacts") / "model.json"


class NextWeekCommits(ServedModel):
    """The fitted model behind kserve's data plane."""

    def __init__(self, name: str, folder: Path) -> None:
        """Loads the model at once: a server that cannot should not start."""
        super().__init__(name)
        self._model = Model.from_bytes((folder / MODEL_FILE).read_bytes())
        self.ready = True

    async def predict(
        self,
        payload: Any,  # noqa: ANN401
        headers: dict[str, str] | None = None,  # noqa: ARG002
        response_headers: dict[str, str] | None = None,  # noqa: ARG002
    ) -> InferResponse:
        """Predictions for the request's rows; a request that does not fit is answered 400 with the reason."""
        if not isinstance(payload, InferRequest):
            raise HTTPException(HTTPStatus.BAD_REQUEST, "only the Open Inference Protocol v2 is spoken here")
        inputs = [
            {"name": tensor.name, "shape": tensor.shape, "datatype": tensor.datatype, "data": tensor.data}
            for tensor in payload.inputs
        ]
        try:
            predictions = answer(self._model, inputs)
        except ModelError as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, str(error)) from error
        output = InferOutput(OUTPUT, [len(predictions)], DATATYPE, predictions.tolist())
        # The protocol leaves the request's id out at will; kserve's answer wants one.
        return InferResponse(payload.id or str(uuid4()), self.name, [output])

    def get_input_types(self) -> list[dict[str, Any]]:
        """What the metadata call tells of the input."""
        return [{"name": INPUT, "datatype": DATATYPE, "shape": [-1, len(self._model.features)]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        """What the metadata call tells of the output."""
        return [{"name": OUTPUT, "datatype": DATATYPE, "shape": [-1]}]


class _Server(ModelServer):
    """kserve's server, listening where HOST says: its own always takes every address of the machine."""

    async def _serve(self) -> None:
        assert self._rest_server is not None
        self._rest_server.config.host = os.environ.get("HOST", "0.0.0.0")  # noqa: S104
        await super()._serve()


def main() -> None:
    """Reads the arguments and serves until told to stop."""
    parser.add_argument("--model_dir", type=Path, required=True)
    arguments, _ = parser.parse_known_args()
    try:
        model = NextWeekCommits(arguments.model_name, arguments.model_dir)
    except (OSError, ModelError) as error:
        sys.exit(f"model {arguments.model_name} in {arguments.model_dir}: {error}")
    _Server(http_port=int(os.environ.get("PORT", "8080")), enable_grpc=False, workers=1).start([model])


if __name__ == "__main__":
    main()

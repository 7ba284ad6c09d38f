"""MLflow's REST API, the few calls that looking and moving take: importing mlflow costs more than all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

Document = dict[str, Any]

_TIMEOUT = 30
_PAGE = 200


class RegistryError(Exception):
    """The registry refused or did not answer; the message names the call."""

    def __init__(self, message: str, code: str = "") -> None:
        """`code` is MLflow's error code, for example RESOURCE_DOES_NOT_EXIST."""
        super().__init__(message)
        self.code = code

    @property
    def is_collision(self) -> bool:
        """Whether two writers met in MLflow's database: SQLAlchemy's code for an IntegrityError, of any database."""
        return "/gkpj" in str(self)


class Registry:
    """Model versions by MLflow's REST API."""

    def __init__(self, uri: str | None = None) -> None:
        """`uri` is MLFLOW_TRACKING_URI unless given."""
        self.uri = (uri or os.environ["MLFLOW_TRACKING_URI"]).rstrip("/")
        self._session = requests.Session()
        # A server that restarts is a matter of seconds; every call here may be repeated.
        retry = Retry(total=6, backoff_factor=0.5, status_forcelist=(502, 503, 504), allowed_methods=None)
        self._session.mount(self.uri, HTTPAdapter(max_retries=retry))

    def versions(self, model: str) -> list[Document]:
        """All versions of a model, none where the model is not there."""
        return list(self._pages("model-versions/search", "model_versions", {"filter": f"name='{model}'"}))

    def alias(self, model: str, alias: str) -> str | None:
        """The version that an alias points to."""
        try:
            answer = self._get("registered-models/alias", {"name": model, "alias": alias})
        except RegistryError as error:
            if error.code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        return answer["model_version"]["version"]

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Points an alias to a version."""
        self._post("registered-models/alias", {"name": model, "alias": alias, "version": version})

    def move_to_staging(self, model: str, version: str) -> None:
        """Puts a version into Staging, in one step with archiving whatever else is in it. Production stays as it is."""
        self._post(
            "model-versions/transition-stage",
            {"name": model, "version": version, "stage": "Staging", "archive_existing_versions": True},
        )

    def create_model(self, model: str) -> None:
        """Makes the registered model where it is not there."""
        try:
            self._post("registered-models/create", {"name": model})
        except RegistryError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise

    def create_version(self, model: str, source: str, run_id: str, tags: dict[str, str]) -> Document:
        """Makes a version, tags included."""
        body = {
            "name": model,
            "source": source,
            "run_id": run_id,
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }
        return self._post("model-versions/create", body)["model_version"]

    def delete_version(self, model: str, version: str) -> None:
        """Deletes a version; nothing where it is gone."""
        try:
            self._call("DELETE", "model-versions/delete", json={"name": model, "version": version})
        except RegistryError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise

    def experiment(self, name: str) -> str:
        """Id of the tracking experiment of this name, made where it is not there."""
        try:
            return self._post("experiments/create", {"name": name})["experiment_id"]
        except RegistryError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
        return self._get("experiments/get-by-name", {"experiment_name": name})["experiment"]["experiment_id"]

    def run(self, experiment_id: str, input_key: str, name: str) -> Document:
        """The tracking run of this input key, made where it is not there: an interrupted register goes on in it."""
        tag = "basecamp.input_key"
        body = {"experiment_ids": [experiment_id], "filter": f"tags.`{tag}` = '{input_key}'", "max_results": 1}
        found = self._post("runs/search", body).get("runs")
        if found:
            return found[0]
        tags = [{"key": tag, "value": input_key}]
        return self._post("runs/create", {"experiment_id": experiment_id, "run_name": name, "tags": tags})["run"]

    def finish_run(self, run_id: str, metrics: dict[str, float], params: dict[str, str], tags: dict[str, str]) -> None:
        """Logs figures and closes the tracking run. MLflow lets no parameter be another one later; a tag may be."""
        self._post(
            "runs/log-batch",
            {
                "run_id": run_id,
                "metrics": [{"key": key, "value": value, "timestamp": 0, "step": 0} for key, value in metrics.items()],
                "params": [{"key": key, "value": value} for key, value in params.items()],
                "tags": [{"key": key, "value": value} for key, value in tags.items()],
            },
        )
        self._post("runs/update", {"run_id": run_id, "status": "FINISHED"})

    def _pages(self, path: str, key: str, query: Document) -> Iterator[Document]:
        token = ""
        while True:
            answer = self._get(path, {**query, "max_results": _PAGE, **({"page_token": token} if token else {})})
            yield from answer.get(key, [])
            token = answer.get("next_page_token", "")
            if not token:
                return

    def _get(self, path: str, query: Document) -> Document:
        return self._call("GET", path, params=query)

    def _post(self, path: str, body: Document) -> Document:
        return self._call("POST", path, json=body)

    def _call(self, method: str, path: str, **content: Any) -> Document:  # noqa: ANN401
        try:
            answer = self._session.request(method, f"{self.uri}/api/2.0/mlflow/{path}", timeout=_TIMEOUT, **content)
        except requests.RequestException as error:
            raise RegistryError(
                f"registry {self.uri}: {path}: {error}: `cargo xtask status` shows what is up"
            ) from error
        if answer.ok:
            return answer.json()
        try:
            document = answer.json()
        except ValueError:
            document = {}
        reason = document.get("message") or f"HTTP {answer.status_code}"
        # One line: people are told a step's last one.
        reason = " ".join(reason.split())
        raise RegistryError(f"registry {self.uri}: {path}: {reason}", document.get("error_code", ""))

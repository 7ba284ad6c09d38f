"""What a person does by hand with upstream's own clients: MLflow's REST API, the Kubernetes client.

Arguments: an endpoints document, then `delete-version N`, `archive N` (which takes the alias away too), `promote N`,
or `delete-service`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import requests
import yaml
from kubernetes import config, dynamic
from kubernetes.client import ApiClient

MODEL = "next-week-commits"


class Mlflow:
    """MLflow's REST API."""

    def __init__(self, tracking_uri: str) -> None:
        """Of the server at this URI."""
        self._uri = tracking_uri

    def call(self, method: str, path: str, **body: Any) -> None:
        """Sends one request about the model, which must be taken."""
        answer = requests.request(
            method, f"{self._uri}/api/2.0/mlflow/{path}", json={"name": MODEL, **body}, timeout=30
        )
        answer.raise_for_status()

    def move(self, version: str, stage: str) -> None:
        """Puts a version into a stage and leaves the others where they are."""
        self.call(
            "POST", "model-versions/transition-stage", version=version, stage=stage, archive_existing_versions=False
        )


def main() -> None:
    """Does one thing."""
    document = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))
    mlflow = Mlflow(document["registry"]["trackingUri"])
    match sys.argv[2:]:
        case ["delete-version", version]:
            mlflow.call("DELETE", "model-versions/delete", version=version)
        case ["archive", version]:
            mlflow.call("DELETE", "registered-models/alias", alias="staging")
            mlflow.move(version, "Archived")
        case ["promote", version]:
            mlflow.call("POST", "model-versions/set-tag", version=version, key="basecamp.approved_by", value="ada")
            mlflow.move(version, "Production")
        case ["delete-service"]:
            config.load_kube_config(document["resources"]["kubeconfig"])
            kinds = dynamic.DynamicClient(ApiClient()).resources
            services = kinds.get(api_version="serving.kserve.io/v1beta1", kind="InferenceService")
            services.delete(name=MODEL, namespace=document["resources"]["namespaces"]["serving"])
        case other:
            raise SystemExit(f"not a thing to do: {other}")


main()

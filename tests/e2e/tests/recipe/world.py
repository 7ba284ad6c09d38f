"""What a rung holds, by upstream's own clients: the Kubernetes client, MLflow's REST API, PyIceberg.

Argument: an endpoints document. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import requests
import yaml
from kubernetes import config, dynamic
from kubernetes.client import ApiClient
from pyiceberg.catalog import load_catalog

KINDS = {
    "experiments": ("kubeflow.org/v1beta1", "Experiment"),
    "rayjobs": ("ray.io/v1", "RayJob"),
    "inferenceservices": ("serving.kserve.io/v1beta1", "InferenceService"),
    "httproutes": ("gateway.networking.k8s.io/v1", "HTTPRoute"),
}
MODEL = "next-week-commits"


def objects(kubeconfig: str) -> dict[str, dict[str, str]]:
    """Per kind, each object's namespace and name with what changes when somebody makes it anew or writes its spec."""
    config.load_kube_config(kubeconfig)
    client = dynamic.DynamicClient(ApiClient())
    found: dict[str, dict[str, str]] = {}
    for plural, (version, kind) in KINDS.items():
        items = client.resources.get(api_version=version, kind=kind).get().items
        found[plural] = {
            f"{item.metadata.namespace}/{item.metadata.name}": f"{item.metadata.uid} {item.metadata.generation}"
            for item in items
        }
    return found


def versions(tracking_uri: str) -> dict[str, dict[str, Any]]:
    """Versions of the model: stage, and the keys of its tags."""
    query = {"filter": f"name='{MODEL}'", "max_results": "200"}
    answer = requests.get(f"{tracking_uri}/api/2.0/mlflow/model-versions/search", query, timeout=30)
    answer.raise_for_status()
    return {
        item["version"]: {"stage": item["current_stage"], "tags": sorted(tag["key"] for tag in item.get("tags", []))}
        for item in answer.json().get("model_versions", [])
    }


def snapshots(lakehouse: dict[str, str]) -> int:
    """How often the table of commits was written."""
    return len(load_catalog("abukix", **lakehouse).load_table("abukix.commits").snapshots())


def main() -> None:
    """Looks and prints."""
    document = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))
    seen = {
        "objects": objects(document["resources"]["kubeconfig"]),
        "versions": versions(document["registry"]["trackingUri"]),
        "snapshots": snapshots(document["lakehouse"]),
    }
    print(json.dumps(seen))


main()

"""The world of a rung: a ConfigMap and an MLflow run for each task.

Arguments: the endpoints document, then `create RUN STEP` or `list`. `create` makes each object where it is not there,
under a key that is the task's id, and waits for a server that is away. `list` prints `RUN STEP` of each object, one
list after the other, separated by a line of its own.
"""

import base64
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

PATIENCE = 120.0
TASK = "bench.task"


def call(url: str, body: dict[str, Any] | None, token: str = "", tls: ssl.SSLContext | None = None) -> dict[str, Any]:
    """Send a request until a server answers it; its JSON. A conflict is an answer: it is there."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, json.dumps(body).encode() if body is not None else None, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with opener.open(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 409:
                return {}
            raise
        except (urllib.error.URLError, OSError, json.JSONDecodeError):
            # The server is being killed or started.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


class Rung:
    """The two servers."""

    def __init__(self, document: Path) -> None:
        """Read where they are."""
        endpoints = yaml.safe_load(document.read_text())
        config = yaml.safe_load(Path(endpoints["resources"]["kubeconfig"]).read_text())
        cluster = config["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.tls = ssl.create_default_context(cadata=authority)
        self.token = config["users"][0]["user"]["token"]
        namespace = endpoints["resources"]["namespaces"]["pipelines"]
        self.config_maps = f"{cluster['server']}/api/v1/namespaces/{namespace}/configmaps"
        self.mlflow = f"{endpoints['registry']['trackingUri']}/api/2.0/mlflow/runs"

    def runs(self, key: str) -> list[dict[str, str]]:
        """Tags of the MLflow runs that have a tag."""
        found: list[dict[str, str]] = []
        page = ""
        while True:
            asked = {"experiment_ids": ["0"], "filter": key, "max_results": 1000, "page_token": page}
            answer = call(f"{self.mlflow}/search", asked)
            for run in answer.get("runs", []):
                found.append({tag["key"]: tag["value"] for tag in run["data"].get("tags", [])})
            page = answer.get("next_page_token", "")
            if not page:
                return found

    def create(self, run: str, step: str, task: str) -> None:
        """Make both objects of a task."""
        labels = {"bench/run": run, "bench/step": step}
        metadata = {"name": f"bench-{task}", "labels": labels}
        config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        call(self.config_maps, config_map, self.token, self.tls)
        if not self.runs(f"tags.`{TASK}` = '{task}'"):
            tags = {TASK: task, "bench.run": run, "bench.step": step}
            pairs = [{"key": key, "value": value} for key, value in tags.items()]
            call(f"{self.mlflow}/create", {"experiment_id": "0", "start_time": 0, "tags": pairs})

    def list(self) -> list[list[str]]:
        """Lines of both lists."""
        answer = call(f"{self.config_maps}?labelSelector=bench%2Frun", None, self.token, self.tls)
        labels = [item["metadata"]["labels"] for item in answer["items"]]
        return [
            [f"{label['bench/run']} {label['bench/step']}" for label in labels],
            [f"{tags['bench.run']} {tags['bench.step']}" for tags in self.runs(f"tags.`{TASK}` LIKE '%'")],
        ]


def main() -> None:
    """Carry one command out."""
    rung = Rung(Path(sys.argv[1]))
    if sys.argv[2] == "create":
        rung.create(sys.argv[3], sys.argv[4], os.environ["KFP_POD_UID"])
    else:
        print("\n--\n".join("\n".join(lines) for lines in rung.list()))


main()

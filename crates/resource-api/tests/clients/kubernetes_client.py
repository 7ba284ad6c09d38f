"""Drives the resource API with the unmodified Python kubernetes client.

Reads the kubeconfig that KUBECONFIG names and the Experiment in the file given as argument.
Ends with 0 and a last line `ok`, or with the assertion that failed.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from pathlib import Path
from typing import Any

from kubernetes import client, config, dynamic, watch
from kubernetes.client.exceptions import ApiException

NAMESPACE = "default"
GROUP, VERSION, PLURAL = "kubeflow.org", "v1beta1", "experiments"


def refused(call: Any, *arguments: Any, **named: Any) -> tuple[int, dict[str, Any]]:
    """Code and Status of a call that must be refused."""
    try:
        call(*arguments, **named)
    except ApiException as error:
        return int(error.status or 0), json.loads(error.body or "{}")
    raise AssertionError(f"{call.__name__} was not refused")


def core() -> None:
    """ConfigMaps and Secrets through the typed client."""
    # The client declares what its calls return as everything that they may return.
    api: Any = client.CoreV1Api()
    meta = client.V1ObjectMeta(name="py", labels={"app": "py"})
    made = api.create_namespaced_config_map(NAMESPACE, client.V1ConfigMap(metadata=meta, data={"a": "1"}))
    assert made.metadata.uid and made.metadata.resource_version
    assert refused(api.create_namespaced_config_map, NAMESPACE, made)[0] in (400, 409)
    patched = api.patch_namespaced_config_map("py", NAMESPACE, {"data": {"b": "2", "a": None}})
    assert patched.data == {"b": "2"}, patched.data
    patched.data = {"c": "3"}
    replaced = api.replace_namespaced_config_map("py", NAMESPACE, patched)
    assert replaced.data == {"c": "3"}
    assert refused(api.replace_namespaced_config_map, "py", NAMESPACE, patched)[0] == 409
    listed = api.list_namespaced_config_map(NAMESPACE, label_selector="app in (py, other)")
    assert [item.metadata.name for item in listed.items] == ["py"]
    assert len(api.list_config_map_for_all_namespaces(field_selector="metadata.name=py").items) == 1

    secret = client.V1Secret(metadata=client.V1ObjectMeta(name="py"), string_data={"token": "hello"})
    api.create_namespaced_secret(NAMESPACE, secret)
    found = api.read_namespaced_secret("py", NAMESPACE)
    assert base64.b64decode(found.data["token"]) == b"hello" and found.type == "Opaque"
    api.delete_namespaced_secret("py", NAMESPACE)

    heard: list[str] = []
    watcher: Any = watch.Watch()

    def listen() -> None:
        for event in watcher.stream(
            api.list_namespaced_config_map,
            NAMESPACE,
            resource_version=replaced.metadata.resource_version,
            timeout_seconds=20,
        ):
            heard.append(f"{event['type']} {event['object'].metadata.name}")
            if event["type"] == "DELETED":
                watcher.stop()

    listener = threading.Thread(target=listen)
    listener.start()
    api.patch_namespaced_config_map("py", NAMESPACE, {"data": {"d": "4"}})
    api.delete_namespaced_config_map("py", NAMESPACE, body=client.V1DeleteOptions(propagation_policy="Background"))
    listener.join(timeout=25)
    assert heard == ["MODIFIED py", "DELETED py"], heard


def custom(experiment: dict[str, Any]) -> None:
    """Experiments through the client for custom objects."""
    api = client.CustomObjectsApi()
    place: tuple[str, str, str, str] = (GROUP, VERSION, NAMESPACE, PLURAL)
    endless = json.loads(json.dumps(experiment))
    del endless["spec"]["maxTrialCount"]
    code, status = refused(api.create_namespaced_custom_object, *place, endless)
    assert code == 422 and status["details"]["causes"][0]["field"] == "spec.maxTrialCount", status
    made: Any = api.create_namespaced_custom_object(*place, experiment)
    name = made["metadata"]["name"]
    patched: Any = api.patch_namespaced_custom_object(*place, name, {"spec": {"maxTrialCount": 21}})
    assert patched["spec"]["maxTrialCount"] == 21 and patched["metadata"]["generation"] == 2
    patched["status"] = {"trials": 2, "conditions": [{"type": "Running", "status": "True"}]}
    with_status: Any = api.replace_namespaced_custom_object_status(*place, name, patched)
    assert with_status["status"]["trials"] == 2
    seen: list[Any] = []
    watcher: Any = watch.Watch()
    for event in watcher.stream(api.list_namespaced_custom_object, *place, timeout_seconds=1):
        seen.append((event["type"], event["object"]["metadata"]["name"]))
    assert seen == [("ADDED", name)], seen
    api.delete_namespaced_custom_object(*place, name)
    assert refused(api.get_namespaced_custom_object, *place, name)[0] == 404


def discovered(experiment: dict[str, Any]) -> None:
    """Experiments through discovery and server-side apply."""
    api = dynamic.DynamicClient(client.ApiClient())
    resource = api.resources.get(api_version=f"{GROUP}/{VERSION}", kind="Experiment")
    applied = resource.server_side_apply(
        body=experiment, name=experiment["metadata"]["name"], namespace=NAMESPACE, field_manager="py"
    )
    assert applied.metadata.managedFields[0].operation == "Apply"
    changed = json.loads(json.dumps(experiment))
    changed["spec"]["maxTrialCount"] = 25
    code, status = refused(
        resource.server_side_apply,
        body=changed,
        name=experiment["metadata"]["name"],
        namespace=NAMESPACE,
        field_manager="other",
    )
    assert code == 409 and status["details"]["causes"][0]["field"] == ".spec.maxTrialCount", status
    assert [item.metadata.name for item in resource.get(namespace=NAMESPACE).items] == [applied.metadata.name]
    resource.delete(name=applied.metadata.name, namespace=NAMESPACE)


def main() -> None:
    config.load_config()
    experiment: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
    core()
    custom(experiment)
    discovered(experiment)
    print("ok")


if __name__ == "__main__":
    main()

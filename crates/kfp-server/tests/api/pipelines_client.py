"""What people do with the Kubeflow SDK's PipelinesClient, against the server at argv[1].

`kubeflow.pipelines` re-exports the client that kfp brings; where the SDK is installed, its name is taken.
"""

import sys
from typing import Any

from kfp import dsl
from kfp.kubeflow_client.backends.kubernetes import KubernetesBackendConfig

try:
    from kubeflow.pipelines import PipelinesClient
except ImportError:
    from kfp.kubeflow_client import PipelinesClient


@dsl.component(base_image="tests/steps:v1", install_kfp_package=False)
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@dsl.pipeline(name="sums")
def sums(a: int = 1, b: int = 2) -> int:
    """Add twice."""
    first: Any = add(a=a, b=b)
    last: Any = add(a=first.output, b=b)
    return last.output


def refused(call: Any) -> str:
    """Return what a call that must not succeed says."""
    try:
        call()
    except ValueError as error:
        return str(error)
    raise AssertionError("not refused")


def main(url: str) -> None:
    """Upload, run, look, delete."""
    client: Any = PipelinesClient(KubernetesBackendConfig(base_url=url))
    first = client.upload_pipeline(sums, name="sums", version="one", description="adds")
    assert first.display_name == "one", first
    client.upload_pipeline(sums, name="sums", version="two")
    versions = client.list_pipeline_versions("sums").pipeline_versions
    assert {version.display_name for version in versions} == {"one", "two"}, versions
    assert client.get_pipeline("sums").pipeline_id == first.pipeline_id
    assert client.get_pipeline_version("sums", "one").pipeline_version_id == first.pipeline_version_id
    assert [pipeline.display_name for pipeline in client.list_pipelines().pipelines] == ["sums"]

    experiment = client.create_experiment("sdk", description="of the SDK")
    assert client.create_experiment("sdk").experiment_id == experiment.experiment_id
    assert client.get_experiment("sdk").description == "of the SDK"

    by_name = client.run("sums", params={"a": 3}, name="by name", experiment="sdk", version="one")
    inline = client.run(sums, params={"b": 5}, name="inline")
    for run in (by_name, inline):
        ended = client.wait_for_run_status(run, timeout=120, polling_interval=1)
        assert ended.state == "SUCCEEDED", ended
    assert client.get_run(by_name.run_id).display_name == "by name"
    succeeded = client.list_runs(status="succeeded").runs
    assert {run.display_name for run in succeeded} == {"by name", "inline"}, succeeded
    assert [run.display_name for run in client.list_runs(experiment="sdk").runs] == ["by name"]
    assert [run.display_name for run in client.list_runs(pipeline="sums").runs] == ["by name"]

    assert client.kfp_client.get_kfp_healthz().multi_user is False
    assert "force" in refused(lambda: client.delete_pipeline("sums"))
    client.delete_pipeline("sums", version="two")
    client.delete_pipeline("sums", force=True)
    refused(lambda: client.get_pipeline("sums"))
    client.kfp_client.delete_run(by_name.run_id)
    client.delete_experiment("sdk")
    refused(lambda: client.get_experiment("sdk"))


if __name__ == "__main__":
    main(sys.argv[1])

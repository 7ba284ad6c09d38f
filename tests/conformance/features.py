"""Pipelines that each need a feature of the IR, compiled by the SDK into argv[1] beside expected.yaml."""
# The SDK reads annotations by their old names, and gives functions other signatures than they have.
# ruff: noqa: UP006, UP035, UP045, RUF013
# pyright: reportCallIssue=false, reportReturnType=false, reportInvalidTypeForm=false, reportArgumentType=false
# pyright: reportAttributeAccessIssue=false

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, List, NamedTuple, Optional

import yaml
from kfp import compiler, dsl, kubernetes

PIPELINES: dict[str, tuple[Any, Any]] = {}


def expects(
    state: str = "SUCCEEDED",
    outputs: dict[str, Any] | None = None,
    config: dsl.PipelineConfig | None = None,
) -> Callable[[Any], Any]:
    """Name a pipeline's end and its outputs."""

    def add(function: Any) -> Any:
        said = {"state": state, "outputs": outputs or {}}
        name = function.__name__
        PIPELINES[name] = (dsl.pipeline(name=name.replace("_", "-"), pipeline_config=config)(function), said)
        return function

    return add


@dsl.component
def add(a: int, b: int = 1) -> int:
    """Add; the second has a default."""
    return a + b


@dsl.component
def total(numbers: list) -> int:
    """Add all."""
    return int(sum(numbers))


@dsl.component
def fail(message: str) -> str:
    """Fail."""
    raise RuntimeError(message)


@dsl.component
def write(text: str, data: dsl.Output[dsl.Dataset]) -> None:
    """Write an artifact with properties."""
    with open(data.path, "w") as file:
        file.write(text)
    data.metadata["length"] = len(text)


@dsl.component
def read(data: dsl.Input[dsl.Dataset]) -> str:
    """Read an artifact and one of its properties."""
    with open(data.path) as file:
        return f"{file.read()} {int(data.metadata.get('length', -1))}"


@dsl.component
def read_all(data: dsl.Input[List[dsl.Dataset]]) -> str:
    """Read many artifacts."""
    return ",".join(sorted(open(one.path).read() for one in data))


@dsl.component
def say(text: str) -> str:
    """Hand a text on."""
    return text


@dsl.component
def kinds(text: str, number: float, yes: bool, many: list, fields: dict) -> str:
    """Tell the types that arrive."""
    return f"{text} {number} {yes} {many} {sorted(fields.items())}"


@dsl.component
def maybe(text: Optional[str] = None, data: Optional[dsl.Input[dsl.Dataset]] = None) -> str:
    """Do without."""
    return f"{text} {data}"


@dsl.component
def two(a: int) -> NamedTuple("Two", [("more", int), ("less", int)]):
    """Hand two back."""
    from typing import NamedTuple

    return NamedTuple("Two", [("more", int), ("less", int)])(a + 1, a - 1)


@dsl.component
def told(status: dsl.PipelineTaskFinalStatus, text: str) -> None:
    """Hear how a task ended."""
    assert status.state == "FAILED", status
    assert text == "always"


@dsl.component
def measured(metrics: dsl.Output[dsl.Metrics], matrix: dsl.Output[dsl.ClassificationMetrics]) -> None:
    """Log metrics."""
    metrics.log_metric("mae", 0.5)
    matrix.log_confusion_matrix(["a", "b"], [[1, 0], [0, 1]])


@dsl.component
def variable(name: str) -> str:
    """Read an environment variable."""
    import os

    return os.environ[name]


@dsl.component
def flaky(times: int) -> int:
    """Fail as often as that, by the number of the attempt in the pod's name."""
    import os

    attempt = int(os.environ["KFP_POD_NAME"].rsplit("-", 1)[1])
    if attempt <= times:
        raise RuntimeError("not yet")
    return attempt


@dsl.component
def keep(folder: str, text: str) -> str:
    """Write into a folder."""
    with open(f"{folder}/kept", "w") as file:
        file.write(text)
    return folder


@dsl.component
def kept(folder: str) -> str:
    """Read from a folder."""
    return open(f"{folder}/kept").read()


@dsl.container_component
def python_program(text: str, out: dsl.OutputPath(str), more: str = None):
    """Run a container's own command, with placeholders of all kinds."""
    program = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.parent.mkdir(parents=True, exist_ok=True); "
    return dsl.ContainerSpec(
        image="python:3.11",
        command=["python3", "-c", program + "p.write_text(' '.join(sys.argv[2:]))"],
        args=[
            out,
            dsl.ConcatPlaceholder(["<", text, ">"]),
            f"f-string: {text}",
            dsl.IfPresentPlaceholder(input_name="more", then=["--more", more], else_=["--none"]),
        ],
    )


@dsl.container_component
def nowhere():
    """Run in an image that is nowhere."""
    return dsl.ContainerSpec(image="nobody/nothing:1", command=["true"])


@dsl.pipeline
def inner(a: int) -> int:
    """Add twice."""
    return add(a=add(a=a).output).output


@expects(outputs={"Output": 5})
def chain(a: int = 3) -> int:
    return add(a=add(a=a).output).output


@expects(outputs={"Output": "a 0.5 True [1, 'b'] [('x', {'y': 1})]"})
def parameter_types() -> str:
    return kinds(text="a", number=0.5, yes=True, many=[1, "b"], fields={"x": {"y": 1}}).output


@expects(outputs={"Output": "None None"})
def optional_inputs() -> str:
    return maybe().output


@expects(outputs={"Output": 14})
def several_outputs() -> int:
    both = two(a=7)
    return add(a=both.outputs["more"], b=both.outputs["less"]).output


@expects(outputs={"Output": "hello 5"})
def artifacts() -> str:
    return read(data=write(text="hello").outputs["data"]).output


@expects(outputs={"Output": "yes"})
def if_elif_else(n: int = 2) -> str:
    with dsl.If(n == 1):
        one = say(text="no")
    with dsl.Elif(n == 2):
        other = say(text="yes")
    with dsl.Else():
        rest = say(text="else")
    return dsl.OneOf(one.output, other.output, rest.output)


@expects()
def nested_conditions(n: int = 2) -> None:
    with dsl.If(n > 1):
        with dsl.If(n < 3):
            say(text="between")
        with dsl.If(n == 9):
            fail(message="not reached")


@expects(outputs={"Output": 9})
def loop_with_collected() -> int:
    with dsl.ParallelFor([1, 2, 3], parallelism=2) as item:
        each = add(a=item)
    return total(numbers=dsl.Collected(each.output)).output


@expects(outputs={"Output": "a,b"})
def collected_artifacts() -> str:
    with dsl.ParallelFor(["a", "b"]) as item:
        each = write(text=item)
    return read_all(data=dsl.Collected(each.outputs["data"])).output


@expects(outputs={"Output": 5})
def nested_pipeline() -> int:
    return inner(a=3).output


@expects(state="FAILED")
def exit_handler() -> None:
    with dsl.ExitHandler(told(text="always")):
        fail(message="on purpose")


@expects(state="FAILED")
def ignored_failure() -> None:
    failed = fail(message="on purpose")
    say(text="after").after(failed).ignore_upstream_failure()


@expects(outputs={"Output": 3})
def retries() -> int:
    task = flaky(times=2)
    task.set_retry(num_retries=3, backoff_duration="0s", backoff_factor=1, backoff_max_duration="1s")
    return task.output


@expects(outputs={"Output": "<a> f-string: a --none"})
def container_placeholders() -> str:
    return python_program(text="a").outputs["out"]


@expects(outputs={"Output": "set"})
def environment() -> str:
    return variable(name="MINE").set_env_variable("MINE", "set").output


@expects(outputs={"Output": 4})
def resources() -> int:
    task = add(a=3).set_cpu_limit("1").set_memory_request("64M").set_accelerator_type("nvidia.com/gpu")
    kubernetes.add_node_selector(task, "disk", "ssd")
    kubernetes.set_timeout(task, 60)
    return task.output


@expects()
def metrics() -> None:
    measured()


@expects(outputs={"Output": "kept"}, config=dsl.PipelineConfig(workspace=dsl.WorkspaceConfig(size="1Gi")))
def workspace() -> str:
    folder = keep(folder=dsl.WORKSPACE_PATH_PLACEHOLDER, text="kept")
    return kept(folder=folder.output).output


@expects(outputs={"Output": "kept"})
def volumes() -> str:
    claim = kubernetes.CreatePVC(
        pvc_name_suffix="-c", access_modes=["ReadWriteOnce"], size="1Mi", storage_class_name=""
    )
    first = keep(folder="/claimed", text="kept")
    kubernetes.mount_pvc(first, pvc_name=claim.outputs["name"], mount_path="/claimed")
    second = kept(folder="/other").after(first)
    kubernetes.mount_pvc(second, pvc_name=claim.outputs["name"], mount_path="/other")
    kubernetes.DeletePVC(pvc_name=claim.outputs["name"]).after(second)
    return second.output


@expects(state="FAILED")
def unmapped_image() -> None:
    nowhere()


def main(out: Path) -> None:
    """Compile all."""
    expected = {}
    for name, (pipeline, said) in PIPELINES.items():
        compiler.Compiler().compile(pipeline, str(out / f"{name}.yaml"))
        expected[name] = said
    (out / "expected.yaml").write_text(yaml.safe_dump(expected, sort_keys=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

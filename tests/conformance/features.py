"""Pipelines that each need a feature of the IR; compiled into features/, beside what they are expected to do."""
# The SDK reads annotations by their old names, and gives functions other signatures than they have.
# ruff: noqa: UP006, UP035
# pyright: reportCallIssue=false, reportReturnType=false, reportInvalidTypeForm=false, reportArgumentType=false
# pyright: reportAttributeAccessIssue=false

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, List

import yaml
from kfp import compiler, dsl, kubernetes
from steps import (
    add,
    decide,
    fail,
    flaky,
    folder_of_texts,
    imported,
    instant,
    instant_of,
    joined,
    keep,
    kept,
    kinds,
    kinds_of,
    lengthy,
    maybe,
    measured,
    names_in,
    nowhere,
    pair,
    product,
    python_program,
    read,
    read_all,
    same,
    say,
    shown,
    told,
    total,
    two,
    unset,
    variable,
    write,
)

ON_PURPOSE = ("a task fails on purpose", "on purpose")
PIPELINES: dict[str, tuple[Any, Any]] = {}


def expects(
    outputs: dict[str, Any] | None = None,
    fails: tuple[str, str] | None = None,
    config: dsl.PipelineConfig | None = None,
    **more: Any,
) -> Callable[[Any], Any]:
    """Name a pipeline's outputs, or why it fails and what in it proves that."""

    def add(function: Any) -> Any:
        said: dict[str, Any] = {"state": "FAILED" if fails else "SUCCEEDED"}
        if fails:
            said |= {"class": "as on KFP", "because": fails[0], "proof": fails[1]}
        if outputs:
            said["outputs"] = outputs
        said |= more
        name = function.__name__
        PIPELINES[name] = (dsl.pipeline(name=name.replace("_", "-"), pipeline_config=config)(function), said)
        return function

    return add


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


@expects(fails=ON_PURPOSE)
def exit_handler() -> None:
    with dsl.ExitHandler(told(text="always")):
        fail(message="on purpose")


@expects(fails=ON_PURPOSE)
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


@expects(outputs={"Output": "a=aa,b=bb"})
def artifact_folders() -> str:
    return names_in(data=folder_of_texts().outputs["data"]).output


@dsl.pipeline
def written_texts(texts: List[str]) -> List[dsl.Dataset]:
    """Write an artifact for each text."""
    with dsl.ParallelFor(texts) as text:
        written = write(text=text)
    return dsl.Collected(written.outputs["data"])


@expects(outputs={"Output": "a 1,bc 2"})
def loop_over_artifacts() -> str:
    with dsl.ParallelFor(items=written_texts(texts=["a", "bc"]).output, parallelism=1) as data:
        each = read(data=data)
    return joined(texts=dsl.Collected(each.output)).output


@expects(outputs={"Output": 21})
def loop_in_a_loop() -> int:
    with dsl.ParallelFor([1, 2]) as outer, dsl.ParallelFor([3, 4]) as inner_item:
        each = product(a=outer, b=inner_item)
    return total(numbers=dsl.Collected(each.output)).output


@expects(outputs={"Output": "x=1,y=2"})
def loop_over_fields() -> str:
    with dsl.ParallelFor([{"label": "x", "side": "1"}, {"label": "y", "side": "2"}]) as item:
        each = pair(name=item.label, value=item.side)
    return joined(texts=dsl.Collected(each.output)).output


@expects(outputs={"Output": "nothing imported 3"})
def conditions_on_kinds() -> str:
    with dsl.If(decide().outputs["share"] >= 0.5):
        one = say(text="nothing imported 3")
    with dsl.Else():
        other = say(text="else")
    return dsl.OneOf(one.output, other.output)


@expects(outputs={"Output": "/etc/passwd outside 3"})
def importer() -> str:
    data = dsl.importer(
        artifact_uri="file:///etc/passwd",
        artifact_class=dsl.Dataset,
        reimport=True,
        metadata={"of": "outside", "number": total(numbers=[1, 2]).output},
    )
    return imported(data=data.output).output


@expects()
def visualisations() -> None:
    shown()


@expects(outputs={"Output": "not the same"})
def caching_off() -> str:
    first = instant().set_caching_options(False)
    second = instant().set_caching_options(False).after(first)
    return same(one=first.output, other=second.output).output


@expects(outputs={"Output": 1})
def cache_key() -> int:
    with dsl.ParallelFor([1, 2], parallelism=1) as item:
        each = instant_of(number=item).set_caching_options(True, cache_key="mine")
    return kinds_of(texts=dsl.Collected(each.output)).output


@dsl.pipeline
def put_away(status: dsl.PipelineTaskFinalStatus = None, text: str = "") -> None:
    """Clean up after others."""
    say(text=text)


@expects(fails=ON_PURPOSE)
def pipeline_as_exit_task() -> None:
    with dsl.ExitHandler(put_away(text="always")):
        fail(message="on purpose")


@expects(outputs={"Output": "unset"})
def absent_secrets_and_config_maps() -> str:
    task = unset(name="MINE")
    kubernetes.use_secret_as_env(task, "nobody-s", {"key": "MINE"}, optional=True)
    kubernetes.use_config_map_as_env(task, "nobody-s", {"key": "MINE"}, optional=True)
    kubernetes.use_secret_as_volume(task, "nobody-s", "/secret", optional=True)
    kubernetes.empty_dir_mount(task, "scratch", "/scratch")
    return task.output


@expects(fails=("a task outlasts its deadline", "activeDeadlineSeconds"))
def deadline() -> None:
    kubernetes.set_timeout(lengthy(), 1)


@expects(outputs={"Output": "disk"})
def placements_of_a_cluster() -> str:
    task = say(text="disk")
    kubernetes.add_toleration(task, key="gpu", operator="Exists", effect="NoSchedule")
    kubernetes.add_node_affinity(task, match_expressions=[{"key": "disk", "operator": "In", "values": ["ssd"]}])
    kubernetes.add_pod_label(task, "team", "a")
    return task.output


@expects(fails=("no such image", "nobody/nothing:1"))
def unmapped_image() -> None:
    nowhere()


def compile_into(folder: Path) -> None:
    """Compile all."""
    expected = {}
    for name, (pipeline, said) in sorted(PIPELINES.items()):
        compiler.Compiler().compile(pipeline, str(folder / f"{name}.yaml"))
        expected[name] = said
    text = "# Written by features.py, which has the pipelines.\n" + yaml.safe_dump(expected, sort_keys=False)
    (folder / "expected.yaml").write_text(text)


def main() -> int:
    """Compile into a folder, or tell whether what lies there is what would be compiled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    if not given.check:
        compile_into(given.folder)
        return 0
    with tempfile.TemporaryDirectory() as fresh:
        compile_into(Path(fresh))
        texts = [{path.name: path.read_text() for path in folder.iterdir()} for folder in (Path(fresh), given.folder)]
    stale = sorted(name for name in {*texts[0], *texts[1]} if texts[0].get(name) != texts[1].get(name))
    if stale:
        print(f"compiled by others than this SDK and features.py: {', '.join(stale)}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

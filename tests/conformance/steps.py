"""The components of features.py."""
# The SDK reads annotations by their old names, and gives functions other signatures than they have.
# ruff: noqa: UP006, UP035, UP045, RUF013
# pyright: reportReturnType=false, reportInvalidTypeForm=false, reportArgumentType=false, reportAttributeAccessIssue=false

from typing import List, NamedTuple, Optional

from kfp import dsl


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


@dsl.component
def folder_of_texts(data: dsl.Output[dsl.Dataset]) -> None:
    """Write a folder as an artifact."""
    import os

    os.makedirs(data.path)
    for name in ("a", "b"):
        with open(f"{data.path}/{name}", "w") as file:
            file.write(name * 2)


@dsl.component
def names_in(data: dsl.Input[dsl.Dataset]) -> str:
    """Read a folder that is an artifact."""
    import os

    return ",".join(f"{name}={open(f'{data.path}/{name}').read()}" for name in sorted(os.listdir(data.path)))


@dsl.component
def imported(data: dsl.Input[dsl.Dataset]) -> str:
    """Tell what an importer says of an artifact."""
    return f"{data.path} {data.metadata['of']} {int(data.metadata['number'])}"


@dsl.component
def shown(page: dsl.Output[dsl.HTML], text: dsl.Output[dsl.Markdown]) -> None:
    """Write what is to be looked at."""
    for artifact, content in ((page, "<p>hello</p>"), (text, "*hello*")):
        with open(artifact.path, "w") as file:
            file.write(content)


@dsl.component
def instant() -> str:
    """Hand back what is never the same."""
    import time

    return str(time.time_ns())


@dsl.component
def instant_of(number: int) -> str:
    """Hand back what is never the same."""
    import time

    return f"{number} {time.time_ns()}"


@dsl.component
def kinds_of(texts: list) -> int:
    """Count what differs."""
    return len(set(texts))


@dsl.component
def same(one: str, other: str) -> str:
    """Compare."""
    return "same" if one == other else "not the same"


@dsl.component
def lengthy() -> None:
    """Take longer than anybody waits."""
    import time

    time.sleep(600)


@dsl.component
def joined(texts: list) -> str:
    """Join texts, sorted."""
    return ",".join(sorted(texts))


@dsl.component
def product(a: int, b: int) -> int:
    """Multiply."""
    return a * b


@dsl.component
def pair(name: str, value: str) -> str:
    """Name a value."""
    return f"{name}={value}"


@dsl.component
def decide() -> NamedTuple("Decided", [("share", float), ("ready", bool)]):
    """Hand two kinds back."""
    from typing import NamedTuple

    return NamedTuple("Decided", [("share", float), ("ready", bool)])(0.5, True)


@dsl.component
def unset(name: str) -> str:
    """Tell that a variable is not there."""
    import os

    return os.environ.get(name, "unset")

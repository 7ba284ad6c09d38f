"""Random pipelines, the same for the same seed, of everything that tells tasks when to run and what they are given.

Steps are containers' commands that start in milliseconds. Each notes in a file what it was given, so that two engines
can be asked whether they ran the same.
"""
# The SDK gives functions other signatures than they have.
# pyright: reportCallIssue=false, reportArgumentType=false, reportAttributeAccessIssue=false, reportInvalidTypeForm=false
# ruff: noqa: RUF013, UP006, UP035

import random
from collections.abc import Callable
from typing import Any, List

from google.protobuf import json_format
from kfp import components, dsl

# kfp.local runs commands that name KFP's executor, and no others.
PROGRAM = """# kfp.dsl.executor_main is not needed for this
import json, os, sys
kind, log, out, *given = sys.argv[1:]
with open(log, "a") as notes:
    notes.write(" ".join([kind, *given]) + "\\n")
if kind == "broken":
    sys.exit("broken on purpose")
numbers = [json.loads(text) for text in given if not text.startswith("--")]
if kind == "list":
    answer = [numbers[0] % 7 + n for n in range(numbers[1] % 3 + 1)]
elif kind == "total":
    answer = sum(number for number in numbers[0])
else:
    answer = sum((n + 1) * number for n, number in enumerate(numbers)) % 23
os.makedirs(os.path.dirname(out), exist_ok=True)
with open(out, "w") as file:
    json.dump(answer, file)
"""
COMMAND = ["python3", "-S", "-E", "-c", PROGRAM]
IMAGE = "python:3.11"


def named(component: Any) -> Any:
    """Return a component whose output `out` is named Output: kfp.local knows no other in conditions.

    The SDK lets a container component have no output of that name.
    """
    written = json_format.MessageToJson(component.pipeline_spec)
    written = written.replace('"out"', '"Output"').replace("parameters['out']", "parameters['Output']")
    return components.load_component_from_text(written)


@named
@dsl.container_component
def mix(log: str, a: int, b: int, out: dsl.OutputPath(int)):
    """Make a number of two."""
    return dsl.ContainerSpec(image=IMAGE, command=COMMAND, args=["mix", log, out, a, b])


@named
@dsl.container_component
def usual(log: str, a: int, out: dsl.OutputPath(int), b: int = 5):
    """Make a number of two, of which one has a default."""
    return dsl.ContainerSpec(image=IMAGE, command=COMMAND, args=["usual", log, out, a, b])


@named
@dsl.container_component
def maybe(log: str, a: int, out: dsl.OutputPath(int), b: int = None):
    """Make a number of one, or of two."""
    there = dsl.IfPresentPlaceholder(input_name="b", then=["--b", b], else_=["--none"])
    return dsl.ContainerSpec(image=IMAGE, command=COMMAND, args=["maybe", log, out, a, there])


@named
@dsl.container_component
def total(log: str, numbers: list, out: dsl.OutputPath(int)):
    """Sum a list up."""
    return dsl.ContainerSpec(image=IMAGE, command=COMMAND, args=["total", log, out, numbers])


@named
@dsl.container_component
def broken(log: str, a: int, out: dsl.OutputPath(int)):
    """Fail."""
    return dsl.ContainerSpec(image=IMAGE, command=COMMAND, args=["broken", log, out, a])


@dsl.container_component
def some(log: str, a: int, n: int, out: dsl.OutputPath(List[int])):
    """Make a list."""
    return dsl.ContainerSpec(image=IMAGE, command=COMMAND, args=["list", log, out, a, n])


class Writer:
    """Writes one pipeline, and notes which features it has."""

    def __init__(self, seed: int, without: set[str]) -> None:
        self.random = random.Random(seed)
        self.without = without
        self.features: set[str] = set()
        self.log: Any = None
        self.given: list[Any] = []
        self.nested = 0
        self.pipelines: list[Any] = []

    def may(self, feature: str, chance: float) -> bool:
        """Whether to use a feature here."""
        # Drawn in any case: leaving a feature out changes nothing else.
        drawn = self.random.random() < chance
        if drawn and feature not in self.without:
            self.features.add(feature)
            return True
        return False

    def number(self, numbers: list[Any]) -> Any:
        """Return something to give to a task."""
        return self.random.choice([*numbers[-4:], self.random.randrange(9)])

    def task(self, component: Any, **given: Any) -> Any:
        """Return the output of a task that is never taken from a cache."""
        return self.started(component, **given).output

    def started(self, component: Any, **given: Any) -> Any:
        """Return a task that is never taken from a cache."""
        return component(log=self.log, **given).set_caching_options(False)

    def plain(self, numbers: list[Any]) -> Any:
        """Write a task of numbers that are there."""
        for feature, component in (("default", usual), ("absent", maybe)):
            if self.may(feature, 0.2):
                given = {"b": self.number(numbers)} if self.random.random() < 0.5 else {}
                return self.task(component, a=self.number(numbers), **given)
        return self.task(mix, a=self.number(numbers), b=self.number(numbers))

    def block(self, numbers: list[Any], depth: int) -> list[Any]:
        """Write some statements of a DAG within another; return the numbers that are there after them."""
        self.nested += 1
        numbers = self.statements(numbers, depth)
        self.nested -= 1
        return numbers

    def statements(self, numbers: list[Any], depth: int) -> list[Any]:
        """Write some statements; return the numbers that are there after them."""
        numbers = [*numbers, self.plain(numbers)]
        for _ in range(self.random.randrange(1, 3)):
            numbers.append(self.statement(numbers, depth))
        return numbers

    def statement(self, numbers: list[Any], depth: int) -> Any:
        """Write a statement; return its number."""
        choices: list[tuple[str, float, Callable[[list[Any], int], Any]]] = [
            ("if", 0.35, self.branches),
            ("loop", 0.35, self.loop),
            ("pipeline", 0.2, self.pipeline),
            ("failure ignored", 0.06, self.ignored),
        ]
        for feature, chance, write in choices:
            if depth > 0 and self.may(feature, chance):
                return write(numbers, depth - 1)
        return self.plain(numbers)

    def condition(self, numbers: list[Any]) -> Any:
        """Write a condition on the last number, or on what the pipeline is given."""
        limit = self.random.randrange(23)
        within = self.nested > 0
        tested = self.random.choice(self.given)
        if not within or self.may("condition on an inner output", 0.5):
            tested = numbers[-1]
        kinds = [tested == limit, tested != limit, tested < limit, tested <= limit, tested > limit, tested >= limit]
        return self.random.choice(kinds)

    def branches(self, numbers: list[Any], depth: int) -> Any:
        """Write If, Elif, Else; return what the one that is taken gives, where one is in any case."""
        numbers = [*numbers, self.plain(numbers)]
        first, second = self.condition(numbers), self.condition(numbers)
        with dsl.If(first):
            ends = [self.block(numbers, depth)[-1]]
        if self.may("elif", 0.4):
            with dsl.Elif(second):
                ends.append(self.block(numbers, depth)[-1])
        # After an Elif without an Else, the SDK (2.17.0) compiles what follows into the group of the branches.
        if not (self.may("else", 0.7) or len(ends) > 1):
            return numbers[-1]
        with dsl.Else():
            ends.append(self.block(numbers, depth)[-1])
        if not self.may("one of", 0.7):
            return numbers[-1]
        return self.task(mix, a=dsl.OneOf(*ends), b=1)

    def loop(self, numbers: list[Any], depth: int) -> Any:
        """Write a loop over a list, known or not; return the sum of what its iterations give."""
        if self.may("loop over an output", 0.5):
            items = self.task(some, a=self.number(numbers), n=self.number(numbers))
        else:
            items = [self.random.randrange(9) for _ in range(self.random.randrange(1, 4))]
        parallelism = self.random.choice([None, 1, 2])
        within = numbers if self.may("outer output in a loop", 0.5) else self.given
        with dsl.ParallelFor(items, parallelism=parallelism) as item:
            # The last task is the loop's own: what is collected through more than one loop is another matter.
            end = self.task(mix, a=self.block([*within, item], depth)[0], b=item)
        return self.task(total, numbers=dsl.Collected(end))

    def prepare(self) -> None:
        """Write the pipelines that others may call; the second may call the first."""
        for nth in range(self.random.randrange(3)):

            @dsl.pipeline(name=f"inner-{nth}")
            def inner(log: str, a: int, b: int = 4) -> int:
                self.log, self.given = log, [a, b]
                return self.block(self.given, 1)[-1]

            self.pipelines.append(inner)

    def pipeline(self, numbers: list[Any], depth: int) -> Any:
        """Call a pipeline."""
        if not self.pipelines:
            return self.plain(numbers)
        given = {"b": self.number(numbers)} if self.random.random() < 0.5 else {}
        return self.random.choice(self.pipelines)(log=self.log, a=self.number(numbers), **given).output

    def ignored(self, numbers: list[Any], depth: int) -> Any:
        """Write a task that fails, and one that runs nevertheless."""
        failed = self.started(broken, a=self.number(numbers))
        after = self.started(mix, a=self.random.randrange(9), b=depth)
        return after.after(failed).ignore_upstream_failure().output


def written(seed: int, without: set[str]) -> tuple[Any, set[str]]:
    """Return the pipeline of a seed and its features."""
    writer = Writer(seed, without)
    writer.prepare()

    @dsl.pipeline(name=f"seed-{seed}")
    def pipeline(log: str, a: int, b: int = 4) -> int:
        writer.log, writer.given = log, [a, b]
        if writer.may("exit handler", 0.25):
            with dsl.ExitHandler(writer.started(mix, a=a, b=7)):
                writer.block([a, b], 1)
                if writer.may("failure", 0.3):
                    writer.task(broken, a=a)
        return writer.statements([a, b], 2)[-1]

    return pipeline, writer.features

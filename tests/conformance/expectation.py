"""What a pipeline is expected to do, and what in its own file says so."""

import dataclasses
import fnmatch
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

STATES = {"SUCCEEDED", "FAILED", "REFUSED"}
# Where a pipeline needs what is not everywhere, its end may be another one than expected.
NEEDS = {"no such image", "cloud account", "cluster only", "outside service"}
CLASSES = {*NEEDS, "as on KFP"}
VALUES: dict[str, Any] = {
    "NUMBER_INTEGER": 7,
    "NUMBER_DOUBLE": 0.5,
    "BOOLEAN": True,
    "LIST": ["a"],
    "STRUCT": {"A": "1", "B": "2"},
}


class ExpectationError(Exception):
    """A file of expectations that says something that cannot be."""


@dataclasses.dataclass
class Expectation:
    """How a pipeline ends, what it is given, what it hands back.

    One that does not end well says why: the class of the reason, the reason, and a text in the file that proves it.
    """

    state: str = "SUCCEEDED"
    kind: str = ""
    because: str = ""
    proof: str = ""
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    outputs: dict[str, Any] = dataclasses.field(default_factory=dict)
    timeout: float | None = None

    @property
    def reason(self) -> str:
        """Class and reason."""
        return f"{self.kind}: {self.because}" if self.kind else self.because

    def explains(self, outcome: str) -> bool:
        """Whether a pipeline may end so, too: it needs what is not everywhere, and ends badly without it."""
        return self.kind in NEEDS and outcome in {"FAILED", "REFUSED", "TIMEOUT"}


def read(path: Path) -> dict[str, Expectation]:
    """Read a file of patterns of names and what they are expected to do."""
    said: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
    expectations = {}
    for pattern, one in said.items():
        fields: dict[str, Any] = {"state": one} if isinstance(one, str) else dict(one)
        fields["kind"] = fields.pop("class", "")
        try:
            found = Expectation(**fields)
        except TypeError as error:
            raise ExpectationError(f"{path}: {pattern}: {error}") from error
        if found.state not in STATES:
            raise ExpectationError(f"{path}: {pattern}: no pipeline ends {found.state}")
        if found.kind and found.kind not in CLASSES:
            raise ExpectationError(f"{path}: {pattern}: there is no class `{found.kind}`")
        if found.state == "FAILED" and not (found.because and found.proof):
            raise ExpectationError(f"{path}: {pattern}: it does not say why, or not what in the file proves it")
        expectations[pattern] = found
    return expectations


def of(expectations: dict[str, Expectation], name: str, path: Path) -> Expectation:
    """Return that of the first pattern that matches a name; its proof is looked up in the file."""
    for pattern, found in expectations.items():
        if fnmatch.fnmatch(name, pattern):
            if found.proof and not any(found.proof in text for text in texts(path)):
                raise ExpectationError(f"{path}: `{found.proof}` is not in it, which is to prove: {found.reason}")
            return found
    return Expectation()


def documents(path: Path) -> list[Any]:
    """Return those of a package, none where it is no YAML."""
    try:
        return list(yaml.safe_load_all(path.read_text()))
    except yaml.YAMLError:
        return []


def texts(path: Path) -> Iterator[str]:
    """Yield a file as it is written, and each text in it as it is read."""
    yield path.read_text()
    inner = documents(path)
    while inner:
        match inner.pop():
            case dict() as fields:
                inner.extend(fields.values())
            case list() as items:
                inner.extend(items)
            case str() as text:
                yield text


def arguments(path: Path, expected: Expectation) -> dict[str, Any]:
    """Return what a pipeline is given: a value of its type for what has no default, and what is said."""
    spec = next((one for one in documents(path) if isinstance(one, dict) and "root" in one), {})
    parameters = spec.get("root", {}).get("inputDefinitions", {}).get("parameters", {})
    needed = {
        name: VALUES.get(kind["parameterType"], "text")
        for name, kind in parameters.items()
        if "defaultValue" not in kind and not kind.get("isOptional")
    }
    return {**needed, **expected.arguments}


def differences(given: dict[str, Any], expected: Expectation) -> str:
    """Say which outputs are not as expected."""
    wrong = {key: given.get(key) for key, value in expected.outputs.items() if given.get(key) != value}
    return f"outputs {wrong}, expected {expected.outputs}" if wrong else ""

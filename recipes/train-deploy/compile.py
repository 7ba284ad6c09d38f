"""Compiles the recipe: `python compile.py --out DIR [--registry basecamp]`.

Writes `pipeline.yaml` (KFP's IR), `image.json` (the files of the recipe's image and a tag a step) and `runtime.yaml`
(how the model is served). Equal sources give equal bytes: nothing of time or place goes in.

A step's image tag names its code: the digest over the lock, over every module of this recipe that the step can import,
and over the data files that these read. KFP hashes an image's name and not its content; so its cache, too, misses when
one of these has changed, and only then. All tags are one image.

A module says at its top level what its imports do not: `READS`, files it reads, and `STARTS`, modules it has run as
programs, here or elsewhere.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECIPE = Path(__file__).resolve().parent
LOCK = "requirements.lock"
# Where steps find their code; it says nothing that a step's own name and module do not, so it is in no tag.
CONFIG = "kfp_config.ini"
NAME = "train-deploy"
SERVER = "server"
EXECUTOR = "kfp.dsl.executor_main"
RUNTIME = "server/runtime.yaml"
MODEL = "next-week-commits"


class CompileError(Exception):
    """The recipe does not fit together; the message names the file."""


@dataclass(frozen=True)
class Image:
    """What `image.json` says."""

    name: str
    digest: str
    files: dict[str, str]
    tags: dict[str, str]
    modules: dict[str, list[str]]

    def reference(self, step: str) -> str:
        """The image as a step names it."""
        return f"{self.name}:{self.tags[step]}"


def module_file(root: Path, module: str) -> Path | None:
    """The file of a module of this recipe, None for any other."""
    base = root.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def closure(root: Path, modules: list[str]) -> set[str]:
    """Files, relative to the recipe, that running these modules can read of it: modules, and what they declare."""
    found: set[str] = set()
    waiting = list(modules)
    done: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in done:
            continue
        done.add(module)
        file = module_file(root, module)
        if file is None:
            continue
        found.add(str(file.relative_to(root)))
        # Importing a.b runs a's own file first.
        if parent := module.rpartition(".")[0]:
            waiting.append(parent)
        tree = ast.parse(file.read_bytes(), str(file))
        waiting += _imports(tree, module, is_package=file.name == "__init__.py")
        for path in _declared(tree, "READS", file):
            if not (root / path).is_file():
                raise CompileError(f"{file.relative_to(root)} declares to read {path}, which is no file of the recipe")
            found.add(path)
        for program in _declared(tree, "STARTS", file):
            if module_file(root, program) is None:
                raise CompileError(f"{file.relative_to(root)} declares to start {program}, no module of the recipe")
            waiting.append(program)
    return found


def _imports(tree: ast.Module, module: str, *, is_package: bool) -> Iterator[str]:
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module if is_package else module.rpartition(".")[0]
                for _ in range(node.level - 1):
                    package = package.rpartition(".")[0]
                base = f"{package}.{base}".strip(".")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below that can be run: not what stands under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            yield from (inner for statement in child.orelse for inner in [statement, *_executed(statement)])
            continue
        yield child
        yield from _executed(child)


def _declared(tree: ast.Module, name: str, file: Path) -> list[str]:
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            assert isinstance(statement, ast.Assign)
            try:
                return list(ast.literal_eval(statement.value))
            except ValueError as error:
                raise CompileError(f"{file}: {name} must be written out, a tuple of texts") from error
    return []


def image(root: Path, registry: str, steps: list[str]) -> Image:
    """The recipe's image: the files of all its steps and of the server, and a tag for each."""
    sources = {step: closure(root, [f"steps.{step}"]) for step in steps}
    sources[SERVER] = closure(root, ["server.main"])
    for step, files in sources.items():
        if not files:
            raise CompileError(f"step {step} has no module steps/{step}.py")
    every = sorted(set().union(*sources.values()) | {LOCK, CONFIG})
    files = {path: hashlib.sha256((root / path).read_bytes()).hexdigest() for path in every}
    tags = {
        step: f"{step}-{_digest({path: files[path] for path in {*mine, LOCK}})[:12]}" for step, mine in sources.items()
    }
    modules = {
        EXECUTOR: libraries(root, [f"steps.{step}" for step in steps]),
        "server.main": libraries(root, ["server.main"]),
    }
    return Image(f"{registry}/{NAME}", _digest(files), files, tags, modules)


def libraries(root: Path, programs: list[str]) -> list[str]:
    """Modules, none of the recipe's own, that these import themselves: not what they start elsewhere."""
    own: set[str] = set()
    found: set[str] = set()
    waiting = list(programs)
    while waiting:
        module = waiting.pop()
        if module in own:
            continue
        own.add(module)
        if (file := module_file(root, module)) is None:
            continue
        tree = ast.parse(file.read_bytes(), str(file))
        imported = set(_imports(tree, module, is_package=file.name == "__init__.py"))
        waiting += imported
        found |= {name for name in _modules(tree) if name.partition(".")[0] not in sys.stdlib_module_names}
    return sorted(name for name in found if module_file(root, name) is None and not (root / name).is_dir())


def _modules(tree: ast.Module) -> Iterator[str]:
    """What its imports name as modules for certain: `a.b` of `from a.b import c`, which may be none."""
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _digest(files: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def runtime(root: Path, made: Image) -> dict[str, Any]:
    """The ClusterServingRuntime with its name and image: both tell the digest of the server's code."""
    import yaml

    document = yaml.safe_load((root / RUNTIME).read_text(encoding="utf-8"))
    digest = made.tags[SERVER].rpartition("-")[2]
    document["metadata"]["name"] = f"{MODEL}-{digest[:8]}"
    document["spec"]["containers"][0]["image"] = made.reference(SERVER)
    return document


def main() -> None:
    """Writes the three files."""
    parser = argparse.ArgumentParser(description="Compiles the recipe train-deploy.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--registry", default="basecamp", help="what the image's name begins with [basecamp]")
    arguments = parser.parse_args()
    sys.path.insert(0, str(RECIPE))
    import yaml
    from kfp import compiler

    import pipeline

    try:
        made = image(RECIPE, arguments.registry, list(pipeline.STEPS))
    except CompileError as error:
        sys.exit(f"recipe {NAME}: {error}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    # The compiler writes a kfp_config.ini beside every component's module; the recipe has one for all.
    with tempfile.TemporaryDirectory() as scratch:
        package = Path(scratch) / "pipeline.yaml"
        function = pipeline.build({step: made.reference(step) for step in pipeline.STEPS})
        compiler.Compiler().compile(function, str(package))  # pyright: ignore[reportArgumentType]
        text = package.read_text(encoding="utf-8")
    # KFP describes the pipeline in comments first, in an order that differs from process to process.
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    (arguments.out / "pipeline.yaml").write_text(text, encoding="utf-8")
    manifest = {
        "name": made.name,
        "digest": made.digest,
        "files": made.files,
        "tags": made.tags,
        "modules": made.modules,
        "own": list(pipeline.OWN_VARIABLES),
    }
    (arguments.out / "image.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    serving = yaml.safe_dump(runtime(RECIPE, made), sort_keys=False)
    (arguments.out / "runtime.yaml").write_text(serving, encoding="utf-8")


if __name__ == "__main__":
    main()

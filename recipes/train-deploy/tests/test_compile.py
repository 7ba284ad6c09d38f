"""Compiling: byte-stable, and tags that change with a step's own code only. Budget: 30 s."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

import pipeline
from compile import CompileError, closure, image, libraries, runtime
from registry import provenance
from tests.conftest import RECIPE, compiled

STEPS = list(pipeline.STEPS)
CLONE = RECIPE.parent.parent


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A copy of the recipe to change."""
    folder = tmp_path / "recipe"
    shutil.copytree(RECIPE, folder, ignore=shutil.ignore_patterns("__pycache__", ".*", "tests"))
    return folder


def test_two_compiles_give_the_same_bytes(package: dict[str, bytes], recipe: Path, tmp_path: Path) -> None:
    assert sorted(package) == ["image.json", "pipeline.yaml", "runtime.yaml"]
    assert compiled(recipe, tmp_path / "two", "2") == package
    text = package["pipeline.yaml"].decode()
    assert not re.search(r"20\d\d-\d\d-\d\d|/tmp|/root|/work", text)


def changed(recipe: Path, path: str, old: str, new: str) -> set[str]:
    """Which tags change with this change."""
    before = image(recipe, "basecamp", STEPS).tags
    file = recipe / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    after = image(recipe, "basecamp", STEPS).tags
    return {step for step in before if before[step] != after[step]}


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("compile.py", '"""', '# a comment\n"""', set()),
        ("pipeline.py", '"""', '# a comment\n"""', set()),
        ("README.md", "#", "# ", set()),
        ("features/views.py", '    "commits_7d",\n', "", {"extract"}),
        ("features/days.py", "(7, 14, 21, 28, 84)", "(7, 14, 21, 28, 56, 84)", {"extract"}),
        ("experiment.yaml", '"256"', '"128"', {"tune"}),
        ("tuning/trial.py", "SEED = 0", "SEED = 1", {"tune"}),
        ("training/job.py", "members ", "member ", {"train"}),
        ("training/rayjob.yaml", "500m", "400m", {"train"}),
        ("steps/train.py", "3600", "7200", {"train"}),
        ("forecast/fit.py", "EPOCHS = 40", "EPOCHS = 41", {"tune", "train"}),
        ("golden/golden.yaml", "requests: 4", "requests: 5", {"evaluate"}),
        ("evaluation/report.py", "Synthetic data.", "Synthetic.", {"evaluate"}),
        ("lakehouse/synthetic.py", "VERSION = 1", "VERSION = 2", {"ingest"}),
        ("server/main.py", '"""Serves', '"""It serves', {"server"}),
        ("registry/predictor.py", '"""', '# a comment\n"""', {"register"}),
        ("requirements.lock", "#", "# ", {*STEPS, "server"}),
    ],
)
def test_a_change_reaches_the_steps_that_read_it_and_no_other(
    recipe: Path, path: str, old: str, new: str, expected: set[str]
) -> None:
    assert changed(recipe, path, old, new) == expected


def test_a_module_that_no_step_imports_is_in_no_image(recipe: Path) -> None:
    before = image(recipe, "basecamp", STEPS)
    (recipe / "features" / "unused.py").write_text("# nothing\n")
    assert image(recipe, "basecamp", STEPS) == before


def test_imports_are_followed_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for path, text in {
        "a/__init__.py": "",
        "a/one.py": "from __future__ import annotations\nimport json\ndef f():\n    from a import two\n",
        "a/two.py": "from . import three\nfrom .four import x\nSTARTS = ('a.six',)\n",
        "a/three.py": "if TYPE_CHECKING:\n    import a.five\nelse:\n    import a.seven\n",
        "a/four.py": "x = 1\nREADS = ('data.txt',)",
        "a/five.py": "",
        "a/six.py": "",
        "a/seven.py": "",
        "data.txt": "",
    }.items():
        (tmp_path / path).write_text(text)
    names = ("__init__", "one", "two", "three", "four", "six", "seven")
    assert closure(tmp_path, ["a.one"]) == {"data.txt", *(f"a/{name}.py" for name in names)}


def test_a_worker_is_told_what_programs_import_themselves(tmp_path: Path) -> None:
    for path, text in {
        "one.py": "import json\nimport numpy as np\nimport two\nSTARTS = ('three',)\n",
        "two.py": "if TYPE_CHECKING:\n    import never\ndef f():\n    from pyarrow.parquet import read_table\n",
        "three.py": "import ray\n",
    }.items():
        (tmp_path / path).write_text(text)
    assert libraries(tmp_path, ["one"]) == ["numpy", "pyarrow.parquet"]
    assert libraries(tmp_path, ["three"]) == ["ray"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("READS = ('gone.yaml',)", "declares to read gone.yaml, which is no file of the recipe"),
        ("STARTS = ('gone',)", "declares to start gone, no module of the recipe"),
        ("READS = (NAME,)", "READS must be written out"),
    ],
)
def test_a_wrong_declaration_is_named(tmp_path: Path, line: str, expected: str) -> None:
    (tmp_path / "a.py").write_text(line)
    with pytest.raises(CompileError, match=expected):
        closure(tmp_path, ["a"])


def test_every_file_a_module_opens_beside_itself_is_declared() -> None:
    """`Path(__file__)` is how a module finds a file of the recipe: whoever does that says which."""
    for path in image(RECIPE, "basecamp", STEPS).files:
        text = (RECIPE / path).read_text()
        if path.endswith(".py") and "__file__" in text:
            assert re.search(r"^(READS|STARTS) = ", text, re.MULTILINE), path


def test_the_pipeline_is_what_the_house_expects(package: dict[str, bytes]) -> None:
    spec, platform = yaml.safe_load_all(package["pipeline.yaml"])
    tasks = {**spec["root"]["dag"]["tasks"], **spec["components"]["comp-condition-1"]["dag"]["tasks"]}
    assert set(tasks) == {*STEPS, "condition-1"}
    cached = {name for name, task in tasks.items() if task.get("cachingOptions", {}).get("enableCache")}
    assert cached == {"extract", "tune", "train", "evaluate"}
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    tags = image(RECIPE, "basecamp", STEPS).tags
    for step in STEPS:
        container = spec["deploymentSpec"]["executors"][f"exec-{step}"]["container"]
        assert container["image"] == f"basecamp/train-deploy:{tags[step]}"
        assert container["command"] == ["python3", "-m", "kfp.dsl.executor_main"]
        kubernetes = executors[f"exec-{step}"]
        for kind, name, keys in (
            ("configMapAsEnv", "configMapNameParameter", pipeline.ENV_KEYS),
            ("secretAsEnv", "secretNameParameter", pipeline.CREDENTIAL_KEYS),
        ):
            (entry,) = kubernetes[kind]
            assert entry["optional"] is True
            assert entry[name]["runtimeValue"]["constant"].startswith("basecamp-")
            assert len(entry["keyToEnv"]) == len(keys)
        assert kubernetes["fieldPathAsEnv"][0]["name"] == "KFP_RUN_ID"
    # The threshold is the gate's alone, and the commit the registry's: a change of either must reach no cached step.
    for step in cached:
        text = yaml.safe_dump(tasks[step])
        assert "threshold" not in text
        assert "git_commit" not in text
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    expected = {"repositories", "synthetic", "threshold", "max_trials", "git_commit", "runtime"}
    assert set(parameters) == expected
    assert all("defaultValue" in parameter for parameter in parameters.values())
    config = (RECIPE / "kfp_config.ini").read_text()
    assert re.findall(r"^(\w+) = steps/(\w+)\.py$", config, re.MULTILINE) == [(step, step) for step in STEPS]


def test_the_runtime_names_the_servers_code() -> None:
    made = image(RECIPE, "basecamp", STEPS)
    document = runtime(RECIPE, made)
    digest = made.tags["server"].removeprefix("server-")
    assert document["metadata"]["name"] == f"next-week-commits-{digest[:8]}"
    (container,) = document["spec"]["containers"]
    assert container["image"] == f"basecamp/train-deploy:server-{digest}"
    assert "RUNTIME_" not in yaml.safe_dump(document)


def constants(path: str) -> str:
    return (CLONE / path).read_text(encoding="utf-8")


def test_environment_keys_are_the_endpoints_crates() -> None:
    source = constants("crates/endpoints/src/environment.rs")

    def keys(name: str) -> tuple[str, ...]:
        found = re.search(rf"pub const {name}: \[&str; \d+\] = \[(.*?)\];", source, re.DOTALL)
        assert found is not None
        return tuple(re.findall(r'"([A-Z_0-9]+)"', found[1]))

    assert keys("ENV_KEYS") == pipeline.ENV_KEYS
    assert keys("CREDENTIAL_KEYS") == pipeline.CREDENTIAL_KEYS
    assert f'CONFIG_MAP: &str = "{pipeline.CONFIG_MAP}"' in source
    assert f'SECRET: &str = "{pipeline.SECRET}"' in source


def test_tags_are_the_registry_crates() -> None:
    source = constants("crates/model-registry/src/provenance.rs")
    made = provenance.Provenance("r", "s", "c", "d", "f", "g", "l", "o", "m")
    named = dict(re.findall(r'pub const ([A-Z_]+): &str = "([^"]+)"', source))
    required = re.search(r"REQUIRED: \[&str; \d+\] = \[(.*?)\];", source, re.DOTALL)
    assert required is not None
    assert set(made.tags) == {named[name] for name in re.findall(r"[A-Z_]+", required[1])}
    assert named["MODEL_FILE"] == provenance.MODEL_FILE
    assert named["GOLDEN_REQUESTS"] == provenance.GOLDEN_REQUESTS
    assert named["GOLDEN_PREDICTIONS"] == provenance.GOLDEN_PREDICTIONS


def test_the_lock_names_no_host() -> None:
    text = (RECIPE / "requirements.lock").read_text()
    assert "://" not in text
    assert "--hash=sha256:" in text

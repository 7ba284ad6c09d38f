"""The pipeline train-deploy. `compile.py` compiles it."""

from collections.abc import Callable
from typing import Any

from kfp import dsl, kubernetes
from kfp.dsl import PipelineTask

from steps.deploy import deploy
from steps.evaluate import evaluate
from steps.extract import extract
from steps.ingest import ingest
from steps.register import register
from steps.train import train
from steps.tune import tune

STEPS: dict[str, Callable[..., Any]] = {
    "ingest": ingest,
    "extract": extract,
    "tune": tune,
    "train": train,
    "evaluate": evaluate,
    "register": register,
    "deploy": deploy,
}

CONFIG_MAP = "basecamp-endpoints"
SECRET = "basecamp-credentials"  # noqa: S105
# The keys of both are the contract of crates/endpoints/src/environment.rs; a test compares.
ENV_KEYS = (
    "BASECAMP_RUNG",
    "BASECAMP_PIPELINES_URL",
    "BASECAMP_ARTIFACTS_ROOT",
    "BASECAMP_SERVING_URL",
    "BASECAMP_NAMESPACE_PIPELINES",
    "BASECAMP_NAMESPACE_TRIALS",
    "BASECAMP_NAMESPACE_TRAINING",
    "BASECAMP_NAMESPACE_SERVING",
    "KUBECONFIG",
    "MLFLOW_TRACKING_URI",
    "AWS_ENDPOINT_URL",
    "PYICEBERG_CATALOG__ABUKIX__TYPE",
    "PYICEBERG_CATALOG__ABUKIX__URI",
    "PYICEBERG_CATALOG__ABUKIX__WAREHOUSE",
    "PYICEBERG_CATALOG__ABUKIX__S3__ENDPOINT",
)
CREDENTIAL_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD")

MEMBERS = 8
"""Networks of the ensemble: beyond this many the skill no longer rises, below it varies with the seed."""

THRESHOLD = 0.1
"""The gate's default. On the synthetic repositories the skill is about 0.2 with every hyperparameter a search may come
up with, 0 would let pass what merely repeats last week, and half of what is usual leaves room for chance."""

# Threads that a step starts on its own would add up beyond what was declared, and their sums differ in the last bits.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


OWN_VARIABLES = ("RECIPE_IMAGE",)
"""What differs from step to step, and is read when a step runs: everything else may be read by imports."""


def build(images: dict[str, str]) -> Callable[..., Any]:
    """The pipeline function; `images` names each step's image."""
    components = {
        name: dsl.component(step, base_image=images[name], target_image=images[name]) for name, step in STEPS.items()
    }

    def task(step: str, **inputs: Any) -> PipelineTask:  # noqa: ANN401
        made: PipelineTask = components[step](**inputs)
        kubernetes.use_config_map_as_env(made, CONFIG_MAP, {key: key for key in ENV_KEYS}, optional=True)
        kubernetes.use_secret_as_env(made, SECRET, {key: key for key in CREDENTIAL_KEYS}, optional=True)
        kubernetes.use_field_path_as_env(made, "KFP_RUN_ID", "metadata.labels['pipeline/runid']")
        # What a step starts elsewhere runs its own image: a step cannot ask Kubernetes for the name of that.
        for name, value in {"RECIPE_IMAGE": images[step], **_ONE_THREAD}.items():
            made.set_env_variable(name, value)
        return made

    @dsl.pipeline(
        name="train-deploy",
        description="Predicts each repository's commits of the next week, and has the model registered and served.",
    )
    def train_deploy(
        repositories: list = [],  # noqa: B006
        synthetic: dict = {"seed": 7, "repositories": 24, "years": 3, "commits": 200_000},  # noqa: B006
        threshold: float = THRESHOLD,
        max_trials: int = 20,
        git_commit: str = "",
        runtime: str = "",
    ) -> None:
        """Ingest, extract, tune, train, evaluate; register and deploy where the skill is greater than the threshold.

        Args:
            repositories: Git bundles, each with name, uri and digest; none: synthetic repositories.
            synthetic: Seed, repositories, years and commits of the synthetic ones.
            threshold: The skill that a model must exceed to be registered.
            max_trials: Trials of the search, at most as many as experiment.yaml allows.
            git_commit: Commit of the recipe's repository, a tag of the model version.
            runtime: ClusterServingRuntime that serves the model.
        """
        # Never cached, because a cached success says nothing about the world: these three look first, and leave alone
        # what is as it should be.
        ingested = task("ingest", repositories=repositories, synthetic=synthetic).set_caching_options(False)
        extracted = task(
            "extract",
            snapshot_id=ingested.outputs["snapshot_id"],
            content_digest=ingested.outputs["content_digest"],
            repositories=ingested.outputs["repositories"],
        )
        data = {"train": extracted.outputs["train"], "validation": extracted.outputs["validation"]}
        tuned = task("tune", **data, max_trials=max_trials)
        trained = task(
            "train",
            **data,
            learning_rate=tuned.outputs["learning_rate"],
            batch_size=tuned.outputs["batch_size"],
            members=MEMBERS,
        )
        evaluated = task("evaluate", model=trained.outputs["model"], golden=extracted.outputs["golden"])
        with dsl.If(evaluated.outputs["skill"] > threshold):
            registered = task(
                "register",
                model=trained.outputs["model"],
                golden_answers=evaluated.outputs["golden_answers"],
                model_digest=trained.outputs["model_digest"],
                golden_digest=evaluated.outputs["golden_digest"],
                dataset_digest=extracted.outputs["dataset_digest"],
                content_digest=ingested.outputs["content_digest"],
                snapshot_id=ingested.outputs["snapshot_id"],
                feature_views=extracted.outputs["feature_views"],
                git_commit=git_commit,
                skill=evaluated.outputs["skill"],
                mae=evaluated.outputs["mae"],
            ).set_caching_options(False)
            task("deploy", version=registered.outputs["version"], runtime=runtime).set_caching_options(False)

    return train_deploy

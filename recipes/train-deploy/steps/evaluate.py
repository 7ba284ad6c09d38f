"""Step 5: measure the model on the golden set."""

from typing import NamedTuple

from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output


class Outputs(NamedTuple):
    """What the gate and the registry read."""

    skill: float
    mae: float
    golden_digest: str


def evaluate(
    model: Input[Model],
    golden: Input[Dataset],
    metrics: Output[Metrics],
    chart: Output[HTML],
    golden_answers: Output[Artifact],
) -> Outputs:
    """Measure the model on the golden set, and record golden requests with the answers it gives.

    Args:
        model: The fitted parameters.
        golden: The newest weeks.
        metrics: Skill and mean absolute error, over all and by repository.
        chart: The same as a page.
        golden_answers: Requests of the Open Inference Protocol v2 and their predictions, as JSON.

    Returns:
        Skill over the seasonal-naive forecast, mean absolute error in commits a week, and a digest that names the
        golden set with its answers.
    """
    import json
    from pathlib import Path

    from evaluation import report as reports
    from evaluation.golden import Spec, digest, record
    from features.datasets import Dataset as Golden
    from forecast.model import Model as Fitted

    fitted = Fitted.from_bytes(Path(model.path).read_bytes())
    with open(golden.path, "rb") as source:
        rows = Golden.read(source)
    spec = Spec.read()
    report = reports.evaluate(fitted, rows, spec)
    overall = report.overall
    metrics.log_metric("skill", overall.skill)
    metrics.log_metric("mae", overall.mae)
    metrics.log_metric("naive_mae", overall.naive_mae)
    for name, item in report.slices.items():
        metrics.log_metric(f"skill {name}", item.skill)
        metrics.log_metric(f"mae {name}", item.mae)
    Path(metrics.path).write_text(json.dumps(metrics.metadata, sort_keys=True), encoding="utf-8")
    Path(chart.path).write_text(reports.page(report, fitted.digest), encoding="utf-8")
    recorded = record(fitted, rows, spec)
    Path(golden_answers.path).write_text(json.dumps(recorded, sort_keys=True), encoding="utf-8")
    better = sum(item.skill > 0 for item in report.slices.values())
    made_up = " (synthetic data)" if report.synthetic else ""
    print(
        f"evaluate: skill {overall.skill:+.4f}{made_up}: MAE {overall.mae:.3f} against {overall.naive_mae:.3f} of the"
        f" seasonal-naive forecast, better on {better} of {len(report.slices)} repositories;"
        " the gate opens where the skill is greater than the run's threshold",
    )
    return Outputs(overall.skill, overall.mae, digest(recorded, spec))

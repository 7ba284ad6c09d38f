"""The evaluation's figures and the page that shows them."""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np

from evaluation.golden import GoldenError, Spec
from features.datasets import Dataset
from forecast.model import Model
from forecast.skill import NAIVE, Score, score

_WIDTH, _HEIGHT = 960, 240


@dataclass(frozen=True)
class Report:
    """Figures over all golden rows, by repository, and by week."""

    overall: Score
    slices: dict[str, Score]
    weeks: list[str]
    actual: np.ndarray
    """Commits of all repositories, one value a week."""
    predicted: np.ndarray
    naive: np.ndarray

    @property
    def synthetic(self) -> bool:
        """Whether a repository of it is made up."""
        return any(name.startswith("synthetic-") for name in self.slices)


def evaluate(model: Model, golden: Dataset, spec: Spec) -> Report:
    """Evaluates the model; raises GoldenError where the golden set is too small or a figure is not finite."""
    if len(golden.labels) < spec.minimum_rows:
        raise GoldenError(
            f"the golden set has {len(golden.labels)} rows, fewer than its minimum {spec.minimum_rows}:"
            " give repositories with more history by `--repo PATH`, or lower minimum_rows in golden/golden.yaml",
        )
    predictions = model.predict(golden.features)
    naive = golden.column(NAIVE)
    overall = score(predictions, naive, golden.labels)
    if not overall.finite:
        raise GoldenError(
            f"model {model.digest[:12]}: its error on the golden set is {overall.mae}, no number to judge by, so it is"
            " not registered: narrow the search in experiment.yaml, then `cargo xtask recipe train-deploy`",
        )
    slices = {
        str(name): score(predictions[mine], naive[mine], golden.labels[mine])
        for name in np.unique(golden.repositories)
        for mine in [golden.repositories == name]
    }
    weeks, week = np.unique(golden.times, return_inverse=True)
    return Report(
        overall=overall,
        slices=slices,
        weeks=[str(moment)[:10] for moment in weeks],
        actual=np.bincount(week, golden.labels),
        predicted=np.bincount(week, predictions),
        naive=np.bincount(week, naive),
    )


def page(report: Report, model_digest: str) -> str:
    """A page of its own: no script, nothing from elsewhere."""
    made_up = " <strong>Synthetic data.</strong>" if report.synthetic else ""
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{item.rows}</td><td>{item.mae:.2f}</td><td>{item.naive_mae:.2f}</td>"
        f"<td>{item.skill:+.3f}</td><td>{_bar(item.skill)}</td></tr>"
        for name, item in sorted(report.slices.items(), key=lambda entry: -entry[1].skill)
    )
    overall = report.overall
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>next-week-commits: evaluation</title>
<style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff; max-width: 60rem }}
table {{ border-collapse: collapse }} td, th {{ padding: .15rem .8rem .15rem 0; text-align: right }}
td:first-child, th:first-child {{ text-align: left }} code {{ font-size: 12px }}
</style></head><body>
<h1>next-week-commits on the golden set</h1>
<p>Skill {overall.skill:+.3f} over the seasonal-naive forecast: mean absolute error {overall.mae:.2f} commits a week
against {overall.naive_mae:.2f}, over {overall.rows} rows of {len(report.slices)} repositories and
{len(report.weeks)} weeks ({report.weeks[0]} to {report.weeks[-1]}).{made_up}<br>
Model <code>{html.escape(model_digest)}</code></p>
<h2>All repositories, by week</h2>
{_lines(report)}
<h2>By repository</h2>
<table><tr><th>repository</th><th>rows</th><th>MAE</th><th>naive MAE</th><th>skill</th><th></th></tr>{rows}</table>
</body></html>
"""


def _lines(report: Report) -> str:
    top = max(report.actual.max(), report.predicted.max(), report.naive.max(), 1.0)
    step = _WIDTH / max(len(report.weeks) - 1, 1)

    def line(values: np.ndarray, style: str) -> str:
        points = " ".join(
            f"{index * step:.1f},{_HEIGHT - _HEIGHT * value / top:.1f}" for index, value in enumerate(values)
        )
        return f'<polyline fill="none" stroke-width="2" {style} points="{points}"/>'

    return (
        f'<svg viewBox="0 -10 {_WIDTH} {_HEIGHT + 20}" width="100%" role="img" aria-label="commits by week">'
        + line(report.naive, 'stroke="#bbb" stroke-dasharray="4 4"')
        + line(report.actual, 'stroke="#222"')
        + line(report.predicted, 'stroke="#d4570b"')
        + "</svg>"
        '<p><span style="color:#222">■</span> commits, <span style="color:#d4570b">■</span> predicted, '
        f'<span style="color:#bbb">■</span> seasonal-naive; 0 to {top:,.0f} commits a week</p>'
    )


def _bar(skill: float) -> str:
    colour = "#2a7d4f" if skill > 0 else "#b3261e"
    width = min(abs(skill), 1.0) * 200
    return f'<svg width="200" height="10"><rect width="{width:.0f}" height="10" fill="{colour}"/></svg>'

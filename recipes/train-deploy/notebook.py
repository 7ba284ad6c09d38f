"""The recipe by hand: what its steps do up to the gate, cell by cell, with the functions that they call.

Editors that know `# %%` open this as a notebook; `python notebook.py` runs it from end to end. It needs the recipe's
environment and no rung: its lakehouse is a temporary folder, its commits are synthetic.
"""

# %% A lakehouse of one's own, named by PyIceberg's variables as for a step
import os
import tempfile
from pathlib import Path

folder = tempfile.TemporaryDirectory()
os.environ |= {
    "PYICEBERG_CATALOG__ABUKIX__TYPE": "sql",
    "PYICEBERG_CATALOG__ABUKIX__URI": f"sqlite:///{folder.name}/catalog.db",
    "PYICEBERG_CATALOG__ABUKIX__WAREHOUSE": f"file://{folder.name}/warehouse",
}

# %% Commits: synthetic here; `ingest_bundles` takes git bundles
from lakehouse.ingest import ingest_synthetic
from lakehouse.synthetic import Spec

ingested = ingest_synthetic(Spec.parse({"seed": 7, "repositories": 12, "years": 2, "commits": 60_000}))
print(f"{ingested.rows:,} commits in snapshot {ingested.snapshot_id}")

# %% Features as of every Monday, the newest weeks held out
from features.datasets import Dataset, write
from features.extraction import extract

extracted = extract(ingested.snapshot_id, ingested.repositories)
sets: dict[str, Dataset] = {}
for name in ("train", "validation", "golden"):
    path = Path(folder.name) / f"{name}.parquet"
    write(getattr(extracted, name), str(path))
    with path.open("rb") as source:
        sets[name] = Dataset.read(source)
    print(f"{name}: {len(sets[name].labels)} rows, {len(sets[name].names)} features")

# %% A search in small: each choice's error on the validation set, in commits a week
from forecast.ensemble import Hyperparameters, ensemble, scaled
from forecast.fit import fit_member
from tuning.trial import validation_error

choices = [Hyperparameters(rate, size) for rate in (0.003, 0.01) for size in (16, 64)]
errors = [validation_error(sets["train"], sets["validation"], choice) for choice in choices]
for choice, error in zip(choices, errors, strict=True):
    print(f"{choice}: mae {error:.3f}")

# %% The model: members that differ by their seeds alone
best = choices[errors.index(min(errors))]
known = sets["train"].joined(sets["validation"])
base = scaled(known)
model = ensemble(base, [fit_member(base, known, best, seed) for seed in range(8)])
print(f"model {model.digest[:12]} with {best}")

# %% Its skill on the weeks that nothing has seen yet, and the page that the step evaluate writes
from evaluation.golden import Spec as Golden
from evaluation.report import evaluate, page

report = evaluate(model, sets["golden"], Golden.read())
print(f"skill {report.overall.skill:+.4f} on synthetic data; the gate opens above the run's threshold")
(Path(folder.name) / "evaluation.html").write_text(page(report, model.digest), encoding="utf-8")

# %% The lakehouse goes
folder.cleanup()

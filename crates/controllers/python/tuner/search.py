"""Chooses the next trial: Optuna behind Ray Tune's searcher, counted by the records."""

from __future__ import annotations

import hashlib
from typing import Any

from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from tuner.experiment import Experiment
from tuner.records import Record, Records, State, assignment
from tuner.space import SpaceError, distributions

OBJECTIVE = "objective"
"""Name under which trials report their objective to Ray Tune, whatever the metric's own name is."""


class RecordedSearch(OptunaSearch):
    """OptunaSearch whose every suggestion is a record first.

    Suggestion n depends on the seed, on n and on the trials finished by then, and on nothing else: each is drawn from
    a sampler of its own. A sampler seeded once would after a restart repeat the points it began with.
    """

    def __init__(self, experiment: Experiment, records: Records) -> None:
        known = records.all()
        self._experiment = experiment
        self._records = records
        self._names: dict[str, str] = {}
        self._count = len(known)
        self._open = [record for record in known if not record.state.over]
        super().__init__(
            space=distributions(experiment.parameters),
            metric=OBJECTIVE,
            mode="min" if experiment.objective.type == "minimize" else "max",
            sampler=_sampler(experiment, 0),
            points_to_evaluate=[dict(record.parameters) for record in self._open],
        )
        for record in known:
            if record.state is State.SUCCEEDED:
                self.add_evaluated_point(record.parameters, _value(record))
            elif record.state.over:
                self.add_evaluated_point(record.parameters, 0.0, error=True)

    def suggest(self, trial_id: str) -> Any:
        """The trial to run next, `{"trial": name}`; finished once there are as many records as trials allowed."""
        if self._open:
            record = self._open.pop(0)
            # Asked for all the same: the study hands out the points it was given in their order.
            super().suggest(trial_id)
        elif self._count < self._experiment.max_trials:
            study = self._ot_study
            assert study is not None, "invariant: made in the constructor, because the space is known there"
            study.sampler = _sampler(self._experiment, self._count)
            parameters = dict(super().suggest(trial_id) or {})
            record = Record(
                name=f"{self._experiment.name}-{self._count:03}",
                index=self._count,
                parameters=parameters,
                assignments=tuple({"name": name, "value": assignment(value)} for name, value in parameters.items()),
            )
            self._records.write(record)
            self._count += 1
        else:
            return Searcher.FINISHED
        self._names[trial_id] = record.name
        return {"trial": record.name}

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        """Tells the study; a trial without a number counts as failed there, not as a bad point."""
        number = (result or {}).get(OBJECTIVE)
        super().on_trial_complete(trial_id, result, error=error or number is None)

    def record(self, trial_id: str) -> Record:
        """The record of one of Ray Tune's trials."""
        return self._records.read(self._names[trial_id])


def _sampler(experiment: Experiment, index: int) -> BaseSampler:
    seed = experiment.seed
    if seed is not None:
        digest = hashlib.sha256(f"{seed}/{index}".encode()).digest()
        seed = int.from_bytes(digest[:4], "big")
    if experiment.algorithm == "random":
        return RandomSampler(seed=seed)
    if experiment.algorithm in ("tpe", "multivariate-tpe"):
        return TPESampler(
            seed=seed,
            n_startup_trials=int(experiment.settings.get("n_startup_trials", 10)),
            # Katib's hyperopt suggestion writes it n_EI_candidates, its optuna suggestion n_ei_candidates.
            n_ei_candidates=int(
                experiment.settings.get("n_EI_candidates", experiment.settings.get("n_ei_candidates", 24))
            ),
            multivariate=experiment.algorithm == "multivariate-tpe",
            constant_liar=True,
        )
    raise SpaceError(f"algorithm {experiment.algorithm} is not known here; random, tpe and multivariate-tpe are")


def _value(record: Record) -> float:
    if record.objective is None:
        raise ValueError(f"trial {record.name}: Succeeded, yet without an objective")
    return record.objective

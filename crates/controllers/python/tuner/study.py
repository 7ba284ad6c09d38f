"""Carries the experiment out on the Ray head: hands trials to Ray Tune until there is a verdict."""

from __future__ import annotations

import os
import signal
from shutil import rmtree
from typing import Any

import ray
from ray import tune
from ray.tune.search import ConcurrencyLimiter

from tuner import trial, verdict
from tuner.experiment import Experiment
from tuner.records import Lease, Record, Records, State
from tuner.search import OBJECTIVE, RecordedSearch
from tuner.space import SpaceError
from tuner.verdict import Verdict

WORKER_RESTARTS = 2
"""How often a trial is begun again when the Ray worker that ran it died, which is no fault of the trial."""


class TrialRunner(tune.Trainable):
    """A Ray actor that runs trials one after the other; the trial itself is a process of its own."""

    def setup(self, config: dict[str, Any], experiment: Experiment | None = None, lease: Lease | None = None) -> None:
        """Keeps what all trials share; it travels in Ray's object store, so no file gets to see it."""
        assert experiment and lease, "invariant: given by tune.with_parameters"
        self.experiment = experiment
        self.lease = lease

    def step(self) -> dict[str, Any]:
        """Runs the trial to its end."""
        records = Records(self.experiment.directory)
        record = trial.run(self.experiment, records, self.lease, self.config["trial"])
        return {"done": True, OBJECTIVE: record.objective}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes the next trial without a new actor (`reuse_actors`)."""
        self.config = new_config
        return True


class Judge(tune.Callback, tune.Stopper):
    """Asks for the verdict after every trial, and stops everything once there is one."""

    def __init__(self, experiment: Experiment, records: Records, search: RecordedSearch) -> None:
        self._experiment = experiment
        self._records = records
        self._search = search
        self.verdict: Verdict | None = None

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has ended and written its record."""
        self._ask()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial's worker died once too often."""
        record = self._search.record(trial.trial_id)
        if not record.state.over:
            self._records.write(record.ended(State.FAILED, "TrialFailed", "the Ray worker running it died"))
        self._ask()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """A single trial is never stopped early."""
        return False

    def stop_all(self) -> bool:
        """Whether the experiment is over."""
        return self.verdict is not None

    def _ask(self) -> None:
        if self.verdict is not None:
            return
        known = self._records.all()
        _tell_progress(self._experiment, known)
        self.verdict = verdict.decide(self._experiment, known)
        if self.verdict is not None:
            verdict.write(self._experiment, self.verdict)
            trial.end(self._experiment)


def carry_out(experiment: Experiment) -> Verdict | None:
    """Runs the experiment to its verdict, continuing what is there.

    None means that it stopped before: whoever started this starts it again.
    """
    records = Records(experiment.directory)
    lease = Lease.take(experiment.directory)
    trial.end(experiment)
    known = records.all()
    early = verdict.decide(experiment, known)
    if early is not None or verdict.written(experiment):
        return _close(experiment, records, early)
    try:
        search = RecordedSearch(experiment, records)
    except SpaceError as error:
        return _close(experiment, records, verdict.invalid(str(error)))

    ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False, configure_logging=False)
    _stop_on_sigterm(experiment, lease)
    available = ray.cluster_resources().get("CPU", 0.0)
    if experiment.trial.cpus > available:
        message = f"a trial requests {experiment.trial.cpus:g} CPU, the Ray head has {available:g}"
        return _close(experiment, records, verdict.invalid(message))
    judge = Judge(experiment, records, search)
    _tune(experiment, lease, search, judge, _left(experiment, known))
    return _close(experiment, records, verdict.decide(experiment, records.all()))


def _left(experiment: Experiment, known: list[Record]) -> int:
    """How many trials are still to be run."""
    return experiment.max_trials - sum(record.state.over for record in known)


def _stop_on_sigterm(experiment: Experiment, lease: Lease) -> None:
    """Told to stop: takes the running trials down, leaves them open, and goes; Ray ends the actors then."""

    def stop(*_: object) -> None:
        lease.give_back()
        trial.end(experiment)
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)


def _tune(experiment: Experiment, lease: Lease, search: RecordedSearch, judge: Judge, trials: int) -> None:
    scratch = experiment.directory / "tune"
    rmtree(scratch, ignore_errors=True)
    runner = tune.with_parameters(TrialRunner, experiment=experiment, lease=lease)
    tune.Tuner(
        tune.with_resources(runner, {"cpu": experiment.trial.cpus}),
        tune_config=tune.TuneConfig(
            metric=OBJECTIVE,
            mode=search.mode,
            search_alg=ConcurrencyLimiter(search, max_concurrent=experiment.parallel_trials),
            num_samples=trials,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            # Ray Tune's own state is not what a restart continues from (the records are), and goes at the end.
            storage_path=str(scratch),
            stop=judge,
            callbacks=[judge],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=WORKER_RESTARTS),
            verbose=0,
        ),
    ).fit()
    rmtree(scratch, ignore_errors=True)


def _close(experiment: Experiment, records: Records, reached: Verdict | None) -> Verdict | None:
    """Writes the verdict unless there is one, and leaves no trial open then."""
    if not verdict.written(experiment):
        if reached is None:
            return None
        verdict.write(experiment, reached)
    for record in records.all():
        if not record.state.over:
            message = "Trial was ended because the experiment was over"
            records.write(record.ended(State.KILLED, "TrialKilled", message))
    return verdict.read(experiment)


def _tell_progress(experiment: Experiment, known: list[Record]) -> None:
    over = sum(record.state.over for record in known)
    values = [record.objective for record in known if record.objective is not None]
    best = (min if experiment.objective.type == "minimize" else max)(values, default=None)
    told = f", best {experiment.objective.metric} {best:g}" if best is not None else ""
    print(f"trials {over}/{experiment.max_trials}{told}", flush=True)

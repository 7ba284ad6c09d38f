"""Dagster with its multiprocess executor: a process a step, two at a time.

Arguments: `chain N` or `parallel N`.
"""

import json
import os
import resource
import sys
import tempfile
import time

from dagster import DagsterInstance, In, JobDefinition, Nothing, execute_job, job, op, reconstructable


@op(ins={"before": In(Nothing)})
def nothing() -> None:
    """Do nothing."""


def count() -> int:
    """How many steps; the steps' processes read it as well."""
    return int(os.environ["BENCH_STEPS"])


@op
def first() -> None:
    """Do nothing, before the others of a chain."""


def chain() -> JobDefinition:
    """Make a job of steps one after the other."""

    @job
    def steps() -> None:
        last = first()
        for nth in range(1, count()):
            last = nothing.alias(f"step_{nth}")(before=last)

    return steps


def parallel() -> JobDefinition:
    """Make a job of steps that do not wait for one another."""

    @job
    def steps() -> None:
        for nth in range(count()):
            first.alias(f"step_{nth}")()

    return steps


def main() -> None:
    """Run."""
    shape = {"chain": chain, "parallel": parallel}[sys.argv[1]]
    os.environ["BENCH_STEPS"] = sys.argv[2]
    with tempfile.TemporaryDirectory() as root, DagsterInstance.local_temp(root) as instance:
        config = {"execution": {"config": {"multiprocess": {"max_concurrent": 2}}}}
        start = time.monotonic()
        result = execute_job(reconstructable(shape), instance=instance, run_config=config)
        seconds = time.monotonic() - start
        assert result.success
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print("\n" + json.dumps({"seconds": seconds, "rss_mb": largest / 1024}))


if __name__ == "__main__":
    main()

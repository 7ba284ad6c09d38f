"""Prefect with a server of its own, started before the clock: tasks in threads of the flow's process, not processes.

Arguments: `chain N` or `parallel N`.
"""

import json
import resource
import sys
import time

from prefect import flow, task
from prefect.cache_policies import NO_CACHE


@task(cache_policy=NO_CACHE)
def nothing(nth: int) -> None:
    """Do nothing."""


@flow
def chain(count: int) -> None:
    """Steps one after the other."""
    for nth in range(count):
        nothing(nth)


@flow
def parallel(count: int) -> None:
    """Steps that do not wait for one another."""
    for future in [nothing.submit(nth) for nth in range(count)]:
        future.result()


def main() -> None:
    """Run."""
    shape = {"chain": chain, "parallel": parallel}[sys.argv[1]]
    shape(0)
    start = time.monotonic()
    shape(int(sys.argv[2]))
    seconds = time.monotonic() - start
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print("\n" + json.dumps({"seconds": seconds, "rss_mb": largest / 1024}))


main()

"""kfp.local: a process a task, without an environment of its own, one after the other.

Arguments: `chain N`, `parallel N`, or either with `-installed` behind it, for components that do not have pip look for
kfp first; or `compile SHAPE N FILE`, the same pipeline as a package.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable

from kfp import compiler, dsl, local


def nothing(nth: int) -> None:
    """Do nothing."""


def component(shape: str) -> Callable[..., dsl.PipelineTask]:
    """Make the component: as the decorator makes it, or taking kfp to be installed."""
    return dsl.component(nothing, base_image="python:3.11", install_kfp_package=not shape.endswith("-installed"))


def pipeline(shape: str, count: int) -> Callable[[], None]:
    """Make a pipeline of steps one after the other, or of steps that do not wait for one another."""
    step = component(shape)

    @dsl.pipeline(name=shape)
    def steps() -> None:
        last = None
        for nth in range(count):
            task = step(nth=nth)
            task.set_caching_options(False)
            if last is not None and shape.startswith("chain"):
                task.after(last)
            last = task

    return steps


def main() -> None:
    """Run or compile."""
    if sys.argv[1] == "compile":
        compiler.Compiler().compile(pipeline(sys.argv[2], int(sys.argv[3])), sys.argv[4])
        return
    run = pipeline(sys.argv[1], int(sys.argv[2]))
    with tempfile.TemporaryDirectory() as root:
        local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=root)
        start = time.monotonic()
        run()
        seconds = time.monotonic() - start
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print("\n" + json.dumps({"seconds": seconds, "rss_mb": largest / 1024}))


main()

"""Runs random pipelines by kfp.local and by a rung, and compares how they end, what they give, and what ran with what.

Seeds and what is left out, and why, are in differential.yaml.
"""

import argparse
import concurrent.futures
import dataclasses
import io
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import dags
import kfp_local
import yaml
from ending import End
from kfp import compiler
from kfp.compiler import compiler_utils
from rung import Rung

DATA = Path(__file__).with_suffix(".yaml")


@dataclasses.dataclass
class Case:
    """The pipeline of a seed, compiled."""

    seed: int
    features: set[str]
    package: Path

    def arguments(self, who: str) -> dict[str, Any]:
        """Return what it is given."""
        return {"log": str(self.log(who)), "a": self.seed % 11}

    def log(self, who: str) -> Path:
        """Return where its steps note what they do for somebody."""
        return self.package.with_suffix(f".{who}")

    def ran(self, who: str) -> Counter[str]:
        """Return what ran for somebody, in any order."""
        log = self.log(who)
        return Counter(map(plain, log.read_text().splitlines())) if log.exists() else Counter()


def plain(note: str) -> str:
    """Return a note with numbers in one form: kfp.local writes some as floats."""
    kind, _, given = note.partition(" ")
    values = json.loads(f"[{given.replace('--none', 'null').replace('--b ', '').replace(' ', ',')}]".replace(",,", ","))
    return f"{kind} {[[int(n) for n in one] if isinstance(one, list) else one for one in values]}"


def compiled(seed: int, folder: Path, without: set[str]) -> Case | None:
    """Compile the pipeline of a seed; nothing where the SDK does not know how."""
    package = folder / f"{seed}.yaml"
    try:
        pipeline, features = dags.written(seed, without)
        compiler.Compiler().compile(pipeline, str(package))
    except (AssertionError, ValueError, compiler_utils.InvalidTopologyException):
        return None
    return Case(seed, features, package)


def by_kfp_local(case: Case, folder: Path) -> End:
    """Run a case here."""
    told = kfp_local.run_here(str(case.package), case.arguments("theirs"), str(folder / f"{case.seed}"))
    return End(told["outcome"], told["detail"], told["outputs"], 0)


def difference(case: Case, ours: End, theirs: End) -> str:
    """Say how two ends differ, or nothing."""
    if ours.outcome == "REFUSED" and theirs.outcome == "FAILED":
        # What is refused before it begins fails there when it comes to it.
        return ""
    if ours.outcome != theirs.outcome:
        return f"ours {ours.outcome} {ours.detail}, kfp.local {theirs.outcome} {theirs.detail}"
    if ours.outcome != "SUCCEEDED":
        # It stops where the first task fails; a cluster goes on with what does not depend on that.
        return ""
    if ours.outputs != theirs.outputs:
        return f"ours {ours.outputs}, kfp.local {theirs.outputs}"
    ran, theirs_ran = case.ran("ours"), case.ran("theirs")
    if ran != theirs_ran:
        return f"only ours ran {dict(ran - theirs_ran)}, only kfp.local {dict(theirs_ran - ran)}"
    return ""


def main() -> int:
    """Run the seeds that are kept, or others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=Path, required=True, help="of the rung")
    parser.add_argument("--seeds", help="FIRST-LAST [default: those that are kept]")
    parser.add_argument("--keep", type=Path, help="leave packages and notes here")
    given = parser.parse_args()
    # The client prints addresses, and kfp.local what steps print.
    out, sys.stdout = sys.stdout, io.StringIO()
    data = yaml.safe_load(DATA.read_text())
    seeds = data["seeds"]
    if given.seeds:
        first, last = given.seeds.split("-")
        seeds = range(int(first), int(last) + 1)
    rung = Rung(yaml.safe_load(given.endpoints.read_text())["pipelines"]["url"])
    features: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    known: Counter[str] = Counter()
    differ = 0
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(4) as pool:
        folder = given.keep or Path(scratch)
        folder.mkdir(exist_ok=True, parents=True)
        written = [compiled(seed, folder, set(data["without"])) for seed in seeds]
        cases = [case for case in written if case]
        started = [pool.submit(rung.run, case.package, str(case.seed), case.arguments("ours"), 120) for case in cases]
        for case, running in zip(cases, started, strict=True):
            theirs, ours = by_kfp_local(case, folder), running.result()
            features.update(case.features)
            ends[ours.outcome] += 1
            said = difference(case, ours, theirs)
            if reason := next((one["why"] for one in data["known"] if said and one["says"] in said), None):
                known[reason] += 1
            elif said:
                differ += 1
                print(f"seed {case.seed}: {said} ({', '.join(sorted(case.features))})", file=out, flush=True)
    print(f"{len(cases)} pipelines, {differ} differ; ours ended {dict(ends)}; features {dict(features)}", file=out)
    for reason, count in known.items():
        print(f"{count} more differ: {reason}", file=out)
    print(f"{len(written) - len(cases)} more that the SDK does not compile", file=out)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())

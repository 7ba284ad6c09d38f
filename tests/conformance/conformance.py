"""Runs every compiled pipeline of a folder through the API of a rung, by KFP's own client.

Outcomes: SUCCEEDED and FAILED as the run ended, REFUSED where it did not begin, TIMEOUT. The exit code is 0 where each
did what is expected of it (see expectation.py), or ended badly for want of what is not everywhere.
"""

import argparse
import concurrent.futures
import dataclasses
import fnmatch
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import expectation
import yaml
from ending import End
from kfp_local import KfpLocal, find_uv
from rung import Rung

# Of a folder that says itself what its pipelines do.
EXPECTED = "expected.yaml"


@dataclasses.dataclass
class Row:
    """What became of one pipeline."""

    pipeline: str
    expected: expectation.Expectation
    ours: End
    peer: End | None

    @property
    def verdict(self) -> str:
        """Whether it is as expected."""
        if self.holds(self.ours):
            return "ok"
        return "explained" if self.expected.explains(self.ours.outcome) else "UNEXPECTED"

    def holds(self, end: End) -> bool:
        """Whether an end is the expected one, with the expected outputs."""
        return end.outcome == self.expected.state and not expectation.differences(end.outputs, self.expected)

    @property
    def detail(self) -> str:
        """What is to be said of our end."""
        if self.ours.outcome != self.expected.state:
            return self.ours.detail
        return expectation.differences(self.ours.outputs, self.expected) or self.ours.detail

    def as_json(self) -> dict[str, Any]:
        """Return the row for machines."""
        return {
            "pipeline": self.pipeline,
            "outcome": self.ours.outcome,
            "reason": self.expected.reason,
            "expected": self.expected.state,
            "peer": self.peer.outcome if self.peer else None,
            "seconds": self.ours.seconds,
            "detail": self.detail,
        }

    def as_line(self, width: int) -> str:
        """Return the row for people."""
        why = self.expected.reason if self.verdict != "UNEXPECTED" else self.detail.replace("\n", " ")
        if self.ours.outcome == "SUCCEEDED" and self.verdict == "ok":
            why = ""
        peer = ""
        if self.peer:
            peer = f"{self.peer.outcome.lower():<10}{'' if self.holds(self.peer) else '(not as expected)':<19}"
        line = f"{self.pipeline:<{width}} {self.ours.outcome:<10}{self.ours.seconds:>7.1f} s  {self.verdict:<11}{peer}"
        return f"{line}{why[:150]}".rstrip()


def pipelines(folder: Path, only: str) -> dict[str, Path]:
    """Return the packages of a folder by their path below it."""
    found = {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.yaml"))}
    return {name: path for name, path in found.items() if path.name != EXPECTED and fnmatch.fnmatch(name, only)}


def rows(given: argparse.Namespace, expectations: dict[str, expectation.Expectation]) -> Iterator[Row]:
    """Run all, and yield what became of each, in the order of their names."""
    chosen = {
        name: (path, expectation.of(expectations, name, path))
        for name, path in pipelines(given.folder, given.only).items()
    }
    rung, peer = Rung(url(given.endpoints)), None
    if given.peer:
        uv = find_uv(given.state)
        if not uv:
            raise expectation.ExpectationError("uv is neither on PATH nor in the state folder; --peer needs it")
        peer = KfpLocal(uv)

    def one(name: str, path: Path, expected: expectation.Expectation) -> Row:
        arguments = expectation.arguments(path, expected)
        timeout = expected.timeout or given.timeout
        ours = rung.run(path, name, arguments, timeout)
        return Row(name, expected, ours, peer.run(path, arguments, timeout) if peer else None)

    with concurrent.futures.ThreadPoolExecutor(given.at_once) as pool:
        started = [pool.submit(one, name, *found) for name, found in chosen.items()]
        for done in started:
            yield done.result()


def url(endpoints: Path) -> str:
    """Return that of the KFP API."""
    return yaml.safe_load(endpoints.read_text())["pipelines"]["url"]


def summary(found: list[Row]) -> str:
    """Say the scores."""
    verdicts = [row.verdict for row in found]
    counts = ", ".join(f"{verdicts.count(one)} {words}" for one, words in WORDS.items())
    line = f"{len(found)} pipelines: {counts}"
    peers = [row for row in found if row.peer]
    if not peers:
        return line
    well = sum(row.holds(row.peer) for row in peers if row.peer)
    return f"{line}\nkfp.local: {well} as expected, {len(peers) - well} not"


WORDS = {"ok": "as expected", "explained": "for want of what is not everywhere", "UNEXPECTED": "not as expected"}


def main() -> int:
    """Run a folder and tell."""
    parser = argparse.ArgumentParser(prog="cargo xtask conformance", description=__doc__)
    parser.add_argument("folder", type=Path, help="of compiled pipelines, at any depth")
    parser.add_argument("--expect", type=Path, help="patterns of names and what these do [default: DIR/expected.yaml]")
    parser.add_argument("--peer", choices=["kfp-local"], help="run everything there as well")
    parser.add_argument("--only", default="*", help="a pattern of names")
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--timeout", type=float, default=300, help="of one pipeline, in seconds")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--endpoints", type=Path, required=True, help="of the rung; given by cargo xtask")
    parser.add_argument("--state", type=Path, required=True, help="the state folder; given by cargo xtask")
    given = parser.parse_args()
    # The client prints an address for whatever it makes.
    out, sys.stdout = sys.stdout, io.StringIO()
    expect = given.expect or given.folder / EXPECTED
    try:
        expectations = expectation.read(expect) if given.expect or expect.exists() else {}
        width = max((len(name) for name in pipelines(given.folder, given.only)), default=0)
        found = []
        for row in rows(given, expectations):
            found.append(row)
            print(row.as_line(width), file=sys.stderr if given.json else out, flush=True)
    except (expectation.ExpectationError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if given.json:
        print(json.dumps([row.as_json() for row in found], indent=1), file=out)
    print(summary(found), file=sys.stderr)
    return 1 if any(row.verdict == "UNEXPECTED" for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())

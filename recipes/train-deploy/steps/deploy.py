"""Step 8: have the version served."""

from typing import NamedTuple


class Outputs(NamedTuple):
    """Where it answers."""

    endpoint: str


def deploy(version: int, runtime: str) -> Outputs:
    """Call mlship, which ends when the endpoint answers the version's golden requests as recorded.

    Args:
        version: Version of the registered model.
        runtime: ClusterServingRuntime that serves it.

    Returns:
        The endpoint's URL.
    """
    import json
    import subprocess
    import sys

    from registry.provenance import MODEL

    command = ["mlship", "deploy", "--model", MODEL, "--version", str(int(version)), "--runtime", runtime, "--json"]
    told = {"error": f"`{' '.join(command)}` was killed", "next": "`cargo xtask status`"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as mlship:
        assert mlship.stdout is not None
        assert mlship.stderr is not None
        # Its progress is this step's log; its one line of result comes when that is over.
        for line in mlship.stderr:
            sys.stderr.write(line)
            sys.stderr.flush()
            word, _, rest = line.partition(": ")
            if word in told:
                told[word] = rest.strip()
        result = mlship.stdout.read()
    if mlship.returncode:
        raise RuntimeError(f"{told['error']}: {told['next']}")
    outcome = json.loads(result)
    print(
        f"deploy: version {int(version)} answers {outcome['golden_requests']} golden requests at {outcome['endpoint']}"
    )
    return Outputs(outcome["endpoint"])

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

    from registry.provenance import MODEL

    command = ["mlship", "deploy", "--model", MODEL, "--version", str(int(version)), "--runtime", runtime, "--json"]
    # Its progress goes to standard error, which is this step's log.
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` ended with {done.returncode}: its reason stands above")
    outcome = json.loads(done.stdout)
    print(
        f"deploy: version {int(version)} answers {outcome['golden_requests']} golden requests at {outcome['endpoint']}"
    )
    return Outputs(outcome["endpoint"])

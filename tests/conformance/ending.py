"""How a pipeline ended, whoever ran it."""

import dataclasses
from typing import Any


@dataclasses.dataclass
class End:
    """Outcome, what is to be said of it, output parameters, seconds."""

    outcome: str
    detail: str
    outputs: dict[str, Any]
    seconds: float

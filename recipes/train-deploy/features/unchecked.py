"""Feast without run-time checks of its own calls. To be imported before anything of Feast.

Feast has typeguard compile its classes anew when they are imported, which is more than half of what the import takes.
"""

from __future__ import annotations

from typing import Any

import typeguard


def _as_it_is(target: Any) -> Any:  # noqa: ANN401
    return target


typeguard.typechecked = _as_it_is

"""Katib's search space in Optuna's terms."""

from __future__ import annotations

from collections.abc import Iterable

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuner.experiment import Parameter


class SpaceError(ValueError):
    """The search space cannot be searched; the message names the parameter."""


def distributions(parameters: Iterable[Parameter]) -> dict[str, BaseDistribution]:
    """One Optuna distribution a parameter."""
    return {parameter.name: _distribution(parameter) for parameter in parameters}


def _distribution(parameter: Parameter) -> BaseDistribution:
    if parameter.type in ("categorical", "discrete"):
        if not parameter.list:
            raise SpaceError(f"parameter {parameter.name}: feasibleSpace.list is empty")
        return CategoricalDistribution(parameter.list)
    if parameter.distribution not in ("uniform", "logUniform"):
        raise SpaceError(
            f"parameter {parameter.name}: distribution {parameter.distribution} is not searched here;"
            " uniform and logUniform are"
        )
    log = parameter.distribution == "logUniform"
    try:
        if parameter.type == "int":
            step = int(parameter.step) if parameter.step else 1
            return IntDistribution(int(parameter.min), int(parameter.max), log=log, step=step)
        step = float(parameter.step) if parameter.step else None
        return FloatDistribution(float(parameter.min), float(parameter.max), log=log, step=step)
    except ValueError as error:
        raise SpaceError(f"parameter {parameter.name}: {error}") from error

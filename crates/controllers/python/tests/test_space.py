"""The search space in Optuna's terms."""

from __future__ import annotations

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tuner.experiment import Parameter
from tuner.space import SpaceError, distributions


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (Parameter("p", "double", min="0.1", max="1"), FloatDistribution(0.1, 1.0)),
        (Parameter("p", "double", min="0", max="1", step="0.25"), FloatDistribution(0.0, 1.0, step=0.25)),
        (
            Parameter("p", "double", min="1e-4", max="1", distribution="logUniform"),
            FloatDistribution(1e-4, 1.0, log=True),
        ),
        (Parameter("p", "int", min="1", max="9"), IntDistribution(1, 9)),
        (Parameter("p", "int", min="1", max="9", step="2"), IntDistribution(1, 9, step=2)),
        (Parameter("p", "int", min="1", max="9", distribution="logUniform"), IntDistribution(1, 9, log=True)),
        (Parameter("p", "categorical", list=("a", "b")), CategoricalDistribution(("a", "b"))),
        (Parameter("p", "discrete", list=("1", "10")), CategoricalDistribution(("1", "10"))),
    ],
    ids=str,
)
def test_every_kind_of_parameter(parameter: Parameter, expected: object) -> None:
    assert distributions([parameter]) == {"p": expected}


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        (Parameter("p", "categorical"), "parameter p: feasibleSpace.list is empty"),
        (Parameter("p", "double", min="x", max="1"), "parameter p: could not convert string to float: 'x'"),
        (
            Parameter("p", "double", min="1", max="2", distribution="normal"),
            "parameter p: distribution normal is not searched here; uniform and logUniform are",
        ),
        (
            Parameter("p", "double", min="1", max="2", step="0.1", distribution="logUniform"),
            "parameter p: The parameter `step` is not supported when `log` is true.",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_searched_is_named(parameter: Parameter, message: str) -> None:
    with pytest.raises(SpaceError) as raised:
        distributions([parameter])
    assert str(raised.value) == message

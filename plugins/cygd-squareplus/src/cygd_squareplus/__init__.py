"""Squareplus: (h + sqrt(h^2 + b)) / 2, a smooth relu that takes a root where softplus takes exponentials.

`b` says how round the corner is: 0 would be relu, and with 4 the second derivative at 0 is that of softplus.
Barron, "Squareplus: a softplus-like algebraic rectifier", 2021.
"""

from cygd import Activation, hookimpl

SQUAREPLUS = Activation(
    "squareplus",
    formula="(h + sqrt(h**2 + b)) / 2",
    parameters={"b": 4.0},
    summary="(h + sqrt(h^2 + b)) / 2",
    bounds={"b": "(0, inf)"},
)


@hookimpl
def cygd_activations():
    return SQUAREPLUS

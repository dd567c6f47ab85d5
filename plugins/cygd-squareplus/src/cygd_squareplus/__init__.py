"""Squareplus: (h + sqrt(h^2 + b)) / 2, a smooth relu that needs a root where softplus needs exponentials.

`b` rounds the corner at 0: b = 0 would be relu, and b = 4 gives the second derivative of softplus at 0.
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

"""Sign descent with momentum: every weight moves by the same amount, against the sign of its mean gradient.

    optimizer: {name: sign_momentum, learning_rate: 0.001, momentum: 0.9}

Bernstein et al., "signSGD: Compressed Optimisation for Non-Convex Problems", 2018 (there called Signum).
"""

import numpy as np

from cygd import Optimizer, hookimpl


def update(w, g, state, learning_rate, step, momentum):
    m = state["m"]
    m *= momentum
    m += (1 - momentum) * g
    w -= learning_rate * np.sign(m)


SIGN_MOMENTUM = Optimizer(
    "sign_momentum",
    update,
    state=["m"],
    parameters={"momentum": 0.9},
    learning_rate=0.001,
    bounds={"momentum": "[0, 1)"},
    summary="w - rate * sign(m), m the running mean of the gradients",
)


@hookimpl
def cygd_optimizers():
    return SIGN_MOMENTUM

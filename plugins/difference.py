"""The signed difference l = y - y_hat as a loss, for a first look at a single step.

    loss: difference

It has no minimum: it falls below zero as soon as y_hat passes y, so an experiment with it says when to stop
(`stop: {loss_below: ...}`).
"""

import numpy as np

from cygd import Loss, hookimpl


def difference(y, y_hat):
    return y - y_hat


def difference_prime(y, y_hat):
    return -np.ones_like(y_hat)


DIFFERENCE = Loss("difference", difference, difference_prime, reduction="sum", summary="y - y_hat")


@hookimpl
def cygd_losses():
    return DIFFERENCE

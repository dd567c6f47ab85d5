"""The signed difference l = y - y_hat as a loss, to follow a single step of gradient descent.

    loss: difference

It has no minimum: it is negative once y_hat exceeds y. An experiment that uses it needs a stopping rule
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

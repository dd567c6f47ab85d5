"""The rule of early stopping against a plain implementation."""

import math

import numpy as np
import pytest

from cygd.core.early_stopping import StopRule

SPECIAL = [math.nan, math.inf, -math.inf, 0.0]


class Reference:
    """The rule in Python, with every parameter vector that it was shown."""

    def __init__(self, sign, min_delta, patience, loss_below, restore_best):
        self.sign, self.min_delta, self.patience = sign, min_delta, patience
        self.loss_below, self.restore_best = loss_below, restore_best
        self.state = (math.inf, None, 0, None)

    def add(self, epoch, monitored, loss, parameters):
        best, best_epoch, wait, kept = self.state
        if self.patience is not None or self.restore_best:
            value = self.sign * monitored
            first = best_epoch is None and not math.isnan(value)
            if value < best - self.min_delta or first:
                self.state = (value, epoch, 0, parameters.copy() if self.restore_best else None)
            else:
                self.state = (best, best_epoch, wait + 1, kept)
        if self.loss_below is not None and loss < self.loss_below:
            return True
        return self.patience is not None and self.state[2] >= self.patience


def assert_same(one, other):
    assert one[1:3] == other[1:3]
    assert one[0] == other[0]
    assert (one[3] is None) is (other[3] is None)
    if one[3] is not None:
        np.testing.assert_array_equal(one[3], other[3])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(40))
def test_decides_like_a_plain_implementation(seed, dtype):
    rng = np.random.default_rng(seed)
    patience = int(rng.integers(1, 5)) if rng.random() < 0.7 else None
    options = (
        float(rng.choice([1, -1])),
        float(rng.choice([0.0, 0.3])),
        patience,
        0.05 if rng.random() < 0.5 else None,
        bool(rng.random() < 0.5),
    )
    parameters = rng.normal(size=5).astype(dtype)
    rule, reference = StopRule(*options, parameters), Reference(*options)
    for epoch in range(20):
        parameters = rng.normal(size=5).astype(dtype)
        monitored = float(rng.choice(SPECIAL)) if rng.random() < 0.3 else float(rng.random())
        loss, before = float(rng.random()), reference.state
        stops = rule.add(epoch, monitored, loss, parameters)
        assert stops is reference.add(epoch, monitored, loss, parameters)
        assert_same(rule.state(), reference.state)
        assert_same(rule.state(before=epoch), before)
        assert_same(rule.state(before=epoch + 1), reference.state)
        if epoch == 10:
            again = StopRule(*options, parameters)
            again.restore(*rule.state())
            rule = again


def test_parameters_of_another_size_are_refused():
    rule = StopRule(1, 0, 2, None, True, np.zeros(3))
    with pytest.raises(ValueError, match="expected parameters of 24 bytes, got 16"):
        rule.add(0, 1.0, 1.0, np.zeros(2))

from pathlib import Path

import numpy as np
import pytest

from cygd.testing import check_optimizer, load_plugin

plugin = load_plugin(Path(__file__).with_name("sign_momentum.py"))


def test_sign_momentum_passes_the_suite():
    check_optimizer(plugin.SIGN_MOMENTUM)
    check_optimizer(plugin.SIGN_MOMENTUM.configured({"momentum": 0.0}))


def test_steps_follow_the_sign_of_the_mean_gradient():
    w, state = np.zeros(2), {"m": np.zeros(2)}
    plugin.update(w, np.array([100.0, -0.1]), state, learning_rate=0.5, step=1, momentum=0.5)
    assert w.tolist() == [-0.5, 0.5]
    plugin.update(w, np.array([-10.0, -0.1]), state, learning_rate=0.5, step=2, momentum=0.5)
    assert w.tolist() == [-1.0, 1.0]  # the first gradient still outweighs the second
    assert state["m"] == pytest.approx([20.0, -0.075])

from pathlib import Path

import numpy as np
import pytest

from cygd.testing import check_activation, load_plugin

plugin = load_plugin(Path(__file__).with_name("swish.py"))


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 10.0, -2.0])
def test_swish_passes_the_suite(beta):
    check_activation(plugin.SWISH.configured({"beta": beta}))


def test_large_arguments_and_beta_zero():
    h = np.array([-1000.0, 0.0, 1.0, 1000.0])
    assert plugin.swish(h, 1.0) == pytest.approx([0, 0, 1 / (1 + np.exp(-1)), 1000])
    assert plugin.swish(h, 0.0) == pytest.approx(h / 2)

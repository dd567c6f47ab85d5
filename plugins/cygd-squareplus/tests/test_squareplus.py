import sys
from pathlib import Path

import numpy as np
import pytest

from cygd.testing import check_activation

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))  # so that the test also runs without installation

from cygd_squareplus import SQUAREPLUS


@pytest.mark.parametrize("b", [0.1, 1.0, 4.0])
def test_squareplus_passes_the_suite(b):
    check_activation(SQUAREPLUS.configured({"b": b}))


def test_values_and_derivative_at_zero():
    assert SQUAREPLUS.evaluate(np.array([-1e6, 0.0, 3.0])) == pytest.approx(
        [1e-6, 1.0, (3 + 13**0.5) / 2], rel=1e-3
    )
    assert SQUAREPLUS.evaluate_derivative([0.0]) == pytest.approx(0.5)

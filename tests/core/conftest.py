"""What the tests of the kernels share: both types, and distances in units of the last place."""

from types import SimpleNamespace

import numpy as np
import pytest

from cygd.core import _f32, _f64, dispatch
from tests.helpers.ulp import ulps


@pytest.fixture(autouse=True)
def level_restored():
    """Leave the CPU level as it was, whatever a test selects."""
    before = dispatch.level()
    yield
    dispatch.select(before)


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def kernels(request):
    """The kernels of one type: the module, its dtype, and numbers of that type."""
    dtype = request.param
    bits = np.uint32 if dtype == np.float32 else np.uint64
    rng = np.random.default_rng(20240229)

    def patterns(n):
        """Every kind of finite number: random bits."""
        x = rng.integers(0, np.iinfo(bits).max, n, dtype=bits, endpoint=True).view(dtype)
        return x[np.isfinite(x)]

    def at_every_level(call):
        """The results of call() at each level; v3 and v4 must agree in every bit."""
        before, results = dispatch.level(), {}
        for level in dispatch.levels():
            dispatch.select(level)
            results[level] = call()
        dispatch.select(before)
        if "v4" in results:
            np.testing.assert_array_equal(results["v3"].view(bits), results["v4"].view(bits))
        return results

    module = _f32 if dtype == np.float32 else _f64
    return SimpleNamespace(
        module=module,
        dtype=dtype,
        rng=rng,
        patterns=patterns,
        at_every_level=at_every_level,
        ulps=ulps,
        width=64 // np.dtype(dtype).itemsize,
        info=np.finfo(dtype),
    )

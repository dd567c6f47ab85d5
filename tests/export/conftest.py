"""Fixtures of the tests of exported models."""

import pytest

from cygd.core import dispatch


@pytest.fixture
def fused_level():
    """Select the highest CPU level with fused multiply-adds, whose bits exported C has."""
    fused = [level for level in dispatch.levels() if level in ("v3", "v4")]
    if not fused:
        pytest.skip("needs a fused CPU level")
    before = dispatch.level()
    dispatch.select(fused[-1])
    yield
    dispatch.select(before)

import pytest

from cygd.core import dispatch


@pytest.fixture(params=dispatch.levels())
def level(request):
    """Each CPU level that this machine has, one after the other."""
    before = dispatch.level()
    dispatch.select(request.param)
    yield request.param
    dispatch.select(before)

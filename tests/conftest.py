import os
import sys

import pytest

from cygd.cli.main import main
from cygd.core import dispatch

# so that failing assertions in these helpers show the compared values
pytest.register_assert_rewrite("tests.helpers.ulp", "tests.helpers.resume_cases")


@pytest.fixture(params=dispatch.levels())
def level(request):
    """Select each CPU level of this machine in turn."""
    before = dispatch.level()
    dispatch.select(request.param)
    yield request.param
    dispatch.select(before)


@pytest.fixture
def unset(monkeypatch):
    """Remove the user's CYGD_* environment variables, except for the CPU level."""
    for name in [name for name in os.environ if name.startswith("CYGD_") and name != "CYGD_CPU"]:
        monkeypatch.delenv(name)


@pytest.fixture
def command(capsys):
    """Return a function that calls the command line and returns exit code, stdout and stderr."""

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def eager_switches():
    """Let threads take turns as often as Python can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)

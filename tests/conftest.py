import os

import pytest

from cygd.cli.main import main
from cygd.core import dispatch

# what fails there says what it compared
pytest.register_assert_rewrite("tests.helpers.ulp", "tests.helpers.resume_cases")


@pytest.fixture(params=dispatch.levels())
def level(request):
    """Each CPU level that this machine has, one after the other."""
    before = dispatch.level()
    dispatch.select(request.param)
    yield request.param
    dispatch.select(before)


@pytest.fixture
def unset(monkeypatch):
    """No settings of who runs the tests, but for the CPU level."""
    for name in [name for name in os.environ if name.startswith("CYGD_") and name != "CYGD_CPU"]:
        monkeypatch.delenv(name)


@pytest.fixture
def command(capsys):
    """Call the command line and return exit code, stdout and stderr."""

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call

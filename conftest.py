"""Test the installed cygd unless the extensions of this checkout are built in place.

`python -m pytest` inserts this folder at the start of `sys.path`. Without extensions built in place, this
file removes it again. The header of the report names the cygd under test.
"""

import importlib.util
import signal
import sys
import types
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

if not any((HERE / "cygd" / "core" / f"dispatch{suffix}").exists() for suffix in EXTENSION_SUFFIXES):
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]

# tools/ is imported from this folder, wherever cygd is installed
tools = types.ModuleType("tools")
tools.__path__ = [str(HERE / "tools")]
sys.modules["tools"] = tools

# a shell's background jobs ignore SIGINT, and so would the child processes that tests interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header():
    if importlib.util.find_spec("cygd") is None:
        pytest.exit("cygd is not installed in this environment; run: pip install '.[test]'", returncode=4)
    import cygd

    return f"cygd: {cygd.__version__}, CPU level {cygd.core.info()['level']}, {Path(cygd.__file__).parent}"

"""The tests run against the installed cygd, never against sources that are not built.

`python -m pytest` puts this folder in front of everything installed; where the extensions were not
built in place, it is taken out again. The head of the report says which cygd is tested.
"""

import importlib.util
import signal
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

if not any((HERE / "cygd" / "core" / f"dispatch{suffix}").exists() for suffix in EXTENSION_SUFFIXES):
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]

# what a shell starts in the background ignores SIGINT, and so would all the processes that tests interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header():
    if importlib.util.find_spec("cygd") is None:
        pytest.exit("cygd is not installed in this environment; run: pip install '.[test]'", returncode=4)
    import cygd

    return f"cygd: {cygd.__version__}, CPU level {cygd.core.info()['level']}, {Path(cygd.__file__).parent}"

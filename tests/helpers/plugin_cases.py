"""Plugin files for the tests of plugins."""

import pytest

from cygd.plugins.discovery import Request
from cygd.plugins.manager import Plugins

ALONE = {"CYGD_DISABLE_PLUGIN_AUTOLOAD": "1"}
TEXT = """
from cygd import Activation, Metric, hookimpl

@hookimpl
def cygd_activations():
    return Activation({name!r}, lambda h: h * h, lambda h: 2 * h, summary=__file__)
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path.resolve()


def write(path, text=TEXT, name="square"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("{name!r}", repr(name)))
    return path


def load(*names, folder=None, environment=ALONE):
    return Plugins.load([Request(name, "-p", folder) for name in names], environment=environment)

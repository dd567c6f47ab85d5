"""What the plugin guide shows is run as it stands."""

import re
from pathlib import Path

import pytest

from cygd.errors import PluginError
from cygd.plugins import Plugins, Request
from cygd.testing import check_logger, load_plugin

GUIDE = (Path(__file__).parent.parent / "docs" / "plugins.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", GUIDE, re.DOTALL)


def block(words):
    [text] = [text for _, text in BLOCKS if words in text]
    return text


@pytest.fixture
def bent(tmp_path):
    path = tmp_path.resolve() / "bent.py"
    path.write_text(block("def bent_prime"))
    return path


def load(path):
    return Plugins.load([Request(str(path), "-p")], environment={"CYGD_DISABLE_PLUGIN_AUTOLOAD": "1"})


def test_first_plugin_can_be_used(bent):
    assert load(bent).get("activation", "bent:bent_identity").evaluate([0.0]) == [0.0]


def test_message_for_a_wrong_derivative_is_the_one_shown(bent):
    bent.write_text(bent.read_text().replace("(2 * np.sqrt(h * h + 1)) + 1", "(2 * np.sqrt(h * h + 1))"))
    with pytest.raises(PluginError) as caught:
        load(bent)
    shown = " ".join(block("-p: plugin 'bent'").replace("\nhint", "|hint").split()).replace("|", "\n")
    assert str(caught.value).replace(str(bent), "/home/ada/bent.py") == shown.replace(" \nhint", "\nhint")


def test_shown_test_passes(bent):
    shown = block("def test_bent_identity")
    namespace = {"__file__": str(bent.with_name("test_bent.py"))}
    exec(shown, namespace)
    namespace["test_bent_identity"]()


def test_shown_logger_passes_its_suite(tmp_path):
    path = tmp_path / "lines.py"
    path.write_text(block("class Lines"))
    check_logger(load_plugin(path).cygd_loggers())


def test_shown_package_is_found_by_its_entry_point():
    assert '[project.entry-points.cygd]\nbent = "cygd_bent"' in block("[project]")

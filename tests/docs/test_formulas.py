"""docs/formulas.md: every example runs, and functions, limits and errors match the code."""

import re
from pathlib import Path

import pytest
import yaml

from cygd import Network
from cygd.cli.main import main
from cygd.components.formula import FUNCTIONS, compile_activation
from cygd.components.formula.parser import MAX_DEPTH, MAX_LENGTH
from cygd.components.from_formula import component_from_formula

GUIDE = (Path(__file__).parents[2] / "docs" / "formulas.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", GUIDE, re.DOTALL)
EXPERIMENT = """\
data: {source: synthetic, kind: moons, samples: 200}
model:
  activation: {formula: "h * sigmod(h)"}
  layers: [16, {units: 1, activation: sigmoid}]
"""


def test_guide_lists_every_function():
    language = GUIDE.partition("## Language")[2].partition("## ")[0]
    assert set(re.findall(r"`(\w+)[`(]", language)) - {"pi", "e", "and", "or", "not"} == set(FUNCTIONS)


def test_guide_states_the_limits():
    assert f"at most {MAX_LENGTH} characters and {MAX_DEPTH} levels of nesting" in GUIDE


@pytest.mark.parametrize("line", re.findall(r"`((?:activation|loss): \{formula.*?\})`", GUIDE))
def test_one_line_components(line):
    [(kind, spec)] = yaml.safe_load(line).items()
    assert component_from_formula(kind, spec).tier == "formula"


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "yaml"])
def test_yaml_blocks(text):
    [(kind, spec)] = yaml.safe_load(text).items()
    component = component_from_formula(kind, spec)
    if kind == "activation":
        net = Network(2, [(3, component), (2, component), 1])
        assert [a is not None and a.tolist() for a in net.trainable_values] == [[0.25], [0.25], False]
    else:
        net = Network(2, [1])
        net.fit([[1.0, 2.0]], [[1.0]], component, epochs=2)


def test_plugin_block():
    [text] = [text for kind, text in BLOCKS if kind == "python"]
    namespace = {}
    exec(text, namespace)
    [optimizer] = namespace["cygd_optimizers"]()
    assert optimizer.tier == "formula"


def test_error_message_is_the_one_shown(tmp_path, monkeypatch, capsys):
    [message] = [text for kind, text in BLOCKS if kind == "text"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moons.yaml").write_text(EXPERIMENT)
    assert main(["run", "moons.yaml"]) == 2
    assert capsys.readouterr().err == message


@pytest.mark.parametrize(
    "formula", ["where(h != 0, sin(h) / h, 1)", "where(-1 < h < 1, h, 0)", "0.5 * (1 + tanh(h / 2))"]
)
def test_formulas_in_the_text_compile(formula):
    assert f"`{formula}`" in GUIDE
    compile_activation(formula)

"""docs/defaults.md agrees with the tables of the built-in components."""

import importlib.util
from pathlib import Path

import pytest

from cygd import Network
from cygd.plugins.builtins import KINDS

CHECKOUT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("defaults", CHECKOUT / "tools" / "defaults.py")
defaults = importlib.util.module_from_spec(spec)
spec.loader.exec_module(defaults)
PAGE = (CHECKOUT / "docs" / "defaults.md").read_text()


def test_page_is_up_to_date():
    assert defaults.page() == PAGE, "run: python tools/defaults.py > docs/defaults.md"


def test_page_has_a_section_for_every_kind():
    assert [kind.name for kind in KINDS] == list(defaults.SECTIONS)
    for kind in KINDS:
        assert defaults.table(kind.built_ins) in PAGE


@pytest.mark.parametrize(
    "row",
    [
        "| `sgd` | `learning_rate: 0.1`, `momentum: 0` in [0, inf), `dampening: 0` in (-inf, inf), "
        "`nesterov: false`, `weight_decay: 0` in [0, inf) |",
        "| `leaky_relu` | `slope: 0.01` |",
        "| `mae` | `reduction: mean` | \\|e\\|; derivative 0 at e = 0 |",
        "| `csv` | `path` *required*, `header: true`, `delimiter: ,`, ",
    ],
)
def test_page_contains_row(row):
    assert row in PAGE


def test_default_components_are_those_of_the_page():
    net = Network(n_inputs=2, layers=[3, 1])
    assert [layer.activation.name for layer in net.layers] == ["tanh", "identity"]
    assert {layer.initializer.name for layer in net.layers} == {"glorot_uniform"}
    assert net.loss_function.name == "sse"
    assert not any(b.any() for b in net.biases)

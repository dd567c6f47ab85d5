from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cygd.config import read
from cygd.errors import ConfigError


def test_python_values_become_yaml_values():
    source = {
        "a": (1, np.float64(0.1)),
        "b": Path("x") / "y",
        "c": np.array([[1, 2]]),
        "d": np.str_("t"),
        "e": range(2),
    }
    plain = read(source).root.plain()
    assert plain == {"a": [1, 0.1], "b": str(Path("x/y")), "c": [[1, 2]], "d": "t", "e": [0, 1]}
    assert type(plain["a"][1]) is float
    assert type(plain["d"]) is str


def test_arrays_of_samples_are_not_copied():
    x = np.zeros((5, 2))
    assert read({"data": {"x": x}}).root.plain()["data"]["x"] is x


def test_mapping_is_not_changed_by_overrides():
    source = {"model": {"layers": [16, 1]}}
    read(source, ["model.layers.0.units=3", "train.epochs=1"])
    assert source == {"model": {"layers": [16, 1]}}


def endless():
    ring = {}
    ring["a"] = ring
    return ring


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"a": {3: 1}}, "experiment a: expected text as a key, got 3"),
        ({"a": [object]}, "experiment a[0]: expected a value that YAML can hold, got type"),
        ({"a": Fraction(1, 2)}, "experiment a: expected a value that YAML can hold, got Fraction"),
        ({"a": 1j}, "expected a value that YAML can hold, got complex"),
        (endless(), "experiment: nested more than 64 levels deep"),
    ],
)
def test_value_without_yaml_counterpart_is_rejected(source, message):
    with pytest.raises(ConfigError) as caught:
        read(source)
    assert message in str(caught.value)


def test_component_object_is_rejected_with_hint(components):
    with pytest.raises(ConfigError) as caught:
        read({"loss": components.get("loss", "mse")})
    assert str(caught.value).endswith("hint: write its name, and load it as a plugin")

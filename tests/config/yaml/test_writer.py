import math

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cygd.config import dump
from cygd.config.yaml.nodes import Mark
from cygd.config.yaml.reader import read_yaml

WORDS = [
    "no",
    "on",
    "1e-3",
    "1:30",
    "010",
    "0o17",
    "null",
    "~",
    "2024-01-01",
    "1_0",
    "=",
    "<<",
    "- a",
    "b: ",
    "#",
    "'",
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([*WORDS, "\t", "\x85", "\u2028"])
)
contents = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


def back(text):
    problems = []
    root = read_yaml(text, Mark("back.yaml", 1, 1), problems)
    assert not problems
    return root.plain()


def exactly(value):
    """Return a form that distinguishes -0.0, nan and the types of numbers."""
    if isinstance(value, dict):
        return {key: exactly(child) for key, child in value.items()}
    if isinstance(value, list):
        return [exactly(child) for child in value]
    return "nan" if isinstance(value, float) and math.isnan(value) else (type(value).__name__, repr(value))


@given(st.dictionaries(st.text().filter(lambda key: key != "<<"), contents))
def test_written_content_reads_back(content):
    assert exactly(back(dump(content))) == exactly(content)


@pytest.mark.parametrize(
    "text", ["no", "on", "yes", "1e-3", "1:30", "2024-01-01", "0o17", "010", "~", "1.", "true"]
)
def test_yaml_1_1_readers_read_text_as_text(text):
    assert yaml.safe_load(dump({"a": text})) == {"a": text}


def test_yaml_1_1_readers_read_small_floats_as_numbers():
    assert yaml.safe_load(dump({"a": 1e-05})) == {"a": 1e-05}


def test_arrays_and_tuples_are_written_as_lists():
    assert back(dump({"a": np.array([[1.5, 2.0]]), "b": (1, 2)})) == {"a": [[1.5, 2.0]], "b": [1, 2]}


def test_repeated_values_are_not_written_as_aliases():
    row = [1, 2]
    assert back(dump({"a": [row, row], "b": row})) == {"a": [[1, 2], [1, 2]], "b": [1, 2]}


def test_surrogate_escape_reads_back():
    assert back(dump({"path": "a\udcff"})) == {"path": "a\udcff"}


@pytest.mark.parametrize("value", [1, 1.0, True, "1", -0.0, 0.0, None, [1], [1.0], {"b": 1}, "x" * 6000])
def test_cached_text_equals_first_text(value):
    other = {"z": [[1, 2]]}
    first = dump({"a": value, **other})
    assert dump({"a": value, **other}) == first
    assert exactly(back(first)) == exactly({"a": value, **other})

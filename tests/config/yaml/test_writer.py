import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cygd.config import dump, read
from cygd.config.yaml import writer
from cygd.config.yaml.nodes import Mark
from cygd.config.yaml.reader import read_yaml
from cygd.plugins.manager import Plugins
from cygd.runner.assembly import read_document

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


# -- the text is that of PyYAML ---------------------------------------------------------------------

long_words = st.sampled_from([10**18, 0.1, True, "learning_rate", "w" * 30])
words = st.sampled_from(
    ["sgd", "learning_rate", "a/b-c.csv", "/x/y", "_", "Yes", "null", "nan", "y", "e5", "w" * 30]
)
simple_scalars = st.none() | st.booleans() | st.integers() | st.floats() | words | st.sampled_from(WORDS)
simple_contents = st.recursive(
    simple_scalars,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(words, inner),
    max_leaves=25,
)


def dump_with_pyyaml(content):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "WORD", writer.re.compile("never"))
        return dump(content)


long_lines = st.recursive(
    st.lists(long_words, max_size=30) | st.dictionaries(words | st.text("abc", min_size=9), long_words),
    lambda inner: st.lists(inner) | st.dictionaries(words, inner),
    max_leaves=5,
)


@given(st.dictionaries(words | st.text(), simple_contents | contents | long_lines))
def test_text_is_that_of_pyyaml(content):
    content["list"] = [1, ["a"]]  # so that the content is not written on one line
    assert dump(content) == dump_with_pyyaml(content)


@pytest.mark.parametrize(
    "value",
    [
        {}, [], (), [[]], [{}], {"a": {}}, {"a": []}, [[[1]], [2, [3, {"a": 4, "b": [5, [6]]}]]],
        {"a": {"b": {"c": [1, {"d": {"e": 2}}]}}},
        [{"units": 4, "activation": {"name": "elu", "alpha": 1.0}}, 5],
        list(range(34)), list(range(35)), list(range(36)), list(range(37)), ["word"] * 17, ["word"] * 18,
        ["word"] * 60, {"- ": [[1]], "-": {"a": [1]}},
        [["word"] * 50, {"a": ["word"] * 50}], {"a": {"b": {"c": list(range(90)), "d": [list(range(70))]}}},
        {f"key{n}": n for n in range(12)}, "w" * 104, "w" * 105, "w" * 106, "w" * 200,
        {"k" * 120: 1}, {"k" * 130: [1, [2]]},
        1e-05, 1e16, 1e22, -1e-300, 0.1, -0.0, math.inf, -math.inf, math.nan, 2**80, -7, True, None,
        {1: 2}, {None: [1, [2]]}, {"a": np.float64(1.5)}, {"a": np.ones((2, 2))}, np.arange(3.0),
        "y", "N", "off", "NULL", "x:", "-", "a b", "\u00e4", "/", "a//b", "1a", ".5", "e-5", "0x1F",
        "_1", "inf", "a#b", "a,b",
    ],
)  # fmt: skip
def test_text_of_a_value_is_that_of_pyyaml(value):
    for content in (
        {"k": value, "list": [1, [2]]},
        {"k": [value, [1]]},
        {"k": {"inner": value, "list": [[1]]}},
    ):
        assert dump(content) == dump_with_pyyaml(content)


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[3] / "experiments").glob("*.yaml")), ids=str)
def test_text_of_an_experiment_is_that_of_pyyaml(path):
    content = read_document(
        read(path), load=lambda requests: Plugins.load(requests, environment={})
    ).resolved()
    text = dump(content)
    assert text == dump_with_pyyaml(content)


def test_numbers_and_words_are_written_without_pyyaml(monkeypatch):
    monkeypatch.setattr(writer.yaml, "dump", None)
    content = {
        "data": {"x": [[0, 1.5]], "path": "/a/b.csv"},
        "model": {"layers": [{"units": 4, "bias": True}]},
    }
    expected = "data:\n  x:\n  - [0, 1.5]\n  path: /a/b.csv\nmodel:\n  layers:\n  - {units: 4, bias: true}\n"
    assert dump(content) == expected

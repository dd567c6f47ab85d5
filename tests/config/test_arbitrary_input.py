"""Any experiment and any override gives an Experiment or a ConfigError, never another exception."""

import contextlib
import copy

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cygd.config import dump, read, validate
from cygd.errors import ConfigError

WHOLE = yaml.safe_load("""\
name: whole
seed: 1
threads: 2
plugins: [a]
data: {source: csv, path: a.csv, inputs: [a], targets: [b], missing: drop,
       split: {validation: 0.2, test: 0.2}, scale: {inputs: standard, targets: none}, sample_weight: w}
model:
  activation: {name: leaky_relu, slope: 0.1}
  layers:
    - 4
    - {units: 2, bias: [1, 2], weights: [[1, 2], [3, 4], [5, 6], [7, 8]], dropout: 0.1}
    - {units: 1, l2: 0.1}
loss: {name: huber, delta: 2}
optimizer: {name: sgd, momentum: 0.5}
schedule: {name: cosine, warmup: 3}
clip: {norm: 1}
train: {epochs: 3, batch_size: full}
metrics: [rmse]
stop: {monitor: validation_rmse, patience: 2}
checkpoint: {every: 5}
log: [console, {name: sqlite, path: a}]
""")


def places(value, at=()):
    yield at
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in steps:
        yield from places(child, (*at, step))


PLACES = [path for path in places(WHOLE) if path]
words = st.sampled_from(
    ["name", "formula", "units", "loss", "validation_loss", "full", "auto", "adam", "tanh", "x", "no"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=5)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
changes = st.lists(st.tuples(st.sampled_from(PLACES), anything), min_size=1, max_size=3)


def replaced(path, value):
    content = copy.deepcopy(WHOLE)
    parent = content
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    return content


@settings(max_examples=300, deadline=None)
@given(changes=changes)
def test_any_value_at_any_path_gives_experiment_or_config_error(components, changes):
    from_here = {**WHOLE}
    for path, value in changes:
        with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier change took the place away
            from_here = {**from_here, path[0]: replaced(path, value)[path[0]]}
    check(components, from_here)


@settings(max_examples=200, deadline=None)
@given(changes=changes, texts=st.lists(st.text(max_size=20)))
def test_any_override_gives_experiment_or_config_error(components, changes, texts):
    paths = [(".".join(map(str, path)), value) for path, value in changes]
    check(components, WHOLE, [*(f"{path}={dump({'v': value})[2:]}" for path, value in paths), *texts])


def check(components, content, overrides=()):
    experiment, problems = None, []
    try:
        experiment = validate(read(content, overrides), components)
    except ConfigError as caught:
        problems = caught.problems
    assert experiment or problems
    if experiment:
        assert validate(read(experiment.resolved()), components).resolved() == experiment.resolved()

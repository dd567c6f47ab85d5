"""Documents that share nodes, as the runs of a sweep do, are validated as if each were alone."""

import itertools

import pytest

from cygd.components import BuiltInComponents
from cygd.config import ValidSections, dump, read, validate
from cygd.config.overrides import read_override
from cygd.errors import ConfigError
from cygd.plugins.builtins import KINDS

BASE = {
    "data": {"source": "inline", "x": [[0.0], [1.0]], "y": [[1.0], [3.0]], "split": {"validation": 0.5}},
    "model": {"layers": [4, {"units": 1, "l2": 0.1}], "activation": {"formula": "h * sigmoid(h)"}},
    "optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.5},
    "metrics": ["r2"],
    "stop": {"patience": 3},
    "checkpoint": {"every": 2},
}
CHANGES = (
    (),
    ("seed=3",),
    ("optimizer.learning_rate=0.5",),
    ("optimizer=adam",),  # keeps the options that adam knows
    ("optimizer=adam", "optimizer.beta1=0.8"),
    ("optimizer.momentum=0.9", "train.epochs=7"),
    ("model.layers.0=8",),
    ("model.layers.0.units=8", "model.layers.1.l2=0"),
    ("model.activation=relu",),
    ("data.split.validation=0.25",),
    ("stop=null",),
    ("metrics=[mae]", "stop.monitor=validation_mae"),
    ("checkpoint.seconds=5",),
    ("train.epochs=-1", "optimizer.learning_rate=fast"),
    ("stop.monitor=validation_mae",),  # an error of two sections together
    ("nonsense=1", "data.source=csv"),
)


@pytest.fixture
def components():
    return BuiltInComponents(KINDS)


def changed(document, overrides):
    return document.changed(map(read_override, overrides))


def outcome(document, components, valid_sections=None):
    """Return the text of the resolved experiment and its seed, or the problems."""
    try:
        experiment = validate(document, components, valid_sections)
    except ConfigError as error:
        return error.problems
    return dump(experiment.resolved()), experiment.stop and experiment.stop.monitor


def test_every_order_of_documents_has_the_outcome_of_each_alone(components):
    base = read(BASE)
    alone = [outcome(changed(base, overrides), components) for overrides in CHANGES]
    shared = ValidSections()
    for pair in itertools.product(range(len(CHANGES)), repeat=2):
        for index in pair:
            assert outcome(changed(base, CHANGES[index]), components, shared) == alone[index], CHANGES[index]


def test_unchanged_sections_are_not_read_again(components):
    base, shared = read(BASE), ValidSections()
    first = validate(changed(base, ["seed=1"]), components, shared)
    second = validate(changed(base, ["seed=2", "train.epochs=7"]), components, shared)
    assert (first.seed, second.seed, second.train.epochs) == (1, 2, 7)
    for key in ("data", "model", "loss", "optimizer", "metrics", "checkpoint", "log"):
        assert getattr(second, key) is getattr(first, key)


def test_an_equal_section_of_another_document_is_read_again(components):
    shared = ValidSections()
    first, second = (validate(read(BASE), components, shared) for _ in range(2))
    assert second.data is not first.data


def test_other_components_read_every_section_again(components):
    base, shared = read(BASE), ValidSections()
    first = validate(base, components, shared)
    assert validate(base, components, shared).model is first.model
    assert validate(base, BuiltInComponents(KINDS), shared).model is not first.model


def test_a_change_leaves_the_document_as_it_was(components):
    base = read(BASE)
    before = base.root.plain()
    for overrides in CHANGES:
        changed(base, overrides)
    assert base.root.plain() == before

"""Components: the properties that all kinds share, and `resolve`."""

import pickle

import pytest

from cygd.components import (
    REQUIRED,
    Activation,
    Component,
    Initializer,
    Optimizer,
    OptionError,
    Schedule,
    UnknownComponentError,
    resolve,
)
from cygd.components.activations import ACTIVATIONS
from cygd.components.initializers import INITIALIZERS
from cygd.components.losses import LOSSES
from cygd.components.metrics import METRICS
from cygd.components.optimizers import OPTIMIZERS
from cygd.components.options import Declared, in_interval
from cygd.components.schedules import SCHEDULES
from cygd.errors import CygdError
from tests.helpers.component_cases import SWISH, double, square

BUILT_INS: tuple[Component, ...] = (
    *ACTIVATIONS,
    *LOSSES,
    *OPTIMIZERS,
    *SCHEDULES,
    *INITIALIZERS,
    *METRICS,
)


# -- all components -------------------------------------------------------------------------------


@pytest.mark.parametrize("component", BUILT_INS, ids=str)
class TestBuiltIns:
    def test_resolve_by_name(self, component):
        found = resolve(component.kind, component.name)
        assert type(found) is type(component)
        assert found.options == component.options

    def test_has_a_summary(self, component):
        assert component.summary
        assert component.tier == "built-in"
        assert component.name in repr(component)

    def test_accepts_its_own_options(self, component):
        assert component.configured(component.options).options == component.options

    def test_bounds_name_existing_options(self, component):
        if component.kind != "optimizer":  # theirs are shared
            assert set(component.bounds) <= set(component.options)

    def test_unknown_option(self, component):
        with pytest.raises(OptionError, match=r"has no option 'no_such_option'") as raised:
            component.configured({"no_such_option": 1})
        assert raised.value.option == "no_such_option"
        assert raised.value.hint

    def test_numbers_must_be_finite_numbers(self, component):
        for option, default in component.options.items():
            if isinstance(default, bool | str):
                continue
            for value, text in [
                (True, "expected a number, got True"),
                ("1", "expected a number, got '1'"),
                (None, "expected a number, got None"),
                (float("nan"), "expected a finite number, got nan"),
                (float("inf"), "expected a finite number, got inf"),
                (10**400, "expected a finite number, got one beyond the largest float"),
            ]:
                with pytest.raises(OptionError) as raised:
                    component.configured({option: value})
                assert str(raised.value) == f"option {option!r} of {component}: {text}"
                assert raised.value.option == option

    def test_survives_pickling(self, component):
        copy = pickle.loads(pickle.dumps(component))
        assert copy.options == component.options


def test_names_are_unique_within_a_kind():
    names = [(component.kind, component.name) for component in BUILT_INS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["", "9lives", "a b", "a:b", "a/b", "-a", "é", "a\n", None, 3])
def test_invalid_name(name):
    with pytest.raises(ValueError, match=r"activation: invalid name .*: expected a letter"):
        Activation(name, square, double)


@pytest.mark.parametrize("name", ["a", "_a", "a.b-c_9"])
def test_valid_name(name):
    assert Activation(name, square, double).name == name


def test_configured_is_a_copy_with_the_other_options():
    hot = SWISH.configured({"beta": 3})
    assert hot is not SWISH
    assert (SWISH.parameters, hot.parameters) == ({"beta": 1.0}, {"beta": 3.0})
    assert isinstance(hot.parameters["beta"], float)
    assert hot.configured({}).parameters == {"beta": 3.0}


def test_components_are_immutable():
    with pytest.raises(AttributeError):
        SWISH.name = "other"  # type: ignore[misc]


def test_components_compare_by_identity():
    assert SWISH == SWISH
    assert SWISH.configured({}) != SWISH
    assert len({SWISH, SWISH.configured({})}) == 2


def test_unknown_option_suggests_the_closest():
    with pytest.raises(OptionError, match=r"did you mean 'beta'\?"):
        SWISH.configured({"betta": 1})
    with pytest.raises(OptionError, match="it takes beta"):
        SWISH.configured({"x": 1})
    with pytest.raises(OptionError, match="it takes no options"):
        Activation("square", square, double).configured({"x": 1})


def test_options_out_of_range():
    schedule = Schedule("s", lambda epoch, epochs, rate=0.5: rate, bounds={"rate": "(0, 1]"})
    assert schedule.configured({"rate": 1}).parameters == {"rate": 1.0}
    with pytest.raises(
        OptionError, match=r"option 'rate' of schedule 's': expected a value in \(0, 1\], got 0"
    ):
        schedule.configured({"rate": 0})


@pytest.mark.parametrize(
    ("value", "domain", "inside"),
    [
        (0, "[0, 1)", True),
        (1, "[0, 1)", False),
        (0, "(0, 1]", False),
        (1, "(0, 1]", True),
        (-5, "(-inf, inf)", True),
        (1e300, "[0, inf)", True),
        ("sum", "sum | mean", True),
        ("su", "sum | mean", False),
    ],
)
def test_in_interval(value, domain, inside):
    assert in_interval(value, domain) is inside


def test_options_of_a_signature():
    def function(a, b, c: int = 1, *, d="x", e, **rest): ...

    declared = Declared.by(function, 2)
    assert declared.defaults == {"c": 1, "d": "x", "e": REQUIRED}
    assert declared.integers == {"c"}
    assert declared.open


def test_int_annotation_makes_an_integer_option():
    def every(epoch, epochs, counted: int = 2, free=1): ...

    schedule = Schedule("every", every)
    assert schedule.configured({"counted": 3.0, "free": 0.5}).parameters == {"counted": 3, "free": 0.5}
    assert isinstance(schedule.configured({"counted": 3.0}).parameters["counted"], int)
    with pytest.raises(OptionError, match=r"'counted' of schedule 'every': expected an integer, got 2"):
        schedule.configured({"counted": 2.5})


def test_flags_and_text_keep_their_type():
    def draw(rng, n_inputs, n_outputs, flag=False, word="a"): ...

    initializer = Initializer("mine", draw)
    with pytest.raises(OptionError, match="'flag' of initializer 'mine': expected true or false, got 1"):
        initializer.configured({"flag": 1})
    with pytest.raises(OptionError, match="'word' of initializer 'mine': expected text, got 3"):
        initializer.configured({"word": 3})


def test_option_without_a_default_is_required():
    initializer = Initializer("mine", lambda rng, n_inputs, n_outputs, *, scale: scale)
    with pytest.raises(OptionError, match="initializer 'mine' needs the option 'scale'"):
        resolve("initializer", initializer)
    assert initializer.configured({"scale": 2.0}).parameters == {"scale": 2.0}


def test_function_with_kwargs_accepts_any_option():
    initializer = Initializer("mine", lambda rng, n_inputs, n_outputs, **options: options)
    assert initializer.configured({"what": [1]}).parameters == {"what": [1]}


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"beta": "one"}, "default of parameter 'beta': expected a number, got 'one'"),
        ({"beta": float("nan")}, "default of parameter 'beta': expected a finite number, got nan"),
        ({"a b": 1}, "invalid parameter name 'a b': expected an identifier"),
        (["beta"], r"parameters: expected a mapping of names to defaults, got \['beta'\]"),
    ],
)
def test_invalid_parameters(parameters, text):
    with pytest.raises(TypeError, match=text):
        Activation("a", lambda h, **p: h, lambda h, **p: h, parameters)


@pytest.mark.parametrize("taken", ["name", "learning_rate"])
def test_reserved_parameter_name(taken):
    with pytest.raises(ValueError, match=f"{taken!r} is reserved and cannot be the name of a parameter"):
        Optimizer("o", lambda *a, **p: None, [], {taken: 1.0})


# -- resolve --------------------------------------------------------------------------------------


def test_resolve_name_mapping_and_component():
    assert resolve("activation", "leaky_relu").parameters == {"slope": 0.01}
    assert resolve("activation", {"name": "leaky_relu", "slope": 0.1}).parameters == {"slope": 0.1}
    assert resolve("activation", SWISH).name == "swish"


def test_resolve_uses_the_given_components():
    class Only:
        def get(self, kind, name):
            return SWISH

    assert resolve("activation", {"name": "anything", "beta": 2}, Only()).parameters == {"beta": 2.0}


def test_resolve_unknown_name():
    with pytest.raises(UnknownComponentError, match="unknown activation 'rleu'") as raised:
        resolve("activation", "rleu")
    assert isinstance(raised.value, CygdError)
    assert isinstance(raised.value, ValueError)
    assert raised.value.hint == "did you mean 'relu'?"


def test_unknown_name_without_a_close_match():
    assert UnknownComponentError("data_source", "q", ["csv", "npz"]).hint == "known: csv, npz"
    assert UnknownComponentError("activation", "ReLU", ["relu", "tanh"]).hint == "did you mean 'relu'?"
    assert str(UnknownComponentError("data_source", "q", [])).startswith("unknown data source 'q'")


@pytest.mark.parametrize(
    ("spec", "error", "text"),
    [
        ({"slope": 0.1}, OptionError, "activation: expected a 'name' or a 'formula'"),
        (3, TypeError, "activation: expected a name or a mapping with a name, got 3"),
        ({"name": None}, TypeError, "activation: expected a name or a mapping with a name, got None"),
        (LOSSES[0], TypeError, "expected an activation, got loss 'sse'"),
    ],
)
def test_resolve_invalid_specification(spec, error, text):
    with pytest.raises(error, match=text):
        resolve("activation", spec)

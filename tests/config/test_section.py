"""How sections validate their fields and collect errors."""

from collections.abc import Mapping
from typing import Any

import pytest

from cygd.config.component_spec import ComponentValidator
from cygd.config.section import Section, field, walk
from cygd.config.validators import (
    BOOLEAN,
    ErrorDetails,
    ListOf,
    Nullable,
    PlainValidator,
    ValidationError,
    whole_number,
)


class Components:
    """Returns the context's components, to show that validators get them."""

    expected = "components"

    def validate(self, value, context):
        return value, context.components


class Inner(Section):
    low: int = field(whole_number(0), 1)
    high: int = field(whole_number(0), 2)


class Outer(Section):
    inner: Inner = field(Inner, None)
    maybe: Inner | None = field(Nullable(Inner), None, rare=True)
    many: tuple[Inner, ...] = field(ListOf(Inner, "mappings"), ())
    numbers: tuple[int, ...] = field(ListOf(whole_number(3), "numbers"), (3,))
    free: Mapping[str, Any] = field(PlainValidator("a mapping", dict), {})
    seen: Any = field(Components(), 0)
    later: bool = field(BOOLEAN, "not yet", lazy=True)


def read(value):
    return Outer.read(value, "components")


def test_defaults_are_validated_like_given_values():
    outer = read(None)
    assert list(outer.plain()) == ["inner", "maybe", "many", "numbers", "free", "seen", "later"]
    assert outer.inner.plain() == {"low": 1, "high": 2}
    assert (outer.maybe, outer.many, outer.numbers) == (None, (), (3,))
    assert outer.seen == (0, "components")


def test_lazy_default_is_not_validated():
    assert read(None).later == "not yet"


def test_given_values_replace_defaults():
    outer = read(
        {"inner": {"low": 5}, "maybe": {}, "many": [{}, {"high": 7}], "numbers": [4, 5], "later": True}
    )
    assert (outer.inner.low, outer.inner.high) == (5, 2)
    assert outer.maybe.plain() == {"low": 1, "high": 2}
    assert [one.high for one in outer.many] == [2, 7]
    assert (outer.numbers, outer.later) == ((4, 5), True)


def test_all_errors_are_raised_at_once_with_their_paths():
    with pytest.raises(ValidationError) as caught:
        read(
            {"inner": {"low": -1, "high": "x"}, "many": [{}, {"low": 0.5}], "numbers": [1, 3, 2], "later": 1}
        )
    assert [error.path for error in caught.value.errors] == [
        *(("inner", "low"), ("inner", "high"), ("many", 1, "low")),
        *(("numbers", 0), ("numbers", 2), ("later",)),
    ]


def test_several_errors_of_one_validator_keep_their_paths():
    def check(value):
        if value:
            raise ValidationError(ErrorDetails(("a",), "A"), ErrorDetails((0,), "B"))

    class Odd(Section):
        pair: Any = field(PlainValidator("a pair", check), 0)

    with pytest.raises(ValidationError) as caught:
        Odd.read({"pair": 1}, None)
    assert [(error.path, error.message) for error in caught.value.errors] == [
        (("pair", "a"), "A"),
        (("pair", 0), "B"),
    ]


def test_unknown_key_is_suggested_in_its_own_section_first():
    with pytest.raises(ValidationError) as caught:
        read({"numbr": 1, "low": 1, "xyzzy": 1})
    assert [(error.message, error.hint) for error in caught.value.errors] == [
        ("unknown key 'numbr'", "did you mean 'numbers'?"),
        ("unknown key 'low'", "'low' belongs in 'inner' or 'maybe' or 'many'"),
        ("unknown key 'xyzzy'", "known keys: inner, maybe, many, numbers, free, seen, later"),
    ]


def test_sections_are_frozen_and_replaced_by_copies():
    inner = Inner.read({}, None)
    with pytest.raises(AttributeError, match="Inner is frozen"):
        inner.low = 3
    assert inner.replace(low=3).plain() == {"low": 3, "high": 2}
    assert inner.low == 1
    assert repr(inner) == "Inner(low=1, high=2)"


def test_subclass_extends_the_fields_of_its_base():
    class Wider(Inner):
        more: bool = field(BOOLEAN, False)

    assert list(Inner.fields) == ["low", "high"]
    assert list(Wider.fields) == ["low", "high", "more"]
    assert Wider.read({"more": True}, None).plain() == {"low": 1, "high": 2, "more": True}


def test_resolved_omits_rare_keys_with_their_default():
    assert "maybe" not in read(None).resolved()
    assert read({"maybe": {}, "many": [{"low": 4}]}).resolved() == {
        "inner": {"low": 1, "high": 2},
        "maybe": {"low": 1, "high": 2},
        "many": [{"low": 4, "high": 2}],
        "numbers": [3],
        "free": {},
        "seen": [0, "components"],
        "later": "not yet",
    }


def test_walk_yields_every_key_with_its_path():
    paths = [".".join(path) for path, _ in walk(Outer)]
    assert paths[:4] == ["inner", "inner.low", "inner.high", "maybe"]
    assert "many.*.low" in paths


def test_component_validator_describes_its_kind():
    assert ComponentValidator("activation").expected == "the name of an activation, or {name: ..., options}"
    assert ComponentValidator("data_source").noun == "a data source"

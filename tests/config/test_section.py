"""Sections by themselves: how types read, and how faults add up."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

import pytest

from cygd.config.section import Section
from cygd.config.validators import Exactly, Fault, Faulty, Flag, as_list, check_whole, fail, whole


def refuse(value):
    raise ValueError("in words that are not ours")


def with_components(value, components):
    return (value, components)


class Inner(Section):
    low: Annotated[int, whole(0)] = 1
    high: Annotated[int, whole(0)] = 2


class Outer(Section):
    internal: ClassVar[tuple[str, ...]] = ("hidden",)
    unread: ClassVar[tuple[str, ...]] = ("later",)

    hidden: Any = None
    inner: Inner = None
    maybe: Inner | None = None
    many: Annotated[tuple[Inner, ...], as_list("mappings")] = ()
    numbers: tuple[Annotated[int, Exactly(check_whole(3))], ...] = (3,)
    free: Mapping[str, Any] = MappingProxyType({})
    seen: Annotated[Any, Exactly(with_components, with_components=True)] = 0
    later: Flag = "not yet"


def read(value):
    return Outer.read(value, "components")


def test_defaults_are_read_as_if_they_were_written():
    outer = read(None)
    assert list(outer.plain()) == ["hidden", "inner", "maybe", "many", "numbers", "free", "seen", "later"]
    assert outer.inner.plain() == {"low": 1, "high": 2}
    assert (outer.maybe, outer.many, outer.numbers) == (None, (), (3,))
    assert outer.seen == (0, "components")
    assert outer.later == "not yet"  # nothing that could be written: it stands for what is found out later
    assert Outer.key_names() == [key for key in outer.plain() if key != "hidden"]


def test_what_is_given_is_read():
    outer = read(
        {"inner": {"low": 5}, "maybe": {}, "many": [{}, {"high": 7}], "numbers": [4, 5], "later": True}
    )
    assert (outer.inner.low, outer.inner.high) == (5, 2)
    assert outer.maybe.plain() == {"low": 1, "high": 2}
    assert [one.high for one in outer.many] == [2, 7]
    assert (outer.numbers, outer.later) == ((4, 5), True)


def test_all_faults_come_at_once_with_their_paths():
    with pytest.raises(Faulty) as caught:
        read(
            {"inner": {"low": -1, "high": "x"}, "many": [{}, {"low": 0.5}], "numbers": [1, 3, 2], "later": 1}
        )
    assert [fault.path for fault in caught.value.faults] == [
        *(("inner", "low"), ("inner", "high"), ("many", 1, "low")),
        *(("numbers", 0), ("numbers", 2), ("later",)),
    ]


def test_several_faults_of_one_check_keep_their_own_paths():
    class Odd(Section):
        pair: Annotated[
            Any, Exactly(lambda value: (_ for _ in ()).throw(fail(Fault(("a",), "A"), Fault((0,), "B"))))
        ] = 0

    with pytest.raises(Faulty) as caught:
        Odd.read({}, None)
    assert [(fault.path, fault.message) for fault in caught.value.faults] == [
        (("pair", "a"), "A"),
        (("pair", 0), "B"),
    ]


def test_a_check_that_fails_in_other_words_is_told_in_ours():
    class Odd(Section):
        value: Annotated[Any, Exactly(refuse)] = 0

    with pytest.raises(Faulty) as caught:
        Odd.read({}, None)
    assert caught.value.faults == [Fault(("value",), "this value is not understood")]


def test_a_section_is_frozen_and_changed_by_copies():
    inner = Inner.read({}, None)
    with pytest.raises(AttributeError, match="Inner is frozen"):
        inner.low = 3
    assert inner.changed(low=3).plain() == {"low": 3, "high": 2}
    assert inner.low == 1
    assert repr(inner) == "Inner(low=1, high=2)"


def test_sections_share_no_fields():
    class Wider(Inner):
        more: Flag = False

    assert list(Inner.fields()) == ["low", "high"]
    assert list(Wider.fields()) == ["low", "high", "more"]
    assert Wider.read({"more": True}, None).plain() == {"low": 1, "high": 2, "more": True}

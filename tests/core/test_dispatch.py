"""The CPU level: the best by default, another by CYGD_CPU, and a clear error for what is not there."""

import os
import subprocess
import sys

import numpy as np
import pytest

from cygd import Network
from cygd.core import activate, dispatch, info

SHOW = "from cygd import core; print(core.info()['level'])"


def level_with(cygd_cpu):
    """Import the core in a process of its own; return its level, or the last line of its error."""
    environment = {name: value for name, value in os.environ.items() if name != "CYGD_CPU"}
    if cygd_cpu is not None:
        environment["CYGD_CPU"] = cygd_cpu
    done = subprocess.run(
        [sys.executable, "-P", "-c", SHOW], env=environment, capture_output=True, text=True, timeout=120
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("name", dispatch.levels())
def test_cygd_cpu_forces_a_level(name):
    assert level_with(name) == name


@pytest.mark.parametrize("unset", [None, ""])
def test_the_best_level_is_taken_by_default(unset):
    assert level_with(unset) == dispatch.levels()[-1]


@pytest.mark.parametrize("name", ["v5", "V3", "avx512", "base,v3"])
def test_an_unknown_level_is_an_error_that_names_the_known_ones(name):
    expected = f"ImportError: unknown CPU level {name!r}: CYGD_CPU is one of base, v3, v4"
    assert level_with(name) == expected


def test_a_level_that_this_machine_lacks_is_an_error_that_names_those_it_has(monkeypatch):
    monkeypatch.setitem(dispatch.LEVELS, "v9", 9)
    message = (
        "CPU level 'v9' is not supported on this machine: "
        f"CYGD_CPU may be {', '.join(dispatch.levels())}, or unset for the best of them"
    )
    before = dispatch.level()
    with pytest.raises(ImportError) as caught:
        dispatch.select("v9")
    assert str(caught.value) == message
    assert dispatch.level() == before


def test_select_changes_the_level_in_use(level):
    assert dispatch.level() == level == info()["level"]
    assert activate([0.0], "sigmoid").tolist() == [0.5]


def test_levels_are_ordered_and_base_is_always_there():
    assert dispatch.levels()[0] == "base"
    assert dispatch.levels() == [name for name in ("base", "v3", "v4") if name in dispatch.levels()]


def test_a_network_keeps_the_level_that_it_was_made_at(level):
    x = np.random.default_rng(0).normal(size=(100, 5))
    net = Network(5, [(9, "tanh"), (2, "gelu")], seed=1)
    expected = net.predict(x)
    for other in dispatch.levels():
        dispatch.select(other)
        np.testing.assert_array_equal(net.predict(x), expected)

"""The suite of each kind, and the message of a failing check."""

from functools import lru_cache

import pytest

from cygd.plugins.manager import Plugins
from cygd.testing import check_activation, check_logger, check_loss, check_optimizer

CHECKS = {
    "activation": check_activation,
    "loss": check_loss,
    "optimizer": check_optimizer,
    "logger": check_logger,
}


@lru_cache
def registry():
    return Plugins.load(environment={"CYGD_DISABLE_PLUGIN_AUTOLOAD": "1"})


def fails(check, component):
    with pytest.raises(AssertionError) as caught:
        check(component)
    return str(caught.value)


def needs_contiguous(h):
    if not h.flags.c_contiguous:
        raise RuntimeError("cannot work on that")
    return h

"""Test suites for plugin authors, which cygd also runs on its own components.

    from cygd.testing import check_activation, load_plugin

    swish = load_plugin("swish.py")

    def test_swish():
        check_activation(swish.SWISH)

Each suite raises an AssertionError that says what is wrong, where and by how much, and returns nothing
otherwise. The suites work with any test framework.
"""

from cygd.testing.activation import check_activation
from cygd.testing.logger import check_logger
from cygd.testing.loss import check_loss
from cygd.testing.optimizer import check_optimizer
from cygd.testing.plugin_loading import load_plugin

__all__ = ["check_activation", "check_logger", "check_loss", "check_optimizer", "load_plugin"]

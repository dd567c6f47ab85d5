"""Components: what an experiment names and a plugin gives.

A component is a name, the functions or the kernel behind it, and its parameters. Components do not
change: `configured` gives a copy with other values, and two components are the same only if they are
the same object, which is how an optimizer finds its state again.

The tiers of one component look alike. The built-in tier names a kernel of the compiled core, which
alone knows the kernel's parameters and their defaults; the formula tier is text that the core runs as a
program; the NumPy tier is Python functions over arrays. Here are the classes, one kind a file; the rows
of the built-in tables stand in `activations.py`, `losses.py` and so on, which import this package and
never the other way.
"""

from cygd.component.activation import Activation
from cygd.component.arrays import checked, floats, read_only
from cygd.component.base import Component, declared_by, spoken
from cygd.component.initializer import Initializer
from cygd.component.lookup import BuiltIns, Components, UnknownComponentError, resolve
from cygd.component.loss import Loss
from cygd.component.metric import Metric
from cygd.component.optimizer import Optimizer
from cygd.component.options import REQUIRED, OptionError
from cygd.component.schedule import RunningSchedule, Schedule, Watcher, constant
from cygd.component.written import written

__all__ = [
    "REQUIRED",
    "Activation",
    "BuiltIns",
    "Component",
    "Components",
    "Initializer",
    "Loss",
    "Metric",
    "Optimizer",
    "OptionError",
    "RunningSchedule",
    "Schedule",
    "UnknownComponentError",
    "Watcher",
    "checked",
    "constant",
    "declared_by",
    "floats",
    "read_only",
    "resolve",
    "spoken",
    "written",
]

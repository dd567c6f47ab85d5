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

from cygd.components.activations import Activation
from cygd.components.base import Component, declared_by, kind_label
from cygd.components.evaluation import as_float_array, check_result, read_only
from cygd.components.from_formula import component_from_formula
from cygd.components.initializers import Initializer
from cygd.components.loggers import Logger
from cygd.components.losses import Loss
from cygd.components.metrics import Metric
from cygd.components.optimizers import Optimizer
from cygd.components.options import REQUIRED, OptionError
from cygd.components.registry import BuiltInComponents, Components, UnknownComponentError, resolve
from cygd.components.schedules import MetricSchedule, RunningSchedule, Schedule, constant

__all__ = [
    "REQUIRED",
    "Activation",
    "BuiltInComponents",
    "Component",
    "Components",
    "Initializer",
    "Logger",
    "Loss",
    "Metric",
    "MetricSchedule",
    "Optimizer",
    "OptionError",
    "RunningSchedule",
    "Schedule",
    "UnknownComponentError",
    "as_float_array",
    "check_result",
    "component_from_formula",
    "constant",
    "declared_by",
    "kind_label",
    "read_only",
    "resolve",
]

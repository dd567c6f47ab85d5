"""Components: the building blocks that an experiment names and a plugin registers.

A component is a name, its functions or its kernel, and its parameters. Components are immutable: `configured`
returns a copy with other values. They compare by identity, which is how an optimizer finds its state again.

Components of all tiers have one interface. A built-in names a kernel of the compiled core, which holds its
parameters and defaults; a formula is text that the core runs as a program; the functions of the NumPy tier
are Python functions over arrays. Each kind has one file: the class, its built-in functions, and the table.
"""

from cygd.components.activations import Activation
from cygd.components.base import Component, declared_by, kind_label
from cygd.components.classification import Targets
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
    "Targets",
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

"""The built-in components, given through the same hooks as any stranger's.

Each table stands in the file of its subject; a new row there is all that a new built-in takes.
"""

from __future__ import annotations

from collections.abc import Sequence

from cygd.components import Activation, Initializer, Loss, Metric, Optimizer, Schedule
from cygd.components.activations import ACTIVATIONS
from cygd.components.initializers import INITIALIZERS
from cygd.components.loggers import Logger
from cygd.components.losses import LOSSES
from cygd.components.metrics import METRICS
from cygd.components.optimizers import OPTIMIZERS
from cygd.components.schedules import SCHEDULES
from cygd.data import DATA_SOURCES, DataSource
from cygd.plugins.hookspecs import hookimpl
from cygd.tracking.loggers import LOGGERS


@hookimpl
def cygd_activations() -> Sequence[Activation]:
    """Give the table of activations."""
    return ACTIVATIONS


@hookimpl
def cygd_losses() -> Sequence[Loss]:
    """Give the table of losses."""
    return LOSSES


@hookimpl
def cygd_optimizers() -> Sequence[Optimizer]:
    """Give the table of optimizers."""
    return OPTIMIZERS


@hookimpl
def cygd_schedules() -> Sequence[Schedule]:
    """Give the table of schedules."""
    return SCHEDULES


@hookimpl
def cygd_initializers() -> Sequence[Initializer]:
    """Give the table of initializers."""
    return INITIALIZERS


@hookimpl
def cygd_metrics() -> Sequence[Metric]:
    """Give the table of metrics."""
    return METRICS


@hookimpl
def cygd_data_sources() -> Sequence[DataSource]:
    """Give the table of data sources."""
    return DATA_SOURCES


@hookimpl
def cygd_loggers() -> Sequence[Logger]:
    """Give the table of loggers."""
    return LOGGERS

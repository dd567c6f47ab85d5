"""Inspection of training: every quantity of an update, and the loss surface around its path."""

from cygd.inspection.surface import LossSurface, loss_surface
from cygd.inspection.traces import Trace, trace
from cygd.inspection.tracing import Step

__all__ = ["LossSurface", "Step", "Trace", "loss_surface", "trace"]

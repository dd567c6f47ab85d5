"""Inspection of training: every quantity of an update, and the loss surface around its path."""

from cygd.inspection.surface import LossSurface, loss_surface
from cygd.inspection.tracing import Step, trace

__all__ = ["LossSurface", "Step", "loss_surface", "trace"]

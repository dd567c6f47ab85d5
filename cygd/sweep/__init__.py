"""Sweeps: many runs of one experiment, with other values in each.

`sweep` executes them in worker processes, `resume` executes those that are missing.

from cygd.sweep import sweep

result = sweep("experiments/xor.yaml", ["optimizer.learning_rate=0.1,0.5"])
result.best.values, result.best.metrics["loss"]
"""

from cygd.sweep.runner import Sweep, resume, sweep

__all__ = ["Sweep", "resume", "sweep"]

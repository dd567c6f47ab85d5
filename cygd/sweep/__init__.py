"""Many experiments from one file.

`sweep` runs them in worker processes, and `resume` goes on with what is missing.

from cygd.sweep import sweep

found = sweep("experiments/xor.yaml", ["optimizer.learning_rate=0.1,0.5"])
found.best.values, found.best.metrics["loss"]
"""

from cygd.sweep.runner import Sweep, resume, sweep

__all__ = ["Sweep", "resume", "sweep"]

"""The built-in optimizers. A row here and an update of the same name in the core.

The formulas, parameters and defaults are PyTorch's and stand in the core, but for the learning rates:
those are here. Weight decay is coupled (added to the gradient), in adamw and lion decoupled.
"""

from __future__ import annotations

from cygd.component import Optimizer

__all__ = ["OPTIMIZERS"]

# by name, since a parameter means the same in all of them
_BOUNDS = {
    "momentum": "[0, inf)",
    "dampening": "(-inf, inf)",
    "weight_decay": "[0, inf)",
    "learning_rate_decay": "[0, inf)",
    "initial_accumulator": "[0, inf)",
    "epsilon": "[0, inf)",
    "rho": "[0, 1]",
    "alpha": "[0, inf)",
    "beta1": "[0, 1)",
    "beta2": "[0, 1)",
    "momentum_decay": "[0, inf)",
}


def _row(name: str, learning_rate: float, summary: str, *, flags: tuple[str, ...] = ()) -> Optimizer:
    return Optimizer(
        name, kernel=name, learning_rate=learning_rate, summary=summary, flags=flags, bounds=_BOUNDS
    )


OPTIMIZERS: tuple[Optimizer, ...] = (
    _row("sgd", 0.1, "w - eta g, with momentum if wanted, Nesterov's too", flags=("nesterov",)),
    _row("adagrad", 0.01, "each weight's rate falls with the sum of its squared gradients"),
    _row("adadelta", 1.0, "steps in units of the recent steps, gradients in units of the recent gradients"),
    _row("rmsprop", 0.01, "g over the root of its recent mean square", flags=("centered",)),
    _row("adam", 1e-3, "mean gradient over the root of the mean square", flags=("amsgrad",)),
    _row("adamw", 1e-3, "adam with decoupled weight decay", flags=("amsgrad",)),
    _row("nadam", 2e-3, "adam with Nesterov's momentum"),
    _row("lion", 1e-4, "the sign of an interpolated momentum"),
)

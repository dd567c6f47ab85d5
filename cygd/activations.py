"""The built-in activations: y_hat = f(h). A row here and a kernel of the same name in the core.

Parameters and defaults stand in the core. At a kink the derivative is the convention that `summary`
states; everywhere else it is f'.
"""

from __future__ import annotations

from cygd.component import Activation

__all__ = ["ACTIVATIONS"]


def _row(
    name: str, summary: str, *, kinks: tuple[float, ...] = (), bounds: dict[str, str] | None = None
) -> Activation:
    return Activation(name, kernel=name, summary=summary, kinks=kinks, bounds=bounds or {})


ACTIVATIONS: tuple[Activation, ...] = (
    _row("identity", "h"),
    _row("step", "1 for h >= 0, else 0; derivative 0 everywhere", kinks=(0.0,)),
    _row("sigmoid", "1 / (1 + exp(-h))"),
    _row("tanh", "tanh(h)"),
    _row("relu", "max(h, 0); derivative 0 at 0", kinks=(0.0,)),
    _row("leaky_relu", "h for h > 0, else slope h; derivative slope at 0", kinks=(0.0,)),
    _row("elu", "h for h > 0, else alpha (exp(h) - 1); derivative alpha at 0", kinks=(0.0,)),
    _row("selu", "elu scaled so that deep networks keep mean 0 and variance 1", kinks=(0.0,)),
    _row("celu", "h for h > 0, else alpha (exp(h / alpha) - 1)", bounds={"alpha": "(0, inf)"}),
    _row("softplus", "log(1 + exp(h))"),
    _row("softsign", "h / (1 + |h|)"),
    _row("gelu", "h Phi(h), with the normal distribution's Phi exact by erf"),
    _row("gelu_tanh", "h Phi(h), with Phi approximated by tanh"),
    _row("silu", "h sigmoid(h)"),
    _row("mish", "h tanh(softplus(h))"),
    _row("hard_sigmoid", "h / 6 + 1/2 cut to [0, 1]; derivative 0 at -3 and 3", kinks=(-3.0, 3.0)),
    _row("hard_tanh", "h cut to [-1, 1]; derivative 0 at -1 and 1", kinks=(-1.0, 1.0)),
    _row("hard_swish", "h hard_sigmoid(h)", kinks=(-3.0, 3.0)),
    _row("sin", "sin(h)"),
    _row("gaussian", "exp(-h^2)"),
    _row("softmax", "exp(h_j) / sum_k exp(h_k) over the units of a row"),
)

"""The built-in losses: E(y, y_hat). A row here and a kernel of the same name in the core.

The formula is that of one element, e = y_hat - y; how the elements become one number (their sum,
their mean, or for cross_entropy the mean over samples) stands in the core with the parameters, and
`reduction: sum | mean` overrides it. Mind which have a 1/2: sse and huber, and no other.
"""

from __future__ import annotations

from cygd.component import Loss

__all__ = ["LOSSES"]


def _row(
    name: str,
    summary: str,
    *,
    targets: str = "any",
    kinks: tuple[float, ...] = (),
    bounds: dict[str, str] | None = None,
) -> Loss:
    return Loss(name, kernel=name, summary=summary, targets=targets, kinks=kinks, bounds=bounds or {})


LOSSES: tuple[Loss, ...] = (
    _row("sse", "1/2 e^2, summed over samples and outputs"),
    _row("squared_error", "e^2, summed over samples and outputs"),
    _row("mse", "e^2, averaged over samples and outputs"),
    _row("mae", "|e|; derivative 0 at e = 0", kinks=(0.0,)),
    _row("huber", "1/2 e^2 for |e| <= delta, else delta (|e| - delta / 2)", bounds={"delta": "(0, inf)"}),
    _row("log_cosh", "log(cosh(e))"),
    _row("quantile", "tau |e| for e < 0, (1 - tau) |e| for e > 0; derivative 0 at e = 0",
         kinks=(0.0,), bounds={"tau": "(0, 1)"}),
    _row("poisson", "y_hat - y log(y_hat), y_hat the rate", targets="nonnegative"),
    _row("binary_cross_entropy", "-y log(y_hat) - (1 - y) log(1 - y_hat)", targets="unit"),
    _row("cross_entropy", "-y log(y_hat), summed over outputs and averaged over samples", targets="unit"),
    _row("hinge", "max(0, 1 - y y_hat); derivative 0 at y y_hat = 1", targets="signs", kinks=(0.0,)),
    _row("squared_hinge", "max(0, 1 - y y_hat)^2", targets="signs"),
)  # fmt: skip

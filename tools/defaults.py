"""Write docs/defaults.md from the tables of the built-in components.

python tools/defaults.py > docs/defaults.md
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cygd.components import REQUIRED, Component
from cygd.plugins.builtins import KINDS

HEAD = """\
# The built-in components and their defaults

`python tools/defaults.py` writes this page from the tables of the components. For the keys of an experiment
and their defaults see [configuration.md](configuration.md). Options are written beside the name, as in
`{name: huber, delta: 2}`. Ranges are intervals: `[` includes the bound, `(` excludes it.

The default components are `tanh` in hidden layers, `identity` in the last layer, `glorot_uniform` for weights
(biases are 0), the loss `sse`, the optimizer `sgd` and the schedule `constant`.
"""

# kind -> title and remark
SECTIONS: dict[str, tuple[str, str]] = {
    "activation": ("Activations", "h is the net input of a unit; a derivative at a kink is a convention."),
    "loss": (
        "Losses",
        "e = y_hat - y. `reduction` may be `sum` or `mean`; the mean of `cross_entropy` is over samples, "
        "all others are over samples and outputs.",
    ),
    "optimizer": (
        "Optimizers",
        "Formulas and defaults are those of PyTorch, except for the learning rate of sgd and for lion (Chen "
        "et al. 2023); [numerics.md](numerics.md) lists the differences.",
    ),
    "schedule": (
        "Schedules",
        "A schedule is a factor on the learning rate. Epochs count from 0; `warmup: N` adds a linear "
        "increase over N epochs before any schedule.",
    ),
    "initializer": ("Initializers", "An initializer draws the weights (n_inputs, n_outputs) of a layer."),
    "metric": (
        "Metrics",
        "With several output columns, `precision`, `recall`, `f1` and `roc_auc` are means over the classes "
        "or labels. [networks.md](networks.md#metrics-of-classes) says which targets they fit.",
    ),
    "data_source": ("Data sources", "Options marked *required* have no default."),
    "logger": ("Loggers", "Every run uses `csv`."),
}


def option(component: Component, name: str, value: Any) -> str:
    """Format one option for a table cell."""
    if value is REQUIRED:
        return f"`{name}` *required*"
    default = str(value).lower() if isinstance(value, bool) else value
    default = f"{default:g}" if isinstance(default, float) else default
    domain = component.bounds.get(name, "")
    return f"`{name}: {default}`" + (f" in {domain}" if domain[:1] in {"[", "("} else "")


def table(components: Sequence[Component]) -> str:
    """Return the table of one kind of component."""
    rows = ["| name | options and their defaults | |", "|---|---|---|"]
    for component in components:
        options = ", ".join(option(component, name, value) for name, value in component.options.items())
        summary = component.summary.replace("|", "\\|")
        rows.append(f"| `{component.name}` | {options} | {summary} |")
    return "\n".join(rows)


def page() -> str:
    """Return the page."""
    parts = []
    for kind in KINDS:
        title, remark = SECTIONS[kind.name]
        parts.append(f"## {title}\n\n{remark}\n\n{table(kind.built_ins)}\n")
    return "\n".join([HEAD, *parts])


if __name__ == "__main__":
    print(page(), end="")

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

`python tools/defaults.py` writes this page from the tables of the components. The keys of an experiment
and their defaults stand in [configuration.md](configuration.md). An option is given beside the name,
`{name: huber, delta: 2}`; its range is in brackets where it has one: `[` includes the end, `(` does not.

What is not said is: hidden layers `tanh`, the last layer `identity`, weights `glorot_uniform`, biases 0,
loss `sse`, optimizer `sgd`, schedule `constant`.
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
        "Formulas and defaults are PyTorch's, but for sgd's learning rate and for lion (Chen et al. 2023).",
    ),
    "schedule": (
        "Schedules",
        "A factor on the learning rate. Epochs count from 0; `warmup: N` is a linear rise over N epochs "
        "in front of any of them.",
    ),
    "initializer": ("Initializers", "Of the weights (n_inputs, n_outputs) of a layer."),
    "metric": (
        "Metrics",
        "Of several classes, `precision`, `recall`, `f1` and `roc_auc` are the mean over the classes.",
    ),
    "data_source": ("Data sources", "Options marked *required* have no default."),
    "logger": ("Loggers", "`csv` is on in every run."),
}


def option(component: Component, name: str, value: Any) -> str:
    """Return one option as a cell of the table shows it."""
    if value is REQUIRED:
        return f"`{name}` *required*"
    shown = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
    number = f"{shown:g}" if isinstance(shown, float) else str(shown)
    domain = component.bounds.get(name, "")
    return f"`{name}: {number}`" + (f" in {domain}" if domain[:1] in {"[", "("} else "")


def table(components: Sequence[Component]) -> str:
    """Return the rows of one kind of component."""
    rows = ["| name | options and their defaults | |", "|---|---|---|"]
    for component in components:
        options = ", ".join(option(component, name, value) for name, value in component.options.items())
        summary = component.summary.replace("|", "\\|")
        rows.append(f"| `{component.name}` | {options} | {summary} |")
    return "\n".join(rows)


def page() -> str:
    """Return the whole page."""
    parts = []
    for kind in KINDS:
        title, remark = SECTIONS[kind.name]
        parts.append(f"## {title}\n\n{remark}\n\n{table(kind.built_ins)}\n")
    return "\n".join([HEAD, *parts])


if __name__ == "__main__":
    print(page(), end="")

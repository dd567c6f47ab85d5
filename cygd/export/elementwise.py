"""Which activations a format can express."""

from __future__ import annotations

from cygd.components import Activation
from cygd.errors import ExportError


def check_expressible(activation: Activation, format: str) -> None:
    """Raise an ExportError for an activation that is neither a built-in nor a formula."""
    if activation.kernel or activation.formula is not None:
        return
    kind = "a function pointer" if activation.pointers is not None else "a Python function"
    source = f" of plugin {activation.plugin!r}" if activation.plugin else ""
    raise ExportError(
        f"the activation {activation.name!r}{source} is {kind}, which {format} cannot express",
        hint="write it as a formula, such as activation: {formula: 'h * sigmoid(h)'}",
    )

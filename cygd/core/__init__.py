"""The compiled core: arrays in, arrays out. It knows no YAML, no plugins and no files."""

from cygd.core import dispatch
from cygd.core._f64 import names
from cygd.core.primitives import (
    activate,
    derivative,
    error_term,
    hidden_error_term,
    net_input,
    output,
    sse,
    weight_step,
)

__all__ = [
    "activate",
    "derivative",
    "dispatch",
    "error_term",
    "hidden_error_term",
    "names",
    "net_input",
    "output",
    "sse",
    "weight_step",
]

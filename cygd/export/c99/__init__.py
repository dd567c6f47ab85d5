"""`.c` and `.h`: a model as one self-contained pair of files in C99.

The functions are those of the kernels in scalar form, with the same operations in the same order, so a
compiled model has the bits of `Model.predict` at the CPU levels v3 and v4.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cygd.export.c99.compiled import run
from cygd.export.c99.source import c_model
from cygd.export.protocols import TrainedModel

__all__ = ["run", "serialize"]


def serialize(model: TrainedModel, path: Path) -> Mapping[Path, bytes]:
    """Return the contents of the source file and of the header."""
    code = c_model(model, path)
    source, header = path.with_name(f"{code.stem}.c"), path.with_name(f"{code.stem}.h")
    return {source: code.source().encode(), header: code.header().encode()}

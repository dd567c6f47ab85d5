"""The class that an output predicts, as `cygd predict` chooses it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def predicted_classes(outputs: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the class number of each row: the largest output, or whether the only one exceeds 1/2.

    Examples
    --------
    >>> predicted_classes(np.array([[0.2, 0.5, 0.3]])), predicted_classes(np.array([[0.7]]))
    (array([1]), array([1]))
    """
    chosen = outputs.argmax(axis=1) if outputs.shape[1] > 1 else outputs[:, 0] > 0.5
    return np.asarray(chosen, np.int64)

"""Classification metrics, and the kind of targets that decides what they compare.

    binary      one column; positive above the threshold
    classes     one column per class, one 1 in each row; the largest output wins, the first of equal ones
    multilabel  one column per label, any number of 1s in a row; each is positive above the threshold
    numbers     one column of whole numbers, each of them a class; an output is rounded
    continuous  other numbers, or whole ones most of which occur once: no classes

The threshold is 1/2, or 0 if the targets are -1 and 1. The kind follows from the loss and from the targets
of the training rows, and holds for every part of the data, whatever classes occur in it. The definitions and
the edge cases are scikit-learn's: an undefined ratio is 0; several classes or labels are averaged without
weights (macro), of classes those that occur; accuracy of labels is the share of rows with all labels right.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cygd.components.losses import Loss
from cygd.errors import DataError

Array = NDArray[Any]
Indicator = NDArray[np.bool_]  # (n_samples, n_columns): whether a row has a class or label

TOLERANCE = 1e-5  # targets that were scaled, in float32, and scaled back are whole numbers up to this
SOFT = ("binary_cross_entropy", "cross_entropy")  # losses of classes whose targets may be probabilities
HINT = (
    "for numbers use rmse, mae or r2; classes are a column of 0 and 1 or of -1 and 1, or one column of 0 and "
    "1 for each class"
)


class Targets(NamedTuple):
    """The kind of the targets of a data set."""

    kind: str
    signs: bool = False  # -1 and 1 instead of 0 and 1
    soft: bool = False  # probabilities
    example: str = ""  # of a number that is not a class, for messages

    @property
    def threshold(self) -> float:
        """Above which an output is positive."""
        return 0.0 if self.signs else 0.5

    @classmethod
    def of(cls, y: Array, loss: Loss | None = None) -> Targets:
        """Return the kind of training targets (n_samples, n_outputs)."""
        kernel = None if loss is None else loss.kernel
        signs = (loss is not None and loss.targets == "signs") or _is_signs(y)
        found = cls("binary", signs, kernel in SOFT)
        example = found.misfit(y)
        if example and y.shape[1] == 1 and _is_class_numbers(y):
            return cls("numbers")
        if example:
            return cls("continuous", example=example)
        if y.shape[1] == 1:
            return found
        single = kernel == "cross_entropy" or bool((found.indicator(y).sum(axis=1) == 1).all())
        return found._replace(kind="classes" if single else "multilabel")

    def misfit(self, y: Array) -> str:
        """Return the first target of another kind, as `y[3, 0] = 2.0`; empty if there is none."""
        if self.soft or self.kind == "continuous":
            return ""
        if self.kind == "numbers":
            unfit = ~_is_whole(y)
        else:
            unfit = ~((abs(y + self.signs) <= TOLERANCE) | (abs(y - 1.0) <= TOLERANCE))
        if self.kind == "classes" and not unfit.any():
            unfit = (self.indicator(y).sum(axis=1) != 1)[:, None]
            return f"y[{np.argmax(unfit)}] = {y[np.argmax(unfit)].tolist()}" if unfit.any() else ""
        if not unfit.any():
            return ""
        row, column = np.argwhere(unfit)[0].tolist()
        return f"y[{row}, {column}] = {float(y[row, column])}"

    def indicator(self, a: Array) -> Indicator:
        """Return which labels, or which positive class, targets or outputs have."""
        return np.asarray(a > self.threshold)

    def check(self, name: str, y: Array) -> None:
        """Raise a DataError unless a metric of classes can be measured on targets."""
        if self.kind == "continuous":
            raise DataError(f"{name} needs classes, got the target {self.example}", hint=HINT)
        misfit = self.misfit(y)
        if misfit:
            words = "-1 and 1" if self.signs else "0 and 1"
            words = "that are whole numbers" if self.kind == "numbers" else words
            single = " with one class in each row" if self.kind == "classes" else ""
            raise DataError(f"{name}: expected targets {words}{single} as in training, got {misfit}")


def _is_whole(y: Array) -> Indicator:
    return np.asarray(abs(y - np.rint(y)) <= TOLERANCE * np.maximum(1.0, abs(y)))


def _is_class_numbers(y: Array) -> bool:
    """Return whether whole numbers are classes; scikit-learn doubts it if most of them occur once."""
    if not _is_whole(y).all():
        return False
    return len(y) <= 20 or len(np.unique(np.rint(y))) <= len(y) / 2


def _is_signs(y: Array) -> bool:
    return bool((y < -0.5).any() and (abs(abs(y) - 1.0) <= TOLERANCE).all())


def as_indicator(y: Array, n_classes: int) -> Array:
    """Return class numbers (n_samples, 1) as one column per class, or y if it does not hold class numbers."""
    numbers = y[:, 0]
    if y.shape[1] != 1 or not ((numbers % 1 == 0) & (numbers >= 0) & (numbers < n_classes)).all():
        return y
    return np.asarray(np.eye(n_classes)[numbers.astype(int)])

"""Class labels as targets of a network, and its outputs as labels and probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def read_labels(y: Any) -> tuple[Array, bool]:
    """Return labels as an array, and whether they are multilabel: (n_samples, n_labels) of 0 and 1."""
    if hasattr(y, "toarray"):  # a sparse indicator
        y = y.toarray()
    # the checks of scikit-learn take longer than a small fit
    if y.ndim == 1 and (y.dtype.kind in "biuUS" or (y.dtype.kind == "f" and (y == np.rint(y)).all())):
        return y, False
    check_classification_targets(y)
    kind = type_of_target(y)
    if kind == "multiclass-multioutput":
        raise ValueError(
            "y: several columns of classes are not supported; use sklearn.multioutput.MultiOutputClassifier, "
            "or an indicator of 0 and 1 for multilabel targets"
        )
    multilabel = kind == "multilabel-indicator"
    return (np.asarray(y) if multilabel else column_or_1d(y, warn=True)), multilabel


@dataclass(frozen=True, eq=False)
class Labels:
    """The classes of a classifier and their code in the outputs of its network.

    One output holds two classes (`binary`), else there is an output for each class. Of multilabel targets
    each output is a label, which a row may have or not.
    """

    classes: Array
    multilabel: bool
    n_outputs: int
    signs: bool = False  # -1 and 1 instead of 0 and 1

    @property
    def binary(self) -> bool:
        """Whether one output holds two classes."""
        return not self.multilabel and self.n_outputs == 1

    @property
    def threshold(self) -> float:
        """Above which an output of one or of several labels is positive."""
        return 0.0 if self.signs else 0.5

    def encode(
        self, y: Array, dtype: np.dtype[Any], codes: Array | None = None
    ) -> tuple[Array, Array | None]:
        """Return labels as targets (n_samples, n_outputs), and their numbers unless they are multilabel.

        `codes` are the numbers of the labels if they are known.
        """
        if self.multilabel:
            if y.ndim != 2 or y.shape[1] != self.n_outputs:
                raise ValueError(f"y must have shape (n_samples, {self.n_outputs}), got {y.shape}")
            targets = np.array(y, dtype, order="C")
        else:
            codes = self._codes(y) if codes is None else codes
            if self.binary:
                targets = codes.astype(dtype)[:, None]
            else:
                targets = np.zeros((len(y), self.n_outputs), dtype)
                targets[np.arange(len(y)), codes] = 1
        if self.signs:
            targets *= 2
            targets -= 1
        return targets, codes

    def _codes(self, y: Array) -> Array:
        """Return the numbers of labels, or raise a ValueError for one that is no class."""
        try:
            codes = np.searchsorted(self.classes, y)
        except TypeError:  # text beside numbers
            codes = np.full(len(y), len(self.classes))
        codes = np.minimum(codes, len(self.classes) - 1)
        unknown = np.flatnonzero(self.classes[codes] != y)
        if len(unknown):
            known = ", ".join(map(repr, self.classes.tolist()))
            raise ValueError(f"y: unknown class {y.tolist()[unknown[0]]!r}; the classes are {known}")
        return np.asarray(codes)

    def decode(self, y_hat: Array) -> Array:
        """Return the labels that outputs predict."""
        if self.multilabel:
            return np.asarray(y_hat > self.threshold).astype(np.int64)
        codes = (y_hat[:, 0] > self.threshold).astype(np.intp) if self.binary else y_hat.argmax(axis=1)
        return np.asarray(self.classes[codes])

    def probabilities(self, y_hat: Array, *, normalized: bool) -> Array:
        """Return outputs as probabilities, (n_samples, n_classes); those of a softmax are normalized."""
        if normalized:
            return y_hat
        y_hat = np.clip(y_hat, 0, 1)
        if self.multilabel:
            return y_hat
        if self.binary:
            return np.hstack([1 - y_hat, y_hat])
        total = y_hat.sum(axis=1, keepdims=True)
        return np.asarray(np.where(total > 0, y_hat / np.where(total > 0, total, 1), 1 / self.n_outputs))

    def matches(self, classes: Array, multilabel: bool) -> bool:
        """Return whether classes are these."""
        return self.multilabel == multilabel and np.array_equal(self.classes, classes)

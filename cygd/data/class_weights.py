"""Weights of the training rows by their class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cygd.data.dataset import Array, Label, Part
from cygd.data.table import listed
from cygd.errors import DataError, did_you_mean

__all__ = ["class_weights"]


def class_weights(train: Part, classes: Sequence[Label], wanted: str | Mapping[str, float]) -> Part:
    """Return the training rows, each weighted by its class as well.

    Parameters
    ----------
    train : Part
        Its `y` holds one column for each class, or one of 0 and 1.
    classes : sequence of labels
        The classes.
    wanted : "balanced" or mapping of str to float
        Weights by label, 1 for a label that is not there. Balanced ones give every class the same
        share of the whole weight, which stays what it was: n / (k n_c) for n rows, n_c of them of
        the class, and k classes.

    Raises
    ------
    DataError
        For a label that no class has.
    """
    y = train.y
    codes = y[:, 0].astype(np.int64) if y.shape[1] == 1 else y.argmax(axis=1)
    given = np.ones(len(y), y.dtype) if train.sample_weight is None else train.sample_weight
    if isinstance(wanted, Mapping):
        factors = given_factors(classes, wanted)
    else:
        rows = slice(None) if train.rows is None else train.rows
        factors = balanced_factors(codes[rows], given[rows], classes)
    return replace(train, sample_weight=(given * factors[codes]).astype(y.dtype))


def given_factors(classes: Sequence[Label], wanted: Mapping[str, float]) -> Array:
    """Return the weight of each class, as somebody has written them down."""
    known = [str(label) for label in classes]
    for label in wanted:
        if label not in known:
            hint = did_you_mean(label, known) or f"the classes are {listed(classes)}"
            raise DataError(f"no class is called {label!r}", hint=hint)
    return np.array([wanted.get(label, 1.0) for label in known])


def balanced_factors(codes: Array, given: Array, classes: Sequence[Label]) -> Array:
    """Return the weight of each class that makes all classes weigh the same."""
    sums = np.bincount(codes, weights=given, minlength=len(classes))
    if not sums.all():
        empty = classes[int(np.argmin(sums))]
        raise DataError(f"no weight of the others balances the class {empty!r}, whose rows weigh 0")
    factors: Array = sums.sum() / (len(classes) * sums)
    return factors

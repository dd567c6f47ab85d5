"""Sample weights of the training rows by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cygd.data.dataset import Array, Label, Part
from cygd.data.formatting import suggest_name
from cygd.errors import DataError


def apply_class_weights(train: Part, classes: Sequence[Label], weights: str | Mapping[str, float]) -> Part:
    """Return the training rows with their sample weights multiplied by class weights.

    A mapping gives weights by label, 1 for a label that is not listed. "balanced" gives every class the same
    share of the total weight, which does not change: n / (k n_c) for n rows, n_c of them of the class, and
    k classes.
    """
    y = train.y  # one column per class, or one column of 0 and 1
    codes = y[:, 0].astype(np.int64) if y.shape[1] == 1 else y.argmax(axis=1)
    sample_weight = np.ones(len(y), y.dtype) if train.sample_weight is None else train.sample_weight
    if isinstance(weights, Mapping):
        factors = explicit_factors(classes, weights)
    else:
        rows = slice(None) if train.rows is None else train.rows
        factors = balanced_factors(codes[rows], sample_weight[rows], classes)
    return replace(train, sample_weight=(sample_weight * factors[codes]).astype(y.dtype))


def explicit_factors(classes: Sequence[Label], weights: Mapping[str, float]) -> Array:
    """Return the weight of each class as the experiment lists it."""
    known = [str(label) for label in classes]
    for label in weights:
        if label not in known:
            raise DataError(f"unknown class {label!r}", hint=suggest_name(label, known, "classes"))
    return np.array([weights.get(label, 1.0) for label in known])


def balanced_factors(codes: Array, sample_weight: Array, classes: Sequence[Label]) -> Array:
    """Return the class weights that give all classes the same total weight."""
    totals = np.bincount(codes, weights=sample_weight, minlength=len(classes))
    if not totals.all():
        empty = classes[int(np.argmin(totals))]
        raise DataError(f"class {empty!r} has total sample weight 0 and cannot be balanced")
    factors: Array = totals.sum() / (len(classes) * totals)
    return factors

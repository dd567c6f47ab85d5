"""The built-in metrics of predictions for targets, both of shape (n_rows, n_columns) in original units.

A metric may decide when training stops, so its bits must not depend on the machine: counts are integers, and
sums are in double and in the order of the rows. Definitions and edge cases are scikit-learn's; which classes
the kinds of targets compare is in `cygd.components.classification`.
"""

from libc.math cimport NAN, fabs, rint, sqrt
from libc.stdint cimport int64_t
from libc.stdlib cimport bsearch, qsort
from libc.string cimport memset

import numpy as np

from cygd.core.deterministic import column_statistics

cdef enum:
    ACCURACY, RMSE, MAE, R2, PRECISION, RECALL, F1, ROC_AUC

cdef enum:
    BINARY, CLASSES, MULTILABEL, NUMBERS, CONTINUOUS

NAMES = ("accuracy", "rmse", "mae", "r2", "precision", "recall", "f1", "roc_auc")
KINDS = ("binary", "classes", "multilabel", "numbers", "continuous")


cdef class Scorer:
    """Metrics of predictions for the same targets, again and again.

    Parameters
    ----------
    names : sequence of str
        Of the metrics.
    y : array of shape (n_rows, n_columns)
    kind : str
        What the targets are: binary, classes, multilabel, numbers or continuous.
    threshold : float
        Of binary and multilabel outputs.

    Examples
    --------
    >>> scorer = Scorer(["rmse", "mae"], np.array([[1.0], [2.0]]))
    >>> scorer(np.array([[1.0], [4.0]]))
    [1.4142135623730951, 1.0]
    """

    def __init__(self, names, y, str kind="continuous", double threshold=0.5):
        self.names = tuple(names)
        self.metrics = np.array([NAMES.index(name) for name in self.names], np.intc)
        self.kind = KINDS.index(kind)
        self.threshold = threshold
        y = np.ascontiguousarray(y, np.float64)
        self.y = y
        self.n_rows, self.n_columns = y.shape
        self.totals = np.empty(self.n_columns)
        if "r2" in self.names and self.n_rows:
            _, std, low, high = column_statistics(y)
            # rounding could give constant targets a tiny standard deviation
            self.variance = np.where(low == high, 0.0, std * std)
        self.n_counts = self.n_columns
        if self.kind == NUMBERS:
            self.classes = np.unique(np.rint(y))
            self.strangers = np.empty(self.n_rows)
            self.n_counts = self.classes.shape[0]
        self.allocate()

    cdef allocate(self):
        """Allocate what scoring needs, so that it needs no memory of its own."""
        cdef Py_ssize_t n = self.n_rows if "roc_auc" in self.names else 0
        cdef Py_ssize_t size = self.n_counts * sizeof(counts_t)
        cdef char[::1] memory = bytearray(size + n * sizeof(output_t) + 1)
        self.memory = memory
        self.counts = <counts_t *> &memory[0]
        self.outputs = <output_t *> (&memory[0] + size)

    def __call__(self, y_hat):
        """Return the value of each metric; NaN if it is undefined, or if any prediction is NaN."""
        cdef const double[:, ::1] predictions = np.ascontiguousarray(y_hat, np.float64)
        cdef double[::1] values = np.empty(len(self.names) + 1)
        if predictions.shape[0] != self.n_rows or predictions.shape[1] != self.n_columns:
            expected = (self.n_rows, self.n_columns)
            raise ValueError(f"expected y_hat of shape {expected}, got {y_hat.shape}")
        with nogil:
            self.score(&predictions[0, 0] if self.n_rows else NULL, &values[0])
        return [values[k] for k in range(len(self.names))]

    cdef void score(self, const double *y_hat, double *values) noexcept nogil:
        """Write the value of each metric."""
        cdef Py_ssize_t k
        cdef bint counted = False
        cdef bint defined = self.n_rows > 0 and not has_nan(y_hat, self.n_rows * self.n_columns)
        for k in range(self.metrics.shape[0]):
            values[k] = NAN
            if defined and PRECISION <= self.metrics[k] <= F1 and not counted:
                count(self, y_hat)
                counted = True
            if defined:
                values[k] = compute(self, self.metrics[k], y_hat)


cdef bint has_nan(const double *a, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef bint found = False
    for i in range(n):
        found |= a[i] != a[i]
    return found


cdef double compute(Scorer scorer, int metric, const double *y_hat) noexcept nogil:
    """Return one metric of at least one row without NaN."""
    if metric == ACCURACY:
        return accuracy(scorer, y_hat)
    if metric == ROC_AUC:
        return roc_auc(scorer, y_hat)
    if metric in (PRECISION, RECALL, F1):
        return mean_ratio(scorer, metric)
    if metric == R2 and scorer.n_rows < 2:
        return NAN
    return mean_error(scorer, metric, y_hat)


# numbers ------------------------------------------------------------------------------------------

cdef double mean_error(Scorer scorer, int metric, const double *y_hat) noexcept nogil:
    """Return rmse, mae or r2, averaged over the columns."""
    cdef Py_ssize_t i, j, k = scorer.n_columns
    cdef double error, value, result = 0
    cdef const double *y = &scorer.y[0, 0]
    cdef double *totals = &scorer.totals[0]
    for j in range(k):
        totals[j] = 0
    for i in range(scorer.n_rows):
        for j in range(k):
            error = y[i * k + j] - y_hat[i * k + j]
            totals[j] += fabs(error) if metric == MAE else error * error
    for j in range(k):
        value = totals[j] / scorer.n_rows
        if metric == RMSE:
            value = sqrt(value)
        elif metric == R2 and scorer.variance[j] != 0:
            value = 1 - value / scorer.variance[j]
        elif metric == R2:
            value = 1 if value == 0 else 0
        result += value
    return result / k


# classes and labels -------------------------------------------------------------------------------

cdef Py_ssize_t largest(const double *outputs, Py_ssize_t n) noexcept nogil:
    """Return the index of the largest output, the first of equal ones."""
    cdef Py_ssize_t j, found = 0
    for j in range(1, n):
        if outputs[j] > outputs[found]:
            found = j
    return found


cdef bint is_right(Scorer scorer, const double *y, const double *y_hat) noexcept nogil:
    """Return whether the class, or all labels, of a row are predicted."""
    cdef Py_ssize_t j
    if scorer.kind == CLASSES:
        return largest(y, scorer.n_columns) == largest(y_hat, scorer.n_columns)
    for j in range(scorer.n_columns):
        if scorer.kind == NUMBERS and rint(y[j]) != rint(y_hat[j]):
            return False
        if scorer.kind != NUMBERS and (y[j] > scorer.threshold) != (y_hat[j] > scorer.threshold):
            return False
    return True


cdef double accuracy(Scorer scorer, const double *y_hat) noexcept nogil:
    """Return the share of rows whose class, or all of whose labels, are predicted."""
    cdef Py_ssize_t i, k = scorer.n_columns
    cdef int64_t right = 0
    for i in range(scorer.n_rows):
        right += is_right(scorer, &scorer.y[i, 0], y_hat + i * k)
    return <double> right / scorer.n_rows


cdef void add_row(counts_t *counts, bint actual, bint predicted) noexcept nogil:
    counts.actual += actual
    counts.predicted += predicted
    counts.hits += actual and predicted


cdef void count(Scorer scorer, const double *y_hat) noexcept nogil:
    """Count the rows of each class or label."""
    cdef Py_ssize_t _row, j, k = scorer.n_columns
    cdef const double *y = &scorer.y[0, 0]
    memset(scorer.counts, 0, scorer.n_counts * sizeof(counts_t))
    if scorer.kind == NUMBERS:
        count_numbers(scorer, y, y_hat)
        return
    for _row in range(scorer.n_rows):
        if scorer.kind == CLASSES:
            j = largest(y, k)
            scorer.counts[j].actual += 1
            scorer.counts[j].hits += j == largest(y_hat, k)
            scorer.counts[largest(y_hat, k)].predicted += 1
        else:
            for j in range(k):
                add_row(&scorer.counts[j], y[j] > scorer.threshold, y_hat[j] > scorer.threshold)
        y += k
        y_hat += k


cdef void count_numbers(Scorer scorer, const double *y, const double *y_hat) noexcept nogil:
    """Count the rows of each class that is a number in one column; keep the predictions of no class."""
    cdef Py_ssize_t i, actual, predicted, n_strangers = 0
    for i in range(scorer.n_rows):
        actual = find_number(scorer.classes, rint(y[i]))
        predicted = find_number(scorer.classes, rint(y_hat[i]))
        scorer.counts[actual].actual += 1
        if predicted < 0:
            scorer.strangers[n_strangers] = rint(y_hat[i])
            n_strangers += 1
        else:
            scorer.counts[predicted].predicted += 1
            scorer.counts[predicted].hits += actual == predicted
    qsort(&scorer.strangers[0], n_strangers, sizeof(double), compare_numbers)
    for i in range(n_strangers, scorer.n_rows):
        scorer.strangers[i] = NAN


cdef int compare_numbers(const void *a, const void *b) noexcept nogil:
    cdef double x = (<const double *> a)[0], y = (<const double *> b)[0]
    return (x > y) - (x < y)


cdef Py_ssize_t find_number(double[::1] numbers, double number) noexcept nogil:
    """Return the index of a number in sorted ones, or -1."""
    cdef double *found = <double *> bsearch(&number, &numbers[0], numbers.shape[0], sizeof(double),
                                            compare_numbers)
    return found - &numbers[0] if found != NULL else -1


cdef double mean_ratio(Scorer scorer, int metric) noexcept nogil:
    """Return precision, recall or f1, averaged over the classes that occur, or over all labels."""
    cdef Py_ssize_t j, n = 0
    cdef double total = 0
    cdef counts_t c
    cdef int64_t part, whole
    for j in range(scorer.n_counts):
        c = scorer.counts[j]
        if not (c.actual or c.predicted) and scorer.kind in (CLASSES, NUMBERS):
            continue
        n += 1
        part = 2 * c.hits if metric == F1 else c.hits
        whole = 0
        if metric in (PRECISION, F1):
            whole += c.predicted
        if metric in (RECALL, F1):
            whole += c.actual
        total += <double> part / whole if whole else 0
    if scorer.kind == NUMBERS:            # each distinct number that is no class of y has the ratio 0
        for j in range(scorer.n_rows):
            if scorer.strangers[j] != scorer.strangers[j]:
                break
            n += j == 0 or scorer.strangers[j] != scorer.strangers[j - 1]
    return total / n if n else NAN


# ranks --------------------------------------------------------------------------------------------

cdef int compare_outputs(const void *a, const void *b) noexcept nogil:
    return compare_numbers(&(<const output_t *> a).value, &(<const output_t *> b).value)


cdef double roc_auc(Scorer scorer, const double *y_hat) noexcept nogil:
    """Return the mean area under the ROC curve of the columns that have positive and negative rows."""
    cdef Py_ssize_t i, j, k = scorer.n_columns, n = 0
    cdef double total = 0, value
    for j in range(k):
        for i in range(scorer.n_rows):
            scorer.outputs[i].value = y_hat[i * k + j]
            if scorer.kind == CLASSES:
                scorer.outputs[i].positive = largest(&scorer.y[i, 0], k) == j
            else:
                scorer.outputs[i].positive = scorer.y[i, j] > scorer.threshold
        value = area(scorer.outputs, scorer.n_rows)
        if value == value:
            total += value
            n += 1
    return total / n if n else NAN


cdef double area(output_t *outputs, Py_ssize_t n) noexcept nogil:
    """Return the area from ranks: the rank sum of the positives less its minimum (Mann & Whitney).

    Equal outputs have their mean rank, twice of which is a whole number: first + last.
    """
    cdef Py_ssize_t first = 0, last
    cdef int64_t positives, n_positive = 0, twice_sum = 0, n_negative
    qsort(outputs, n, sizeof(output_t), compare_outputs)
    while first < n:
        last = first
        positives = 0
        while last < n and outputs[last].value == outputs[first].value:
            positives += outputs[last].positive
            last += 1
        twice_sum += (first + 1 + last) * positives
        n_positive += positives
        first = last
    n_negative = n - n_positive
    if not n_positive or not n_negative:
        return NAN
    return <double> (twice_sum - n_positive * (n_positive + 1)) / <double> (2 * n_positive * n_negative)

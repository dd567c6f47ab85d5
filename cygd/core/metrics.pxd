# The built-in metrics without the GIL, for the engine and for arrays.

from libc.stdint cimport int64_t

# rows that have a class or label, that were predicted to have it, and both
cdef struct counts_t:
    int64_t actual, predicted, hits

# the output of a row, and whether the row is positive
cdef struct output_t:
    double value
    bint positive


cdef class Scorer:
    cdef readonly tuple names                   # of the metrics
    cdef readonly Py_ssize_t n_rows, n_columns
    cdef int[::1] metrics
    cdef int kind
    cdef double threshold
    cdef const double[:, ::1] y
    cdef double[::1] totals                     # of the errors of each column
    cdef double[::1] variance                   # of each column of y
    cdef double[::1] classes                    # the distinct numbers in y, if they are classes
    cdef double[::1] strangers                  # predicted numbers that are no class of y
    cdef Py_ssize_t n_counts
    cdef object memory
    cdef counts_t *counts                       # of each class or label
    cdef output_t *outputs                      # of each row
    cdef allocate(self)
    cdef void score(self, const double *y_hat, double *values) noexcept nogil

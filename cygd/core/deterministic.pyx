"""Column statistics and orthonormal bases with a fixed order of operations.

The last bits of LAPACK and of NumPy's vectorized sums depend on the machine and the version. What enters a
result (the scaling of the data, initial weights) must not, so it is computed here.
"""

from libc.math cimport fmax, fmin, sqrt
from libc.stdint cimport int64_t

import numpy as np

ctypedef fused floating:
    float
    double


def _statistics(const floating[:, :] x, const int64_t[::1] rows, double[:, ::1] out):
    """Write mean, std, min and max of each column: mean = sum x / n, std^2 = sum (x - mean)^2 / n.

    In double, each column summed in the order of the rows.
    """
    cdef Py_ssize_t i, j, n = rows.shape[0]
    cdef double value
    with nogil:
        for j in range(x.shape[1]):
            out[0, j] = out[1, j] = 0
            out[2, j] = out[3, j] = x[rows[0], j]
        for i in range(n):
            for j in range(x.shape[1]):
                value = x[rows[i], j]
                out[0, j] += value
                out[2, j] = fmin(out[2, j], value)
                out[3, j] = fmax(out[3, j], value)
        for j in range(x.shape[1]):
            out[0, j] /= n
        for i in range(n):
            for j in range(x.shape[1]):
                value = x[rows[i], j] - out[0, j]
                out[1, j] += value * value
        for j in range(x.shape[1]):
            out[1, j] = sqrt(out[1, j] / n)


def column_statistics(x, rows=None):
    """Return mean, standard deviation, minimum and maximum of each column.

    Parameters
    ----------
    x : array of shape (n_samples, n_columns)
        float32 or float64; anything else is converted.
    rows : array of int64, optional
        Indices of the rows to use; all by default.

    Returns
    -------
    tuple of four float64 arrays of shape (n_columns,)
        The standard deviation divides by n.

    Examples
    --------
    >>> mean, std, low, high = column_statistics(np.array([[1.0], [3.0]]))
    >>> float(mean[0]), float(std[0]), float(low[0]), float(high[0])
    (2.0, 1.0, 1.0, 3.0)
    """
    x = np.asarray(x)
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float64)
    indices = np.arange(len(x)) if rows is None else np.ascontiguousarray(rows, np.int64)
    if not len(indices):
        raise ValueError("column_statistics: expected at least one row, got none")
    if indices.min() < 0 or indices.max() >= len(x):
        raise IndexError("column_statistics: row out of range")
    out = np.empty((4, x.shape[1]))
    _statistics(x, indices, out)
    return tuple(out)


def orthonormal(a):
    """Return a matrix with orthonormal columns; orthonormal rows if it has more columns than rows.

    Gram-Schmidt with each column orthogonalized twice, which is orthogonal to working precision
    (Giraud et al. 2005).

    Parameters
    ----------
    a : array of shape (n_rows, n_columns)
        It must have full rank.

    Examples
    --------
    >>> q = orthonormal(np.array([[3.0, 1.0], [4.0, 2.0]]))
    >>> bool(np.allclose(q.T @ q, np.eye(2)))
    True
    """
    a = np.asarray(a, np.float64)
    tall = a.shape[0] >= a.shape[1]
    # one vector per row, so that each is contiguous
    cdef double[:, ::1] q = np.array(a.T if tall else a, order="C")
    cdef Py_ssize_t i, j, k, n = q.shape[1]
    cdef int _twice
    cdef double dot
    for i in range(q.shape[0]):
        for _twice in range(2):
            for j in range(i):
                dot = 0
                for k in range(n):
                    dot += q[j, k] * q[i, k]
                for k in range(n):
                    q[i, k] -= dot * q[j, k]
        dot = 0
        for k in range(n):
            dot += q[i, k] * q[i, k]
        if dot == 0:
            raise ValueError("orthonormal: expected a matrix of full rank")
        for k in range(n):
            q[i, k] /= sqrt(dot)
    out = np.asarray(q)
    return np.ascontiguousarray(out.T if tall else out)

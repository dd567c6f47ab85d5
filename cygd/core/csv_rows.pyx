"""Rows of numbers as text: the lines of metrics.csv and hashes.csv, each number as `repr` writes it."""

from cpython.mem cimport PyMem_Free
from libc.stdint cimport uint32_t
from libc.stdio cimport sprintf
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, strlen

cdef extern from "Python.h":
    char *PyOS_double_to_string(double x, char format, int precision, int flags, int *kind) except NULL
    enum: Py_DTSF_ADD_DOT_0

cdef enum:
    MAX_NUMBER = 32                     # characters of a number, and the comma


cdef char *write_number(char *out, double x) except NULL:
    """Write a number as `repr` does, and return where it ends."""
    cdef char *text = PyOS_double_to_string(x, c"r", 0, Py_DTSF_ADD_DOT_0, NULL)
    cdef size_t n = strlen(text)
    memcpy(out, text, n)
    PyMem_Free(text)
    return out + n


def format_rows(long long first, const double[:, ::1] values, const unsigned char[::1] measured,
                const int[::1] columns, int n_measured):
    """Return the lines of consecutive epochs: `epoch,cell,...`.

    Parameters
    ----------
    first : int
        The epoch of the first row.
    values : array of shape (n_rows, n_values)
    measured : array of bool, shape (n_rows,)
        Whether the first `n_measured` values of a row were measured; else their cells are empty.
    columns : array of int32, shape (n_columns,)
        The value in each column after the epoch; -1 for a column that is always empty.
    n_measured : int

    Returns
    -------
    tuple of bytes and int
        The lines, and where the last one begins.

    Examples
    --------
    >>> import numpy as np
    >>> table, flags = np.array([[0.5, 1e-5], [np.nan, 2.0]]), np.array([1, 0], np.uint8)
    >>> format_rows(3, table, flags, np.array([0, -1, 1], np.int32), 1)
    (b'3,0.5,,1e-05\\n4,,,2.0\\n', 13)
    """
    cdef Py_ssize_t row, column, n = columns.shape[0], last = 0
    cdef int index
    cdef char *memory
    cdef char *out
    for column in range(n):
        if not -1 <= columns[column] < values.shape[1]:
            raise ValueError(f"expected columns below {values.shape[1]}, got {columns[column]}")
    if measured.shape[0] != values.shape[0] or first < 0:
        raise ValueError(f"expected {values.shape[0]} flags and epochs from 0 on")
    memory = out = <char *> malloc(values.shape[0] * (n + 1) * MAX_NUMBER + 1)
    if memory == NULL:
        raise MemoryError()
    try:
        for row in range(values.shape[0]):
            last = out - memory
            out += sprintf(out, "%lld", first + row)
            for column in range(n):
                out[0] = c","
                out += 1
                index = columns[column]
                if index >= n_measured or index >= 0 and measured[row]:
                    out = write_number(out, values[row, index])
            out[0] = c"\n"
            out += 1
        return memory[:out - memory], last
    finally:
        free(memory)


def format_hashes(long long first, const uint32_t[::1] hashes):
    """Return the lines `epoch,hash` of consecutive epochs, each hash as 8 hexadecimal digits.

    Examples
    --------
    >>> import numpy as np
    >>> format_hashes(9, np.array([255, 1], np.uint32))
    b'9,000000ff\\n10,00000001\\n'
    """
    cdef Py_ssize_t row
    cdef char *memory = <char *> malloc(hashes.shape[0] * MAX_NUMBER + 1)
    cdef char *out = memory
    if memory == NULL:
        raise MemoryError()
    try:
        for row in range(hashes.shape[0]):
            out += sprintf(out, "%lld,%08x\n", first + row, hashes[row])
        return memory[:out - memory]
    finally:
        free(memory)

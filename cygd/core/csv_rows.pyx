"""Rows of numbers as text: the lines of metrics.csv and hashes.csv, each number as `repr` writes it.

A float64 becomes the shortest decimal that reads back to the same bits, by the algorithm Schubfach (Raffaello
Giulietti, "The Schubfach way to render doubles", 2021). Let the number be c 2^q. The decimals that read back
to it lie between its boundaries (4 c - 2) 2^(q-2) and (4 c + 2) 2^(q-2), of which an even c owns both. With
the power of ten 10^k that fits between them, at most two multiples of 10^(k+1) and two of 10^k can lie there:
those around the number itself. The first of them that does is the shortest.
"""

from libc.math cimport isnan
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef extern from *:
    ctypedef unsigned long long uint128_t "unsigned __int128"

cdef enum:
    MIN_POWER = -292                    # of ten, by which numbers are scaled
    N_POWERS = 617
    MAX_NUMBER = 32                     # characters of a number, and the comma


cdef struct power_t:                    # 10^k = g 2^(floor(log2(10^k)) - 127), g rounded up
    uint64_t high, low
    bint known

cdef power_t[N_POWERS] powers           # computed when they are first needed


cdef struct decimal_t:                  # significand 10^exponent
    uint64_t significand
    int exponent


cdef int compute_power(int k) except -1:
    """Compute a power of ten."""
    cdef power_t *power = &powers[k - MIN_POWER]
    cdef object n, g, shift, ten = 10, one = 1          # Python integers
    if k >= 0:
        n = ten**k
        shift = 128 - n.bit_length()
        g = n << shift if shift >= 0 else -(-n >> -shift)
    else:
        n = ten**-k
        g = -(-(one << 127 + n.bit_length()) // n)
    power.high, power.low = g >> 64, g & 0xFFFFFFFFFFFFFFFF
    power.known = True
    return 0


cdef inline uint64_t round_to_odd(const power_t *g, uint64_t c) noexcept nogil:
    """Return floor(g c 2^-128) with the lowest bit set if that is not exact."""
    cdef uint128_t x = <uint128_t> g.low * c
    cdef uint128_t y = <uint128_t> g.high * c + <uint64_t> (x >> 64)
    return <uint64_t> (y >> 64) | (<uint64_t> y > 1)


cdef int shortest(uint64_t bits, decimal_t *out) except -1:
    """Compute the shortest decimal of a positive finite number."""
    cdef uint64_t fraction = bits & ((1ULL << 52) - 1), c, lower, middle, upper, s, tens
    cdef int exponent = <int> (bits >> 52), q, k, h
    cdef bint odd, closer, below, above
    cdef const power_t *g
    if exponent:
        c, q = fraction | 1ULL << 52, exponent - 1075
        if -52 <= q <= 0 and c & ((1ULL << -q) - 1) == 0:      # a whole number
            out.significand, out.exponent = c >> -q, 0
            return 0
    else:
        c, q = fraction, -1074
    odd = c & 1
    closer = fraction == 0 and exponent > 1                     # the lower boundary of a power of two
    k = (q * 1262611 - (524031 if closer else 0)) >> 22         # floor(log10(2^q)), or of 3/4 2^q
    h = q + (-k * 1741647 >> 19) + 1                            # with floor(log2(10^-k))
    g = &powers[-k - MIN_POWER]
    if not g.known:
        compute_power(-k)
    lower = round_to_odd(g, (4 * c - 2 + closer) << h) + odd
    middle = round_to_odd(g, 4 * c << h)
    upper = round_to_odd(g, (4 * c + 2) << h) - odd
    s = middle // 4
    if s >= 10:
        tens = s // 10
        below, above = lower <= 40 * tens, 40 * tens + 40 <= upper
        if below != above:
            out.significand, out.exponent = tens + above, k + 1
            return 0
    below, above = lower <= 4 * s, 4 * s + 4 <= upper
    if below == above:                                          # the closer one, of two as close the even one
        above = middle > 4 * s + 2 or middle == 4 * s + 2 and s & 1
    out.significand, out.exponent = s + above, k
    return 0


cdef inline char *write_digits(char *out, uint64_t n, int digits) noexcept nogil:
    """Write the last digits of a number, and return where they end."""
    cdef int i
    for i in range(digits - 1, -1, -1):
        out[i] = 48 + <char> (n % 10)
        n //= 10
    return out + digits


cdef inline int count_digits(uint64_t n) noexcept nogil:
    cdef int digits = 1
    while n >= 10:
        n //= 10
        digits += 1
    return digits


cdef inline char *write_text(char *out, const char *text, int n) noexcept nogil:
    memcpy(out, text, n)
    return out + n


cdef char *write_number(char *out, double x) except NULL:
    """Write a number as `repr` does: with an exponent below 1e-4 and from 1e16 on."""
    cdef uint64_t bits
    cdef decimal_t decimal
    cdef int digits, point
    memcpy(&bits, &x, sizeof(bits))
    if isnan(x):
        return write_text(out, b"nan", 3)
    if bits >> 63:
        out[0] = 45                                             # -
        out, bits = out + 1, bits & (1ULL << 63) - 1
    if bits == 0:
        return write_text(out, b"0.0", 3)
    if bits == 0x7FFULL << 52:
        return write_text(out, b"inf", 3)
    shortest(bits, &decimal)
    while decimal.significand % 10 == 0:
        decimal.significand //= 10
        decimal.exponent += 1
    digits = count_digits(decimal.significand)
    point = digits + decimal.exponent                           # 0.digits 10^point
    if not -4 < point <= 16:
        return write_with_exponent(out, decimal.significand, digits, point - 1)
    if point <= 0:
        out = write_text(out, b"0.", 2)
        memset(out, 48, -point)
        return write_digits(out - point, decimal.significand, digits)
    if point >= digits:
        out = write_digits(out, decimal.significand, digits)
        memset(out, 48, point - digits)
        return write_text(out + point - digits, b".0", 2)
    write_digits(out + 1, decimal.significand, digits)          # the point moves the first digits
    for digit in range(point):
        out[digit] = out[digit + 1]
    out[point] = 46
    return out + digits + 1


cdef char *write_with_exponent(char *out, uint64_t significand, int digits, int exponent) noexcept nogil:
    """Write 1.5e+16, with at least two digits of the exponent."""
    write_digits(out + 1, significand, digits)
    out[0] = out[1]
    out[1] = 46
    out += digits + 1 if digits > 1 else 1
    out[0], out[1] = 101, 43 if exponent >= 0 else 45           # e, + or -
    exponent = exponent if exponent >= 0 else -exponent
    return write_digits(out + 2, exponent, 3 if exponent >= 100 else 2)


cdef inline char *write_count(char *out, long long n) noexcept nogil:
    return write_digits(out, n, count_digits(n))


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
            out = write_count(out, first + row)
            for column in range(n):
                out[0] = 44                                     # ,
                out += 1
                index = columns[column]
                if index >= n_measured or index >= 0 and measured[row]:
                    out = write_number(out, values[row, index])
            out[0] = 10
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
    cdef int digit
    cdef uint32_t value
    cdef char *memory = <char *> malloc(hashes.shape[0] * MAX_NUMBER + 1)
    cdef char *out = memory
    if memory == NULL:
        raise MemoryError()
    try:
        for row in range(hashes.shape[0]):
            out = write_count(out, first + row)
            out[0] = 44
            value = hashes[row]
            for digit in range(8):
                out[1 + digit] = b"0123456789abcdef"[value >> 28 - 4 * digit & 15]
            out[9] = 10
            out += 10
        return memory[:out - memory]
    finally:
        free(memory)

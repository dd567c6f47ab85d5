# Matrix-vector products for updates with one row at a time, fused with the update that follows.
#
# The weights of a layer are a matrix w (m, n), n a multiple of WIDTH, to which the engine copies them for an
# epoch: one row per input, or one row per output where that needs less padding. With one row per input
#
#     h   = b + sum_i x_i w_i         gemv_transposed
#     g_i = w_i . delta               gemv_and_update, followed by w_i = w_i + eta x_i delta
#
# and with one row per output the two are exchanged: h_j = b_j + w_j . x is `gemv`, and g = sum_j delta_j w_j
# is gemv_transposed_and_update. So w is read from the cache once per direction. `rank_1_update` is for layers
# whose update is separate.

cdef inline void gemv_transposed_tile(int vectors, int n_acc, const real *w, const real *a, const real *bias,
                                      real *out, Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    """out = bias + sum_i a_i w_i, `vectors` vectors of it; rows i, i + n_acc, ... share an accumulator."""
    cdef vec acc[8][8]
    cdef vec x
    cdef Py_ssize_t i = 0
    cdef int c, v
    for c in range(n_acc):
        for v in range(vectors):
            acc[c][v] = load(bias + v * LANES) if c == 0 and bias != NULL else splat(0)
    while i + n_acc <= m:
        for c in range(n_acc):
            x = splat(a[i + c])
            for v in range(vectors):
                acc[c][v] = fma_(x, load(w + (i + c) * n + v * LANES), acc[c][v])
        i += n_acc
    for c in range(n_acc - 1):
        if i + c < m:
            x = splat(a[i + c])
            for v in range(vectors):
                acc[c][v] = fma_(x, load(w + (i + c) * n + v * LANES), acc[c][v])
    for v in range(vectors):
        if n_acc == 8:
            for c in range(4):
                acc[c][v] = acc[c][v] + acc[c + 4][v]
        if n_acc >= 4:
            for c in range(2):
                acc[c][v] = acc[c][v] + acc[c + 2][v]
        store(out + v * LANES, acc[0][v] + acc[1][v])


cdef void gemv_transposed(const real *w, const real *a, const real *bias, real *out, Py_ssize_t m,
                          Py_ssize_t n) noexcept nogil:
    # out (n) = bias (n) + sum_i a_i w_i, w (m, n), a (m). The number of accumulators fixes the order of the
    # sum, so it depends on n alone; the number of vectors in a tile may depend on the level
    cdef Py_ssize_t j = 0
    if n <= WIDTH:
        while j < n:
            gemv_transposed_tile(1, 8, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
            j += LANES
        return
    if n <= 4 * WIDTH:
        while n - j >= 4 * LANES and VBYTES == 64:
            gemv_transposed_tile(4, 4, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
            j += 4 * LANES
        while n - j >= 2 * LANES:
            gemv_transposed_tile(2, 4, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
            j += 2 * LANES
        if j < n:
            gemv_transposed_tile(1, 4, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
        return
    while n - j >= 8 * LANES and VBYTES == 64:
        gemv_transposed_tile(8, 2, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
        j += 8 * LANES
    if n - j == 7 * LANES and VBYTES == 64:
        gemv_transposed_tile(7, 2, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
        return
    if n - j == 6 * LANES and VBYTES == 64:
        gemv_transposed_tile(6, 2, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
        return
    if n - j == 5 * LANES and VBYTES == 64:
        gemv_transposed_tile(5, 2, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
        return
    while n - j >= 4 * LANES:
        gemv_transposed_tile(4, 2, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
        j += 4 * LANES
    while n - j >= 2 * LANES:
        gemv_transposed_tile(2, 2, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
        j += 2 * LANES
    if j < n:
        gemv_transposed_tile(1, 2, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)


cdef inline void gemv_tile(int rows, bint update, real *w, const real *v, const real *a, real rate,
                           real *out, Py_ssize_t n) noexcept nogil:
    """out_i = w_i . v for HALF_WIDTH rows or 1, then w_i = w_i + rate a_i v if `update`."""
    cdef vec acc[HALF_WIDTH][VECS]
    cdef vec s[HALF_WIDTH]
    cdef vec c[HALF_WIDTH]
    cdef vec x, y
    cdef Py_ssize_t p
    cdef int i, k
    for i in range(rows):
        c[i] = splat(rate * a[i]) if update else splat(0)
    for k in range(VECS):
        for i in range(rows):
            s[i] = splat(0)
        for p from k * LANES <= p < n by WIDTH:
            x = load(v + p)
            for i in range(rows):
                y = load(w + i * n + p)
                s[i] = fma_(y, x, s[i])
                if update:
                    store(w + i * n + p, fma_(c[i], x, y))
        for i in range(rows):
            acc[i][k] = s[i]
    if rows == 1:
        out[0] = tree_sum(acc[0])
    else:
        tree_sum_half(acc[0], out)


cdef inline void gemv_rows(bint update, real *w, const real *v, const real *a, real rate, real *out,
                           Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    """out (m) = w (m, n) v (n), with the update of w if `update`."""
    cdef Py_ssize_t i = 0
    while i + HALF_WIDTH <= m:
        gemv_tile(HALF_WIDTH, update, w + i * n, v, a + i if update else a, rate, out + i, n)
        i += HALF_WIDTH
    while i < m:
        gemv_tile(1, update, w + i * n, v, a + i if update else a, rate, out + i, n)
        i += 1


cdef void gemv(const real *w, const real *v, const real *bias, real *out, Py_ssize_t m,
               Py_ssize_t n) noexcept nogil:
    # out_i = [bias_i +] w_i . v, w (m, n), v (n), out (m)
    gemv_rows(False, <real *> w, v, NULL, 0, out, m, n)
    if bias != NULL:
        add(out, bias, out, m)


cdef void gemv_and_update(real *w, const real *v, const real *a, real rate, real *out, Py_ssize_t m,
                          Py_ssize_t n) noexcept nogil:
    # out_i = w_i . v, then w_i = w_i + rate a_i v
    gemv_rows(True, w, v, a, rate, out, m, n)


cdef inline void gemv_transposed_update_tile(int vectors, real *w, const real *v, const real *a, real rate,
                                             real *out, Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    """out = sum_i a_i w_i, `vectors` vectors of it, then w_i = w_i + rate a_i v."""
    cdef vec s[4]
    cdef vec x[4]
    cdef vec y, c, d
    cdef Py_ssize_t i
    cdef int k
    for k in range(vectors):
        s[k] = splat(0)
        x[k] = load(v + k * LANES)
    for i in range(m):
        d = splat(a[i])
        c = splat(rate * a[i])
        for k in range(vectors):
            y = load(w + i * n + k * LANES)
            s[k] = fma_(d, y, s[k])
            store(w + i * n + k * LANES, fma_(c, x[k], y))
    for k in range(vectors):
        store(out + k * LANES, s[k])


cdef void gemv_transposed_and_update(real *w, const real *v, const real *a, real rate, real *out,
                                     Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    # out (n) = sum_i a_i w_i, then w_i = w_i + rate a_i v, v (n)
    cdef Py_ssize_t j = 0
    while n - j >= 4 * LANES:
        gemv_transposed_update_tile(4, w + j, v + j, a, rate, out + j, m, n)
        j += 4 * LANES
    while j < n:
        gemv_transposed_update_tile(1, w + j, v + j, a, rate, out + j, m, n)
        j += LANES


cdef void rank_1_update(const real *v, const real *a, real rate, bint accumulate, real *w, Py_ssize_t m,
                        Py_ssize_t n) noexcept nogil:
    # w_i = [w_i +] rate a_i v
    cdef vec c
    cdef Py_ssize_t i, j
    for i in range(m):
        c = splat(rate * a[i])
        for j from 0 <= j < n by LANES:
            store(w + i * n + j, fma_(c, load(v + j), load(w + i * n + j)) if accumulate else c * load(v + j))


cdef void fill_gemv(kernels *t) noexcept:
    t.gemv_transposed = gemv_transposed
    t.gemv = gemv
    t.gemv_and_update = gemv_and_update
    t.gemv_transposed_and_update = gemv_transposed_and_update
    t.rank_1_update = rank_1_update

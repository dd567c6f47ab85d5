# One row at a time through a layer: matrix times vector, and the update that follows, in one pass over w.
#
# A layer's weights lie in m rows of n elements, n a multiple of WIDTH (core/samples.pxi copies them there for
# an epoch): a row per input, or a row per output where that pads less. Of a layer with a row per input
#
#     h   = b + sum_i x_i w_i         combine_lines
#     g_i = w_i . delta               dot_and_update, which goes on to w_i = w_i - eta x_i delta
#
# and with a row per output the two change places: h_j = b_j + w_j . x is line_products, and
# g = sum_j delta_j w_j combine_and_update. So w comes from the cache once per direction.

cdef inline void combine_tile(int vectors, int chains, const real *w, const real *a, const real *bias,
                              real *out, Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    """out = bias + sum_i a_i w_i of `vectors` vectors; rows i, i + chains, ... are one chain of additions."""
    cdef vec acc[8][8]
    cdef vec x
    cdef Py_ssize_t i = 0
    cdef int c, v, step = chains // 2
    for c in range(chains):
        for v in range(vectors):
            acc[c][v] = load(bias + v * LANES) if c == 0 and bias != NULL else splat(0)
    while i + chains <= m:
        for c in range(chains):
            x = splat(a[i + c])
            for v in range(vectors):
                acc[c][v] = fma_(x, load(w + (i + c) * n + v * LANES), acc[c][v])
        i += chains
    for c in range(chains - 1):
        if i + c < m:
            x = splat(a[i + c])
            for v in range(vectors):
                acc[c][v] = fma_(x, load(w + (i + c) * n + v * LANES), acc[c][v])
    for v in range(vectors):
        if chains == 8:
            for c in range(4):
                acc[c][v] = acc[c][v] + acc[c + 4][v]
        if chains >= 4:
            for c in range(2):
                acc[c][v] = acc[c][v] + acc[c + 2][v]
        store(out + v * LANES, acc[0][v] + acc[1][v])


cdef void combine_lines(const real *w, const real *a, const real *bias, real *out, Py_ssize_t m,
                        Py_ssize_t n) noexcept nogil:
    # the number of chains is part of the sum's order: it depends on n alone, the vectors of a tile do not
    cdef Py_ssize_t j = 0
    if n <= WIDTH:
        while j < n:
            combine_tile(1, 8, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
            j += LANES
        return
    if n <= 4 * WIDTH:
        while n - j >= 4 * LANES and VBYTES == 64:
            combine_tile(4, 4, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
            j += 4 * LANES
        while n - j >= 2 * LANES:
            combine_tile(2, 4, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
            j += 2 * LANES
        if j < n:
            combine_tile(1, 4, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
        return
    while n - j >= 8 * LANES and VBYTES == 64:
        combine_tile(8, 2, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
        j += 8 * LANES
    if n - j == 7 * LANES and VBYTES == 64:
        combine_tile(7, 2, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
        return
    if n - j == 6 * LANES and VBYTES == 64:
        combine_tile(6, 2, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
        return
    if n - j == 5 * LANES and VBYTES == 64:
        combine_tile(5, 2, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
        return
    while n - j >= 4 * LANES:
        combine_tile(4, 2, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
        j += 4 * LANES
    while n - j >= 2 * LANES:
        combine_tile(2, 2, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)
        j += 2 * LANES
    if j < n:
        combine_tile(1, 2, w + j, a, bias + j if bias != NULL else NULL, out + j, m, n)


cdef inline void dot_rows(int rows, bint update, real *w, const real *v, const real *a, real rate,
                          real *out, Py_ssize_t n) noexcept nogil:
    """out_i = w_i . v of SUMS rows or of one, with the update of the same rows."""
    cdef vec acc[SUMS][VECS]
    cdef vec s[SUMS]
    cdef vec c[SUMS]
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
        sum_few(acc[0], out)


cdef inline void each_dot(bint update, real *w, const real *v, const real *a, real rate, real *out,
                          Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i = 0
    while i + SUMS <= m:
        dot_rows(SUMS, update, w + i * n, v, a + i if update else a, rate, out + i, n)
        i += SUMS
    while i < m:
        dot_rows(1, update, w + i * n, v, a + i if update else a, rate, out + i, n)
        i += 1


cdef void line_products(const real *w, const real *v, const real *bias, real *out, Py_ssize_t m,
                    Py_ssize_t n) noexcept nogil:
    each_dot(False, <real *> w, v, NULL, 0, out, m, n)
    if bias != NULL:
        add(out, bias, out, m)


cdef void dot_and_update(real *w, const real *v, const real *a, real rate, real *out, Py_ssize_t m,
                         Py_ssize_t n) noexcept nogil:
    each_dot(True, w, v, a, rate, out, m, n)


cdef inline void combine_update_tile(int vectors, real *w, const real *v, const real *a, real rate, real *out,
                                     Py_ssize_t m, Py_ssize_t n) noexcept nogil:
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


cdef void combine_and_update(real *w, const real *v, const real *a, real rate, real *out, Py_ssize_t m,
                             Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j = 0
    while n - j >= 4 * LANES:
        combine_update_tile(4, w + j, v + j, a, rate, out + j, m, n)
        j += 4 * LANES
    while j < n:
        combine_update_tile(1, w + j, v + j, a, rate, out + j, m, n)
        j += LANES


cdef void add_outer(const real *v, const real *a, real rate, bint accumulate, real *w, Py_ssize_t m,
                Py_ssize_t n) noexcept nogil:
    cdef vec c
    cdef Py_ssize_t i, j
    for i in range(m):
        c = splat(rate * a[i])
        for j from 0 <= j < n by LANES:
            store(w + i * n + j, fma_(c, load(v + j), load(w + i * n + j)) if accumulate else c * load(v + j))


cdef void fill_lines(kernels *t) noexcept:
    t.gemv_transposed = combine_lines
    t.gemv = line_products
    t.gemv_and_update = dot_and_update
    t.gemv_transposed_and_update = combine_and_update
    t.rank_1_update = add_outer

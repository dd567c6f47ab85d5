# A wide layer on a batch of fewer rows than WIDTH.
#
# With vectors along the rows, two rows would cost as much as a full vector. So vectors run along the units:
#
#     h^T = x^T W + b    tiles over strips of W; the next strip is prefetched, since rows of W are far apart
#     g   = W delta      dot products of rows of W and of delta, summed as in `dots`
#
# Every element of h is the same chain of multiply-adds as in `matmul`, so its bits do not depend on which of
# the two computes it.

from libc.string cimport memset


cdef inline void net_input_tile(int rows, int vectors, Py_ssize_t tail, const real *x, const real *w,
                                Py_ssize_t n, const real *bias, bint accumulate, real *c,
                                Py_ssize_t k) noexcept nogil:
    """c (rows, vectors * LANES) = [c +] x^T w [+ bias]; the last vector of c has `tail` elements.

    x (k, WIDTH); w (k, ...) and c have rows n apart.
    """
    cdef vec acc[8][4]
    cdef vec y[4]
    cdef vec tile_bias
    cdef int i, v, end = vectors - 1
    for i in range(rows):
        for v in range(vectors):
            acc[i][v] = splat(0)
    while True:
        for v in range(end):
            y[v] = load(w + v * LANES)
            prefetch_read(w + (vectors + v) * LANES, True)
        y[end] = load_n(w + end * LANES, tail)
        prefetch_read(w + (vectors + end) * LANES, True)
        for i in range(rows):
            for v in range(vectors):
                acc[i][v] = fma_(splat(x[i]), y[v], acc[i][v])
        x += WIDTH
        w += n
        k -= 1
        if k == 0:
            break
    if bias != NULL:
        for v in range(vectors):
            tile_bias = load_n(bias + v * LANES, tail if v == end else LANES)
            for i in range(rows):
                acc[i][v] = acc[i][v] + tile_bias
    store_tile(rows, vectors, tail, acc, accumulate, c, n)


cdef inline void net_input_rows(int vectors, Py_ssize_t tail, const real *x, Py_ssize_t rows, const real *w,
                                Py_ssize_t n, const real *bias, bint accumulate, real *c,
                                Py_ssize_t k) noexcept nogil:
    """c (rows, vectors * LANES) = [c +] x^T w [+ bias], in tiles of 6, 4 or 2 rows; c holds WIDTH rows."""
    cdef Py_ssize_t i = 0
    while i < rows:
        if rows - i > 4:
            net_input_tile(6, vectors, tail, x + i, w, n, bias, accumulate, c + i * n, k)
            i += 6
        elif rows - i > 2:
            net_input_tile(4, vectors, tail, x + i, w, n, bias, accumulate, c + i * n, k)
            i += 4
        else:
            net_input_tile(2, vectors, tail, x + i, w, n, bias, accumulate, c + i * n, k)
            i += 2


cdef inline void net_input_columns(int vectors, bint complete, const real *x, Py_ssize_t rows, const real *w,
                                   const real *bias, bint accumulate, real *c, Py_ssize_t n,
                                   Py_ssize_t *start, Py_ssize_t k) noexcept nogil:
    """The columns of c from `start` on, in strips of `vectors` vectors; updates `start`.

    Unless `complete`, vectors is 1 and the last strip may be partial.
    """
    cdef Py_ssize_t j = start[0]
    while n - j >= vectors * LANES if complete else n > j:
        net_input_rows(vectors, LANES if complete else min(n - j, <Py_ssize_t> LANES), x, rows, w + j, n,
                       bias + j if bias != NULL else NULL, accumulate, c + j, k)
        j += vectors * LANES
    start[0] = j


cdef void small_batch_net_inputs(const real *x, Py_ssize_t rows, const real *w, const real *bias, real *c,
                                 Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    # c_rj = bias_j + sum_p x_pr w_pj, x (k, WIDTH), w (k, n), c (rows, n)
    cdef Py_ssize_t p, depth, j
    for p from 0 <= p < k by KC:
        depth = min(k - p, <Py_ssize_t> KC)
        j = 0
        if HAS_MR_4:
            net_input_columns(4, True, x, rows, w, bias, p > 0, c, n, &j, depth)
        net_input_columns(2, True, x, rows, w, bias, p > 0, c, n, &j, depth)
        net_input_columns(1, False, x, rows, w, bias, p > 0, c, n, &j, depth)
        x += depth * WIDTH
        w += depth * n
        bias = NULL             # added with the first block of k


cdef inline void errors_step(int units, int rows, const real *w, Py_ssize_t ldw, const real *d,
                             Py_ssize_t n, vec (*acc)[VECS]) noexcept nogil:
    """acc (units, rows) += w d over n <= WIDTH elements; n is a literal if it is WIDTH. d is 0 after n."""
    cdef vec y[LANES]
    cdef vec x
    cdef int i, r, v
    for v in range(VECS):
        for r in range(rows):
            y[r] = load(d + r * WIDTH + v * LANES)
        for i in range(units):
            x = load_clamped(w + i * ldw + v * LANES, n - v * LANES)
            for r in range(rows):
                acc[i * rows + r][v] = fma_(x, y[r], acc[i * rows + r][v])


cdef inline void errors_tile(int units, int rows, const real *w, const real *d, Py_ssize_t r0, real *g,
                             Py_ssize_t n) noexcept nogil:
    """g (units, rows) = w (units, n) d^T (n, rows), rows from r0 on; units * rows <= LANES."""
    cdef const real *block = d + r0 * WIDTH
    cdef vec acc[LANES][VECS]
    cdef real sums[LANES]
    cdef Py_ssize_t j = 0
    cdef int i, r, v
    for i in range(units * rows):
        for v in range(VECS):
            acc[i][v] = splat(0)
    while n - j >= WIDTH:
        errors_step(units, rows, w + j, n, block + j * WIDTH, WIDTH, acc)
        j += WIDTH
    if n > j:
        errors_step(units, rows, w + j, n, block + j * WIDTH, n - j, acc)
    store(sums, tree_sum_lanes(units * rows, acc))
    for i in range(units):
        for r in range(rows):
            g[i * WIDTH + r0 + r] = sums[i * rows + r]


cdef inline void errors_rows(int units, int rows, const real *w, const real *d, Py_ssize_t r, real *g,
                             Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    """g (m, rows) = w d^T, rows from r on, for all m units."""
    cdef Py_ssize_t i = 0
    while m - i >= units:
        errors_tile(units, rows, w + i * n, d, r, g + i * WIDTH, n)
        i += units
    while m > i:
        errors_tile(1, rows, w + i * n, d, r, g + i * WIDTH, n)
        i += 1


cdef void small_batch_errors(const real *w, const real *d, Py_ssize_t rows, real *g, Py_ssize_t m,
                             Py_ssize_t n) noexcept nogil:
    # g_ir = sum_j w_ij d_rj, 0 in padded rows; w (m, n), d (rows, n), g (m, WIDTH)
    cdef Py_ssize_t r = 0
    memset(g, 0, m * WIDTH * sizeof(real))
    while r < rows:
        if LANES >= 8 and rows - r > 4:
            errors_rows(LANES // 8, 8, w, d, r, g, m, n)
            r += 8
        elif LANES >= 4 and rows - r > 2:
            errors_rows(LANES // 4, 4, w, d, r, g, m, n)
            r += 4
        elif LANES >= 2 and rows - r > 1:
            errors_rows(LANES // 2, 2, w, d, r, g, m, n)
            r += 2
        else:
            errors_rows(LANES, 1, w, d, r, g, m, n)
            r += 1


cdef void fill_small_batch(kernels *t) noexcept:
    t.small_batch_net_inputs = small_batch_net_inputs
    t.small_batch_errors = small_batch_errors

# A wide layer with fewer rows than the virtual width has elements.
#
# With the rows for vector axis, two rows would cost what a full vector does. So vectors lie along the units:
#
#     h^T = x^T W + b    a tile over strips of W, and the next strip is fetched on the way: its rows lie apart
#     g   = W delta      vectors of a row of W and of the rows of delta, and sums added up as in `dots`
#
# Every element of h is the same chain of multiply-adds as in `product`, so its bits do not depend on the way.

from libc.string cimport memset


cdef inline void net_tile(int rows, int vectors, Py_ssize_t last, const real *x, const real *w, Py_ssize_t n,
                          const real *bias, bint accumulate, real *c, Py_ssize_t k) noexcept nogil:
    """c (rows, vectors * LANES) = [c +] x^T w [+ bias], rows n apart; its last vector has `last` elements."""
    cdef vec acc[8][4]
    cdef vec y[4]
    cdef vec shift
    cdef int i, v, end = vectors - 1
    for i in range(rows):
        for v in range(vectors):
            acc[i][v] = splat(0)
    while True:
        for v in range(end):
            y[v] = load(w + v * LANES)
            fetch_line(w + (vectors + v) * LANES, True)
        y[end] = load_up_to(w + end * LANES, last)
        fetch_line(w + (vectors + end) * LANES, True)
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
            shift = load_up_to(bias + v * LANES, last if v == end else LANES)
            for i in range(rows):
                acc[i][v] = acc[i][v] + shift
    put(rows, vectors, last, acc, accumulate, c, n)


cdef inline void net_rows(int vectors, Py_ssize_t last, const real *x, Py_ssize_t rows, const real *w,
                          Py_ssize_t n, const real *bias, bint accumulate, real *c,
                          Py_ssize_t k) noexcept nogil:
    """All rows of c under a few vectors of w."""
    cdef Py_ssize_t i = 0
    while i < rows:
        if rows - i > 4:
            net_tile(6, vectors, last, x + i, w, n, bias, accumulate, c + i * n, k)
            i += 6
        elif rows - i > 2:
            net_tile(4, vectors, last, x + i, w, n, bias, accumulate, c + i * n, k)
            i += 4
        else:
            net_tile(2, vectors, last, x + i, w, n, bias, accumulate, c + i * n, k)
            i += 2


cdef inline void net_strips(int vectors, bint whole, const real *x, Py_ssize_t rows, const real *w,
                            const real *bias, bint accumulate, real *c, Py_ssize_t n, Py_ssize_t *start,
                            Py_ssize_t k) noexcept nogil:
    """The columns of c from `start` on that fill so many vectors; or the rest, vector by vector."""
    cdef Py_ssize_t j = start[0]
    while n - j >= vectors * LANES if whole else n > j:
        net_rows(vectors, LANES if whole else min(n - j, <Py_ssize_t> LANES), x, rows, w + j, n,
                 bias + j if bias != NULL else NULL, accumulate, c + j, k)
        j += vectors * LANES
    start[0] = j


cdef void few_net_inputs(const real *x, Py_ssize_t rows, const real *w, const real *bias, real *c,
                         Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    # c_rj = b_j + sum_p x_pr w_pj
    cdef Py_ssize_t p, depth, j
    for p from 0 <= p < k by DEPTH:
        depth = min(k - p, <Py_ssize_t> DEPTH)
        j = 0
        if WIDE_TILES:
            net_strips(4, True, x, rows, w, bias, p > 0, c, n, &j, depth)
        net_strips(2, True, x, rows, w, bias, p > 0, c, n, &j, depth)
        net_strips(1, False, x, rows, w, bias, p > 0, c, n, &j, depth)
        x += depth * WIDTH
        w += depth * n
        bias = NULL             # has been added


cdef inline void few_step(int units, int rows, const real *w, Py_ssize_t ldw, const real *d, Py_ssize_t ldd,
                          Py_ssize_t n, vec (*acc)[VECS]) noexcept nogil:
    """Add the products of n elements, WIDTH or fewer (a literal for WIDTH); behind the last, d has zeros."""
    cdef vec y[LANES]
    cdef vec x
    cdef int i, r, v
    for v in range(VECS):
        for r in range(rows):
            y[r] = load(d + r * ldd + v * LANES)
        for i in range(units):
            x = load_some(w + i * ldw + v * LANES, n - v * LANES)
            for r in range(rows):
                acc[i * rows + r][v] = fma_(x, y[r], acc[i * rows + r][v])


cdef inline void few_tile(int units, int rows, const real *w, const real *d, Py_ssize_t r0, real *g,
                          Py_ssize_t n) noexcept nogil:
    """g (units, WIDTH), of which `rows` from r0 on; together LANES sums at most."""
    cdef const real *block
    cdef vec acc[LANES][VECS]
    cdef real sums[LANES]
    cdef Py_ssize_t j, k, wide, ldd
    cdef int i, r, v
    for i in range(units * rows):
        for v in range(VECS):
            acc[i][v] = splat(0)
    for j from 0 <= j < n by PANEL:
        wide = min(n - j, <Py_ssize_t> PANEL)
        ldd = (wide + WIDTH - 1) // WIDTH * WIDTH
        block = d + j * WIDTH + r0 * ldd
        k = 0
        while wide - k >= WIDTH:
            few_step(units, rows, w + j + k, n, block + k, ldd, WIDTH, acc)
            k += WIDTH
        if wide > k:
            few_step(units, rows, w + j + k, n, block + k, ldd, wide - k, acc)
    store(sums, sums_of(units * rows, acc))
    for i in range(units):
        for r in range(rows):
            g[i * WIDTH + r0 + r] = sums[i * rows + r]


cdef inline void few_tiles(int units, int rows, const real *w, const real *d, Py_ssize_t r, real *g,
                           Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    """Some rows from row r on, for all units below."""
    cdef Py_ssize_t i = 0
    while m - i >= units:
        few_tile(units, rows, w + i * n, d, r, g + i * WIDTH, n)
        i += units
    while m > i:
        few_tile(1, rows, w + i * n, d, r, g + i * WIDTH, n)
        i += 1


cdef void few_errors(const real *w, const real *d, Py_ssize_t rows, real *g, Py_ssize_t m,
                     Py_ssize_t n) noexcept nogil:
    # g_ir = sum_j w_ij d_rj, 0 in the rows that are padding
    cdef Py_ssize_t r = 0
    memset(g, 0, m * WIDTH * sizeof(real))
    while r < rows:
        if LANES >= 8 and rows - r > 4:
            few_tiles(LANES // 8, 8, w, d, r, g, m, n)
            r += 8
        elif LANES >= 4 and rows - r > 2:
            few_tiles(LANES // 4, 4, w, d, r, g, m, n)
            r += 4
        elif LANES >= 2 and rows - r > 1:
            few_tiles(LANES // 2, 2, w, d, r, g, m, n)
            r += 2
        else:
            few_tiles(LANES, 1, w, d, r, g, m, n)
            r += 1


cdef void fill_few_rows(kernels *t) noexcept:
    t.small_batch_net_inputs = few_net_inputs
    t.small_batch_errors = few_errors

# A single layer with few outputs on rows of x in place: linear, logistic and softmax regression.
#
#     h_jr   = sum_i w_ij x_ri + b_j        dot products along the rows of x, WIDTH rows at a time
#     g_ji  += sum_r delta_jr x_ri          vectors along the rows of x, too
#
# Vectors run along the inputs in both, so x is never transposed. w and g are, to (outputs, inputs), if there
# is more than one output. A dot product runs over the virtual width of 64 bytes and ends in tree_sum's tree,
# and an element of g is one sum over the rows; so v3 and v4 give the same bits, and the tile does not matter.
# Elements after the end of a row are never read: they may be NaN, or outside the array.

cdef extern from *:
    """
    /* A dot product tile keeps DOT_ROWS x DOT_OUTPUTS accumulators of VECS vectors in registers; with more,
     * the compiler reloads x for every output. A gradient tile has GRADIENT_OUTPUTS x GRADIENT_VECTORS. */
    #define DOT_OUTPUTS (VBYTES == 64 ? 6 : 3)
    #define DOT_ROWS(outputs) (outputs == 1 && (VBYTES == 32 || REAL_BITS == 32) ? (VBYTES + 7) / 8 \\
                                                                                  : (VBYTES + 15) / 16)
    #define GRADIENT_OUTPUTS 6
    #define GRADIENT_VECTORS (VBYTES == 64 ? 4 : 2)
    typedef struct { vec of[DOT_OUTPUTS * WIDTH * VECS]; } CACHE_ALIGNED accumulator_block;
    """
    enum:
        DOT_OUTPUTS
        GRADIENT_OUTPUTS
        GRADIENT_VECTORS
    int DOT_ROWS(int outputs) noexcept nogil
    ctypedef struct accumulator_block:
        vec *of

cdef enum:
    GROUP = 8                   # rows added at once to the gradient of a single output


cdef inline Py_ssize_t even_part(Py_ssize_t n, Py_ssize_t limit) noexcept nogil:
    """Return the size of the first part when n is split evenly into as few parts <= limit as possible."""
    cdef Py_ssize_t parts = (n + limit - 1) // limit
    return (n + parts - 1) // parts


# Prefetching a line for every line that is computed on keeps the memory busy; a burst of prefetches does not:
# only a few dozen lines can be on their way at a time. The lines go into L2, which takes more of them at a
# time than L1.

cdef inline void prefetch_columns(Py_ssize_t rows, const real *const *next, Py_ssize_t p) noexcept nogil:
    """Prefetch one cache line of each of a few rows."""
    cdef Py_ssize_t r
    for r in range(rows):
        prefetch_read(next[r] + p, False)


cdef inline void prefetch_ends(Py_ssize_t rows, const real *const *next, Py_ssize_t p,
                               Py_ssize_t d) noexcept nogil:
    """Prefetch the last lines of a few rows, from column p on; a row that is not aligned ends in one more."""
    prefetch_columns(rows, next, min(p, d - 1))
    prefetch_columns(rows, next, d - 1)


cdef inline void dot_accumulators(int rows, int outputs, const real *const *x, const real *const *next,
                                  Py_ssize_t fetch, const real *w, Py_ssize_t ldw, Py_ssize_t d,
                                  vec *acc_out) noexcept nogil:
    """acc_out (outputs, WIDTH, VECS): accumulators of x_r . w_j, before tree_sum, of `rows` rows.

    `fetch` rows of `next` are prefetched meanwhile.
    """
    cdef vec acc[6][8][VECS]
    cdef vec b[6]
    cdef vec a
    cdef Py_ssize_t p = 0
    cdef int r, j, v
    for j in range(outputs):
        for r in range(rows):
            for v in range(VECS):
                acc[j][r][v] = splat(0)
    while p + WIDTH <= d:
        prefetch_columns(fetch, next, p)
        for v in range(VECS):
            for j in range(outputs):
                b[j] = load(w + j * ldw + p + v * LANES)
            for r in range(rows):
                a = load(x[r] + p + v * LANES)
                for j in range(outputs):
                    acc[j][r][v] = fma_(a, b[j], acc[j][r][v])
        p += WIDTH
    prefetch_ends(fetch, next, p, d)
    for v in range(VECS):
        if p + v * LANES < d:
            for j in range(outputs):
                b[j] = load_n(w + j * ldw + p + v * LANES, d - p - v * LANES)
            for r in range(rows):
                a = load_n(x[r] + p + v * LANES, d - p - v * LANES)
                for j in range(outputs):
                    acc[j][r][v] = fma_(a, b[j], acc[j][r][v])
    for j in range(outputs):
        for r in range(rows):
            for v in range(VECS):
                acc_out[(j * WIDTH + r) * VECS + v] = acc[j][r][v]


cdef inline void dot_tile(int outputs, const real *const *x, const real *const *next, Py_ssize_t share,
                          const real *w, Py_ssize_t ldw, Py_ssize_t d, real *h,
                          Py_ssize_t ldh) noexcept nogil:
    """h (outputs, WIDTH) = w (outputs, d) x^T (d, WIDTH); 1 / share of the WIDTH next rows is prefetched."""
    cdef accumulator_block acc
    cdef int rows = DOT_ROWS(outputs)
    cdef Py_ssize_t fetch = (rows + share - 1) // share if share else 0
    cdef int k, j
    for k from 0 <= k < WIDTH by rows:
        dot_accumulators(rows, outputs, x + k, next + k // share if share else NULL, fetch, w, ldw, d,
                         acc.of + k * VECS)
    for j in range(outputs):
        tree_sum_width(acc.of + j * WIDTH * VECS, h + j * ldh)


cdef void single_layer_net_inputs(const real *const *x, const real *const *next, Py_ssize_t share,
                                  Py_ssize_t n, Py_ssize_t d, const real *w, Py_ssize_t ldw, const real *bias,
                                  real *h, Py_ssize_t m) noexcept nogil:
    # h_jr = sum_i w_ji x_ri + bias_j, w (m, d), x (n, d), h (m, n)
    cdef const real *const *ahead
    cdef Py_ssize_t j, r, outputs, part
    cdef real *out
    for r from 0 <= r < n by WIDTH:
        j = 0
        while j < m:
            outputs = even_part(m - j, DOT_OUTPUTS)
            out = h + j * n + r
            part = share if j == 0 and next != NULL else 0
            ahead = next + r if part else NULL
            if m == 1 and part == 2:
                dot_tile(1, x + r, ahead, 2, w, ldw, d, out, n)
            elif m == 1 and part == 1:
                dot_tile(1, x + r, ahead, 1, w, ldw, d, out, n)
            elif m == 1:
                dot_tile(1, x + r, NULL, 0, w, ldw, d, out, n)
            elif outputs == 1:
                dot_tile(1, x + r, ahead, part, w + j * ldw, ldw, d, out, n)
            elif outputs == 2:
                dot_tile(2, x + r, ahead, part, w + j * ldw, ldw, d, out, n)
            elif outputs == 3:
                dot_tile(3, x + r, ahead, part, w + j * ldw, ldw, d, out, n)
            elif DOT_OUTPUTS > 3:
                if outputs == 4:
                    dot_tile(4, x + r, ahead, part, w + j * ldw, ldw, d, out, n)
                elif outputs == 5:
                    dot_tile(5, x + r, ahead, part, w + j * ldw, ldw, d, out, n)
                else:
                    dot_tile(6, x + r, ahead, part, w + j * ldw, ldw, d, out, n)
            j += outputs
    if bias != NULL:
        for j in range(m):
            for r from 0 <= r < n by LANES:
                store(h + j * n + r, load(h + j * n + r) + splat(bias[j]))


cdef inline Py_ssize_t second_half(Py_ssize_t r) noexcept nogil:
    """Return the next row to prefetch at an even row r, so that WIDTH rows cover half of the next WIDTH."""
    return r + (WIDTH - r % WIDTH) // 2


cdef inline vec weighted_sum_of_rows(int rows, bint complete, const real *const *x, const vec *factor,
                                     Py_ssize_t i, Py_ssize_t d) noexcept nogil:
    """Return sum_r factor_r x_ri for a vector of columns from i on; `complete`: all of them exist."""
    cdef vec t = factor[0] * (load(x[0] + i) if complete else load_partial(x[0] + i, d - i))
    cdef int r
    for r in range(1, rows):
        t = fma_(factor[r], load(x[r] + i) if complete else load_partial(x[r] + i, d - i), t)
    return t


cdef inline void add_weighted_rows(int rows, const real *const *rows_of_x, const real *const *next, int fetch,
                                   Py_ssize_t d, const real *delta, bint accumulate, real *g) noexcept nogil:
    """g (d) = [g +] sum_r delta_r x_r over `rows` rows; `fetch` rows of `next` are prefetched meanwhile."""
    cdef const real *x[GROUP]           # a copy: a store to g might change the addresses themselves
    cdef vec factor[GROUP]
    cdef vec t
    cdef Py_ssize_t i = 0
    cdef int r, v
    for r in range(rows):
        x[r], factor[r] = rows_of_x[r], splat(delta[r])
    while i + WIDTH <= d:
        prefetch_columns(fetch, next, i)
        for v in range(VECS):
            t = weighted_sum_of_rows(rows, True, x, factor, i, d)
            store(g + i, load(g + i) + t if accumulate else t)
            i += LANES
    prefetch_ends(fetch, next, i, d)
    while i + LANES <= d:
        t = weighted_sum_of_rows(rows, True, x, factor, i, d)
        store(g + i, load(g + i) + t if accumulate else t)
        i += LANES
    if i < d:
        t = weighted_sum_of_rows(rows, False, x, factor, i, d)
        store(g + i, load(g + i) + t if accumulate else t)


cdef inline void gradient_tile(int outputs, int vectors, bint complete, const real *const *x,
                               const real *const *next, Py_ssize_t i, Py_ssize_t n, Py_ssize_t d,
                               const real *delta, Py_ssize_t ldd, bint accumulate, real *g,
                               Py_ssize_t ldg) noexcept nogil:
    """g (outputs, vectors * LANES) = [g +] sum_r delta_jr x_ri over n rows, for the columns from i on.

    Unless `complete`, vectors is 1 and only d - i columns exist. The same columns of half of the rows of
    `next` are prefetched, unless it is NULL.
    """
    cdef vec acc[6][4]
    cdef vec a[4]
    cdef vec factor
    cdef Py_ssize_t r
    cdef int j, c
    for j in range(outputs):
        for c in range(vectors):
            acc[j][c] = splat(0)
    for r in range(n):
        if next != NULL and r % 2 == 0:
            for c from 0 <= c < vectors * LANES by WIDTH:
                prefetch_read(next[second_half(r)] + i + c, False)
        for c in range(vectors):
            a[c] = load(x[r] + i + c * LANES) if complete else load_partial(x[r] + i, d - i)
        for j in range(outputs):
            factor = splat(delta[j * ldd + r])
            for c in range(vectors):
                acc[j][c] = fma_(factor, a[c], acc[j][c])
    for j in range(outputs):
        for c in range(vectors):
            if accumulate:
                acc[j][c] = load(g + j * ldg + i + c * LANES) + acc[j][c]
            store(g + j * ldg + i + c * LANES, acc[j][c])


cdef inline void gradient_columns(int outputs, const real *const *x, const real *const *next,
                                  Py_ssize_t i, Py_ssize_t n, Py_ssize_t d, const real *delta, Py_ssize_t ldd,
                                  bint accumulate, real *g, Py_ssize_t ldg) noexcept nogil:
    """g (outputs, ...) = [g +] delta x, for up to GRADIENT_VECTORS vectors of columns from i on."""
    if d - i >= GRADIENT_VECTORS * LANES:
        gradient_tile(outputs, GRADIENT_VECTORS, True, x, next, i, n, d, delta, ldd, accumulate, g, ldg)
        return
    if GRADIENT_VECTORS > 2 and d - i >= 2 * LANES:
        gradient_tile(outputs, 2, True, x, next, i, n, d, delta, ldd, accumulate, g, ldg)
        i += 2 * LANES
    if d - i >= LANES:
        gradient_tile(outputs, 1, True, x, next, i, n, d, delta, ldd, accumulate, g, ldg)
        i += LANES
    if d > i:
        gradient_tile(outputs, 1, False, x, next, i, n, d, delta, ldd, accumulate, g, ldg)


cdef void single_layer_gradient(const real *const *x, const real *const *next, Py_ssize_t n, Py_ssize_t d,
                                const real *delta, Py_ssize_t ldd, Py_ssize_t m, bint accumulate, real *g,
                                Py_ssize_t ldg) noexcept nogil:
    # g_ji = [g_ji +] sum_r delta_jr x_ri, delta (m, n), x (n, d), g (m, d)
    cdef const real *const *fetched
    cdef Py_ssize_t j, i, r = 0, outputs
    if m == 1:
        while r + GROUP <= n:
            if next != NULL:
                add_weighted_rows(GROUP, x + r, next + second_half(r), GROUP // 2, d, delta + r,
                                  accumulate or r > 0, g)
            else:
                add_weighted_rows(GROUP, x + r, NULL, 0, d, delta + r, accumulate or r > 0, g)
            r += GROUP
        while r < n:
            add_weighted_rows(1, x + r, NULL, 0, d, delta + r, accumulate or r > 0, g)
            r += 1
        return
    if next != NULL:
        for r from 0 <= r < n by 2:
            prefetch_read(next[second_half(r)] + d - 1, False)
    for i from 0 <= i < d by GRADIENT_VECTORS * LANES:
        j = 0
        while j < m:
            fetched = next if j == 0 else NULL
            outputs = even_part(m - j, GRADIENT_OUTPUTS)
            if outputs == 1:
                gradient_columns(1, x, fetched, i, n, d, delta + j * ldd, ldd, accumulate, g + j * ldg, ldg)
            elif outputs == 2:
                gradient_columns(2, x, fetched, i, n, d, delta + j * ldd, ldd, accumulate, g + j * ldg, ldg)
            elif outputs == 3:
                gradient_columns(3, x, fetched, i, n, d, delta + j * ldd, ldd, accumulate, g + j * ldg, ldg)
            elif outputs == 4:
                gradient_columns(4, x, fetched, i, n, d, delta + j * ldd, ldd, accumulate, g + j * ldg, ldg)
            elif outputs == 5:
                gradient_columns(5, x, fetched, i, n, d, delta + j * ldd, ldd, accumulate, g + j * ldg, ldg)
            else:
                gradient_columns(6, x, fetched, i, n, d, delta + j * ldd, ldd, accumulate, g + j * ldg, ldg)
            j += outputs


cdef void transpose_weights(const real *a, Py_ssize_t d, Py_ssize_t m, real *out,
                            Py_ssize_t ldo) noexcept nogil:
    # out_ji = a_ij, 0 for d <= i < ldo; a (d, m), out (m, ldo)
    cdef vec block[LANES]
    cdef Py_ssize_t i, j
    cdef int k
    for i from 0 <= i < ldo by LANES:
        for j from 0 <= j < m by LANES:
            for k in range(LANES):
                block[k] = load_n(a + (i + k) * m + j, m - j) if i + k < d else splat(0)
            transpose(block)
            for k in range(LANES):
                if j + k < m:
                    store(out + (j + k) * ldo + i, block[k])


cdef void transpose_back(const real *a, Py_ssize_t lda, Py_ssize_t d, Py_ssize_t m, real *out) noexcept nogil:
    # out_ij = a_ji; a (m, lda), out (d, m)
    cdef vec block[LANES]
    cdef Py_ssize_t i, j
    cdef int k
    for i from 0 <= i < d by LANES:
        for j from 0 <= j < m by LANES:
            for k in range(LANES):
                block[k] = load(a + (j + k) * lda + i) if j + k < m else splat(0)
            transpose(block)
            for k in range(LANES):
                if i + k < d:
                    store_n(out + (i + k) * m + j, block[k], m - j)


cdef void fill_single_layer(kernels *t) noexcept:
    t.single_layer_net_inputs = single_layer_net_inputs
    t.single_layer_gradient = single_layer_gradient
    t.pack_weights = transpose_weights
    t.unpack_weights = transpose_back

# A layer of few outputs over rows of x as they lie in memory: linear, logistic and softmax regression.
#
#     h_jr   = sum_i w_ij x_ri + b_j        dot products along the rows of x, WIDTH rows at a time
#     g_ji  += sum_r delta_jr x_ri          vectors along the rows of x too
#
# Both have the inputs for vector axis, so x is never turned; w and g are instead, (outputs, inputs), where
# there is more than one output. A dot product runs over the fixed virtual width of 64 bytes and ends in
# tree_sum's tree, an element of g is one sum over the rows, so v3 and v4 give the same bits, whatever the
# tile. The ends of rows are read by parts: what lies behind them may be NaN, or not be there.

cdef extern from *:
    """
    /* Accumulators of VECS vectors for dot products: rows x outputs of them in registers. More, and the
     * compiler reads x from memory for every output. Then the outputs of a gradient's tile and its vectors */
    #define DOT_OUTPUTS (VBYTES == 64 ? 6 : 3)
    #define DOT_ROWS(outputs) (outputs == 1 ? (VBYTES + 7) / 8 : (VBYTES + 15) / 16)
    #define GRADIENT_OUTPUTS 6
    #define GRADIENT_VECTORS (VBYTES == 64 ? 4 : 2)
    typedef struct { vec of[DOT_OUTPUTS * WIDTH * VECS]; } ON_LINES accumulators;
    """
    enum:
        DOT_OUTPUTS
        GRADIENT_OUTPUTS
        GRADIENT_VECTORS
    int DOT_ROWS(int outputs) noexcept nogil
    ctypedef struct accumulators:
        vec *of

cdef enum:
    GROUP = 8                   # rows whose part of a single output's gradient is added at once


cdef inline Py_ssize_t share(Py_ssize_t n, Py_ssize_t most) noexcept nogil:
    """Return the first of as few and as equal parts of n as can be, none above `most`."""
    cdef Py_ssize_t parts = (n + most - 1) // most
    return (n + parts - 1) // parts


cdef inline void dot_lines(int rows, int outputs, const real *const *x, const real *w, Py_ssize_t ldw,
                           Py_ssize_t d, vec *lines) noexcept nogil:
    """lines (outputs, WIDTH, VECS): the virtual width of x_r . w_j, for `rows` rows of each WIDTH."""
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
        for v in range(VECS):
            for j in range(outputs):
                b[j] = load(w + j * ldw + p + v * LANES)
            for r in range(rows):
                a = load(x[r] + p + v * LANES)
                for j in range(outputs):
                    acc[j][r][v] = fma_(a, b[j], acc[j][r][v])
        p += WIDTH
    for v in range(VECS):
        if p + v * LANES < d:
            for j in range(outputs):
                b[j] = load_up_to(w + j * ldw + p + v * LANES, d - p - v * LANES)
            for r in range(rows):
                a = load_up_to(x[r] + p + v * LANES, d - p - v * LANES)
                for j in range(outputs):
                    acc[j][r][v] = fma_(a, b[j], acc[j][r][v])
    for j in range(outputs):
        for r in range(rows):
            for v in range(VECS):
                lines[(j * WIDTH + r) * VECS + v] = acc[j][r][v]


cdef inline void row_tile(int outputs, const real *const *x, const real *w, Py_ssize_t ldw, Py_ssize_t d,
                          real *h, Py_ssize_t ldh) noexcept nogil:
    """h (outputs, WIDTH) = w x^T for WIDTH rows."""
    cdef accumulators lines
    cdef int k, j
    for k from 0 <= k < WIDTH by DOT_ROWS(outputs):
        dot_lines(DOT_ROWS(outputs), outputs, x + k, w, ldw, d, lines.of + k * VECS)
    for j in range(outputs):
        sum_lines(lines.of + j * WIDTH * VECS, h + j * ldh)


cdef inline void fetch_rows(const real *const *next, Py_ssize_t n, Py_ssize_t start,
                            Py_ssize_t stop) noexcept nogil:
    """Have columns start ... stop of n rows on their way from memory."""
    cdef Py_ssize_t r, i
    for r in range(n):
        for i from start <= i < stop by WIDTH:
            fetch_line(next[r] + i, False)


cdef void row_products(const real *const *x, const real *const *next, Py_ssize_t fetch, Py_ssize_t n,
                       Py_ssize_t d, const real *w, Py_ssize_t ldw, const real *bias, real *h,
                       Py_ssize_t m) noexcept nogil:
    # h_jr = sum_i w_ji x_ri + bias_j
    cdef Py_ssize_t j, r, outputs
    cdef real *to
    for r from 0 <= r < n by WIDTH:
        fetch_rows(next + r, WIDTH, 0, fetch)
        j = 0
        while j < m:
            outputs = share(m - j, DOT_OUTPUTS)
            to = h + j * n + r
            if outputs == 1:
                row_tile(1, x + r, w + j * ldw, ldw, d, to, n)
            elif outputs == 2:
                row_tile(2, x + r, w + j * ldw, ldw, d, to, n)
            elif outputs == 3:
                row_tile(3, x + r, w + j * ldw, ldw, d, to, n)
            elif DOT_OUTPUTS > 3:
                if outputs == 4:
                    row_tile(4, x + r, w + j * ldw, ldw, d, to, n)
                elif outputs == 5:
                    row_tile(5, x + r, w + j * ldw, ldw, d, to, n)
                else:
                    row_tile(6, x + r, w + j * ldw, ldw, d, to, n)
            j += outputs
    if bias != NULL:
        for j in range(m):
            for r from 0 <= r < n by LANES:
                store(h + j * n + r, load(h + j * n + r) + splat(bias[j]))


cdef inline void add_group(int rows, const real *const *x, Py_ssize_t d, const real *delta, bint accumulate,
                           real *g) noexcept nogil:
    """g = [g +] sum over `rows` rows of delta_r x_r."""
    cdef vec factor[GROUP]
    cdef vec t
    cdef Py_ssize_t i = 0
    cdef int r
    for r in range(rows):
        factor[r] = splat(delta[r])
    while i + LANES <= d:
        t = factor[0] * load(x[0] + i)
        for r in range(1, rows):
            t = fma_(factor[r], load(x[r] + i), t)
        store(g + i, load(g + i) + t if accumulate else t)
        i += LANES
    if i < d:
        t = factor[0] * load_part(x[0] + i, d - i)
        for r in range(1, rows):
            t = fma_(factor[r], load_part(x[r] + i, d - i), t)
        store(g + i, load(g + i) + t if accumulate else t)


cdef inline void gradient_tile(int outputs, int vectors, bint whole, const real *const *x, Py_ssize_t i,
                               Py_ssize_t n, Py_ssize_t d, const real *delta, Py_ssize_t ldd, bint accumulate,
                               real *g, Py_ssize_t ldg) noexcept nogil:
    """g (outputs, vectors) = [g +] sum over n rows of delta_jr x_ri, from column i on."""
    cdef vec acc[6][4]
    cdef vec a[4]
    cdef vec factor
    cdef Py_ssize_t r
    cdef int j, c
    for j in range(outputs):
        for c in range(vectors):
            acc[j][c] = splat(0)
    for r in range(n):
        for c in range(vectors):
            a[c] = load(x[r] + i + c * LANES) if whole else load_part(x[r] + i, d - i)
        for j in range(outputs):
            factor = splat(delta[j * ldd + r])
            for c in range(vectors):
                acc[j][c] = fma_(factor, a[c], acc[j][c])
    for j in range(outputs):
        for c in range(vectors):
            if accumulate:
                acc[j][c] = load(g + j * ldg + i + c * LANES) + acc[j][c]
            store(g + j * ldg + i + c * LANES, acc[j][c])


cdef inline void gradient_columns(int outputs, const real *const *x, Py_ssize_t i, Py_ssize_t n, Py_ssize_t d,
                                  const real *delta, Py_ssize_t ldd, bint accumulate, real *g,
                                  Py_ssize_t ldg) noexcept nogil:
    """Up to GRADIENT_VECTORS vectors of columns, from column i on, of some outputs."""
    if d - i >= GRADIENT_VECTORS * LANES:
        gradient_tile(outputs, GRADIENT_VECTORS, True, x, i, n, d, delta, ldd, accumulate, g, ldg)
        return
    if GRADIENT_VECTORS > 2 and d - i >= 2 * LANES:
        gradient_tile(outputs, 2, True, x, i, n, d, delta, ldd, accumulate, g, ldg)
        i += 2 * LANES
    if d - i >= LANES:
        gradient_tile(outputs, 1, True, x, i, n, d, delta, ldd, accumulate, g, ldg)
        i += LANES
    if d > i:
        gradient_tile(outputs, 1, False, x, i, n, d, delta, ldd, accumulate, g, ldg)


cdef void row_gradient(const real *const *x, const real *const *next, Py_ssize_t fetch, Py_ssize_t n,
                       Py_ssize_t d, const real *delta, Py_ssize_t ldd, Py_ssize_t m, bint accumulate,
                       real *g, Py_ssize_t ldg) noexcept nogil:
    # g_ji = [g_ji +] sum_r delta_jr x_ri
    cdef Py_ssize_t wide = GRADIENT_VECTORS * LANES, columns = (d + wide - 1) // wide
    cdef Py_ssize_t j, i, r = 0, outputs
    if m == 1:
        while r + GROUP <= n:
            fetch_rows(next + r, GROUP, fetch, d)
            add_group(GROUP, x + r, d, delta + r, accumulate or r > 0, g)
            r += GROUP
        while r < n:
            add_group(1, x + r, d, delta + r, accumulate or r > 0, g)
            r += 1
        return
    for i from 0 <= i < d by wide:
        r = i // wide
        fetch_rows(next + r * n // columns, (r + 1) * n // columns - r * n // columns, fetch, d)
        j = 0
        while j < m:
            outputs = share(m - j, GRADIENT_OUTPUTS)
            if outputs == 1:
                gradient_columns(1, x, i, n, d, delta + j * ldd, ldd, accumulate, g + j * ldg, ldg)
            elif outputs == 2:
                gradient_columns(2, x, i, n, d, delta + j * ldd, ldd, accumulate, g + j * ldg, ldg)
            elif outputs == 3:
                gradient_columns(3, x, i, n, d, delta + j * ldd, ldd, accumulate, g + j * ldg, ldg)
            elif outputs == 4:
                gradient_columns(4, x, i, n, d, delta + j * ldd, ldd, accumulate, g + j * ldg, ldg)
            elif outputs == 5:
                gradient_columns(5, x, i, n, d, delta + j * ldd, ldd, accumulate, g + j * ldg, ldg)
            else:
                gradient_columns(6, x, i, n, d, delta + j * ldd, ldd, accumulate, g + j * ldg, ldg)
            j += outputs


cdef void turn_weights(const real *a, Py_ssize_t d, Py_ssize_t m, real *out, Py_ssize_t ldo) noexcept nogil:
    # out_ji = a_ij, 0 for d <= i < ldo
    cdef vec block[LANES]
    cdef Py_ssize_t i, j
    cdef int k
    for i from 0 <= i < ldo by LANES:
        for j from 0 <= j < m by LANES:
            for k in range(LANES):
                block[k] = load_up_to(a + (i + k) * m + j, m - j) if i + k < d else splat(0)
            transpose(block)
            for k in range(LANES):
                if j + k < m:
                    store(out + (j + k) * ldo + i, block[k])


cdef void turn_back(const real *a, Py_ssize_t lda, Py_ssize_t d, Py_ssize_t m, real *out) noexcept nogil:
    # out_ij = a_ji
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
                    store_up_to(out + (i + k) * m + j, block[k], m - j)


cdef void fill_rows(kernels *t) noexcept:
    t.single_layer_net_inputs = row_products
    t.single_layer_gradient = row_gradient
    t.pack_weights = turn_weights
    t.unpack_weights = turn_back

# Weight gradients: the outer products x delta^T, summed over the rows of a batch.
#
#     Delta_ij = sum_r x_ir delta_jr        (n_in, n_out)
#
# - `outer` for wide layers: delta is transposed once (`transpose_rows`), and vectors run along the units. It
#   uses a register tile like that of matmul.pxi, with the same chain of multiply-adds per element.
# - `outer_ones`, the gradient of the bias, is `outer` with one row of x that is 1.
# - `dots` for narrow layers: vectors run along the rows, so that no lanes are wasted on missing units. Each
#   element is a dot product over the virtual width of 64 bytes.

cdef enum:
    TRANSPOSE_MIN_COLUMNS = 6   # fewer columns are copied element by element


cdef inline const real *delta_vector(const gradient_panel *q, Py_ssize_t j) noexcept nogil:
    """Return where the units j ... j + LANES of a panel's error terms begin; the next row is WIDTH away."""
    return q.delta + j // WIDTH * WIDTH * q.width + j % WIDTH


cdef inline void outer_tile(int rows, int vectors, Py_ssize_t tail, const gradient_panel *q,
                            Py_ssize_t panels, Py_ssize_t i0, Py_ssize_t j0, bint accumulate, real *c,
                            Py_ssize_t ldc) noexcept nogil:
    """c (rows, vectors * LANES) = [c +] x delta^T; the last vector of c has `tail` elements.

    x: from unit i0 on; delta: from unit j0 on.
    """
    cdef vec acc[8][4]
    cdef vec y[4]
    cdef vec w
    cdef const real *a
    cdef const real *b[4]
    cdef Py_ssize_t p, r, width
    cdef int i, v
    for i in range(rows):
        for v in range(vectors):
            prefetch_write(c + i * ldc + v * LANES)
            acc[i][v] = splat(0)
    for p in range(panels):
        width, r = q[p].width, q[p].filled
        a = q[p].x + i0 * width
        for v in range(vectors):
            b[v] = delta_vector(q + p, j0 + v * LANES)
        while True:
            for v in range(vectors):
                y[v] = load(b[v])
                b[v] += WIDTH
            for i in range(rows):
                w = splat(a[i * width])
                for v in range(vectors):
                    acc[i][v] = fma_(w, y[v], acc[i][v])
            a += 1
            r -= 1
            if r == 0:
                break
    store_tile(rows, vectors, tail, acc, accumulate, c, ldc)


cdef inline void outer_rows(int max_rows, int vectors, Py_ssize_t tail, const gradient_panel *q,
                            Py_ssize_t panels, Py_ssize_t j0, bint accumulate, real *c, Py_ssize_t ldc,
                            Py_ssize_t m) noexcept nogil:
    """c (m, vectors * LANES) = [c +] x delta^T, in tiles of at most `max_rows` rows."""
    cdef Py_ssize_t i = 0
    while m - i >= max_rows:
        outer_tile(max_rows, vectors, tail, q, panels, i, j0, accumulate, c + i * ldc, ldc)
        i += max_rows
    if m - i >= 4:
        outer_tile(4, vectors, tail, q, panels, i, j0, accumulate, c + i * ldc, ldc)
        i += 4
    if m - i >= 2:
        outer_tile(2, vectors, tail, q, panels, i, j0, accumulate, c + i * ldc, ldc)
        i += 2
    if m > i:
        outer_tile(1, vectors, tail, q, panels, i, j0, accumulate, c + i * ldc, ldc)


cdef void outer(const gradient_panel *q, Py_ssize_t panels, bint accumulate, real *c, Py_ssize_t m,
                Py_ssize_t n) noexcept nogil:
    # c_ij = [c_ij +] sum_r x_ir delta_jr, x (m, rows), delta in blocks of rows x WIDTH units, c (m, n)
    cdef Py_ssize_t j = 0, left
    while j < n:
        left = n - j
        if HAS_MR_4 and left > 3 * LANES:
            outer_rows(MR_4, 4, min(left - 3 * LANES, LANES), q, panels, j, accumulate, c + j, n, m)
            j += 4 * LANES
        elif left > LANES:
            outer_rows(MR_2, 2, min(left - LANES, LANES), q, panels, j, accumulate, c + j, n, m)
            j += 2 * LANES
        else:
            outer_rows(MR_2, 1, left, q, panels, j, accumulate, c + j, n, m)
            j += LANES


cdef void outer_ones(const gradient_panel *q, Py_ssize_t panels, bint accumulate, real *c,
                     Py_ssize_t n) noexcept nogil:
    # c_j = [c_j +] sum_r delta_jr, delta as in `outer`
    cdef Py_ssize_t j, r, p
    cdef const real *b
    cdef vec acc
    for j from 0 <= j < n by LANES:
        acc = splat(0)
        for p in range(panels):
            b = delta_vector(q + p, j)
            for r in range(q[p].filled):
                acc = acc + load(b + r * WIDTH)
        if accumulate:
            acc = acc + load_n(c + j, min(n - j, <Py_ssize_t> LANES))
        store_n(c + j, acc, min(n - j, <Py_ssize_t> LANES))


cdef inline vec tree_sum_lanes(int rows, vec (*acc)[VECS]) noexcept nogil:
    """Return a vector whose lanes are the sums of `rows` accumulators, each in the order of tree_sum."""
    cdef vec s[LANES]
    cdef int i, v, half = VECS // 2
    while half:
        for i in range(rows):
            for v in range(half):
                acc[i][v] = acc[i][v] + acc[i][v + half]
        half //= 2
    for i in range(LANES):
        s[i] = acc[i][0] if i < rows else splat(0)
    transpose(s)
    half = LANES // 2
    while half:
        for i in range(half):
            s[i] = s[i] + s[i + half]
        half //= 2
    return s[0]


cdef inline void dots_tile(int rows, const panels *chunk, const panel_block *x, Py_ssize_t i0,
                           const panel_block *d, Py_ssize_t j0, bint accumulate, real *c,
                           Py_ssize_t ldc) noexcept nogil:
    """c (rows, 1) = [c +] x (rows, ...) . d over all panels; without d, the sums of x."""
    cdef vec acc[LANES][VECS]
    cdef vec y = splat(1)
    cdef const real *a
    cdef const real *b = NULL
    cdef Py_ssize_t p, r, width
    cdef real part[LANES]
    cdef int i, v
    for i in range(rows):
        for v in range(VECS):
            acc[i][v] = splat(0)
    for p in range(chunk.n):
        width = chunk.last if p == chunk.n - 1 else chunk.width
        a = x.p + p * x.units * chunk.width + (x.first + i0) * width
        if d != NULL:
            b = d.p + p * d.units * chunk.width + j0 * width
        for r from 0 <= r < width by WIDTH:
            for v in range(VECS):
                if d != NULL:
                    y = load(b + r + v * LANES)
                for i in range(rows):
                    acc[i][v] = fma_(load(a + i * width + r + v * LANES), y, acc[i][v])
    store(part, tree_sum_lanes(rows, acc))
    for i in range(rows):
        c[i * ldc] = c[i * ldc] + part[i] if accumulate else part[i]


cdef void dots(const panels *chunk, const panel_block *x, const panel_block *d, bint accumulate, real *c,
               Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    # c_ij = [c_ij +] sum_r x_ir d_jr, x (m, rows), d (n, rows), c (m, n); d NULL: c_i0 = [c_i0 +] sum_r x_ir
    cdef Py_ssize_t i, j
    for j in range(n):
        i = 0
        while m - i >= LANES:
            dots_tile(LANES, chunk, x, i, d, j, accumulate, c + i * n + j, n)
            i += LANES
        while m > i:
            dots_tile(1, chunk, x, i, d, j, accumulate, c + i * n + j, n)
            i += 1


cdef inline void transpose_block(bint complete, const real **rows, Py_ssize_t m, Py_ssize_t j, Py_ssize_t n,
                                 real *out, Py_ssize_t ldo) noexcept nogil:
    """Transpose LANES columns from j on of LANES rows; unless `complete`, only m rows of n columns exist."""
    cdef vec v[LANES]
    cdef Py_ssize_t i
    if complete:
        for i in range(LANES):
            v[i] = load(rows[i] + j)
        transpose(v)
        for i in range(LANES):
            store(out + i * ldo, v[i])
        return
    for i in range(LANES):
        v[i] = load_n(rows[i] + j, n - j) if i < m else splat(0)
    transpose(v)
    for i in range(min(LANES, n - j)):
        store(out + i * ldo, v[i])


cdef void transpose_rows(const real **rows, Py_ssize_t m, Py_ssize_t n, real *out,
                         Py_ssize_t ldo) noexcept nogil:
    # out_ji = rows_i[j], 0 for m <= i < ldo; out (n, ldo), ldo a multiple of LANES
    cdef Py_ssize_t i, j
    if n < TRANSPOSE_MIN_COLUMNS:
        for i in range(ldo):
            for j in range(n):
                out[j * ldo + i] = rows[i][j] if i < m else 0
        return
    for i from 0 <= i < ldo by LANES:
        for j from 0 <= j < n by LANES:
            if m - i >= LANES and n - j >= LANES:
                transpose_block(True, rows + i, LANES, j, n, out + j * ldo + i, ldo)
            else:
                transpose_block(False, rows + i, m - i, j, n, out + j * ldo + i, ldo)


cdef void fill_outer_product(kernels *t) noexcept:
    t.panel_outer = outer
    t.panel_outer_ones = outer_ones
    t.panel_dots = dots
    t.transpose_rows = transpose_rows

# Net inputs of a layer whose inputs are rows of the data, read in place:
#
#     h_rj = b_j + sum_p x_rp w_pj        (rows, n_out)
#
# Rows may lie anywhere, so each has a pointer. The register tile is that of matmul.pxi with rows of x in
# place of rows of a, and vectors along the units. Every element is the same chain of multiply-adds in the
# same blocks of k, so its bits do not depend on the form in which x is read.
#
# Rejected: transposing x into blocks (units, rows) as for narrow layers, which writes and reads all of x once
# more: 5 to 8 % of a step of 784-128-10.

cdef extern from *:
    """
    #define TILE_ROWS (HAS_MR_4 ? MR_4 : MR_2)
    #define TILE_COLUMNS (HAS_MR_4 ? 4 * LANES : 2 * LANES)
    /* Columns of w from which a block is copied. Rows of w that lie far apart compete for few sets of L1; a
     * tile that takes a single cache line of each row loses more by it. */
    #define COPY_MIN_COLUMNS ((HAS_MR_4 ? 4096 : 256) / (int) sizeof(real))
    """
    enum: TILE_ROWS, TILE_COLUMNS, COPY_MIN_COLUMNS


cdef inline void row_tile(int rows, int vectors, bint ahead, Py_ssize_t tail, const real **x,
                          Py_ssize_t first, const real *w, Py_ssize_t ldw, real *c, Py_ssize_t ldc,
                          Py_ssize_t k) noexcept nogil:
    """c (rows, vectors * LANES) += x w over the inputs first ... first + k.

    The last vector of c has `tail` elements. `ahead`: prefetch the next columns of w, whose rows lie apart.
    """
    cdef vec acc[8][4]
    cdef vec y[4]
    cdef vec a
    cdef const real *row[8]
    cdef Py_ssize_t p = 0
    cdef int i, v, end = vectors - 1
    for i in range(rows):
        row[i] = x[i] + first
        for v in range(vectors):
            acc[i][v] = splat(0)
    while True:
        for v in range(end):
            y[v] = load(w + v * LANES)
        y[end] = load_n(w + end * LANES, tail)
        if ahead:
            for v in range(vectors):
                prefetch_read(w + (vectors + v) * LANES, True)
        for i in range(rows):
            a = splat(row[i][p])
            for v in range(vectors):
                acc[i][v] = fma_(a, y[v], acc[i][v])
        w += ldw
        p += 1
        if p == k:
            break
    store_tile(rows, vectors, tail, acc, True, c, ldc)


cdef inline void row_tiles(int max_rows, int vectors, Py_ssize_t tail, const real **x, Py_ssize_t first,
                           const real *w, Py_ssize_t ldw, real *c, Py_ssize_t ldc, Py_ssize_t m,
                           Py_ssize_t k) noexcept nogil:
    """c (m, vectors * LANES) += x w, in tiles of at most `max_rows` rows."""
    cdef Py_ssize_t i = 0
    if m >= max_rows:
        row_tile(max_rows, vectors, True, tail, x, first, w, ldw, c, ldc, k)
        i = max_rows
    while m - i >= max_rows:
        row_tile(max_rows, vectors, False, tail, x + i, first, w, ldw, c + i * ldc, ldc, k)
        i += max_rows
    if m - i >= 4:
        row_tile(4, vectors, True, tail, x + i, first, w, ldw, c + i * ldc, ldc, k)
        i += 4
    if m - i >= 2:
        row_tile(2, vectors, True, tail, x + i, first, w, ldw, c + i * ldc, ldc, k)
        i += 2
    if m > i:
        row_tile(1, vectors, True, tail, x + i, first, w, ldw, c + i * ldc, ldc, k)


cdef inline void row_columns(const real **x, Py_ssize_t first, const real *w, Py_ssize_t ldw, real *c,
                             Py_ssize_t ldc, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """c (m, n) += x w for n <= PANEL columns."""
    cdef Py_ssize_t j = 0
    while HAS_MR_4 and n - j >= 4 * LANES:
        row_tiles(MR_4, 4, LANES, x, first, w + j, ldw, c + j, ldc, m, k)
        j += 4 * LANES
    while n - j >= 2 * LANES:
        row_tiles(MR_2, 2, LANES, x, first, w + j, ldw, c + j, ldc, m, k)
        j += 2 * LANES
    while n > j:
        row_tiles(MR_2, 1, min(n - j, LANES), x, first, w + j, ldw, c + j, ldc, m, k)
        j += LANES


# What the tiles of a block prefetch, a part each, so that no prefetch waits for another.
cdef struct upcoming_t:
    const real *w                       # PANEL columns of the next block
    Py_ssize_t rows, rows_per_tile      # of w: left, and for each tile
    Py_ssize_t inputs                   # of x, after the block's own; 0 if another block has prefetched them


cdef inline void prefetch_upcoming(upcoming_t *next, const real **x, Py_ssize_t m, Py_ssize_t n,
                                   Py_ssize_t first, Py_ssize_t part) noexcept nogil:
    """Prefetch a tile's share of the next block of w (k, n), and of the next inputs of its m rows."""
    cdef Py_ssize_t r, j
    for r in range(min(next.rows, next.rows_per_tile)):
        for j from 0 <= j < PANEL by WIDTH:
            prefetch_read(next.w + j, False)
        next.w += n
    next.rows -= next.rows_per_tile
    for j from part * WIDTH <= j < next.inputs by PANEL // TILE_COLUMNS * WIDTH:
        for r in range(m):
            prefetch_read(x[r] + first + j, True)


cdef inline void packed_tiles(const real **x, Py_ssize_t first, const real *w, Py_ssize_t part, real *c,
                              Py_ssize_t ldc, Py_ssize_t m, Py_ssize_t k, upcoming_t *next) noexcept nogil:
    """c (m, TILE_COLUMNS) += x w for a copied block w (k, TILE_COLUMNS), the `part`-th of PANEL columns."""
    cdef Py_ssize_t i = 0
    while m - i >= TILE_ROWS:
        prefetch_upcoming(next, x + i, TILE_ROWS, ldc, first + k, part)
        row_tile(TILE_ROWS, TILE_COLUMNS // LANES, False, LANES, x + i, first, w, TILE_COLUMNS, c + i * ldc,
                 ldc, k)
        i += TILE_ROWS
    if m > i:
        row_tiles(TILE_ROWS, TILE_COLUMNS // LANES, LANES, x + i, first, w, TILE_COLUMNS, c + i * ldc, ldc,
                  m - i, k)


cdef void row_net_inputs(const real **x, Py_ssize_t m, const real *w, const real *bias, real *h, Py_ssize_t n,
                         Py_ssize_t k) noexcept nogil:
    # h_rj = bias_j + sum_p x_rp w_pj, x: m rows of k elements, w (k, n), h (m, n)
    cdef packed_b packed
    cdef upcoming_t next
    cdef Py_ssize_t r, p, j, q, depth, columns
    for r in range(m):
        if bias != NULL:
            memcpy(h + r * n, bias, n * sizeof(real))
        else:
            memset(h + r * n, 0, n * sizeof(real))
    for p from 0 <= p < k by KC:
        depth = min(k - p, <Py_ssize_t> KC)
        for j from 0 <= j < n by PANEL:
            columns = min(n - j, <Py_ssize_t> PANEL)
            if columns == PANEL and n >= COPY_MIN_COLUMNS and m >= PACK_MIN_ROWS:
                pack_columns(w + p * n + j, n, &packed, depth)
                next.w, next.rows = w + p * n + j + PANEL, depth
                if n - j < 2 * PANEL:
                    next.w, next.rows = w + (p + KC) * n, min(k - p - KC, <Py_ssize_t> KC)
                next.rows_per_tile = next.rows * TILE_ROWS // m // (PANEL // TILE_COLUMNS) + 1
                next.inputs = 0 if j else min(k - p - KC, <Py_ssize_t> KC)
                for q from 0 <= q < PANEL by TILE_COLUMNS:
                    packed_tiles(x, p, packed.data + q * depth, q // TILE_COLUMNS, h + j + q, n, m, depth,
                                 &next)
            else:
                row_columns(x, p, w + p * n + j, n, h + j, n, m, columns, depth)


cdef inline void pack_columns(const real *w, Py_ssize_t n, packed_b *packed, Py_ssize_t k) noexcept nogil:
    """Copy PANEL columns of k rows into blocks (k, TILE_COLUMNS)."""
    cdef Py_ssize_t p, q
    for p in range(k):
        for q from 0 <= q < PANEL by TILE_COLUMNS:
            memcpy(packed.data + q * k + p * TILE_COLUMNS, w + q, TILE_COLUMNS * sizeof(real))
        w += n


cdef void fill_row_net_inputs(kernels *t) noexcept:
    t.row_net_inputs = row_net_inputs

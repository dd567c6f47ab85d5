# Matrix products of the forward and backward pass, in which dense layers spend most of their time.
#
# Rows of a batch go through the network in panels: blocks of units x rows, of at most PANEL rows. Three
# products make up a layer:
#
#     h     = W^T x        (n_out, rows)    matmul: a = W read by columns, b = x
#     g_x   = W delta      (n_in, rows)     matmul: a = W read by rows,    b = delta
#     Delta = x delta^T    (n_in, n_out)    outer_product.pxi
#
# `matmul` is a register tile: MR rows of c by 2 or 4 vectors stay in registers while k runs. Every element of
# c is one chain of fused multiply-adds over k = 0, 1, 2, ..., and what is added to it (bias, the previous c)
# comes last. So its bits depend on neither the tile nor the vector size.
#
# Blocks are named as in BLIS: KC of k, MC rows of c. b is packed only where its rows are far apart and many
# rows of c read it; elsewhere the copy does not pay.

cdef extern from *:
    """
    /* A register tile is MR_2 rows of 2 vectors, or MR_4 rows of 4, which load less per multiply-add. The
     * accumulators, the vectors of b and one of a must fit the registers of the level. */
    #define MR_2 (VBYTES == 64 ? 8 : 6)
    #define MR_4 6
    #define HAS_MR_4 (VBYTES == 64)
    #define KC 128              /* of k: KC rows of PANEL elements of b fit in L1 */
    #define STRIP (96 / (int) sizeof(real))  /* rows of a in a packed strip */
    #define STRIPS 4                    /* packed at once, because their rows of a lie on a page each */
    typedef struct { real data[KC * 256 / sizeof(real)]; } CACHE_ALIGNED packed_b;
    typedef struct { real data[STRIPS][KC * STRIP]; } CACHE_ALIGNED packed_a;
    """
    enum: MR_2, MR_4, HAS_MR_4, KC, STRIP, STRIPS
    ctypedef struct packed_b:
        real *data
    ctypedef struct packed_a:
        real **data

cdef enum:
    MC = 192                    # rows of c per pass over b
    PACK_MIN_ROWS = 24          # rows of c from which packing columns of b pays
    PACK_MIN_PANELS = 2         # panels from which packing strips of a pays,
    PACK_MIN_STRIDE = 32        # if columns of a are at least this far apart


cdef inline void matmul_tile(int rows, int vectors, Py_ssize_t tail, const real *a, Py_ssize_t a_row,
                             Py_ssize_t a_column, const real *b, Py_ssize_t ldb, const real *bias,
                             bint accumulate, real *c, Py_ssize_t ldc, Py_ssize_t k) noexcept nogil:
    """c (rows, vectors * LANES) = [c +] a (rows, k) b (k, ...) [+ bias (rows)].

    `rows` and `vectors` are literals at every call, so that the accumulators stay in registers. The last
    vector of c has `tail` elements. c and the bias are added at the end, so that the chains do not wait for
    them.
    """
    cdef vec acc[8][4]
    cdef vec y[4]
    cdef vec x
    cdef int i, v
    for i in range(rows):
        for v in range(vectors):
            acc[i][v] = splat(0)
    while True:             # k > 0: without a test before the loop the accumulators stay in registers
        for v in range(vectors):
            y[v] = load(b + v * LANES)
        for i in range(rows):
            x = splat(a[i * a_row])
            for v in range(vectors):
                acc[i][v] = fma_(x, y[v], acc[i][v])
        a += a_column
        b += ldb
        k -= 1
        if k == 0:
            break
    if bias != NULL:
        for i in range(rows):
            x = splat(bias[i])
            for v in range(vectors):
                acc[i][v] = acc[i][v] + x
    store_tile(rows, vectors, tail, acc, accumulate, c, ldc)


cdef inline void store_tile(int rows, int vectors, Py_ssize_t tail, vec (*acc)[4], bint accumulate, real *c,
                            Py_ssize_t ldc) noexcept nogil:
    """c (rows, vectors * LANES) = [c +] acc; the last vector of c has `tail` elements."""
    cdef int i, v, end = vectors - 1
    for i in range(rows):
        for v in range(end):
            if accumulate:
                acc[i][v] = acc[i][v] + load(c + i * ldc + v * LANES)
            store(c + i * ldc + v * LANES, acc[i][v])
        if accumulate:
            acc[i][end] = acc[i][end] + load_n(c + i * ldc + end * LANES, tail)
        store_n(c + i * ldc + end * LANES, acc[i][end], tail)


cdef inline void matmul_rows(int max_rows, int vectors, Py_ssize_t tail, const real *a, Py_ssize_t a_row,
                             Py_ssize_t a_column, const real *b, Py_ssize_t ldb, const real *bias,
                             bint accumulate, real *c, Py_ssize_t ldc, Py_ssize_t m,
                             Py_ssize_t k) noexcept nogil:
    """c (m, vectors * LANES) = [c +] a b [+ bias], in tiles of at most `max_rows` rows."""
    cdef Py_ssize_t i = 0
    cdef const real *tile_bias = NULL
    while i < m:
        if bias != NULL:
            tile_bias = bias + i
        if m - i >= max_rows:
            matmul_tile(max_rows, vectors, tail, a + i * a_row, a_row, a_column, b, ldb, tile_bias,
                        accumulate, c + i * ldc, ldc, k)
            i += max_rows
        elif m - i >= 4:
            matmul_tile(4, vectors, tail, a + i * a_row, a_row, a_column, b, ldb, tile_bias, accumulate,
                        c + i * ldc, ldc, k)
            i += 4
        elif m - i >= 2:
            matmul_tile(2, vectors, tail, a + i * a_row, a_row, a_column, b, ldb, tile_bias, accumulate,
                        c + i * ldc, ldc, k)
            i += 2
        else:
            matmul_tile(1, vectors, tail, a + i * a_row, a_row, a_column, b, ldb, tile_bias, accumulate,
                        c + i * ldc, ldc, k)
            i += 1


cdef inline void matmul_columns(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const real *b,
                                Py_ssize_t ldb, const real *bias, bint accumulate, real *c, Py_ssize_t ldc,
                                Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """c (m, n) = [c +] a b [+ bias] for n <= PANEL columns."""
    cdef Py_ssize_t j = 0
    while HAS_MR_4 and n - j >= 4 * LANES:
        matmul_rows(MR_4, 4, LANES, a, a_row, a_column, b + j, ldb, bias, accumulate, c + j, ldc, m, k)
        j += 4 * LANES
    while n - j >= 2 * LANES:
        matmul_rows(MR_2, 2, LANES, a, a_row, a_column, b + j, ldb, bias, accumulate, c + j, ldc, m, k)
        j += 2 * LANES
    while n > j:
        matmul_rows(MR_2, 1, min(n - j, LANES), a, a_row, a_column, b + j, ldb, bias, accumulate, c + j, ldc,
                    m, k)
        j += LANES


cdef inline void matmul_blocked(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const real *b,
                                Py_ssize_t ldb, const real *bias, bint accumulate, real *c, Py_ssize_t ldc,
                                Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """c (m, n) = [c +] a b [+ bias] in blocks of MC x PANEL x KC.

    One stride of a is a literal 1 at every call, which the loops of the tiles need. Rows of b that are far
    apart compete for few sets of L1 and lie on a page each, so PANEL columns of b are packed if many rows of
    c read them. Blocks of rows of c also limit the number of pages of a and c in use.
    """
    cdef packed_b packed
    cdef const real *block
    cdef Py_ssize_t i, j, r, p, depth, columns, ld, rows
    for i from 0 <= i < m by MC:
        rows = min(m - i, <Py_ssize_t> MC)
        for p from 0 <= p < k by KC:
            depth = min(k - p, <Py_ssize_t> KC)
            for j from 0 <= j < n by PANEL:
                columns = min(n - j, <Py_ssize_t> PANEL)
                block, ld = b + p * ldb + j, ldb
                if columns == PANEL < ldb and rows >= PACK_MIN_ROWS:
                    for r in range(depth):
                        memcpy(packed.data + r * PANEL, block + r * ldb, PANEL * sizeof(real))
                    block, ld = packed.data, PANEL
                matmul_columns(a + i * a_row + p * a_column, a_row, a_column, block, ld,
                               bias + i if bias != NULL and not p else NULL, accumulate or p > 0,
                               c + i * ldc + j, ldc, rows, columns, depth)


cdef void matmul(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const real *b,
                 Py_ssize_t ldb, const real *bias, bint accumulate, real *c, Py_ssize_t ldc,
                 Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    # c_ij = [c_ij +] bias_i + sum_p a_ip b_pj, a (m, k), b (k, n), c (m, n)
    cdef panels chunk
    cdef panel_block block
    cdef Py_ssize_t i, j
    if k == 0:
        for i in range(m):
            for j in range(n):
                c[i * ldc + j] = (c[i * ldc + j] if accumulate else 0) + (bias[i] if bias != NULL else 0)
    elif a_row == 1:
        matmul_blocked(a, 1, a_column, b, ldb, bias, accumulate, c, ldc, m, n, k)
    elif a_column == 1:
        matmul_blocked(a, a_row, 1, b, ldb, bias, accumulate, c, ldc, m, n, k)
    else:
        chunk.n, chunk.width, chunk.last, chunk.filled = 1, ldb, ldb, ldb
        block.p, block.units, block.first = b, k, 0
        packed_matmul(a, a_row, a_column, &chunk, &block, bias, accumulate, c, ldc, m, n, k)


cdef void panel_matmul(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const panels *chunk,
                       const panel_block *b, const real *bias, real *c, Py_ssize_t m,
                       Py_ssize_t k) noexcept nogil:
    # c_ir = bias_i + sum_p a_ip b_pr in every panel, a (m, k), b (k, rows), c (m, rows)
    cdef Py_ssize_t s, width
    if chunk.n >= PACK_MIN_PANELS and a_row == 1 and a_column >= PACK_MIN_STRIDE:
        packed_matmul(a, a_row, a_column, chunk, b, bias, False, c, 0, m, 0, k)
        return
    for s in range(chunk.n):
        width = chunk.last if s == chunk.n - 1 else chunk.width
        matmul(a, a_row, a_column, b.p + s * k * chunk.width, width, bias, False, c + s * m * chunk.width,
               width, m, width, k)


cdef void packed_matmul(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const panels *chunk,
                        const panel_block *b, const real *bias, bint accumulate, real *c, Py_ssize_t ldc,
                        Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """c = [c +] a b [+ bias] in every panel, with strips of a, whose elements are far apart, packed once.

    c is a block of panels if ldc and n are 0, else a matrix (m, n) with rows ldc apart.
    """
    cdef packed_a packed
    cdef Py_ssize_t i, p, depth, rows, s, width
    for p from 0 <= p < k by KC:
        depth = min(k - p, <Py_ssize_t> KC)
        for i from 0 <= i < m by STRIP:
            rows = min(m - i, <Py_ssize_t> STRIP)
            if i // STRIP % STRIPS == 0:
                pack_strips(a + i * a_row + p * a_column, a_row, a_column, &packed, m - i, depth)
            if a_row == 1:
                prefetch_strips(a, a_column, p, i, m, k)
            for s in range(chunk.n):
                width = chunk.last if s == chunk.n - 1 else chunk.width
                matmul_blocked(packed.data[i // STRIP % STRIPS], 1, STRIP,
                               b.p + s * k * chunk.width + p * width, width,
                               bias + i if bias != NULL and not p else NULL, accumulate or p > 0,
                               c + s * m * chunk.width + i * (ldc if ldc else width), ldc if ldc else width,
                               rows, n if n else width, depth)


cdef inline void prefetch_strips(const real *a, Py_ssize_t a_column, Py_ssize_t p, Py_ssize_t i, Py_ssize_t m,
                                 Py_ssize_t k) noexcept nogil:
    """Prefetch a part of the strips that are packed next, while a strip of those packed last is used.

    a (m, k) has columns a_column apart; the strip in use begins at row i and column p.
    """
    cdef Py_ssize_t part = i // STRIP % STRIPS, start = i // STRIP // STRIPS * STRIPS * STRIP + STRIPS * STRIP
    cdef Py_ssize_t j, r, end
    if start >= m:                      # the next columns
        start = 0
        p += KC
    end = min(k - p, <Py_ssize_t> KC)
    for j from end * part // STRIPS <= j < end * (part + 1) // STRIPS:
        for r from start <= r < min(start + STRIPS * STRIP, m) by WIDTH:
            prefetch_read(a + (p + j) * a_column + r, False)


cdef inline void pack_strips(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, packed_a *packed,
                             Py_ssize_t m, Py_ssize_t depth) noexcept nogil:
    """Copy up to STRIPS strips of the first m rows of a (m, depth)."""
    cdef const real *column
    cdef real *strip
    cdef Py_ssize_t p, s, r
    for p in range(depth):
        column = a + p * a_column
        for s in range(min((m + STRIP - 1) // STRIP, <Py_ssize_t> STRIPS)):
            strip = packed.data[s] + p * STRIP
            if a_row == 1 and m - s * STRIP >= STRIP:   # a literal size compiles to a few loads and stores
                memcpy(strip, column + s * STRIP, STRIP * sizeof(real))
            else:
                for r in range(min(m - s * STRIP, <Py_ssize_t> STRIP)):
                    strip[r] = column[(s * STRIP + r) * a_row]


cdef void dot(const real *a, const real *b, bint accumulate, real *c, Py_ssize_t n) noexcept nogil:
    # c = [c +] sum_p a_p b_p, n a multiple of WIDTH
    cdef vec acc[VECS]
    cdef Py_ssize_t p
    cdef int v
    for v in range(VECS):
        acc[v] = splat(0)
    for p from 0 <= p < n by WIDTH:
        for v in range(VECS):
            acc[v] = fma_(load(a + p + v * LANES), load(b + p + v * LANES), acc[v])
    c[0] = c[0] + tree_sum(acc) if accumulate else tree_sum(acc)


cdef void fill_matmul(kernels *t) noexcept:
    t.matmul = matmul
    t.dot = dot
    t.panel_matmul = panel_matmul

# Matrix products: what a layer spends its time in.
#
# Rows of a batch go through the network in panels (chunk.pxi), blocks of units x rows, PANEL rows or fewer.
# Three products make a layer:
#
#     h     = W^T x        (n_out, rows)    product: a = W read by columns, b = x
#     g_x   = W delta      (n_in, rows)     product: a = W read by rows,    b = delta
#     Delta = x delta^T    (n_in, n_out)    outer: delta is transposed once, vectors lie along the units; or
#                                           dots: vectors lie along the rows, where a layer is narrow
#
# `product` and `outer` are a register tile: some rows and vectors of c stay in registers while k runs. Every
# element is a chain of fused multiply-adds over k = 0, 1, 2, ..., so its bits depend on neither the tile nor
# the vector's size, and what is added to it comes last. `dots` adds along the vector, over the fixed virtual
# width of 64 bytes.

cdef extern from *:
    """
    /* a register tile is MR rows of 2 vectors, or TALL rows of 4, which read less of a and b for each
       multiply-add: accumulators, vectors of b and one of a must fit the registers of the level */
    #define MR (VBYTES == 64 ? 8 : 6)
    #define TALL 6
    #define WIDE_TILES (VBYTES == 64)
    #define DEPTH 128           /* of k in one go: so many rows of PANEL elements of b stay in L1 */
    typedef struct { real of[DEPTH * 256 / sizeof(real)]; } ON_LINES part_of_b;
    """
    enum: MR, TALL, WIDE_TILES, DEPTH
    ctypedef struct part_of_b:
        real *of

cdef enum:
    ROW_BLOCK = 192         # of c, between two walks over b
    COPY_ROWS = 24          # of c, for which a copy of some columns of b pays
    STRIP_PANELS = 2        # for fewer a copy of the columns does not pay,
    STRIP_COLUMNS = 32      # nor where they lie close together
    STRIP_WIDTH = 96 // sizeof(real)
    FEW_COLUMNS = 6         # are turned faster one by one


cdef inline void tile(int rows, int vectors, Py_ssize_t last, const real *a, Py_ssize_t a_row,
                      Py_ssize_t a_column, const real *b, Py_ssize_t ldb, const real *bias,
                      bint accumulate, real *c, Py_ssize_t ldc, Py_ssize_t k) noexcept nogil:
    """c (rows, vectors * LANES) = a b [+ c] [+ bias]; the last vector of c has `last` elements.

    `rows` and `vectors` are literals at every call, so that the accumulators become registers; what they are
    added to comes at the end, so that nothing waits for it.
    """
    cdef vec acc[8][4]
    cdef vec y[4]
    cdef vec x
    cdef int i, v
    for i in range(rows):
        for v in range(vectors):
            acc[i][v] = splat(0)
    while True:             # at least once, so that the accumulators stay where they are
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
    put(rows, vectors, last, acc, accumulate, c, ldc)


cdef inline void put(int rows, int vectors, Py_ssize_t last, vec (*acc)[4], bint accumulate, real *c,
                     Py_ssize_t ldc) noexcept nogil:
    """c = [c +] acc."""
    cdef int i, v, end = vectors - 1
    for i in range(rows):
        for v in range(end):
            if accumulate:
                acc[i][v] = acc[i][v] + load(c + i * ldc + v * LANES)
            store(c + i * ldc + v * LANES, acc[i][v])
        if accumulate:
            acc[i][end] = acc[i][end] + load_up_to(c + i * ldc + end * LANES, last)
        store_up_to(c + i * ldc + end * LANES, acc[i][end], last)


cdef inline void panel(int most, int vectors, Py_ssize_t last, const real *a, Py_ssize_t a_row,
                       Py_ssize_t a_column, const real *b, Py_ssize_t ldb, const real *bias,
                       bint accumulate, real *c, Py_ssize_t ldc, Py_ssize_t m,
                       Py_ssize_t k) noexcept nogil:
    """All rows of c under a few vectors of b, at most `most` of them in a tile."""
    cdef Py_ssize_t i = 0
    cdef const real *shift = NULL
    while i < m:
        if bias != NULL:
            shift = bias + i
        if m - i >= most:
            tile(most, vectors, last, a + i * a_row, a_row, a_column, b, ldb, shift, accumulate,
                 c + i * ldc, ldc, k)
            i += most
        elif m - i >= 4:
            tile(4, vectors, last, a + i * a_row, a_row, a_column, b, ldb, shift, accumulate,
                 c + i * ldc, ldc, k)
            i += 4
        elif m - i >= 2:
            tile(2, vectors, last, a + i * a_row, a_row, a_column, b, ldb, shift, accumulate,
                 c + i * ldc, ldc, k)
            i += 2
        else:
            tile(1, vectors, last, a + i * a_row, a_row, a_column, b, ldb, shift, accumulate,
                 c + i * ldc, ldc, k)
            i += 1


cdef inline void columns_product(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const real *b,
                                 Py_ssize_t ldb, const real *bias, bint accumulate, real *c, Py_ssize_t ldc,
                                 Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """PANEL columns of c or fewer."""
    cdef Py_ssize_t j = 0
    while WIDE_TILES and n - j >= 4 * LANES:
        panel(TALL, 4, LANES, a, a_row, a_column, b + j, ldb, bias, accumulate, c + j, ldc, m, k)
        j += 4 * LANES
    while n - j >= 2 * LANES:
        panel(MR, 2, LANES, a, a_row, a_column, b + j, ldb, bias, accumulate, c + j, ldc, m, k)
        j += 2 * LANES
    while n > j:
        panel(MR, 1, min(n - j, LANES), a, a_row, a_column, b + j, ldb, bias, accumulate, c + j, ldc, m, k)
        j += LANES


cdef inline void strided_product(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const real *b,
                                 Py_ssize_t ldb, const real *bias, bint accumulate, real *c, Py_ssize_t ldc,
                                 Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """Every column of c. One of the strides of a is a literal 1 at every call: the tiles' loops need it.

    Rows of b that lie far apart share few sets of L1, and have a page each: for many rows of c, a copy of
    some pays. Blocks of c's rows keep the pages of a and c that are in use few, too.
    """
    cdef part_of_b part
    cdef const real *block
    cdef Py_ssize_t i, j, r, p, depth, wide, ld, rows
    for i from 0 <= i < m by ROW_BLOCK:
        rows = min(m - i, <Py_ssize_t> ROW_BLOCK)
        for p from 0 <= p < k by DEPTH:
            depth = min(k - p, <Py_ssize_t> DEPTH)
            for j from 0 <= j < n by PANEL:
                wide = min(n - j, <Py_ssize_t> PANEL)
                block, ld = b + p * ldb + j, ldb
                if wide == PANEL < ldb and rows >= COPY_ROWS:
                    for r in range(depth):
                        memcpy(part.of + r * PANEL, block + r * ldb, PANEL * sizeof(real))
                    block, ld = part.of, PANEL
                columns_product(a + i * a_row + p * a_column, a_row, a_column, block, ld,
                                bias + i if bias != NULL and not p else NULL, accumulate or p > 0,
                                c + i * ldc + j, ldc, rows, wide, depth)


cdef void product(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const real *b,
                  Py_ssize_t ldb, const real *bias, bint accumulate, real *c, Py_ssize_t ldc,
                  Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    # c_ij = [c_ij +] bias_i + sum_p a_ip b_pj
    cdef panels q
    cdef panel_block block
    cdef Py_ssize_t i, j
    if k == 0:
        for i in range(m):
            for j in range(n):
                c[i * ldc + j] = (c[i * ldc + j] if accumulate else 0) + (bias[i] if bias != NULL else 0)
    elif a_row == 1:
        strided_product(a, 1, a_column, b, ldb, bias, accumulate, c, ldc, m, n, k)
    elif a_column == 1:
        strided_product(a, a_row, 1, b, ldb, bias, accumulate, c, ldc, m, n, k)
    else:
        q.n, q.width, q.last, q.filled = 1, ldb, ldb, ldb
        block.p, block.units, block.first = b, k, 0
        strip_product(a, a_row, a_column, &q, &block, bias, accumulate, c, ldc, m, n, k)


cdef void panel_product(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const panels *q,
                        const panel_block *b, const real *bias, real *c, Py_ssize_t m,
                        Py_ssize_t k) noexcept nogil:
    # c_ir = bias_i + sum_p a_ip b_pr in every panel
    cdef Py_ssize_t s, width
    if q.n >= STRIP_PANELS and a_row == 1 and a_column >= STRIP_COLUMNS:
        strip_product(a, a_row, a_column, q, b, bias, False, c, 0, m, 0, k)
        return
    for s in range(q.n):
        width = q.last if s == q.n - 1 else q.width
        product(a, a_row, a_column, b.p + s * k * q.width, width, bias, False, c + s * m * q.width, width, m,
                width, k)


cdef void strip_product(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const panels *q,
                        const panel_block *b, const real *bias, bint accumulate, real *c, Py_ssize_t ldc,
                        Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """The product in every panel, over strips of a that are copied once: in a they lie far apart.

    c is a block of panels, or a matrix of n columns, ldc apart.
    """
    cdef real strip[DEPTH * STRIP_WIDTH]
    cdef Py_ssize_t i, p = 0, depth, wide, s, width, at, r
    while p < k:
        depth = min(k - p, DEPTH)
        for i from 0 <= i < m by STRIP_WIDTH:
            wide = min(m - i, <Py_ssize_t> STRIP_WIDTH)
            for at in range(depth):
                if a_row == 1 and wide == STRIP_WIDTH:      # a literal size: a few loads and stores
                    memcpy(strip + at * STRIP_WIDTH, a + (p + at) * a_column + i, STRIP_WIDTH * sizeof(real))
                else:
                    for r in range(wide):
                        strip[at * STRIP_WIDTH + r] = a[(i + r) * a_row + (p + at) * a_column]
            for s in range(q.n):
                width = q.last if s == q.n - 1 else q.width
                strided_product(strip, 1, STRIP_WIDTH, b.p + s * k * q.width + p * width, width,
                                bias + i if bias != NULL and not p else NULL, accumulate or p > 0,
                                c + s * m * q.width + i * (ldc if ldc else width), ldc if ldc else width,
                                wide, n if n else width, depth)
        p += depth


cdef inline void outer_tile(int rows, int vectors, Py_ssize_t last, const panels *q, const panel_block *x,
                            Py_ssize_t i0, const panel_block *d, Py_ssize_t j0, Py_ssize_t shift,
                            Py_ssize_t ldb, bint accumulate, real *c, Py_ssize_t ldc) noexcept nogil:
    """c (rows, vectors * LANES) = [c +] x d^T over all panels; the last vector of c has `last` elements."""
    cdef vec acc[8][4]
    cdef vec y[4]
    cdef vec w
    cdef const real *a
    cdef const real *b
    cdef Py_ssize_t p, r, width
    cdef int i, v
    for i in range(rows):
        for v in range(vectors):
            prefetch(c + i * ldc + v * LANES)
            acc[i][v] = splat(0)
    for p in range(q.n):
        width = q.last if p == q.n - 1 else q.width
        a = x.p + p * x.units * q.width + (x.first + i0) * width
        b = d.p + p * d.units * q.width + j0 * width + shift
        r = q.filled if p == q.n - 1 else width
        while True:
            for v in range(vectors):
                y[v] = load(b + v * LANES)
            for i in range(rows):
                w = splat(a[i * width])
                for v in range(vectors):
                    acc[i][v] = fma_(w, y[v], acc[i][v])
            a += 1
            b += ldb
            r -= 1
            if r == 0:
                break
    put(rows, vectors, last, acc, accumulate, c, ldc)


cdef inline void outer_columns(int most, int vectors, Py_ssize_t last, const panels *q, const panel_block *x,
                               const panel_block *d, Py_ssize_t j0, Py_ssize_t shift, Py_ssize_t ldb,
                               bint accumulate, real *c, Py_ssize_t ldc, Py_ssize_t m) noexcept nogil:
    """All rows of c under a few vectors of d, at most `most` of them in a tile."""
    cdef Py_ssize_t i = 0
    while m - i >= most:
        outer_tile(most, vectors, last, q, x, i, d, j0, shift, ldb, accumulate, c + i * ldc, ldc)
        i += most
    if m - i >= 4:
        outer_tile(4, vectors, last, q, x, i, d, j0, shift, ldb, accumulate, c + i * ldc, ldc)
        i += 4
    if m - i >= 2:
        outer_tile(2, vectors, last, q, x, i, d, j0, shift, ldb, accumulate, c + i * ldc, ldc)
        i += 2
    if m > i:
        outer_tile(1, vectors, last, q, x, i, d, j0, shift, ldb, accumulate, c + i * ldc, ldc)


cdef void outer(const panels *q, const panel_block *x, const panel_block *d, bint accumulate, real *c,
                Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    # c_ij = [c_ij +] sum_r x_ir d_rj; d in blocks of rows x PANEL units
    cdef Py_ssize_t j = 0, shift, wide, ldb, left
    while j < n:
        wide = min(n - j, PANEL)
        ldb = (wide + WIDTH - 1) // WIDTH * WIDTH
        shift = 0
        while shift < wide:
            left = wide - shift
            if WIDE_TILES and left > 3 * LANES:
                outer_columns(TALL, 4, min(left - 3 * LANES, LANES), q, x, d, j, shift, ldb, accumulate,
                              c + j + shift, n, m)
                shift += 4 * LANES
            elif left > LANES:
                outer_columns(MR, 2, min(left - LANES, LANES), q, x, d, j, shift, ldb, accumulate,
                              c + j + shift, n, m)
                shift += 2 * LANES
            else:
                outer_columns(MR, 1, left, q, x, d, j, shift, ldb, accumulate, c + j + shift, n, m)
                shift += LANES
        j += PANEL


cdef void outer_ones(const panels *q, const panel_block *d, bint accumulate, real *c,
                     Py_ssize_t n) noexcept nogil:
    # c_j = [c_j +] sum_r d_rj; d as in outer
    cdef Py_ssize_t j = 0, v, r, p, wide, ldb, width
    cdef const real *b
    cdef vec acc
    while j < n:
        wide = min(n - j, PANEL)
        ldb = (wide + WIDTH - 1) // WIDTH * WIDTH
        for v from 0 <= v < wide by LANES:
            acc = splat(0)
            for p in range(q.n):
                width = q.last if p == q.n - 1 else q.width
                b = d.p + p * d.units * q.width + j * width + v
                for r in range(q.filled if p == q.n - 1 else width):
                    acc = acc + load(b + r * ldb)
            if accumulate:
                acc = acc + load_up_to(c + j + v, wide - v)
            store_up_to(c + j + v, acc, wide - v)
        j += PANEL


cdef inline vec sums_of(int rows, vec (*acc)[VECS]) noexcept nogil:
    """Return the sums of `rows` virtual vectors, each in the order of tree_sum, as the lanes of one."""
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


cdef inline void dots_tile(int rows, const panels *q, const panel_block *x, Py_ssize_t i0,
                           const panel_block *d, Py_ssize_t j0, bint accumulate, real *c,
                           Py_ssize_t ldc) noexcept nogil:
    """c (rows, 1) = [c +] x . d over all panels, or the sums of x alone."""
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
    for p in range(q.n):
        width = q.last if p == q.n - 1 else q.width
        a = x.p + p * x.units * q.width + (x.first + i0) * width
        if d != NULL:
            b = d.p + p * d.units * q.width + j0 * width
        for r from 0 <= r < width by WIDTH:
            for v in range(VECS):
                if d != NULL:
                    y = load(b + r + v * LANES)
                for i in range(rows):
                    acc[i][v] = fma_(load(a + i * width + r + v * LANES), y, acc[i][v])
    store(part, sums_of(rows, acc))
    for i in range(rows):
        c[i * ldc] = c[i * ldc] + part[i] if accumulate else part[i]


cdef void dots(const panels *q, const panel_block *x, const panel_block *d, bint accumulate, real *c,
               Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    # c_ij = [c_ij +] sum_r x_ir d_jr; without d: c_i0 = [c_i0 +] sum_r x_ir
    cdef Py_ssize_t i, j
    for j in range(n):
        i = 0
        while m - i >= LANES:
            dots_tile(LANES, q, x, i, d, j, accumulate, c + i * n + j, n)
            i += LANES
        while m > i:
            dots_tile(1, q, x, i, d, j, accumulate, c + i * n + j, n)
            i += 1


cdef inline void turn_block(bint whole, const real **rows, Py_ssize_t m, Py_ssize_t j, Py_ssize_t n,
                            real *out, Py_ssize_t ldo) noexcept nogil:
    """Turn LANES rows, from their column j on."""
    cdef vec v[LANES]
    cdef Py_ssize_t i
    if whole:
        for i in range(LANES):
            v[i] = load(rows[i] + j)
        transpose(v)
        for i in range(LANES):
            store(out + i * ldo, v[i])
        return
    for i in range(LANES):
        v[i] = load_up_to(rows[i] + j, n - j) if i < m else splat(0)
    transpose(v)
    for i in range(min(LANES, n - j)):
        store(out + i * ldo, v[i])


cdef void turn_rows(const real **rows, Py_ssize_t m, Py_ssize_t n, real *out, Py_ssize_t ldo) noexcept nogil:
    # out_ji = rows_i[j], 0 for m <= i < ldo; ldo is a multiple of LANES
    cdef Py_ssize_t i, j
    if n < FEW_COLUMNS:
        for i in range(ldo):
            for j in range(n):
                out[j * ldo + i] = rows[i][j] if i < m else 0
        return
    for i from 0 <= i < ldo by LANES:
        for j from 0 <= j < n by LANES:
            if m - i >= LANES and n - j >= LANES:
                turn_block(True, rows + i, LANES, j, n, out + j * ldo + i, ldo)
            else:
                turn_block(False, rows + i, m - i, j, n, out + j * ldo + i, ldo)


cdef void dot(const real *a, const real *b, bint accumulate, real *c, Py_ssize_t n) noexcept nogil:
    # c = [c +] sum_p a_p b_p; n is a multiple of WIDTH
    cdef vec acc[VECS]
    cdef Py_ssize_t p
    cdef int v
    for v in range(VECS):
        acc[v] = splat(0)
    for p from 0 <= p < n by WIDTH:
        for v in range(VECS):
            acc[v] = fma_(load(a + p + v * LANES), load(b + p + v * LANES), acc[v])
    c[0] = c[0] + tree_sum(acc) if accumulate else tree_sum(acc)


cdef void fill_products(kernels *t) noexcept:
    t.matmul = product
    t.dot = dot
    t.panel_matmul = panel_product
    t.panel_outer = outer
    t.panel_outer_ones = outer_ones
    t.panel_dots = dots
    t.transpose_rows = turn_rows

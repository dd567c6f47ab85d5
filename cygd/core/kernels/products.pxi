# Matrix products: what a layer spends its time in.
#
# Three products make a layer, in blocks of units x rows (rows contiguous):
#
#     h     = W^T x        (n_out, rows)    product:      a = W read by columns, b = x
#     g_x   = W delta      (n_in, rows)     product:      a = W read by rows,    b = delta
#     Delta = x delta^T    (n_in, n_out)    product with delta transposed once, vectors along the
#                                           units; or product_dot, vectors along the rows, where the
#                                           layer is narrower than a vector
#
# `product` is a register tile: MR x 2 vectors of c stay in registers while k runs. Every element is
# one chain of fused multiply-adds over k = 0, 1, 2, ..., so its bits depend on neither the tile nor
# the vector's size. Rows of b are read in whole vectors: the caller pads them to a multiple of WIDTH.
# `product_dot` adds along the vector, over the fixed virtual width of 64 bytes; its k is a multiple
# of WIDTH.

cdef extern from *:
    """
    /* rows of a register tile: 2 x MR accumulators, 2 vectors of b and 1 of a must fit the level */
    #define MR (VBYTES == 64 ? 8 : 6)
    """
    enum: MR


cdef inline void tile(int rows, int vectors, Py_ssize_t last, const real *a, Py_ssize_t a_row,
                      Py_ssize_t a_column, const real *b, Py_ssize_t ldb, const real *bias,
                      bint accumulate, real *c, Py_ssize_t ldc, Py_ssize_t k) noexcept nogil:
    """c (rows, vectors * LANES) = [c +] a b [+ bias]; the last vector of c has `last` elements.

    `rows` and `vectors` are literals at every call, so that the accumulators become registers.
    """
    cdef vec acc[8][2]
    cdef vec b0, b1 = splat(0), x
    cdef Py_ssize_t p
    cdef int i
    for i in range(rows):
        acc[i][0] = splat(bias[i]) if bias != NULL else splat(0)
        acc[i][1] = acc[i][0]
    if accumulate:
        for i in range(rows):
            if vectors == 2:
                acc[i][0] = acc[i][0] + load(c + i * ldc)
                acc[i][1] = acc[i][1] + load_up_to(c + i * ldc + LANES, last)
            else:
                acc[i][0] = acc[i][0] + load_up_to(c + i * ldc, last)
    for p in range(k):
        b0 = load(b)
        if vectors == 2:
            b1 = load(b + LANES)
        for i in range(rows):
            x = splat(a[i * a_row])
            acc[i][0] = fma_(x, b0, acc[i][0])
            if vectors == 2:
                acc[i][1] = fma_(x, b1, acc[i][1])
        a += a_column
        b += ldb
    for i in range(rows):
        if vectors == 2:
            store(c + i * ldc, acc[i][0])
            store_up_to(c + i * ldc + LANES, acc[i][1], last)
        else:
            store_up_to(c + i * ldc, acc[i][0], last)


cdef inline void panel(int vectors, Py_ssize_t last, const real *a, Py_ssize_t a_row,
                       Py_ssize_t a_column, const real *b, Py_ssize_t ldb, const real *bias,
                       bint accumulate, real *c, Py_ssize_t ldc, Py_ssize_t m,
                       Py_ssize_t k) noexcept nogil:
    """All rows of c under one or two vectors of b."""
    cdef Py_ssize_t i = 0
    cdef const real *shift = NULL
    while i < m:
        if bias != NULL:
            shift = bias + i
        if m - i >= MR:
            tile(MR, vectors, last, a + i * a_row, a_row, a_column, b, ldb, shift, accumulate,
                 c + i * ldc, ldc, k)
            i += MR
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


cdef void product(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const real *b,
                  Py_ssize_t ldb, const real *bias, bint accumulate, real *c, Py_ssize_t ldc,
                  Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    # c_ij = [c_ij +] bias_i + sum_p a_ip b_pj
    cdef Py_ssize_t j = 0
    while n - j >= 2 * LANES:
        panel(2, LANES, a, a_row, a_column, b + j, ldb, bias, accumulate, c + j, ldc, m, k)
        j += 2 * LANES
    if n - j >= LANES:
        panel(1, LANES, a, a_row, a_column, b + j, ldb, bias, accumulate, c + j, ldc, m, k)
        j += LANES
    if n > j:
        panel(1, n - j, a, a_row, a_column, b + j, ldb, bias, accumulate, c + j, ldc, m, k)


cdef inline void dot_tile(int rows, const real *a, Py_ssize_t lda, const real *b, bint accumulate,
                          real *c, Py_ssize_t ldc, Py_ssize_t k) noexcept nogil:
    """c (rows, 1) = [c +] a (rows, k) . b (k), over VECS accumulators a row."""
    cdef vec acc[4][VECS]
    cdef vec x
    cdef real total
    cdef Py_ssize_t p = 0
    cdef int i, v
    for i in range(rows):
        for v in range(VECS):
            acc[i][v] = splat(0)
    while p < k:
        for v in range(VECS):
            x = load(b + p + v * LANES)
            for i in range(rows):
                acc[i][v] = fma_(load(a + i * lda + p + v * LANES), x, acc[i][v])
        p += WIDTH
    for i in range(rows):
        total = tree_sum(acc[i])
        c[i * ldc] = c[i * ldc] + total if accumulate else total


cdef void product_dot(const real *a, Py_ssize_t lda, const real *b, Py_ssize_t ldb, bint accumulate,
                      real *c, Py_ssize_t ldc, Py_ssize_t m, Py_ssize_t n,
                      Py_ssize_t k) noexcept nogil:
    # c_ij = [c_ij +] sum_p a_ip b_jp
    cdef Py_ssize_t i, j
    for j in range(n):
        i = 0
        while i + 4 <= m:
            dot_tile(4, a + i * lda, lda, b + j * ldb, accumulate, c + i * ldc + j, ldc, k)
            i += 4
        while i < m:
            dot_tile(1, a + i * lda, lda, b + j * ldb, accumulate, c + i * ldc + j, ldc, k)
            i += 1


cdef void fill_products(kernels *t) noexcept:
    t.product = product
    t.product_dot = product_dot

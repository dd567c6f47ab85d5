# Products of large matrices: both operands are copied into micro-panels, as in BLIS.
#
#     c = [c +] a b       a (m, k), b (k, n), c (m, n)
#
# A block of KC rows of b lies in the workspace in micro-panels of the tile's width, a block of MC rows of a
# in micro-panels of its height. The tile then reads both from one address upward, whatever the strides of a
# and b. The products of layers in matmul.pxi copy less, because their panels of b fit in L1 and small layers
# do not repay the copy. Every element is the same chain of multiply-adds per block of KC as in `matmul`, so
# the bits are equal.
#
# Van Zee and van de Geijn (2015), "BLIS: A Framework for Rapidly Instantiating BLAS Functionality", ACM
# Transactions on Mathematical Software 41 (3).

cdef extern from *:
    """
    #define PACKED_ROWS (HAS_MR_4 ? MR_4 : MR_2)
    #define PACKED_VECTORS (HAS_MR_4 ? 4 : 2)
    #define PACKED_COLUMNS (PACKED_VECTORS * LANES)
    #define LARGE_MC 192        /* a multiple of PACKED_ROWS; MC x KC elements of a stay in L2 */
    #define AHEAD 8             /* columns of a to prefetch from L2 */
    """
    enum: PACKED_ROWS, PACKED_VECTORS, PACKED_COLUMNS, LARGE_MC, AHEAD


cdef inline void large_tile(bint accumulate, const real *a, const real *b, real *c, Py_ssize_t ldc,
                            Py_ssize_t k) noexcept nogil:
    """c (PACKED_ROWS, PACKED_COLUMNS) = [c +] a b, for micro-panels a and b of depth k."""
    cdef vec acc[8][4]
    cdef vec y[4]
    cdef vec x, sum
    cdef int i, v
    for i in range(PACKED_ROWS):
        for v in range(PACKED_VECTORS):
            acc[i][v] = splat(0)
            prefetch_write(c + i * ldc + v * LANES)
        prefetch_write(c + i * ldc + PACKED_COLUMNS - 1)  # another cache line, if c is not aligned to one
    while True:             # k > 0: without a test before the loop the accumulators stay in registers
        prefetch_read(a + AHEAD * PACKED_ROWS, True)
        for v in range(PACKED_VECTORS):
            y[v] = load(b + v * LANES)
        for i in range(PACKED_ROWS):
            x = splat(a[i])
            for v in range(PACKED_VECTORS):
                acc[i][v] = fma_(x, y[v], acc[i][v])
        a += PACKED_ROWS
        b += PACKED_COLUMNS
        k -= 1
        if k == 0:
            break
    for i in range(PACKED_ROWS):
        for v in range(PACKED_VECTORS):
            sum = acc[i][v] + load(c + i * ldc + v * LANES) if accumulate else acc[i][v]
            store(c + i * ldc + v * LANES, sum)


cdef inline void large_tile_part(bint accumulate, const real *a, const real *b, real *c, Py_ssize_t ldc,
                                 Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """c (m, n) = [c +] a b for a tile at the lower or right end of c."""
    cdef Py_ssize_t j = 0
    while n > j:
        matmul_rows(PACKED_ROWS, 1, min(n - j, <Py_ssize_t> LANES), a, 1, PACKED_ROWS, b + j,
                    PACKED_COLUMNS, NULL, accumulate, c + j, ldc, m, k)
        j += LANES


cdef inline void pack_a(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, Py_ssize_t m, Py_ssize_t k,
                        real *packed) noexcept nogil:
    """Copy a (m, k) into micro-panels (k, PACKED_ROWS); the rows that the last one lacks stay as they are."""
    cdef Py_ssize_t i, p
    cdef int r
    for i from 0 <= i < m by PACKED_ROWS:
        if m - i >= PACKED_ROWS:
            for p in range(k):
                for r in range(PACKED_ROWS):
                    packed[p * PACKED_ROWS + r] = a[r * a_row + p * a_column]
        else:
            for p in range(k):
                for r in range(m - i):
                    packed[p * PACKED_ROWS + r] = a[r * a_row + p * a_column]
        a += PACKED_ROWS * a_row
        packed += PACKED_ROWS * k


cdef inline void pack_b(const real *b, Py_ssize_t ldb, Py_ssize_t k, Py_ssize_t n,
                        real *packed) noexcept nogil:
    """Copy b (k, n) into micro-panels (k, PACKED_COLUMNS), the last one padded with zeros."""
    cdef Py_ssize_t p, j, width
    cdef real *row
    for p in range(k):
        for j from 0 <= j < n by PACKED_COLUMNS:
            row = packed + j * k + p * PACKED_COLUMNS
            width = min(n - j, <Py_ssize_t> PACKED_COLUMNS)
            if width == PACKED_COLUMNS:       # a literal size compiles to a few loads and stores
                memcpy(row, b + p * ldb + j, PACKED_COLUMNS * sizeof(real))
            else:
                memcpy(row, b + p * ldb + j, width * sizeof(real))
                memset(row + width, 0, (PACKED_COLUMNS - width) * sizeof(real))


cdef void large_block(const real *a, const real *b, bint accumulate, real *c, Py_ssize_t ldc, Py_ssize_t m,
                      Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """c (m, n) = [c +] a b, with a and b in micro-panels. A micro-panel of b stays in L1."""
    cdef Py_ssize_t i, j
    cdef real *tile
    for j from 0 <= j < n by PACKED_COLUMNS:
        for i from 0 <= i < m by PACKED_ROWS:
            tile = c + i * ldc + j
            if m - i < PACKED_ROWS or n - j < PACKED_COLUMNS:
                large_tile_part(accumulate, a + i * k, b + j * k, tile, ldc,
                                min(m - i, <Py_ssize_t> PACKED_ROWS),
                                min(n - j, <Py_ssize_t> PACKED_COLUMNS), k)
            elif accumulate:
                large_tile(True, a + i * k, b + j * k, tile, ldc, k)
            else:
                large_tile(False, a + i * k, b + j * k, tile, ldc, k)


cdef void large_matmul(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const real *b, Py_ssize_t ldb,
                       bint accumulate, real *c, Py_ssize_t ldc, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
                       real *workspace) noexcept nogil:
    # c_ij = [c_ij +] sum_p a_ip b_pj, k > 0, with large_workspace(n) elements aligned to 64 bytes
    cdef real *rows = workspace
    cdef real *columns = workspace + LARGE_MC * KC
    cdef Py_ssize_t i, p, depth, block
    for p from 0 <= p < k by KC:
        depth = min(k - p, <Py_ssize_t> KC)
        pack_b(b + p * ldb, ldb, depth, n, columns)
        for i from 0 <= i < m by LARGE_MC:
            block = min(m - i, <Py_ssize_t> LARGE_MC)
            pack_a(a + i * a_row + p * a_column, a_row, a_column, block, depth, rows)
            large_block(rows, columns, accumulate or p > 0, c + i * ldc, ldc, block, n, depth)


cdef Py_ssize_t large_workspace(Py_ssize_t n) noexcept nogil:
    """The number of elements of the workspace of `large_matmul` for n columns."""
    return LARGE_MC * KC + (n + PACKED_COLUMNS - 1) // PACKED_COLUMNS * PACKED_COLUMNS * KC


cdef void fill_large_matmul(kernels *t) noexcept:
    t.large_matmul = large_matmul
    t.large_workspace = large_workspace

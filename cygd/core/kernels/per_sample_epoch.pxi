# Per-sample epochs of a single unit, block by block; per_sample_unit.pxi has the equations.
#
# Narrow rows, of up to MAX_PACKED_LINES lines of 64 bytes, are packed. Wide rows are read in place.

# narrow rows ----------------------------------------------------------------------------------------

cdef inline void narrow_dots(int rows, int lines, const real *x, const real *w, real *dots) noexcept nogil:
    # dots_j = w . x_j, x (rows, lines * WIDTH)
    cdef vec sums[BLOCK * VECS]
    cdef vec s
    cdef int j, v, line
    for j in range(rows):
        for v in range(VECS):
            s = load(w + v * LANES) * load(x + j * lines * WIDTH + v * LANES)
            for line in range(1, lines):
                s = fma_(load(w + line * WIDTH + v * LANES),
                         load(x + (j * lines + line) * WIDTH + v * LANES), s)
            sums[j * VECS + v] = s
    if rows == 1:
        dots[0] = tree_sum(sums)
        return
    for j from 0 <= j < rows by HALF_WIDTH:
        tree_sum_half(sums + j * VECS, dots + j)


cdef inline void narrow_update(int rows, int lines, const real *z, const real *delta, real *w) noexcept nogil:
    # w = w + sum_j delta_j z_j
    cdef vec s[MAX_PACKED_LINES * VECS]
    cdef vec c
    cdef int j, k
    for k in range(lines * VECS):
        s[k] = load(w + k * LANES)
    for j in range(rows):
        c = splat(delta[j])
        for k in range(lines * VECS):
            s[k] = fma_(c, load(z + j * lines * WIDTH + k * LANES), s[k])
    for k in range(lines * VECS):
        store(w + k * LANES, s[k])


cdef inline void train_narrow_singly(int kind, int lines, const unit_rows *u, Py_ssize_t first,
                                     Py_ssize_t stop, const real *bias_input, real *w,
                                     narrow_block *block) noexcept nogil:
    """Train on rows first ... stop - 1, one at a time."""
    cdef real dots[WIDTH]
    cdef block_result result
    while first < stop:
        pack_rows(1, lines, u, first, bias_input, block)
        narrow_dots(1, lines, block.x, w, dots)
        resolve_block(kind, 1, u, first, dots, NULL, &result, lines, NULL)
        narrow_update(1, lines, block.z, result.delta, w)
        first += 1


cdef inline void train_narrow(int kind, int lines, const unit_rows *u) noexcept nogil:
    """Train on all rows in order, packed into `lines` lines each."""
    cdef narrow_block *blocks = <narrow_block *> u.memory       # two alternate; the third is for single rows
    cdef real w[MAX_PACKED_LINES * WIDTH]
    cdef real bias_input[WIDTH]
    cdef real dots[WIDTH]
    cdef block_result result
    cdef narrow_block *next_block
    cdef Py_ssize_t first = 0, p
    cdef bint finite
    cdef int current = 0
    for p in range(WIDTH):
        bias_input[p] = dots[p] = 0
    for p in range(lines * WIDTH):
        w[p] = u.w[p] if p < u.d else 0
    if u.b != NULL:
        bias_input[u.d % WIDTH] = 1
        w[u.d] = u.b[0]
    if u.n >= BLOCK:
        pack_rows(BLOCK, lines, u, 0, bias_input, &blocks[0])
        compute_gram(lines, &blocks[0])
    while first + BLOCK <= u.n:
        narrow_dots(BLOCK, lines, blocks[current].x, w, dots)
        if first + 2 * BLOCK <= u.n:
            next_block = &blocks[1 - current]
            pack_rows(BLOCK, lines, u, first + BLOCK, bias_input, next_block)
            finite = resolve_block(kind, BLOCK, u, first, dots, blocks[current].gram, &result, lines,
                                   next_block)
        else:
            finite = resolve_block(kind, BLOCK, u, first, dots, blocks[current].gram, &result, lines, NULL)
        if finite:
            narrow_update(BLOCK, lines, blocks[current].z, result.delta, w)
        else:
            train_narrow_singly(kind, lines, u, first, first + BLOCK, bias_input, w, &blocks[2])
        current = 1 - current
        first += BLOCK
    train_narrow_singly(kind, lines, u, first, u.n, bias_input, w, &blocks[2])
    for p in range(u.d):
        u.w[p] = w[p]
    if u.b != NULL:
        u.b[0] = w[u.d]


# wide rows ----------------------------------------------------------------------------------------

# One pass computes the products of a block, and one updates w. Each prefetches two rows, a line at a time:
# only a few dozen lines can be on their way at once. Rows in L2 are prefetched into L1, if two blocks fit
# there (6 to 24 % faster than not at all); rows in memory into L2, from the block after the next.

cdef enum:
    SEGMENT = 32 * WIDTH                # columns that stay in L1 where a vector is only a part of a line
    NEAR_BYTES = 24 * 1024              # of two blocks of rows, at most, that are prefetched into L1

cdef enum:                              # `fetch`, a literal at every call
    FETCH_NONE
    FETCH_NEAR                          # the next block into L1
    FETCH_FAR                           # the block after the next into L2


cdef inline void prefetch_pair(int fetch, const real *const *x, Py_ssize_t p) noexcept nogil:
    """Prefetch a line of two rows of a later block; x are the rows of this one from the first or third on."""
    if fetch == FETCH_NEAR:
        prefetch_read(x[WIDE_BLOCK] + p, True)
        prefetch_read(x[WIDE_BLOCK + 1] + p, True)
    elif fetch == FETCH_FAR:
        prefetch_read(x[2 * WIDE_BLOCK] + p, False)
        prefetch_read(x[2 * WIDE_BLOCK + 1] + p, False)


cdef inline void add_products(vec b, vec a0, vec a1, vec a2, vec a3, vec *s) noexcept nogil:
    """s (10) += w . x_j, then x_i . x_j, for a vector b of w and vectors a of the rows."""
    s[0], s[1], s[2], s[3] = fma_(b, a0, s[0]), fma_(b, a1, s[1]), fma_(b, a2, s[2]), fma_(b, a3, s[3])
    s[4], s[5], s[6] = fma_(a0, a1, s[4]), fma_(a0, a2, s[5]), fma_(a1, a2, s[6])
    s[7], s[8], s[9] = fma_(a0, a3, s[7]), fma_(a1, a3, s[8]), fma_(a2, a3, s[9])


cdef inline void wide_products(const real *const *x, const real *w, Py_ssize_t p, Py_ssize_t stop,
                               Py_ssize_t d, int fetch, vec *acc, Py_ssize_t lda) noexcept nogil:
    """acc (10) += w . x_j and x_i . x_j of WIDE_BLOCK rows, over the vectors at p, p + WIDTH, ... < stop."""
    cdef vec s[10]
    cdef const real *x0 = x[0]
    cdef const real *x1 = x[1]
    cdef const real *x2 = x[2]
    cdef const real *x3 = x[3]
    cdef Py_ssize_t left
    cdef int k
    for k in range(10):
        s[k] = acc[k * lda]
    while p < stop and p + LANES <= d:
        prefetch_pair(fetch, x, p)
        add_products(load(w + p), load(x0 + p), load(x1 + p), load(x2 + p), load(x3 + p), s)
        p += WIDTH
    if p < stop:                        # the last, partial vector
        left = d - p
        prefetch_pair(fetch, x, p)
        add_products(load_clamped(w + p, left), load_clamped(x0 + p, left), load_clamped(x1 + p, left),
                     load_clamped(x2 + p, left), load_clamped(x3 + p, left), s)
    for k in range(10):
        acc[k * lda] = s[k]


cdef inline void wide_dots_and_gram(int fetch, const real *const *x, const real *w, Py_ssize_t d,
                                    real *out) noexcept nogil:
    """out = w . x_j (4), then x_i . x_j for i < j (6), of WIDE_BLOCK rows; x and w are read once."""
    cdef vec acc[16 * VECS]
    cdef Py_ssize_t start, stop, step = SEGMENT if VECS > 1 else d
    cdef int k
    for k in range(16 * VECS):
        acc[k] = splat(0)
    for start from 0 <= start < d by step:
        stop = min(start + step, d)
        wide_products(x, w, start, stop, d, fetch, acc, VECS)       # no loop: its accumulators would spill
        if VECS > 1:
            wide_products(x, w, start + LANES, stop, d, FETCH_NONE, acc + 1, VECS)
        if VECS > 2:
            wide_products(x, w, start + 2 * LANES, stop, d, FETCH_NONE, acc + 2, VECS)
            wide_products(x, w, start + 3 * LANES, stop, d, FETCH_NONE, acc + 3, VECS)
    prefetch_pair(fetch, x, d - 1)      # a row that is not aligned ends in a line of its own
    for k from 0 <= k < 10 by HALF_WIDTH:
        tree_sum_half(acc + k * VECS, out + k)


cdef inline vec updated(int rows, const real *const *x, const vec *c, vec s, Py_ssize_t p) noexcept nogil:
    """Return s + sum_j c_j x_jp for a vector of columns from p on."""
    cdef int j
    for j in range(rows):
        s = fma_(c[j], load(x[j] + p), s)
    return s


cdef inline void wide_update(int rows, int fetch, const real *const *rows_of_x, const real *delta, real *w,
                             Py_ssize_t d) noexcept nogil:
    # w = w + sum_j delta_j x_j over `rows` rows
    cdef const real *x[WIDE_BLOCK]      # a copy: a store to w might change the addresses themselves
    cdef vec c[WIDE_BLOCK]
    cdef vec s
    cdef Py_ssize_t p = 0
    cdef int j, v
    for j in range(rows):
        x[j], c[j] = rows_of_x[j], splat(delta[j])
    while p + WIDTH <= d:
        prefetch_pair(fetch, rows_of_x + 2, p)
        for v in range(VECS):
            store(w + p, updated(rows, x, c, load(w + p), p))
            p += LANES
    prefetch_pair(fetch, rows_of_x + 2, min(p, d - 1))
    prefetch_pair(fetch, rows_of_x + 2, d - 1)
    while p + LANES <= d:
        store(w + p, updated(rows, x, c, load(w + p), p))
        p += LANES
    if p < d:
        s = load_partial(w + p, d - p)
        for j in range(rows):
            s = fma_(c[j], load_partial(x[j] + p, d - p), s)
        store_partial(w + p, s, d - p)


cdef inline real wide_dot(const real *x, const real *w, Py_ssize_t d) noexcept nogil:
    """Return w . x over d elements."""
    cdef vec sums[VECS]
    cdef Py_ssize_t p
    cdef int v
    for v in range(VECS):
        sums[v] = splat(0)
        for p from v * LANES <= p < d + v * LANES by WIDTH:
            sums[v] = fma_(load_clamped(w + p, d - p), load_clamped(x + p, d - p), sums[v])
    return tree_sum(sums)


cdef inline bint train_wide_block(int kind, int rows, int fetch, const unit_rows *u,
                                  Py_ssize_t first) noexcept nogil:
    """Train on a block or on one row; return False and leave w unchanged if a block is not finite."""
    cdef real products[16]
    cdef real dots[WIDTH]
    cdef block_result result
    cdef real b = u.b[0] if u.b != NULL else 0, one = 1 if u.b != NULL else 0
    cdef int i, j
    if rows == 1:
        dots[0] = wide_dot(u.x[first], u.w, u.d) + b
    else:
        wide_dots_and_gram(fetch, u.x + first, u.w, u.d, products)
        for j in range(rows):
            dots[j] = products[j] + b
            for i in range(j):
                products[rows + gram_index(i, j)] = \
                    u.step[first + i] * (products[rows + gram_index(i, j)] + one)
        for j in range(rows, WIDTH):
            dots[j] = 0
    if not resolve_block(kind, rows, u, first, dots, products + rows, &result, 0, NULL) and rows > 1:
        return False
    for j in range(rows):
        result.delta[j] = result.delta[j] * u.step[first + j]
        if u.b != NULL:
            u.b[0] += result.delta[j]
    wide_update(rows, fetch, u.x + first, result.delta, u.w, u.d)
    return True


cdef inline void train_wide(int kind, int fetch, const unit_rows *u) noexcept nogil:
    """Train on all rows in order, read in place."""
    cdef Py_ssize_t first = 0, stop
    while first < u.n:
        if u.n - first >= WIDE_BLOCK and train_wide_block(kind, WIDE_BLOCK, fetch, u, first):
            first += WIDE_BLOCK
            continue
        stop = min(first + WIDE_BLOCK, u.n)    # the last rows, or a block that is not finite
        while first < stop:
            train_wide_block(kind, 1, FETCH_NONE, u, first)
            first += 1


# dispatch -----------------------------------------------------------------------------------------

cdef inline void train_rows(int kind, const unit_rows *u) noexcept nogil:
    # `lines`, `kind` and `fetch` are literals where it matters, so that the loops over lines unroll
    cdef Py_ssize_t lines = u.d // WIDTH + 1        # of a row and the 1 for the bias
    if lines == 1:
        train_narrow(kind, 1, u)
    elif lines == 2:
        train_narrow(kind, 2, u)
    elif lines <= MAX_PACKED_LINES:
        train_narrow(kind, <int> lines, u)
    elif u.exceeds_cache:
        train_wide(kind, FETCH_FAR, u)
    elif 2 * WIDE_BLOCK * u.d * <Py_ssize_t> sizeof(real) <= NEAR_BYTES:
        train_wide(kind, FETCH_NEAR, u)
    else:
        train_wide(kind, FETCH_NONE, u)


cdef void train_unit(int kind, const unit_rows *u) noexcept nogil:
    if kind == UNIT_IDENTITY:
        train_rows(UNIT_IDENTITY, u)
    elif kind == UNIT_SIGMOID:
        train_rows(UNIT_SIGMOID, u)
    elif kind == UNIT_LOGISTIC:
        train_rows(UNIT_LOGISTIC, u)
    else:
        train_rows(UNIT_OTHER, u)


cdef void fill_per_sample(kernels *t) noexcept:
    t.train_unit = train_unit

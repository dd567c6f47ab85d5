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

cdef inline void wide_dots_and_gram(bint near, const real *const *x, const real *w, Py_ssize_t d,
                                    real *out) noexcept nogil:
    """out = w . x_j (4), then x_i . x_j for i < j (6), of WIDE_BLOCK rows; x and w are read once."""
    cdef vec acc[16 * VECS]
    cdef vec a0, a1, a2, a3, b
    cdef vec s0, s1, s2, s3, s4, s5, s6, s7, s8, s9
    cdef const real *x0 = x[0]
    cdef const real *x1 = x[1]
    cdef const real *x2 = x[2]
    cdef const real *x3 = x[3]
    cdef Py_ssize_t p, left
    cdef int v, k
    for v in range(VECS):
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = s9 = splat(0)
        p = v * LANES
        while p < d + v * LANES:
            left = d - p
            prefetch_read(x[8] + p, near)      # two blocks ahead
            prefetch_read(x[9] + p, near)
            prefetch_read(x[10] + p, near)
            prefetch_read(x[11] + p, near)
            if left >= LANES:
                b, a0, a1, a2, a3 = load(w + p), load(x0 + p), load(x1 + p), load(x2 + p), load(x3 + p)
            else:
                b, a0, a1 = load_clamped(w + p, left), load_clamped(x0 + p, left), load_clamped(x1 + p, left)
                a2, a3 = load_clamped(x2 + p, left), load_clamped(x3 + p, left)
            s0, s1, s2, s3 = fma_(b, a0, s0), fma_(b, a1, s1), fma_(b, a2, s2), fma_(b, a3, s3)
            s4, s5, s6 = fma_(a0, a1, s4), fma_(a0, a2, s5), fma_(a1, a2, s6)
            s7, s8, s9 = fma_(a0, a3, s7), fma_(a1, a3, s8), fma_(a2, a3, s9)
            p += WIDTH
        acc[v], acc[VECS + v], acc[2 * VECS + v], acc[3 * VECS + v] = s0, s1, s2, s3
        acc[4 * VECS + v], acc[5 * VECS + v], acc[6 * VECS + v] = s4, s5, s6
        acc[7 * VECS + v], acc[8 * VECS + v], acc[9 * VECS + v] = s7, s8, s9
        for k in range(10, 16):
            acc[k * VECS + v] = splat(0)
    for k from 0 <= k < 10 by HALF_WIDTH:
        tree_sum_half(acc + k * VECS, out + k)


cdef inline void wide_update(int rows, const real *const *x, const real *c, real *w,
                             Py_ssize_t d) noexcept nogil:
    # w = w + sum_j c_j x_j over `rows` rows
    cdef vec s
    cdef Py_ssize_t p = 0
    cdef int j
    while p + LANES <= d:
        s = load(w + p)
        for j in range(rows):
            s = fma_(splat(c[j]), load(x[j] + p), s)
        store(w + p, s)
        p += LANES
    if p < d:
        s = load_partial(w + p, d - p)
        for j in range(rows):
            s = fma_(splat(c[j]), load_partial(x[j] + p, d - p), s)
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


cdef inline bint train_wide_block(int kind, int rows, const unit_rows *u, Py_ssize_t first) noexcept nogil:
    """Train on a block or on one row; return False and leave w unchanged if a block is not finite."""
    cdef real products[16]
    cdef real dots[WIDTH]
    cdef block_result result
    cdef real b = u.b[0] if u.b != NULL else 0, one = 1 if u.b != NULL else 0
    cdef int i, j
    if rows == 1:
        dots[0] = wide_dot(u.x[first], u.w, u.d) + b
    else:
        # three blocks take half of a typical L1; longer rows are prefetched into L2
        if u.d <= 24 * WIDTH:
            wide_dots_and_gram(True, u.x + first, u.w, u.d, products)
        else:
            wide_dots_and_gram(False, u.x + first, u.w, u.d, products)
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
    wide_update(rows, u.x + first, result.delta, u.w, u.d)
    return True


cdef inline void train_wide(int kind, const unit_rows *u) noexcept nogil:
    """Train on all rows in order, read in place."""
    cdef Py_ssize_t first = 0, stop
    while first < u.n:
        if u.n - first >= WIDE_BLOCK and train_wide_block(kind, WIDE_BLOCK, u, first):
            first += WIDE_BLOCK
            continue
        stop = min(first + WIDE_BLOCK, u.n)    # the last rows, or a block that is not finite
        while first < stop:
            train_wide_block(kind, 1, u, first)
            first += 1


# dispatch -----------------------------------------------------------------------------------------

cdef inline void train_rows(int kind, const unit_rows *u) noexcept nogil:
    # `lines` and `kind` are literals where it matters, so that the loops over lines unroll
    cdef Py_ssize_t lines = u.d // WIDTH + 1        # of a row and the 1 for the bias
    if lines == 1:
        train_narrow(kind, 1, u)
    elif lines == 2:
        train_narrow(kind, 2, u)
    elif lines <= MAX_PACKED_LINES:
        train_narrow(kind, <int> lines, u)
    else:
        train_wide(kind, u)


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

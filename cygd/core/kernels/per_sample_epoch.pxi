# Epochs over the rows of one unit, block by block (per_sample_unit.pxi says how a block is resolved): rows that fill a
# few lines are copied onto them, wide ones are read where they lie.

# narrow rows ----------------------------------------------------------------------------------------

cdef inline void dots_on_lines(int rows, int lines, const real *x, const real *w, real *dots) noexcept nogil:
    cdef vec sums[BLOCK * VECS]
    cdef vec a
    cdef int j, v, line
    for j in range(rows):
        for v in range(VECS):
            a = load(w + v * LANES) * load(x + j * lines * WIDTH + v * LANES)
            for line in range(1, lines):
                a = fma_(load(w + line * WIDTH + v * LANES),
                         load(x + (j * lines + line) * WIDTH + v * LANES), a)
            sums[j * VECS + v] = a
    if rows == 1:
        dots[0] = tree_sum(sums)
        return
    for j from 0 <= j < rows by SUMS:
        sum_few(sums + j * VECS, dots + j)


cdef inline void add_on_lines(int rows, int lines, const real *z, const real *e, real *w) noexcept nogil:
    # w = w + sum_j e_j z_j
    cdef vec s[MOST_LINES * VECS]
    cdef vec c
    cdef int j, k
    for k in range(lines * VECS):
        s[k] = load(w + k * LANES)
    for j in range(rows):
        c = splat(e[j])
        for k in range(lines * VECS):
            s[k] = fma_(c, load(z + j * lines * WIDTH + k * LANES), s[k])
    for k in range(lines * VECS):
        store(w + k * LANES, s[k])


cdef inline void one_by_one(int kind, int lines, const unit_rows *u, Py_ssize_t at, Py_ssize_t stop,
                            const real *last, real *w, narrow_block *a) noexcept nogil:
    cdef real dots[WIDTH]
    cdef found f
    while at < stop:
        copy_rows(1, lines, u, at, last, a)
        dots_on_lines(1, lines, a.x, w, dots)
        chain(kind, 1, u, at, dots, NULL, &f, lines, NULL)
        add_on_lines(1, lines, a.z, f.e, w)
        at += 1


cdef inline void narrow_rows(int kind, int lines, const unit_rows *u) noexcept nogil:
    cdef narrow_block *blocks = <narrow_block *> u.memory       # on lines; the third is for single rows
    cdef real w[MOST_LINES * WIDTH]
    cdef real last[WIDTH]
    cdef real dots[WIDTH]
    cdef found f
    cdef narrow_block *following
    cdef Py_ssize_t at = 0, p
    cdef bint fine
    cdef int turn = 0
    for p in range(WIDTH):
        last[p] = dots[p] = 0
    for p in range(lines * WIDTH):
        w[p] = u.w[p] if p < u.d else 0
    if u.b != NULL:
        last[u.d % WIDTH] = 1
        w[u.d] = u.b[0]
    if u.n >= BLOCK:
        copy_rows(BLOCK, lines, u, 0, last, &blocks[0])
        all_pairs(lines, &blocks[0])
    while at + BLOCK <= u.n:
        dots_on_lines(BLOCK, lines, blocks[turn].x, w, dots)
        if at + 2 * BLOCK <= u.n:
            following = &blocks[1 - turn]
            copy_rows(BLOCK, lines, u, at + BLOCK, last, following)
            fine = chain(kind, BLOCK, u, at, dots, blocks[turn].pairs, &f, lines, following)
        else:
            fine = chain(kind, BLOCK, u, at, dots, blocks[turn].pairs, &f, lines, NULL)
        if fine:
            add_on_lines(BLOCK, lines, blocks[turn].z, f.e, w)
        else:
            one_by_one(kind, lines, u, at, at + BLOCK, last, w, &blocks[2])
        turn = 1 - turn
        at += BLOCK
    one_by_one(kind, lines, u, at, u.n, last, w, &blocks[2])
    for p in range(u.d):
        u.w[p] = w[p]
    if u.b != NULL:
        u.b[0] = w[u.d]


# wide rows ----------------------------------------------------------------------------------------

cdef inline void wide_products(bint near, const real *const *x, const real *w, Py_ssize_t d,
                               real *out) noexcept nogil:
    """w . x_j and x_i . x_j of WIDE_BLOCK rows: ten sums side by side, x and w read once."""
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
            fetch_line(x[8] + p, near)      # of the block after the next
            fetch_line(x[9] + p, near)
            fetch_line(x[10] + p, near)
            fetch_line(x[11] + p, near)
            if left >= LANES:
                b, a0, a1, a2, a3 = load(w + p), load(x0 + p), load(x1 + p), load(x2 + p), load(x3 + p)
            else:
                b, a0, a1 = load_some(w + p, left), load_some(x0 + p, left), load_some(x1 + p, left)
                a2, a3 = load_some(x2 + p, left), load_some(x3 + p, left)
            s0, s1, s2, s3 = fma_(b, a0, s0), fma_(b, a1, s1), fma_(b, a2, s2), fma_(b, a3, s3)
            s4, s5, s6 = fma_(a0, a1, s4), fma_(a0, a2, s5), fma_(a1, a2, s6)
            s7, s8, s9 = fma_(a0, a3, s7), fma_(a1, a3, s8), fma_(a2, a3, s9)
            p += WIDTH
        acc[v], acc[VECS + v], acc[2 * VECS + v], acc[3 * VECS + v] = s0, s1, s2, s3
        acc[4 * VECS + v], acc[5 * VECS + v], acc[6 * VECS + v] = s4, s5, s6
        acc[7 * VECS + v], acc[8 * VECS + v], acc[9 * VECS + v] = s7, s8, s9
        for k in range(10, 16):
            acc[k * VECS + v] = splat(0)
    for k from 0 <= k < 10 by SUMS:
        sum_few(acc + k * VECS, out + k)


cdef inline void add_wide(int rows, const real *const *x, const real *c, real *w,
                          Py_ssize_t d) noexcept nogil:
    # w = w + sum_j c_j x_j
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
        s = load_part(w + p, d - p)
        for j in range(rows):
            s = fma_(splat(c[j]), load_part(x[j] + p, d - p), s)
        store_part(w + p, s, d - p)


cdef inline real wide_dot(const real *x, const real *w, Py_ssize_t d) noexcept nogil:
    cdef vec sums[VECS]
    cdef Py_ssize_t p
    cdef int v
    for v in range(VECS):
        sums[v] = splat(0)
        for p from v * LANES <= p < d + v * LANES by WIDTH:
            sums[v] = fma_(load_some(w + p, d - p), load_some(x + p, d - p), sums[v])
    return tree_sum(sums)


cdef inline bint wide_block(int kind, int rows, const unit_rows *u, Py_ssize_t at) noexcept nogil:
    """Train on a block or on a row; return False, with nothing changed, where a block is not finite."""
    cdef real products[16]
    cdef real dots[WIDTH]
    cdef found f
    cdef real b = u.b[0] if u.b != NULL else 0, one = 1 if u.b != NULL else 0
    cdef int i, j
    if rows == 1:
        dots[0] = wide_dot(u.x[at], u.w, u.d) + b
    else:
        # three blocks take half of a common first cache, or are fetched into the second
        if u.d <= 24 * WIDTH:
            wide_products(True, u.x + at, u.w, u.d, products)
        else:
            wide_products(False, u.x + at, u.w, u.d, products)
        for j in range(rows):
            dots[j] = products[j] + b
            for i in range(j):
                products[rows + pair_at(i, j)] = u.step[at + i] * (products[rows + pair_at(i, j)] + one)
        for j in range(rows, WIDTH):
            dots[j] = 0
    if not chain(kind, rows, u, at, dots, products + rows, &f, 0, NULL) and rows > 1:
        return False
    for j in range(rows):
        f.e[j] = f.e[j] * u.step[at + j]
        if u.b != NULL:
            u.b[0] += f.e[j]
    add_wide(rows, u.x + at, f.e, u.w, u.d)
    return True


cdef inline void wide_rows(int kind, const unit_rows *u) noexcept nogil:
    cdef Py_ssize_t at = 0, stop
    while at < u.n:
        if u.n - at >= WIDE_BLOCK and wide_block(kind, WIDE_BLOCK, u, at):
            at += WIDE_BLOCK
            continue
        stop = min(at + WIDE_BLOCK, u.n)    # the last rows, or a block with a number that is not finite
        while at < stop:
            wide_block(kind, 1, u, at)
            at += 1


# every row ----------------------------------------------------------------------------------------

cdef inline void unit_rows_of(int kind, const unit_rows *u) noexcept nogil:
    cdef Py_ssize_t lines = u.d // WIDTH + 1        # of a row and a 1
    if lines == 1:
        narrow_rows(kind, 1, u)
    elif lines == 2:
        narrow_rows(kind, 2, u)
    elif lines <= MOST_LINES:
        narrow_rows(kind, <int> lines, u)
    else:
        wide_rows(kind, u)


cdef void train_unit(int kind, const unit_rows *u) noexcept nogil:
    if kind == UNIT_IDENTITY:
        unit_rows_of(UNIT_IDENTITY, u)
    elif kind == UNIT_SIGMOID:
        unit_rows_of(UNIT_SIGMOID, u)
    elif kind == UNIT_LOGISTIC:
        unit_rows_of(UNIT_LOGISTIC, u)
    else:
        unit_rows_of(UNIT_OTHER, u)


cdef void fill_units(kernels *t) noexcept:
    t.train_unit = train_unit

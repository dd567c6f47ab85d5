# One unit trained row by row: w changes after every row, and the next row needs the new one.
#
#     h_j = w . x_j + b,  e_j = -dl/dh_j,  w = w + s_j e_j x_j,  b = b + s_j e_j,  s_j = eta times the row's weight
#
# Taken as it stands, each row waits for a dot product, an activation and an update. Rows go in blocks
# instead: all dot products with the weights before the block, and the products of its rows with each other,
#
#     h_j = w . x_j + b + sum_{i<j} s_i e_i (x_i . x_j + 1),
#
# which is exact: only numbers wait for each other, and w is read twice and written once per block. It
# is rounded differently from one row at a time; still the bits depend on the rows, the dtype and the order
# alone. A block in which some h is not finite (also because x_i . x_j is not, where x_j would do) is
# computed one row at a time: it diverges as it would have.

cdef enum:
    BLOCK_ROWS = 8                  # of narrow rows, where the waiting counts
    WIDE_BLOCK_ROWS = 4             # of wide ones, where the products count
    NARROW = 4                      # virtual widths up to which rows are narrow
    MOST_PRODUCTS = 43              # 8 + 28, and what sum_lines adds up beyond them


# where x_i . x_j stands, i < j; the products with w come first
cdef inline int product_at(int rows, int i, int j) noexcept nogil:
    return rows + j * (j - 1) // 2 + i


cdef inline vec load_some(const real *p, Py_ssize_t n) noexcept nogil:
    """Load a vector of which n elements exist; n may be 0 or less."""
    return load(p) if n >= LANES else load_part(p, n) if n > 0 else splat(0)


cdef inline void narrow_products(int rows, const real *const *x, const real *w, Py_ssize_t d,
                                 real *out) noexcept nogil:
    """Products of rows of a few virtual widths, each sum by itself."""
    cdef vec acc[MOST_PRODUCTS][VECS]
    cdef vec a
    cdef Py_ssize_t p, left
    cdef int i, j, v, k
    for v in range(VECS):
        for k in range(rows * (rows + 1) // 2 + SUMS - 1):
            acc[k][v] = splat(0)
        for p from v * LANES <= p < d + v * LANES by WIDTH:
            left = d - p
            for j in range(rows):
                a = load_some(x[j] + p, left)
                acc[j][v] = fma_(load_some(w + p, left), a, acc[j][v])
                for i in range(j):
                    k = product_at(rows, i, j)
                    acc[k][v] = fma_(load_some(x[i] + p, left), a, acc[k][v])
    for k from 0 <= k < rows * (rows + 1) // 2 by SUMS:
        sum_lines(acc[k], out + k)


cdef void wide_products(const real *const *x, const real *w, Py_ssize_t d, real *out) noexcept nogil:
    """Products of WIDE_BLOCK_ROWS rows: ten sums side by side, x and w read once."""
    cdef vec acc[16][VECS]
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
        for p from v * LANES <= p < d + v * LANES by WIDTH:
            left = d - p
            b, a0, a1 = load_some(w + p, left), load_some(x0 + p, left), load_some(x1 + p, left)
            a2, a3 = load_some(x2 + p, left), load_some(x3 + p, left)
            s0, s1, s2, s3 = fma_(b, a0, s0), fma_(b, a1, s1), fma_(b, a2, s2), fma_(b, a3, s3)
            s4, s5, s6 = fma_(a0, a1, s4), fma_(a0, a2, s5), fma_(a1, a2, s6)
            s7, s8, s9 = fma_(a0, a3, s7), fma_(a1, a3, s8), fma_(a2, a3, s9)
        acc[0][v], acc[1][v], acc[2][v], acc[3][v] = s0, s1, s2, s3
        acc[4][v], acc[5][v], acc[6][v], acc[7][v], acc[8][v], acc[9][v] = s4, s5, s6, s7, s8, s9
        for k in range(10, 16):
            acc[k][v] = splat(0)
    for k from 0 <= k < 10 by SUMS:
        sum_lines(acc[k], out + k)


cdef inline void add_rows(int rows, const real *const *x, const real *c, real *w, Py_ssize_t d) noexcept nogil:
    # w = w + sum_j c_j x_j
    cdef vec s
    cdef Py_ssize_t p
    cdef int j
    for p from 0 <= p < d by LANES:
        s = load_up_to(w + p, d - p)
        for j in range(rows):
            s = fma_(splat(c[j]), load_up_to(x[j] + p, d - p), s)
        store_up_to(w + p, s, d - p)


# 1 / (1 + e^-h) in few steps one after the other: 2^n (1 + p) and 1 + 2^n (1 + p) come at the same time,
# and what division loses is left, within the bounds of v_sigmoid
cdef inline real sigmoid_one(real h) noexcept nogil:
    cdef real shift = 12582912 if REAL_BITS == 32 else 6755399441055744
    cdef vec x, t, n, r, p, s
    cdef real size = h if h > 0 else -h
    if not size <= (87 if REAL_BITS == 32 else 708):
        return lane(v_sigmoid(splat(h)), 0)
    x = splat(-size)
    t = fma_(x, splat(<real> 1.4426950408889634), splat(shift))
    n = t - splat(shift)
    r = fma_(n, splat(-ln2_lo()), fma_(n, splat(-ln2_hi()), x))
    s = pow2(t)
    p = fma_(r * r, exp_q(r), r)
    return (lane(fma_(p, s, s), 0) if h < 0 else 1) / lane(fma_(p, s, s + splat(1)), 0)


cdef inline bint resolve(int kind, int rows, const real *products, const unit_rows *u, Py_ssize_t at,
                         real *c) noexcept nogil:
    """Go through the rows of a block: c_j = s_j e_j; return whether every h is finite."""
    cdef real h[BLOCK_ROWS]
    cdef real y_hat, e, factor, check = 0, one = 1 if u.b != NULL else 0
    cdef int i, j
    for j in range(rows):
        h[j] = products[j] + (u.b[0] if u.b != NULL else 0)
    for j in range(rows):
        if kind == UNIT_OTHER:
            e = u.pull(u.data, at + j, h[j])
            factor = u.step[at + j]
        else:
            y_hat = h[j] if kind == UNIT_IDENTITY else sigmoid_one(h[j])
            u.y_hat[at + j] = y_hat
            e = u.y[at + j] - y_hat
            factor = u.step[at + j]
            if kind == UNIT_SIGMOID:
                factor = factor * (y_hat * (1 - y_hat))
        u.h[at + j] = h[j]
        check = check + h[j] * 0
        c[j] = e * factor
        for i in range(j + 1, rows):
            # e is known before the factor of a sigmoid: the product with it does not wait
            if kind == UNIT_SIGMOID:
                h[i] = fma_one(e * (products[product_at(rows, j, i)] + one), factor, h[i])
            else:
                h[i] = fma_one(e, factor * (products[product_at(rows, j, i)] + one), h[i])
    return check == 0


cdef inline bint unit_block(int kind, int rows, const unit_rows *u, Py_ssize_t at) noexcept nogil:
    """Train on one block; return False, with nothing changed, where some h was not finite."""
    cdef real products[MOST_PRODUCTS]
    cdef real c[BLOCK_ROWS]
    cdef int j
    if rows == WIDE_BLOCK_ROWS:
        wide_products(u.x + at, u.w, u.d, products)
    else:
        narrow_products(rows, u.x + at, u.w, u.d, products)
    if not resolve(kind, rows, products, u, at, c) and rows > 1:
        return False
    add_rows(rows, u.x + at, c, u.w, u.d)
    if u.b != NULL:
        for j in range(rows):
            u.b[0] += c[j]
    return True


cdef inline void unit_epoch(int kind, const unit_rows *u) noexcept nogil:
    cdef Py_ssize_t at = 0, stop
    cdef int rows = BLOCK_ROWS if u.d <= NARROW * WIDTH else WIDE_BLOCK_ROWS
    while at < u.n:
        stop = at
        if u.n - at >= rows:
            if rows == BLOCK_ROWS:
                stop = at + BLOCK_ROWS * unit_block(kind, BLOCK_ROWS, u, at)
            else:
                stop = at + WIDE_BLOCK_ROWS * unit_block(kind, WIDE_BLOCK_ROWS, u, at)
        if stop == at:              # the last rows, or a block with a number that is not finite
            stop = min(at + rows, u.n)
            while at < stop:
                unit_block(kind, 1, u, at)
                at += 1
        at = stop


cdef void train_unit(int kind, const unit_rows *u) noexcept nogil:
    if kind == UNIT_IDENTITY:
        unit_epoch(UNIT_IDENTITY, u)
    elif kind == UNIT_SIGMOID:
        unit_epoch(UNIT_SIGMOID, u)
    elif kind == UNIT_LOGISTIC:
        unit_epoch(UNIT_LOGISTIC, u)
    else:
        unit_epoch(UNIT_OTHER, u)


cdef void fill_units(kernels *t) noexcept:
    t.train_unit = train_unit

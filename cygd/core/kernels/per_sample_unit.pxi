# One unit trained row by row: w changes after every row, and the next row needs the new one.
#
#     h_j = w . x_j + b,  e_j = -dl/dh_j,  w = w + s_j e_j x_j,  b = b + s_j e_j,  s_j = eta times its weight
#
# Taken as it stands, each row waits for a dot product, an activation and an update. Rows go in blocks
# instead: all dot products with the weights before the block, and the products of its rows with each other,
#
#     h_j = w . x_j + b + sum_{i<j} e_i s_i (x_i . x_j + 1),
#
# which is exact: only numbers wait for each other, and w is read twice and written once per block. It
# is rounded differently from one row at a time; still the bits depend on the rows, the dtype and the order
# alone. A block in which some h is not finite (also because x_i . x_j is not, where x_j would do) is
# computed one row at a time: it diverges as it would have.
#
# Narrow rows are copied onto lines, once as they are and once times s_j, with a 1 behind them for the bias;
# the products of the next block, which need no weights, are taken before this one's chain, to run beside it.

cdef enum:
    BLOCK = 8                       # rows of a block, where the waiting counts
    WIDE_BLOCK = 4                  # of wide rows, where the products count
    PAIRS = 32                      # of a block's rows: 28, and what sum_few adds up beyond them


# where the product of the rows i < j stands
cdef inline int pair_at(int i, int j) noexcept nogil:
    return j * (j - 1) // 2 + i


# rows on lines --------------------------------------------------------------------------------------

cdef struct narrow_block:
    real x[BLOCK * MOST_LINES * WIDTH]      # rows
    real z[BLOCK * MOST_LINES * WIDTH]      # the same times s_j
    real pairs[PAIRS]


cdef void copy_rows(int rows, int lines, const unit_rows *u, Py_ssize_t at, const real *last,
                    narrow_block *a) noexcept nogil:
    cdef const real *const *from_rows = u.x + at
    cdef const real *step = u.step + at
    cdef const real *x
    cdef real *y
    cdef real *z
    cdef vec s, t
    cdef Py_ssize_t p, full = (lines - 1) * WIDTH, rest = u.d - full
    cdef int j
    if rows == BLOCK:
        for j in range(rows):
            fetch_line(from_rows[rows + j], True)
            fetch_line(from_rows[rows + j] + u.d - 1, True)
    for j in range(rows):
        x, y, z = from_rows[j], a.x + j * lines * WIDTH, a.z + j * lines * WIDTH
        s = splat(step[j])
        for p from 0 <= p < full by LANES:
            t = load(x + p)
            store(y + p, t)
            store(z + p, s * t)
        for p from 0 <= p < WIDTH by LANES:
            t = load_some(x + full + p, rest - p) + load(last + p)
            store(y + full + p, t)
            store(z + full + p, s * t)


cdef inline void pairs_of_row(int j, int lines, const narrow_block *a, vec *sums) noexcept nogil:
    """Products z_i . x_j of the rows i < j, before they are added up."""
    cdef const real *x = a.x + j * lines * WIDTH
    cdef const real *z
    cdef vec s
    cdef int i, v, line
    for i in range(j):
        z = a.z + i * lines * WIDTH
        for v in range(VECS):
            s = load(z + v * LANES) * load(x + v * LANES)
            for line in range(1, lines):
                s = fma_(load(z + line * WIDTH + v * LANES), load(x + line * WIDTH + v * LANES), s)
            sums[pair_at(i, j) * VECS + v] = s


cdef inline void sum_pairs(int first, int stop, narrow_block *a, const vec *sums) noexcept nogil:
    cdef int k
    for k from first <= k < stop by SUMS:
        sum_few(sums + k * VECS, a.pairs + k)


# The products of the next block are taken in six steps between the rows of this one's chain: a processor
# looks a few hundred operations ahead, which would not reach behind the chain.
cdef inline void beside(int step, int lines, narrow_block *a, vec *sums) noexcept nogil:
    cdef int k
    if a == NULL:
        return
    if step == 0:
        for k in range(28 * VECS, PAIRS * VECS):
            sums[k] = splat(0)
        pairs_of_row(7, lines, a, sums)
    elif step == 1:
        pairs_of_row(6, lines, a, sums)
        sum_pairs(16, 28, a, sums)
    elif step == 2:
        pairs_of_row(5, lines, a, sums)
    elif step == 3:
        pairs_of_row(4, lines, a, sums)
        sum_pairs(8, 16, a, sums)
    elif step == 4:
        pairs_of_row(3, lines, a, sums)
    elif step == 5:
        pairs_of_row(2, lines, a, sums)
        pairs_of_row(1, lines, a, sums)
        sum_pairs(0, 8, a, sums)


cdef void all_pairs(int lines, narrow_block *a) noexcept nogil:
    cdef vec sums[PAIRS * VECS]
    beside(0, lines, a, sums)
    beside(1, lines, a, sums)
    beside(2, lines, a, sums)
    beside(3, lines, a, sums)
    beside(4, lines, a, sums)
    beside(5, lines, a, sums)


# the chain ----------------------------------------------------------------------------------------
# `dots` are the net inputs with the weights before the block, `pairs` the products s_i (x_i . x_j + 1).

cdef inline real sigmoid_one(real h) noexcept nogil:
    return lane(v_sigmoid(splat(h)), 0)


# What the chain finds of a block. Nothing of it is read as a vector: that would wait for all to be stored.
cdef struct found:
    real e[WIDTH]
    real check                      # 0 as long as every h is finite


cdef inline real error_of(int kind, const unit_rows *u, Py_ssize_t row, real h, found *f) noexcept nogil:
    """Return e = -dl/dh of a row, and keep h and y_hat."""
    cdef real y_hat, e
    u.h[row] = h
    f.check = fma_one(0, h, f.check)
    if kind == UNIT_OTHER:
        return u.pull(u.data, row, h, u.y_hat + row)
    y_hat = h if kind == UNIT_IDENTITY else sigmoid_one(h)
    u.y_hat[row] = y_hat
    e = u.y[row] - y_hat
    return e * (y_hat * (1 - y_hat)) if kind == UNIT_SIGMOID else e


# Literals at every call, and no loop: the numbers stay in registers, and none waits for a vector of them.
cdef inline void pass_on(int rows, int j, real e, const real *pairs, real *h) noexcept nogil:
    """h_i = h_i + e times the product of rows j and i, for the rows i > j."""
    if j < 1 < rows:
        h[1] = fma_one(e, pairs[pair_at(j, 1)], h[1])
    if j < 2 < rows:
        h[2] = fma_one(e, pairs[pair_at(j, 2)], h[2])
    if j < 3 < rows:
        h[3] = fma_one(e, pairs[pair_at(j, 3)], h[3])
    if j < 4 < rows:
        h[4] = fma_one(e, pairs[pair_at(j, 4)], h[4])
    if j < 5 < rows:
        h[5] = fma_one(e, pairs[pair_at(j, 5)], h[5])
    if j < 6 < rows:
        h[6] = fma_one(e, pairs[pair_at(j, 6)], h[6])
    if j < 7 < rows:
        h[7] = fma_one(e, pairs[pair_at(j, 7)], h[7])


cdef inline void resolve_row(int kind, int rows, int j, const unit_rows *u, Py_ssize_t at, const real *pairs,
                             real *h, found *f, int lines, narrow_block *following,
                             vec *sums) noexcept nogil:
    cdef real e
    if j < rows:
        e = error_of(kind, u, at + j, h[j], f)
        f.e[j] = e
        pass_on(rows, j, e, pairs, h)
        beside(j, lines, following, sums)


cdef inline void resolve(int kind, int rows, const unit_rows *u, Py_ssize_t at, const real *dots,
                         const real *pairs, found *f, int lines, narrow_block *following) noexcept nogil:
    """Find the rows' errors, one after the other."""
    cdef vec sums[PAIRS * VECS]
    cdef real h[BLOCK]
    cdef int j
    for j in range(rows):
        h[j] = dots[j]
    resolve_row(kind, rows, 0, u, at, pairs, h, f, lines, following, sums)
    resolve_row(kind, rows, 1, u, at, pairs, h, f, lines, following, sums)
    resolve_row(kind, rows, 2, u, at, pairs, h, f, lines, following, sums)
    resolve_row(kind, rows, 3, u, at, pairs, h, f, lines, following, sums)
    resolve_row(kind, rows, 4, u, at, pairs, h, f, lines, following, sums)
    resolve_row(kind, rows, 5, u, at, pairs, h, f, lines, following, sums)
    resolve_row(kind, rows, 6, u, at, pairs, h, f, lines, following, sums)
    resolve_row(kind, rows, 7, u, at, pairs, h, f, lines, following, sums)


cdef inline vec exp_near_q(vec r) noexcept nogil:
    # tools/minimax.py exp_near
    if REAL_BITS == 32:
        return poly7(r, 0.5, 0.166666746, 0.0416665189, 0.00833249744, 0.00138938811, 0.000201148723,
                     2.44336698e-05)
    return poly12(r, 0.49999999999999922, 0.16666666666666966, 0.041666666666704988, 0.0083333333332639235,
                  0.0013888888883211875, 0.00019841269896735104, 2.4801591016261263e-05,
                  2.7557299563387962e-06, 2.7556116640317117e-07, 2.5055151201929713e-08,
                  2.1065663541312987e-09, 1.5932695905321242e-10)


# Of a sigmoid, e^-h = 2^n e^r. n is taken from the net inputs before the block, of all rows side by side;
# only r goes through the chain, as long as what the rows add to it leaves |r| <= 0.7, which exp_near_q bears:
# y_hat = 1 / (1 + 2^n + 2^n p), p = e^r - 1. The errors' own signs make r = r - e times a product.
cdef inline void resolve_near(int kind, int rows, int j, const unit_rows *u, Py_ssize_t at, const real *dots,
                              const real *start, const real *power, const real *pairs, real *r, found *f,
                              int lines, narrow_block *following, vec *sums) noexcept nogil:
    cdef real y_hat, h, e, s
    cdef vec x, p
    if j >= rows:
        return
    h = dots[j] + (start[j] - r[j])
    u.h[at + j] = h
    f.check = fma_one(0, h, f.check)
    s = power[j]                    # inf where a net input is too large for 2^n
    if -0.7 <= r[j] and r[j] <= 0.7 and s < INFINITY:
        x = alone(r[j])
        p = fma_(x * x, exp_near_q(x), x)
        y_hat = 1 / fma_one(lane(p, 0), s, 1 + s)
    else:
        y_hat = sigmoid_one(h)
    u.y_hat[at + j] = y_hat
    e = u.y[at + j] - y_hat
    if kind == UNIT_SIGMOID:
        e = e * (y_hat * (1 - y_hat))
    f.e[j] = e
    pass_on(rows, j, -e, pairs, r)
    beside(j, lines, following, sums)


cdef inline void resolve_sigmoid(int kind, int rows, const unit_rows *u, Py_ssize_t at, const real *dots,
                                 const real *pairs, found *f, int lines,
                                 narrow_block *following) noexcept nogil:
    """Find the errors behind a sigmoid."""
    cdef vec sums[PAIRS * VECS]
    cdef real start[WIDTH]
    cdef real power[WIDTH]
    cdef real r[WIDTH]
    cdef real limit = 80 if REAL_BITS == 32 else 700
    cdef real shift = 12582912 if REAL_BITS == 32 else 6755399441055744      # 1.5 * 2**MANTISSA_BITS
    cdef vec x, t, n
    cdef int j
    for j from 0 <= j < WIDTH by LANES:
        x = load(dots + j)
        t = fma_(x, splat(<real> -1.4426950408889634), splat(shift))
        n = t - splat(shift)
        t = select(lt(splat(limit), abs_(x)), splat(INFINITY), pow2(t))
        x = fma_(n, splat(-ln2_lo()), fma_(n, splat(-ln2_hi()), -x))
        store(start + j, x)
        store(r + j, x)
        store(power + j, t)
    resolve_near(kind, rows, 0, u, at, dots, start, power, pairs, r, f, lines, following, sums)
    resolve_near(kind, rows, 1, u, at, dots, start, power, pairs, r, f, lines, following, sums)
    resolve_near(kind, rows, 2, u, at, dots, start, power, pairs, r, f, lines, following, sums)
    resolve_near(kind, rows, 3, u, at, dots, start, power, pairs, r, f, lines, following, sums)
    resolve_near(kind, rows, 4, u, at, dots, start, power, pairs, r, f, lines, following, sums)
    resolve_near(kind, rows, 5, u, at, dots, start, power, pairs, r, f, lines, following, sums)
    resolve_near(kind, rows, 6, u, at, dots, start, power, pairs, r, f, lines, following, sums)
    resolve_near(kind, rows, 7, u, at, dots, start, power, pairs, r, f, lines, following, sums)


cdef inline bint chain(int kind, int rows, const unit_rows *u, Py_ssize_t at, const real *dots,
                       const real *pairs, found *f, int lines, narrow_block *following) noexcept nogil:
    """Find the errors of a block; return whether every net input is finite.

    Where there is a `following` block, its products are taken beside.
    """
    f.check = 0
    if rows > 1 and (kind == UNIT_SIGMOID or kind == UNIT_LOGISTIC):
        resolve_sigmoid(kind, rows, u, at, dots, pairs, f, lines, following)
    else:
        resolve(kind, rows, u, at, dots, pairs, f, lines, following)
    return f.check == 0

# Per-sample training of a single unit: w changes after every row, and the next row needs the new w.
#
#     h_j = w . x_j + b,  delta_j = -dl/dh_j,  w = w + s_j delta_j x_j,  b = b + s_j delta_j
#
# where s_j (`step`) is eta times the weight of the row. Computed like this, each row waits for a dot product,
# an activation and an update. Instead, rows are processed in blocks. All dot products use the weights from
# before the block, and the Gram matrix of the rows corrects them:
#
#     h_j = w . x_j + b + sum_{i<j} delta_i s_i (x_i . x_j + 1)
#
# This is exact. Only scalars depend on each other, and w is read twice and written once per block. The
# rounding differs from that of one row at a time, but the bits depend only on the rows, the dtype and the
# order of rows.
#
# If some h of a block is not finite, the block is recomputed one row at a time. (x_i . x_j may overflow where
# x_j alone does not.) So a run diverges exactly as it would row by row.
#
# Narrow rows are packed into 64-byte lines, once as x_j and once as s_j x_j, followed by a 1 for the bias.
# The Gram matrix of the next block does not need the weights, so its computation is interleaved with the
# serial part of this one.

cdef enum:
    BLOCK = 8                       # narrow rows per block: latency is the limit
    WIDE_BLOCK = 4                  # wide rows per block: throughput of the products is the limit
    GRAM = 32                       # 28 products of the rows of a block, padded for tree_sum_half


cdef inline int gram_index(int i, int j) noexcept nogil:
    """Return the index in `gram` of the product of rows i < j."""
    return j * (j - 1) // 2 + i


# packed rows ----------------------------------------------------------------------------------------

cdef struct narrow_block:
    real x[BLOCK * MAX_PACKED_LINES * WIDTH]    # x_j
    real z[BLOCK * MAX_PACKED_LINES * WIDTH]    # s_j x_j
    real gram[GRAM]                         # s_i (x_i . x_j + 1) at gram_index(i, j)


cdef void pack_rows(int rows, int lines, const unit_rows *u, Py_ssize_t first, const real *bias_input,
                    narrow_block *block) noexcept nogil:
    """Pack rows from `first` on into `lines` lines each; bias_input is the 1 after the end of a row, or 0."""
    cdef const real *const *from_rows = u.x + first
    cdef const real *step = u.step + first
    cdef const real *x
    cdef real *y
    cdef real *z
    cdef vec s, t
    cdef Py_ssize_t p, full = (lines - 1) * WIDTH, rest = u.d - full
    cdef int j
    if rows == BLOCK:
        for j in range(rows):
            prefetch_read(from_rows[rows + j], True)
            prefetch_read(from_rows[rows + j] + u.d - 1, True)
    for j in range(rows):
        x, y, z = from_rows[j], block.x + j * lines * WIDTH, block.z + j * lines * WIDTH
        s = splat(step[j])
        for p from 0 <= p < full by LANES:
            t = load(x + p)
            store(y + p, t)
            store(z + p, s * t)
        for p from 0 <= p < WIDTH by LANES:
            t = load_clamped(x + full + p, rest - p) + load(bias_input + p)
            store(y + full + p, t)
            store(z + full + p, s * t)


cdef inline void gram_row(int j, int lines, const narrow_block *block, vec *sums) noexcept nogil:
    """sums (j, VECS) = the accumulators of z_i . x_j for the rows i < j, before tree_sum."""
    cdef const real *x = block.x + j * lines * WIDTH
    cdef const real *z
    cdef vec s
    cdef int i, v, line
    for i in range(j):
        z = block.z + i * lines * WIDTH
        for v in range(VECS):
            s = load(z + v * LANES) * load(x + v * LANES)
            for line in range(1, lines):
                s = fma_(load(z + line * WIDTH + v * LANES), load(x + line * WIDTH + v * LANES), s)
            sums[gram_index(i, j) * VECS + v] = s


cdef inline void sum_gram(int first, int stop, narrow_block *block, const vec *sums) noexcept nogil:
    """gram[first ... stop - 1] = the sums of the accumulators."""
    cdef int k
    for k from first <= k < stop by HALF_WIDTH:
        tree_sum_half(sums + k * VECS, block.gram + k)


# The Gram matrix of the next block is computed in six steps, between the rows of the current block: the CPU's
# out-of-order window of a few hundred operations does not reach past the serial part of a whole block.
cdef inline void gram_step(int step, int lines, narrow_block *block, vec *sums) noexcept nogil:
    cdef int k
    if block == NULL:
        return
    if step == 0:
        for k in range(28 * VECS, GRAM * VECS):
            sums[k] = splat(0)
        gram_row(7, lines, block, sums)
    elif step == 1:
        gram_row(6, lines, block, sums)
        sum_gram(16, 28, block, sums)
    elif step == 2:
        gram_row(5, lines, block, sums)
    elif step == 3:
        gram_row(4, lines, block, sums)
        sum_gram(8, 16, block, sums)
    elif step == 4:
        gram_row(3, lines, block, sums)
    elif step == 5:
        gram_row(2, lines, block, sums)
        gram_row(1, lines, block, sums)
        sum_gram(0, 8, block, sums)


cdef void compute_gram(int lines, narrow_block *block) noexcept nogil:
    """Compute all of block.gram at once, for the first block of an epoch."""
    cdef vec sums[GRAM * VECS]
    gram_step(0, lines, block, sums)
    gram_step(1, lines, block, sums)
    gram_step(2, lines, block, sums)
    gram_step(3, lines, block, sums)
    gram_step(4, lines, block, sums)
    gram_step(5, lines, block, sums)


# serial part --------------------------------------------------------------------------------------
# `dots` are the net inputs with the weights from before the block, `gram` the products s_i (x_i . x_j + 1).

cdef inline real sigmoid_scalar(real h) noexcept nogil:
    return extract_lane(v_sigmoid(splat(h)), 0)


# Results of a block. They are never read as a vector: the load would wait for all of the scalar stores.
cdef struct block_result:
    real delta[WIDTH]
    real check                      # 0 while every h is finite, else NaN


cdef inline real delta_from_net_input(int kind, const unit_rows *u, Py_ssize_t row, real h,
                                      block_result *result) noexcept nogil:
    """Return delta = -dl/dh of a row; store h and y_hat."""
    cdef real y_hat, delta
    u.h[row] = h
    result.check = fma_scalar(0, h, result.check)
    if kind == UNIT_OTHER:
        return u.error_term(u.data, row, h, u.y_hat + row)
    y_hat = h if kind == UNIT_IDENTITY else sigmoid_scalar(h)
    u.y_hat[row] = y_hat
    delta = u.y[row] - y_hat
    return delta * (y_hat * (1 - y_hat)) if kind == UNIT_SIGMOID else delta


# `rows` and `j` are literals at every call. Without a loop h stays in scalar registers, and no row waits for
# a vector of them.
cdef inline void propagate_delta(int rows, int j, real delta, const real *gram, real *h) noexcept nogil:
    """h_i = h_i + delta gram_ji for the rows i > j."""
    if j < 1 < rows:
        h[1] = fma_scalar(delta, gram[gram_index(j, 1)], h[1])
    if j < 2 < rows:
        h[2] = fma_scalar(delta, gram[gram_index(j, 2)], h[2])
    if j < 3 < rows:
        h[3] = fma_scalar(delta, gram[gram_index(j, 3)], h[3])
    if j < 4 < rows:
        h[4] = fma_scalar(delta, gram[gram_index(j, 4)], h[4])
    if j < 5 < rows:
        h[5] = fma_scalar(delta, gram[gram_index(j, 5)], h[5])
    if j < 6 < rows:
        h[6] = fma_scalar(delta, gram[gram_index(j, 6)], h[6])
    if j < 7 < rows:
        h[7] = fma_scalar(delta, gram[gram_index(j, 7)], h[7])


cdef inline void resolve_row(int kind, int rows, int j, const unit_rows *u, Py_ssize_t first,
                             const real *gram, real *h, block_result *result, int lines,
                             narrow_block *next_block, vec *sums) noexcept nogil:
    cdef real delta
    if j < rows:
        delta = delta_from_net_input(kind, u, first + j, h[j], result)
        result.delta[j] = delta
        propagate_delta(rows, j, delta, gram, h)
        gram_step(j, lines, next_block, sums)


cdef inline void resolve_rows(int kind, int rows, const unit_rows *u, Py_ssize_t first, const real *dots,
                              const real *gram, block_result *result, int lines,
                              narrow_block *next_block) noexcept nogil:
    """Compute delta of every row of a block, one after the other."""
    cdef vec sums[GRAM * VECS]
    cdef real h[BLOCK]
    cdef int j
    for j in range(rows):
        h[j] = dots[j]
    resolve_row(kind, rows, 0, u, first, gram, h, result, lines, next_block, sums)
    resolve_row(kind, rows, 1, u, first, gram, h, result, lines, next_block, sums)
    resolve_row(kind, rows, 2, u, first, gram, h, result, lines, next_block, sums)
    resolve_row(kind, rows, 3, u, first, gram, h, result, lines, next_block, sums)
    resolve_row(kind, rows, 4, u, first, gram, h, result, lines, next_block, sums)
    resolve_row(kind, rows, 5, u, first, gram, h, result, lines, next_block, sums)
    resolve_row(kind, rows, 6, u, first, gram, h, result, lines, next_block, sums)
    resolve_row(kind, rows, 7, u, first, gram, h, result, lines, next_block, sums)


cdef inline vec exp_near_poly(vec r) noexcept nogil:
    # tools/minimax.py exp_near
    if REAL_BITS == 32:
        return poly7(r, 0.5, 0.166666746, 0.0416665189, 0.00833249744, 0.00138938811, 0.000201148723,
                     2.44336698e-05)
    return poly12(r, 0.49999999999999922, 0.16666666666666966, 0.041666666666704988, 0.0083333333332639235,
                  0.0013888888883211875, 0.00019841269896735104, 2.4801591016261263e-05,
                  2.7557299563387962e-06, 2.7556116640317117e-07, 2.5055151201929713e-08,
                  2.1065663541312987e-09, 1.5932695905321242e-10)


# For a sigmoid, e^-h = 2^n e^r. n is fixed from the net inputs before the block, for all rows at once, and
# only r is updated serially: r_i = r_i - delta_j gram_ji, since r = -h + constant. While |r| <= 0.7, the
# range of exp_near_poly:
#
#     y_hat = 1 / (1 + 2^n + 2^n p),  p = e^r - 1 = r + r^2 exp_near_poly(r)
#
# else the row takes the plain sigmoid of h.
cdef inline void resolve_sigmoid_row(int kind, int rows, int j, const unit_rows *u, Py_ssize_t first,
                                     const real *dots, const real *start, const real *power, const real *gram,
                                     real *r, block_result *result, int lines, narrow_block *next_block,
                                     vec *sums) noexcept nogil:
    cdef real y_hat, h, delta, two_n
    cdef vec x, p
    if j >= rows:
        return
    h = dots[j] + (start[j] - r[j])
    u.h[first + j] = h
    result.check = fma_scalar(0, h, result.check)
    two_n = power[j]                # inf if the net input is too large for 2^n
    if -0.7 <= r[j] and r[j] <= 0.7 and two_n < INFINITY:
        x = set_first(r[j])
        p = fma_(x * x, exp_near_poly(x), x)
        y_hat = 1 / fma_scalar(extract_lane(p, 0), two_n, 1 + two_n)
    else:
        y_hat = sigmoid_scalar(h)
    u.y_hat[first + j] = y_hat
    delta = u.y[first + j] - y_hat
    if kind == UNIT_SIGMOID:
        delta = delta * (y_hat * (1 - y_hat))
    result.delta[j] = delta
    propagate_delta(rows, j, -delta, gram, r)
    gram_step(j, lines, next_block, sums)


cdef inline void resolve_sigmoid_rows(int kind, int rows, const unit_rows *u, Py_ssize_t first,
                                      const real *dots, const real *gram, block_result *result, int lines,
                                      narrow_block *next_block) noexcept nogil:
    """Compute delta of every row of a block, for a sigmoid."""
    cdef vec sums[GRAM * VECS]
    cdef real start[WIDTH]
    cdef real power[WIDTH]
    cdef real r[WIDTH]
    cdef real limit = 80 if REAL_BITS == 32 else 700
    cdef real shift = 12582912 if REAL_BITS == 32 else 6755399441055744      # 1.5 * 2^MANTISSA_BITS
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
    resolve_sigmoid_row(kind, rows, 0, u, first, dots, start, power, gram, r, result, lines, next_block, sums)
    resolve_sigmoid_row(kind, rows, 1, u, first, dots, start, power, gram, r, result, lines, next_block, sums)
    resolve_sigmoid_row(kind, rows, 2, u, first, dots, start, power, gram, r, result, lines, next_block, sums)
    resolve_sigmoid_row(kind, rows, 3, u, first, dots, start, power, gram, r, result, lines, next_block, sums)
    resolve_sigmoid_row(kind, rows, 4, u, first, dots, start, power, gram, r, result, lines, next_block, sums)
    resolve_sigmoid_row(kind, rows, 5, u, first, dots, start, power, gram, r, result, lines, next_block, sums)
    resolve_sigmoid_row(kind, rows, 6, u, first, dots, start, power, gram, r, result, lines, next_block, sums)
    resolve_sigmoid_row(kind, rows, 7, u, first, dots, start, power, gram, r, result, lines, next_block, sums)


cdef inline bint resolve_block(int kind, int rows, const unit_rows *u, Py_ssize_t first, const real *dots,
                               const real *gram, block_result *result, int lines,
                               narrow_block *next_block) noexcept nogil:
    """Compute delta of every row of a block; return whether every net input is finite.

    If next_block is not NULL, its Gram matrix is computed meanwhile.
    """
    result.check = 0
    if rows > 1 and (kind == UNIT_SIGMOID or kind == UNIT_LOGISTIC):
        resolve_sigmoid_rows(kind, rows, u, first, dots, gram, result, lines, next_block)
    else:
        resolve_rows(kind, rows, u, first, dots, gram, result, lines, next_block)
    return result.check == 0

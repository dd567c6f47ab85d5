# Many small networks side by side: vectors run along the networks.
#
# A block is (rows, units, networks), networks a multiple of WIDTH: element (row r, unit j, network k) is at
# (r units + j) networks + k. Flat vectors are (parameters, networks).
#
# An element is computed by the operations that the kernels of a single network use, in their order, so that
# its bits are those of the network alone:
#
#     net inputs, errors          a chain of multiply-adds for each block of KC, as in matmul.pxi
#     gradients of wide layers    one chain over the rows, as in `outer`
#     gradients of narrow layers, losses
#                                 WIDTH sums over every WIDTH-th row, added in the order of `tree_sum`
#
# Fewer than WIDTH rows are not padded: a row of padding would add 0. So do the sums without a row, which
# turns a sum of -0 into 0.

cdef extern from *:
    """
    #define MANY_ROWS (VBYTES == 64 ? 4 : 2)        /* rows of c in a tile of 4 columns */
    """
    enum: MANY_ROWS


cdef inline void many_tile(int rows, int columns, const real *a, Py_ssize_t a_row, Py_ssize_t a_step,
                           const real *b, Py_ssize_t b_column, Py_ssize_t b_step, const real *bias,
                           Py_ssize_t networks, bint accumulate, bint continued, real *c, Py_ssize_t c_row,
                           Py_ssize_t c_column, Py_ssize_t k) noexcept nogil:
    """c (rows, columns) = [c +] a (rows, k) b (k, columns) [+ bias (rows)], each element a vector.

    `continued`: the chains begin with c.
    """
    cdef vec acc[4][4]
    cdef vec y[4]
    cdef vec x
    cdef int i, j
    for i in range(rows):
        for j in range(columns):
            acc[i][j] = load(c + i * c_row + j * c_column) if continued else splat(0)
    while True:
        for j in range(columns):
            y[j] = load(b + j * b_column)
        for i in range(rows):
            x = load(a + i * a_row)
            for j in range(columns):
                acc[i][j] = fma_(x, y[j], acc[i][j])
        a += a_step
        b += b_step
        k -= 1
        if k == 0:
            break
    for i in range(rows):
        for j in range(columns):
            if bias != NULL:
                acc[i][j] = acc[i][j] + load(bias + i * networks)
            if accumulate:
                acc[i][j] = acc[i][j] + load(c + i * c_row + j * c_column)
            store(c + i * c_row + j * c_column, acc[i][j])


cdef inline void many_columns(int rows, const real *a, Py_ssize_t a_row, Py_ssize_t a_step, const real *b,
                              Py_ssize_t b_column, Py_ssize_t b_step, const real *bias, Py_ssize_t networks,
                              bint accumulate, bint continued, real *c, Py_ssize_t c_row, Py_ssize_t c_column,
                              Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """c (rows, n) = [c +] a b [+ bias] for all networks, in tiles of 4, 2 and 1 columns."""
    cdef const real *bias_v = NULL
    cdef Py_ssize_t j = 0, v
    while n > j:
        for v from 0 <= v < networks by LANES:
            if bias != NULL:
                bias_v = bias + v
            if n - j >= 4:
                many_tile(rows, 4, a + v, a_row, a_step, b + j * b_column + v, b_column, b_step, bias_v,
                          networks, accumulate, continued, c + j * c_column + v, c_row, c_column, k)
            elif n - j >= 2:
                many_tile(rows, 2, a + v, a_row, a_step, b + j * b_column + v, b_column, b_step, bias_v,
                          networks, accumulate, continued, c + j * c_column + v, c_row, c_column, k)
            else:
                many_tile(rows, 1, a + v, a_row, a_step, b + j * b_column + v, b_column, b_step, bias_v,
                          networks, accumulate, continued, c + j * c_column + v, c_row, c_column, k)
        j += 4 if n - j >= 4 else 2 if n - j >= 2 else 1


cdef inline void many_product(const real *a, Py_ssize_t a_row, Py_ssize_t a_step, const real *b,
                              Py_ssize_t b_column, Py_ssize_t b_step, const real *bias, Py_ssize_t networks,
                              bint accumulate, bint continued, real *c, Py_ssize_t c_row, Py_ssize_t c_column,
                              Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """c (m, n) = [c +] a b [+ bias], in tiles of MANY_ROWS, 2 and 1 rows."""
    cdef Py_ssize_t i = 0
    cdef const real *bias_i = NULL
    while m > i:
        if bias != NULL:
            bias_i = bias + i * networks
        if m - i >= MANY_ROWS:
            many_columns(MANY_ROWS, a + i * a_row, a_row, a_step, b, b_column, b_step, bias_i, networks,
                         accumulate, continued, c + i * c_row, c_row, c_column, n, k)
            i += MANY_ROWS
        elif MANY_ROWS > 2 and m - i >= 2:
            many_columns(2, a + i * a_row, a_row, a_step, b, b_column, b_step, bias_i, networks, accumulate,
                         continued, c + i * c_row, c_row, c_column, n, k)
            i += 2
        else:
            many_columns(1, a + i * a_row, a_row, a_step, b, b_column, b_step, bias_i, networks, accumulate,
                         continued, c + i * c_row, c_row, c_column, n, k)
            i += 1


cdef void many_matmul(const real *a, Py_ssize_t a_row, Py_ssize_t a_step, const real *b, const real *bias,
                      real *c, Py_ssize_t rows, Py_ssize_t m, Py_ssize_t k,
                      Py_ssize_t networks) noexcept nogil:
    # c_rj = sum_p a_jp b_rp [+ bias_j], b (rows, k), c (rows, m); the strides of a are in elements of one
    # network
    cdef Py_ssize_t p
    for p from 0 <= p < k by KC:
        many_product(a + p * a_step * networks, a_row * networks, a_step * networks, b + p * networks,
                     k * networks, networks, bias if p == 0 else NULL, networks, p > 0, False, c, networks,
                     m * networks, m, rows, min(k - p, KC))


cdef void many_outer(const real *x, const real *d, bint accumulate, real *out, Py_ssize_t rows, Py_ssize_t m,
                     Py_ssize_t n, Py_ssize_t networks) noexcept nogil:
    # out_ij = [out_ij +] sum_r x_ri d_rj, x (rows, m), d (rows, n); one chain, which begins with out_ij
    many_product(x, networks, m * networks, d, networks, n * networks, NULL, networks, False, accumulate, out,
                 n * networks, networks, m, n, rows)


cdef void many_outer_ones(const real *d, bint accumulate, real *out, Py_ssize_t rows, Py_ssize_t n,
                          Py_ssize_t networks) noexcept nogil:
    # out_j = [out_j +] sum_r d_rj, d (rows, n); one chain
    cdef Py_ssize_t r, v
    cdef vec acc
    for v from 0 <= v < n * networks by LANES:
        acc = load(out + v) if accumulate else splat(0)
        for r in range(rows):
            acc = acc + load(d + r * n * networks + v)
        store(out + v, acc)


# sums over vector positions -----------------------------------------------------------------------

cdef inline vec add_positions(int positions, vec *part) noexcept nogil:
    """Return the sum of WIDTH sums, of which those from `positions` on are 0, in the order of tree_sum."""
    cdef int i, half = positions // 2
    if positions < WIDTH:
        for i in range(positions):
            part[i] = part[i] + splat(0)
    while half:
        for i in range(half):
            part[i] = part[i] + part[i + half]
        half //= 2
    return part[0]


cdef struct dot_rows:                   # rows r of x and d, for one vector of networks
    const real *x                       # or NULL: 1
    const real *d
    Py_ssize_t x_row, d_row, n


# A sum over positions l, l + step, ... depth first, so that it needs few registers. `positions` and `blocks`
# are literals: the rows are positions times blocks, or fewer if blocks is 0.

cdef inline vec sum_1(int positions, int blocks, const dot_rows *rows, int l) noexcept nogil:
    """Return the sum of x_r d_r over the rows l, l + positions, ..."""
    cdef vec acc = splat(0)
    cdef Py_ssize_t r
    for r from l <= r < (rows.n if blocks == 0 else positions * blocks) by positions:
        if rows.x != NULL:
            acc = fma_(load(rows.x + r * rows.x_row), load(rows.d + r * rows.d_row), acc)
        else:
            acc = acc + load(rows.d + r * rows.d_row)
    return acc + splat(0) if positions < WIDTH else acc


cdef inline vec sum_2(int positions, int blocks, const dot_rows *rows, int l) noexcept nogil:
    return (sum_1(positions, blocks, rows, l)
            + sum_1(positions, blocks, rows, l + positions // 2))


cdef inline vec sum_4(int positions, int blocks, const dot_rows *rows, int l) noexcept nogil:
    return (sum_2(positions, blocks, rows, l)
            + sum_2(positions, blocks, rows, l + positions // 4))


cdef inline vec sum_8(int positions, int blocks, const dot_rows *rows, int l) noexcept nogil:
    return (sum_4(positions, blocks, rows, l)
            + sum_4(positions, blocks, rows, l + positions // 8))


cdef inline vec many_dot(int positions, int blocks, const dot_rows *rows) noexcept nogil:
    """Return the sum of x_r d_r over all rows, in the order of tree_sum."""
    if positions == 2:
        return sum_2(2, blocks, rows, 0)
    if positions == 4:
        return sum_4(4, blocks, rows, 0)
    if positions == 8:
        return sum_8(8, blocks, rows, 0)
    return sum_8(16, blocks, rows, 0) + sum_8(16, blocks, rows, 1)


cdef inline void many_dots_tile(int positions, int blocks, const real *x, const real *d, real *out,
                                Py_ssize_t rows, Py_ssize_t m, Py_ssize_t n,
                                Py_ssize_t networks) noexcept nogil:
    """out_ij = sum_r x_ri d_rj; without x, out_0j = sum_r d_rj."""
    cdef dot_rows sums
    cdef Py_ssize_t i, j, v
    sums.x, sums.x_row, sums.d_row, sums.n = NULL, m * networks, n * networks, rows
    for i in range(m):
        for j in range(n):
            for v from 0 <= v < networks by LANES:
                sums.d = d + j * networks + v
                if x != NULL:
                    sums.x = x + i * networks + v
                store(out + (i * n + j) * networks + v, many_dot(positions, blocks, &sums))


cdef void many_dots(const real *x, const real *d, real *out, Py_ssize_t rows, Py_ssize_t m, Py_ssize_t n,
                    Py_ssize_t networks) noexcept nogil:
    # out_ij = sum_r x_ri d_rj, x (rows, m), d (rows, n), out (m, n); x NULL, m 1: out_0j = sum_r d_rj
    if x == NULL:
        many_dots_tile(WIDTH, 0, NULL, d, out, rows, m, n, networks)
    elif rows == 2:
        many_dots_tile(2, 1, x, d, out, rows, m, n, networks)
    elif rows == 4:
        many_dots_tile(4, 1, x, d, out, rows, m, n, networks)
    elif rows == 8:
        many_dots_tile(8, 1, x, d, out, rows, m, n, networks)
    elif rows == WIDTH:
        many_dots_tile(WIDTH, 1, x, d, out, rows, m, n, networks)
    elif rows == 2 * WIDTH:
        many_dots_tile(WIDTH, 2, x, d, out, rows, m, n, networks)
    elif rows == 4 * WIDTH:
        many_dots_tile(WIDTH, 4, x, d, out, rows, m, n, networks)
    else:
        many_dots_tile(WIDTH, 0, x, d, out, rows, m, n, networks)


cdef inline void many_weighted_sum(int positions, const real *a, const real *weight, double *out,
                                   Py_ssize_t units, Py_ssize_t rows, Py_ssize_t networks) noexcept nogil:
    """out += sum_r weight_r sum_j a_rj for one vector of networks; 0 for a row of weight 0."""
    cdef vec part[WIDTH]
    cdef real sums[LANES]
    cdef vec acc, w
    cdef Py_ssize_t r, j
    cdef int i
    for i in range(positions):
        part[i] = splat(0)
    for r from 0 <= r < rows by positions:
        for i in range(positions):
            if i < rows:
                acc = splat(0)
                for j in range(units):
                    acc = acc + load(a + ((r + i) * units + j) * networks)
                w = load(weight + (r + i) * networks)
                part[i] = fma_(select(eq(w, splat(0)), splat(0), acc), w, part[i])
    store(sums, add_positions(positions, part))
    for i in range(LANES):
        out[i] += sums[i]


cdef void many_weighted_sums(const real *a, const real *weight, double *out, Py_ssize_t units,
                             Py_ssize_t rows, Py_ssize_t networks) noexcept nogil:
    # out_k += sum_r weight_rk sum_j a_rjk, a (rows, units), weight (rows)
    cdef Py_ssize_t v
    for v from 0 <= v < networks by LANES:
        if rows <= 4:
            many_weighted_sum(4, a + v, weight + v, out + v, units, rows, networks)
        else:
            many_weighted_sum(WIDTH, a + v, weight + v, out + v, units, rows, networks)


# elementwise over flat vectors --------------------------------------------------------------------

cdef void many_penalty_gradient(const real *w, const real *l1, const real *l2, const real *penalized, real *g,
                                Py_ssize_t n, Py_ssize_t networks) noexcept nogil:
    # g_ik += l1_k sign(w_ik) + l2_k w_ik where penalized_k is not 0
    cdef Py_ssize_t i, v
    cdef vec a, b, x, y
    cdef vmask none
    for v from 0 <= v < networks by LANES:
        a, b, none = load(l1 + v), load(l2 + v), eq(load(penalized + v), splat(0))
        for i from v <= i < n * networks + v by networks:
            x, y = load(w + i), load(g + i)
            store(g + i, select(none, y, fma_(a, sign(x), fma_(b, x, y))))


cdef void many_infinite(const real *a, real *out, Py_ssize_t n, Py_ssize_t networks) noexcept nogil:
    # out_k += 0 if all a_ik are finite, else NaN
    cdef Py_ssize_t i, v
    cdef vec s
    for v from 0 <= v < networks by LANES:
        s = load(out + v)
        for i from v <= i < n * networks + v by networks:
            s = s + splat(0) * load(a + i)
        store(out + v, s)


cdef void fill_many_networks(kernels *t) noexcept:
    t.many_matmul = many_matmul
    t.many_outer = many_outer
    t.many_outer_ones = many_outer_ones
    t.many_dots = many_dots
    t.many_weighted_sums = many_weighted_sums
    t.many_penalty_gradient = many_penalty_gradient
    t.many_infinite = many_infinite

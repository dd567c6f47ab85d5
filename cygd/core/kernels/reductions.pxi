# Reductions in a fixed order, and elementwise passes over flat vectors.
#
# A reduction accumulates into VECS vectors (64 bytes at every level) and ends in a fixed tree, so v3 and v4
# add the same numbers in the same order. Sums that span chunks of rows are added in double by the caller.
#
# The last vector of a pass is loaded and stored in part. A scalar loop over the tail was rejected: it would
# compile every equation twice.

cdef inline real tree_sum(const vec *acc) noexcept nogil:
    """Return the sum of VECS vectors: element i of n is added to i + n / 2, then n is halved, down to 1."""
    cdef real part[WIDTH]
    cdef int v, i, half = WIDTH // 2
    for v in range(VECS):
        store(part + v * LANES, acc[v])
    while half:
        for i in range(half):
            part[i] = part[i] + part[i + half]
        half //= 2
    return part[0]


cdef inline vec load_n(const real *p, Py_ssize_t n) noexcept nogil:
    """Load min(n, LANES) elements, n > 0; the other lanes are 0."""
    if n >= LANES:
        return load(p)
    return load_partial(p, n)


cdef inline vec load_clamped(const real *p, Py_ssize_t n) noexcept nogil:
    """Load n elements, n clamped to [0, LANES]; the other lanes are 0."""
    return load(p) if n >= LANES else load_partial(p, n) if n > 0 else splat(0)


cdef inline void store_n(real *p, vec v, Py_ssize_t n) noexcept nogil:
    """Store min(n, LANES) elements, n > 0."""
    if n >= LANES:
        store(p, v)
    else:
        store_partial(p, v, n)


cdef void sum_rows(const real *a, Py_ssize_t lda, bint accumulate, real *out, Py_ssize_t m,
                   Py_ssize_t k) noexcept nogil:
    # out_i = [out_i +] sum_p a_ip, a (m, k), k a multiple of WIDTH
    cdef vec acc[VECS]
    cdef Py_ssize_t i, p
    cdef int v
    cdef real total
    for i in range(m):
        for v in range(VECS):
            acc[v] = splat(0)
        for p from 0 <= p < k by WIDTH:
            for v in range(VECS):
                acc[v] = acc[v] + load(a + i * lda + p + v * LANES)
        total = tree_sum(acc)
        out[i] = out[i] + total if accumulate else total


cdef double weighted_sum(const real *a, const real *weight, Py_ssize_t units,
                         Py_ssize_t rows) noexcept nogil:
    # sum_r weight_r sum_j a_jr, a (units, rows), rows a multiple of WIDTH; a row of weight 0 adds nothing,
    # whatever it holds
    cdef vec acc[VECS]
    cdef vec total[VECS]
    cdef vec w
    cdef Py_ssize_t j, r
    cdef int v
    for v in range(VECS):
        total[v] = splat(0)
    for r from 0 <= r < rows by WIDTH:
        for v in range(VECS):
            acc[v] = splat(0)
        for j in range(units):
            for v in range(VECS):
                acc[v] = acc[v] + load(a + j * rows + r + v * LANES)
        for v in range(VECS):
            w = load(weight + r + v * LANES)
            total[v] = fma_(select(eq(w, splat(0)), splat(0), acc[v]), w, total[v])
    return tree_sum(total)


cdef void scale_rows(const real *a, const real *weight, real *out, Py_ssize_t units,
                     Py_ssize_t rows) noexcept nogil:
    # out_jr = a_jr weight_r, and 0 where the weight is 0, whatever a_jr is
    cdef vec w
    cdef Py_ssize_t j, r
    for j in range(units):
        for r from 0 <= r < rows by LANES:
            w = load(weight + r)
            store(out + j * rows + r, select(eq(w, splat(0)), splat(0), load(a + j * rows + r)) * w)


cdef void multiply(const real *a, const real *b, real *out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i from 0 <= i < n by LANES:
        store_n(out + i, load_n(a + i, n - i) * load_n(b + i, n - i), n - i)


cdef void add(const real *a, const real *b, real *out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i from 0 <= i < n by LANES:
        store_n(out + i, load_n(a + i, n - i) + load_n(b + i, n - i), n - i)


cdef void subtract(const real *a, const real *b, real *out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i from 0 <= i < n by LANES:
        store_n(out + i, load_n(a + i, n - i) - load_n(b + i, n - i), n - i)


cdef void scale(double factor, const real *a, real *out, Py_ssize_t n) noexcept nogil:
    cdef vec x = splat(<real> factor)
    cdef Py_ssize_t i
    for i from 0 <= i < n by LANES:
        store_n(out + i, x * load_n(a + i, n - i), n - i)


cdef double square_sum(const real *a, Py_ssize_t n) noexcept nogil:
    # sum_i a_i^2: blocks of 1024 elements in the precision of `real`, then their sums in double
    cdef vec acc[VECS]
    cdef vec x
    cdef double total = 0
    cdef Py_ssize_t start = 0, stop, i
    cdef int v
    while start < n:
        stop = min(start + 1024, n)
        for v in range(VECS):
            acc[v] = splat(0)
        for i from start <= i < stop by WIDTH:
            for v in range(VECS):
                if i + v * LANES < stop:
                    x = load_n(a + i + v * LANES, stop - i - v * LANES)
                    acc[v] = fma_(x, x, acc[v])
        total += tree_sum(acc)
        start = stop
    return total


cdef bint all_finite(const real *a, Py_ssize_t n) noexcept nogil:
    # 0 * x is 0 for finite x and NaN otherwise, and NaN stays in the sum. Four accumulators hide the latency
    # of the additions
    cdef vec s0 = splat(0), s1 = splat(0), s2 = splat(0), s3 = splat(0)
    cdef Py_ssize_t i = 0
    cdef int lane
    cdef real part[LANES]
    while i + 4 * LANES <= n:
        s0 = s0 + splat(0) * load(a + i)
        s1 = s1 + splat(0) * load(a + i + LANES)
        s2 = s2 + splat(0) * load(a + i + 2 * LANES)
        s3 = s3 + splat(0) * load(a + i + 3 * LANES)
        i += 4 * LANES
    while i < n:
        s0 = s0 + splat(0) * load_n(a + i, n - i)
        i += LANES
    store(part, (s0 + s1) + (s2 + s3))
    for lane in range(LANES):
        if not part[lane] == 0:
            return False
    return True


cdef bint copy_finite(const real *a, real *out, Py_ssize_t n) noexcept nogil:
    # out = a; returns whether a is finite. Four accumulators hide the latency of the additions
    cdef vec v0, v1, v2, v3, s0 = splat(0), s1 = splat(0), s2 = splat(0), s3 = splat(0)
    cdef Py_ssize_t i = 0
    cdef real part[LANES]
    while i + 4 * LANES <= n:
        v0, v1 = load(a + i), load(a + i + LANES)
        v2, v3 = load(a + i + 2 * LANES), load(a + i + 3 * LANES)
        store(out + i, v0)
        store(out + i + LANES, v1)
        store(out + i + 2 * LANES, v2)
        store(out + i + 3 * LANES, v3)
        s0 = s0 + splat(0) * v0
        s1 = s1 + splat(0) * v1
        s2 = s2 + splat(0) * v2
        s3 = s3 + splat(0) * v3
        i += 4 * LANES
    while i < n:
        v0 = load_n(a + i, n - i)
        store_n(out + i, v0, n - i)
        s0 = s0 + splat(0) * v0
        i += LANES
    store(part, (s0 + s1) + (s2 + s3))
    return all_finite(part, LANES)


cdef inline vec sign(vec x) noexcept nogil:
    """Return -1, 0 or 1; 0 for NaN."""
    return select(lt(splat(0), x), splat(1), select(lt(x, splat(0)), splat(-1), splat(0)))


cdef void penalty_gradient(const real *w, double l1, double l2, real *g, Py_ssize_t n) noexcept nogil:
    # g_i = g_i + l1 sign(w_i) + l2 w_i
    cdef vec a = splat(<real> l1), b = splat(<real> l2), x
    cdef Py_ssize_t i
    for i from 0 <= i < n by LANES:
        x = load_n(w + i, n - i)
        store_n(g + i, fma_(a, sign(x), fma_(b, x, load_n(g + i, n - i))), n - i)


cdef double penalty(const real *w, double l1, double l2, Py_ssize_t n) noexcept nogil:
    # sum_i l1 |w_i| + l2 w_i^2 / 2, in double, in the order of i
    cdef double total = 0, x
    cdef Py_ssize_t i
    for i in range(n):
        x = w[i]
        total += l1 * (x if x >= 0 else -x) + 0.5 * l2 * x * x
    return total


cdef bint clip(double limit, real *g, Py_ssize_t n) noexcept nogil:
    # g_i = min(max(g_i, -limit), limit); NaN stays. Returns whether g was finite, as all_finite
    cdef vec high = splat(<real> limit), low = splat(<real> -limit), x, acc = splat(0)
    cdef Py_ssize_t i
    cdef real part[LANES]
    for i from 0 <= i < n by LANES:
        x = load_n(g + i, n - i)
        acc = acc + splat(0) * x
        store_n(g + i, select(lt(high, x), high, select(lt(x, low), low, x)), n - i)
    store(part, acc)
    return all_finite(part, LANES)


cdef void fill_reductions(kernels *t) noexcept:
    t.sum_rows = sum_rows
    t.weighted_sum = weighted_sum
    t.scale_rows = scale_rows
    t.multiply = multiply
    t.add = add
    t.subtract = subtract
    t.scale = scale
    t.square_sum = square_sum
    t.all_finite = all_finite
    t.copy_finite = copy_finite
    t.penalty_gradient = penalty_gradient
    t.penalty = penalty
    t.clip = clip

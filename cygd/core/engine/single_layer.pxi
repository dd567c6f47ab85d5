# Networks of one layer with few outputs: one pass over x, which is read as it lies.
#
# A chunk's rows stay in cache between the net inputs and the gradient, and while both are computed the next
# chunk's rows are on their way from memory. What lies between, activation and loss, sees blocks of
# units x rows as in batch_chunks.pxi, of one panel. Rows are found by pointers, so shuffled and subset batches cost
# no copy.
#
# Rejected: turning x into blocks like everybody's, which costs more than the arithmetic of so few outputs.

cdef enum:
    MOST_OUTPUTS = 16               # beyond, a register tile over units x rows is as fast
    ROWS_BYTES = 48 * 1024          # of a chunk's rows of x


cdef bint rows_fit(Engine e):
    """Return whether a network's rows are read as they lie: from its shape and the dtype alone.

    Several outputs over rows that do not fill the virtual width leave most of it empty.
    """
    return (e.n_layers == 1 and e.n_outputs <= MOST_OUTPUTS and (e.n_outputs == 1 or e.n_inputs >= WIDTH)
            and e.layers[0].keep == 1)


cdef Py_ssize_t rows_of_chunk(Engine e) noexcept nogil:
    """Return how many rows of x stay in cache."""
    cdef Py_ssize_t most = ROWS_BYTES // (e.n_inputs * <Py_ssize_t> sizeof(real))
    return min(max(most // WIDTH * WIDTH, MIN_CHUNK), MAX_CHUNK)


cdef inline real *turned_weights(Engine e, const lane *a) noexcept nogil:
    """Return where a lane keeps w as (outputs, inputs): behind its gradient."""
    return a.gradient + padded(e.n_parameters)


cdef inline real *turned_gradient(Engine e, const lane *a) noexcept nogil:
    """Return where a lane adds up dE/dw as (outputs, inputs)."""
    return turned_weights(e, a) + e.n_outputs * padded(e.n_inputs)


cdef void begin_rows(Engine e, const batch *q, lane *a) noexcept nogil:
    """What a lane needs once per batch: the weights of several outputs, turned."""
    if e.n_outputs > 1:
        e.k.turn_weights(q.parameters + e.layers[0].w, e.n_inputs, e.n_outputs, turned_weights(e, a),
                         padded(e.n_inputs))


cdef void end_rows(Engine e, const batch *q, lane *a) noexcept nogil:
    """Put the lane's gradient where all lanes' gradients are added."""
    if not q.backward or not a.written:
        return
    if e.n_outputs == 1:
        memcpy(a.gradient + e.layers[0].w, turned_gradient(e, a), e.n_inputs * sizeof(real))
    else:
        e.k.turn_back(turned_gradient(e, a), padded(e.n_inputs), e.n_inputs, e.n_outputs,
                      a.gradient + e.layers[0].w)


cdef void point_at(const batch *q, Py_ssize_t start, Py_ssize_t n, Py_ssize_t rows, const real *values,
                   Py_ssize_t d, const real **to) noexcept nogil:
    """Point at rows start ... start + n of a batch, and beyond them at the last of these."""
    cdef Py_ssize_t r
    if q.rows == NULL:
        values += (q.first + start) * d
        for r in range(n):
            to[r] = values + r * d
    else:
        for r in range(n):
            to[r] = values + row_of(q, start + r) * d
    for r in range(n, rows):
        to[r] = to[n - 1]


cdef void take_targets(Engine e, const batch *q, const span *s) noexcept nogil:
    """Turn the targets and weights of a chunk into blocks; the padding has the weight 0."""
    cdef const real *from_[MAX_CHUNK]
    cdef real *weight = at(s, e.weight, 1)
    cdef real *targets = at(s, e.y, e.n_outputs)
    cdef Py_ssize_t r
    if q.weight != NULL:
        point_at(q, s.start, s.n, s.rows, q.weight, 1, from_)
    for r in range(s.n):
        weight[r] = from_[r][0] if q.weight != NULL else 1
    for r in range(s.n, s.rows):
        weight[r] = 0
    if q.y == NULL:
        return
    point_at(q, s.start, s.n, s.rows, q.y, e.n_outputs, from_)
    if e.n_outputs > 1:
        e.k.turn(from_, s.rows, e.n_outputs, targets, s.rows)
        return
    for r in range(s.rows):
        targets[r] = from_[r][0]


cdef void run_rows_chunk(Engine e, const batch *q, lane *a, Py_ssize_t index) noexcept nogil:
    cdef const real *x[MAX_CHUNK]
    cdef const real *next[MAX_CHUNK]
    cdef span s
    cdef layer *l = &e.layers[0]
    cdef const real *w = q.parameters + l.w
    cdef const real *bias = q.parameters + l.b if l.b >= 0 else NULL
    cdef real *delta
    # half of the next chunk's rows is fetched on the way forward, half on the way back
    cdef Py_ssize_t after, d = e.n_inputs, fetch = d // 2 if q.backward else d
    if e.n_outputs > 1:
        w = turned_weights(e, a)
    s.a = a
    s.first = 0
    s.start = index * q.chunk
    s.n = min(q.chunk, q.n_rows - s.start)
    s.chunk = s.rows = s.panel = padded(s.n)
    after = min(s.start + s.n, q.n_rows - 1)
    point_at(q, s.start, s.n, s.rows, q.x, d, x)
    point_at(q, after, min(s.n, q.n_rows - after), s.rows, q.x, d, next)
    take_targets(e, q, &s)
    e.k.row_products(x, next, fetch, s.rows, d, w, padded(d), bias, at(&s, l.h, l.n_out), l.n_out)
    activate(e, q, l, &s)
    if q.y != NULL:
        measure(e, &s)
    if q.backward:
        output_error(e, q, &s)
        delta = at(&s, l.delta, l.n_out)
        e.k.row_gradient(x, next, fetch, s.n, d, delta, s.rows, l.n_out, a.written, turned_gradient(e, a),
                         padded(d))
        if l.b >= 0:
            e.k.sum_rows(delta, s.rows, a.written, a.gradient + l.b, l.n_out, s.rows)
        a.written = True
    if q.out != NULL:
        scatter(e, q, &s)

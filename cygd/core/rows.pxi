# Networks of one layer with few outputs: one pass over x, which is read as it lies.
#
# A chunk's rows stay in cache between the net inputs and the gradient, and while the gradient is computed the next
# chunk's rows are on their way from memory. What lies between, activation and loss, sees blocks of units x rows as
# in chunk.pxi. Rows are found by pointers, so shuffled and subset batches cost no copy.
#
# Rejected: turning x into blocks like everybody's, which costs more than the arithmetic of so few outputs.

cdef enum:
    MOST_OUTPUTS = 16               # beyond, a register tile over units x rows is as fast
    ROWS_BYTES = 48 * 1024          # of a chunk's rows of x


cdef bint rows_fit(Engine e):
    """Return whether a network's rows are read as they lie: from its shape alone."""
    return e.n_layers == 1 and e.n_outputs <= MOST_OUTPUTS and e.layers[0].keep == 1


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


cdef void point_at(const batch *q, Py_ssize_t start, Py_ssize_t n, Py_ssize_t rows, Py_ssize_t d,
                   const real **x) noexcept nogil:
    """Point at rows start ... start + n of a batch, beyond them at the last of these."""
    cdef Py_ssize_t r
    for r in range(rows):
        x[r] = q.x + row_of(q, start + min(r, n - 1)) * d


cdef void take_targets(Engine e, const batch *q, const span *s) noexcept nogil:
    """Turn the targets and weights of a chunk into blocks; the padding has the weight 0."""
    cdef const real *y[PANEL]
    cdef real *weight = at(s, e.weight, 1)
    cdef real *targets = at(s, e.y, e.n_outputs)
    cdef Py_ssize_t r, i, row, rows
    for r in range(s.rows):
        row = row_of(q, s.start + min(r, s.n - 1))
        weight[r] = 0 if r >= s.n else q.weight[row] if q.weight != NULL else 1
        if e.n_outputs == 1 and q.y != NULL:
            targets[r] = q.y[row]
    if e.n_outputs == 1 or q.y == NULL:
        return
    for r from 0 <= r < s.rows by PANEL:
        rows = panel_rows(s, r)
        for i in range(rows):
            y[i] = q.y + row_of(q, s.start + min(r + i, s.n - 1)) * e.n_outputs
        e.k.turn(y, rows, e.n_outputs, targets + r * e.n_outputs, rows)


cdef void run_rows_chunk(Engine e, const batch *q, lane *a, Py_ssize_t index) noexcept nogil:
    cdef const real *x[MAX_CHUNK]
    cdef const real *next[MAX_CHUNK]
    cdef span s
    cdef layer *l = &e.layers[0]
    cdef bint turned = e.n_outputs > 1
    cdef panels p
    cdef panel_block d
    cdef Py_ssize_t after
    s.a = a
    s.first = 0
    s.start = index * q.chunk
    s.n = min(q.chunk, q.n_rows - s.start)
    s.chunk = s.rows = padded(s.n)
    p = panels_of(s.rows)
    point_at(q, s.start, s.n, s.rows, e.n_inputs, x)
    take_targets(e, q, &s)
    e.k.row_products(x, &p, e.n_inputs, turned_weights(e, a) if turned else q.parameters + l.w,
                     padded(e.n_inputs), q.parameters + l.b if l.b >= 0 else NULL, at(&s, l.h, l.n_out), l.n_out)
    activate(e, q, l, &s)
    if q.y != NULL:
        measure(e, &s)
    if q.backward:
        output_error(e, q, &s)
        after = min(s.start + s.n, q.n_rows - 1)
        point_at(q, after, min(s.n, q.n_rows - after), s.n, e.n_inputs, next)
        d.p, d.units = at(&s, l.delta, l.n_out), l.n_out
        e.k.row_gradient(x, next, s.n, &p, e.n_inputs, d.p, l.n_out, a.written, turned_gradient(e, a),
                         padded(e.n_inputs))
        if l.b >= 0:
            e.k.dots(&p, &d, NULL, a.written, a.gradient + l.b, l.n_out, 1)
        a.written = True
    if q.out != NULL:
        scatter(e, q, &s)

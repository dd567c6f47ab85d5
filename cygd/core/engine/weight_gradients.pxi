# Gradients of the weights, over a whole chunk at once, and for few rows what follows from them.
#
# Where a batch is a single chunk on a single thread, its gradient is complete strip by strip: each strip of a
# wide layer's weights is then updated at once, and its gradient never leaves the cache. With few rows the way
# to the weights is what counts, so the error terms below come from the same strip, just before its update.

cdef struct factors:
    panels p                        # the chunk's
    panel_block x, d                # what comes in and the error terms: x d^T is the gradient


cdef inline Py_ssize_t strip_of(const layer *l, const span *s) noexcept nogil:
    """Return for how many inputs the weight gradient is computed in one go."""
    if not few_rows(l, s):
        return STRIP
    return max(WIDTH, STRIP_BYTES // (l.n_out * <Py_ssize_t> sizeof(real)) // WIDTH * WIDTH)


cdef inline void find_factors(Engine e, const batch *q, const span *s, Py_ssize_t index,
                              factors *f) noexcept nogil:
    """Find the blocks of which a layer's weight gradient is the product."""
    cdef layer *l = &e.layers[index]
    cdef layer *under = &e.layers[index - 1] if index else NULL
    f.x.units, f.x.first = l.n_in, 0
    f.x.p = s.a.memory + (e.x if not index else under.out if q.training else under.y_hat) * s.chunk
    f.d.units, f.d.first = padded(l.n_out) if l.wide else l.n_out, 0
    f.d.p = s.a.memory + (l.turned if l.wide else l.delta) * s.chunk


cdef inline real *gradient_from(const lane *a, Py_ssize_t start) noexcept nogil:
    """Return where the gradient of a range goes: all to one place where it is used up at once."""
    return a.gradient if a.updated != NULL else a.gradient + start


cdef inline void follow(Engine e, Updater u, const lane *a, Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """Penalties and update of a range whose gradient is complete, before the next takes its place."""
    if a.updated != NULL:
        add_penalties(e, a.updated, a.gradient, start, start + n)
        u.apply(a.updated, a.gradient, start, start + n)


cdef inline void strip_gradient(Engine e, Updater u, const lane *a, const layer *l, factors *f,
                                Py_ssize_t i, Py_ssize_t m) noexcept nogil:
    """dE/dw_ij += sum_r x_ir delta_jr, of the m inputs from i on of a wide layer."""
    cdef Py_ssize_t start = l.w + i * l.n_out
    f.x.first = i
    e.k.outer(&f.p, &f.x, &f.d, a.written, gradient_from(a, start), m, l.n_out)
    follow(e, u, a, start, m * l.n_out)


cdef inline void bias_gradient(Engine e, Updater u, const lane *a, const layer *l, factors *f) noexcept nogil:
    """dE/db_j += sum_r delta_jr."""
    if l.b < 0:
        return
    if l.wide:
        e.k.outer_ones(&f.p, &f.d, a.written, gradient_from(a, l.b), l.n_out)
    else:
        e.k.dots(&f.p, &f.d, NULL, a.written, gradient_from(a, l.b), l.n_out, 1)
    follow(e, u, a, l.b, l.n_out)


cdef void few_errors(Engine e, Updater u, const batch *q, const span *s, Py_ssize_t index,
                     real *g) noexcept nogil:
    """g = W delta for few rows: strip by strip, each updated while it is in cache where it may be."""
    cdef layer *l = &e.layers[index]
    cdef factors f
    cdef const real *w = q.parameters + l.w
    cdef Py_ssize_t i, m, strip = strip_of(l, s) if s.a.updated != NULL else l.n_in
    f.p = panels_of(s.chunk, s.chunk - s.n)
    find_factors(e, q, s, index, &f)
    for i from 0 <= i < l.n_in by strip:
        m = min(l.n_in - i, strip)
        e.k.few_errors(w + i * l.n_out, f.d.p, s.n, g + i * WIDTH, m, l.n_out)
        if s.a.updated != NULL:
            strip_gradient(e, u, s.a, l, &f, i, m)
    if s.a.updated != NULL:
        bias_gradient(e, u, s.a, l, &f)


cdef void weight_gradients(Engine e, Updater u, const batch *q, const span *s, Py_ssize_t start,
                           Py_ssize_t n) noexcept nogil:
    """The gradient of every layer, over the chunk, but for what is done on the way back."""
    cdef lane *a = s.a
    cdef layer *l
    cdef factors f
    cdef Py_ssize_t index, i, m, strip
    f.p = panels_of(s.chunk, s.chunk - n)
    for index in range(e.n_layers):
        l = &e.layers[index]
        if index and a.updated != NULL and few_rows(l, s):
            continue
        find_factors(e, q, s, index, &f)
        if l.wide:
            strip = strip_of(l, s)
            for i from 0 <= i < l.n_in by strip:
                m = min(l.n_in - i, strip)
                strip_gradient(e, u, a, l, &f, i, m)
                if not index and q.training:
                    fetch(e, q, start, s.chunk, i, m)
        else:
            e.k.dots(&f.p, &f.x, &f.d, a.written, gradient_from(a, l.w), l.n_in, l.n_out)
            follow(e, u, a, l.w, l.n_in * l.n_out)
        bias_gradient(e, u, a, l, &f)
    a.written = True


cdef void fetch(Engine e, const batch *q, Py_ssize_t start, Py_ssize_t n, Py_ssize_t i,
                Py_ssize_t m) noexcept nogil:
    """Ask for m inputs, from i on, of the rows that the next batch has in the place of these.

    They come from memory, and what turns them into blocks would wait for every line.
    """
    cdef Py_ssize_t r, column
    if n * e.n_inputs * <Py_ssize_t> sizeof(real) > FETCH_BYTES:
        return
    for r from q.n_rows + start <= r < min(q.n_rows + start + n, q.total - q.first):
        for column from i <= column < i + m by WIDTH:
            fetch_line(q.x + row_of(q, r) * e.n_inputs + column, False)

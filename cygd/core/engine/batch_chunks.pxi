# One chunk of rows: into blocks, forward, loss, backward, out.
#
# A chunk is cut into panels of PANEL rows or fewer, a multiple of WIDTH. A block of a chunk is a row of
# panels, each of units x (rows of the panel), so what works element by element does not see them. A span of
# a panel or two goes through all layers and back while it is in cache, and leaves the error terms of every
# layer behind; from them come the weight gradients, over the whole chunk at once. Where a component is
# Python, the span is the chunk: a call costs more than a trip to L2.

# Part of a chunk on its way through the network.
cdef struct span:
    lane *a
    Py_ssize_t chunk            # rows of the whole chunk, with padding
    Py_ssize_t first, rows      # the span's rows in it: whole panels
    Py_ssize_t start, n         # the batch's first row in the span, and how many there are
    Py_ssize_t panel            # rows of a panel


cdef inline real *at(const span *s, Py_ssize_t offset, Py_ssize_t units) noexcept nogil:
    """Return where the span begins in a block of so many units."""
    return s.a.memory + offset * s.chunk + units * s.first


cdef inline real *scratch(const span *s, Py_ssize_t offset) noexcept nogil:
    """Return the beginning of a block that only lives as long as the span: the same for every span."""
    return s.a.memory + offset * s.chunk


cdef inline Py_ssize_t panel_rows(const span *s, Py_ssize_t r) noexcept nogil:
    """Return the rows of the panel that begins at row r of the span."""
    return min(s.rows - r, s.panel)


cdef inline panels panels_of(Py_ssize_t rows, Py_ssize_t padding) noexcept nogil:
    """Return how so many rows, padding among them, are cut into panels."""
    cdef panels p
    p.n = (rows + PANEL - 1) // PANEL
    p.width = min(rows, <Py_ssize_t> PANEL)
    p.last = rows - (p.n - 1) * PANEL
    p.filled = p.last - padding
    return p


cdef inline bint few_rows(const layer *l, const span *s) noexcept nogil:
    """Return whether vectors of a wide layer had better lie along its units: most of the rows are padding."""
    return s.chunk == WIDTH and s.n <= FEW_ROWS and l.wide and l.n_in * l.n_out >= FEW_ROWS_LAYER


cdef void gather(Engine e, const batch *q, const span *s) noexcept nogil:
    """Turn rows of a batch into blocks; the padding repeats the last row.

    Padded rows have the weight 0, so they add 0 to every sum.
    """
    cdef const real *x[PANEL]
    cdef const real *y[PANEL]
    cdef real *weight = at(s, e.weight, 1)
    cdef Py_ssize_t r, i, row, rows
    for r from 0 <= r < s.rows by s.panel:
        rows = panel_rows(s, r)
        for i in range(rows):
            row = row_of(q, s.start + min(r + i, s.n - 1))
            x[i] = q.x + row * e.n_inputs
            if q.y != NULL:
                y[i] = q.y + row * e.n_outputs
            weight[r + i] = 0 if r + i >= s.n else q.weight[row] if q.weight != NULL else 1
        e.k.turn(x, rows, e.n_inputs, at(s, e.x, e.n_inputs) + r * e.n_inputs, rows)
        if q.y != NULL:
            e.k.turn(y, rows, e.n_outputs, at(s, e.y, e.n_outputs) + r * e.n_outputs, rows)


cdef inline void *present(const batch *q, const layer *l, formula_data *own) noexcept nogil:
    """Return a layer's data; of a formula whose parameters are trained, a copy with their present values."""
    cdef int k
    if not l.n_trained:
        return l.data
    own[0] = (<formula_data *> l.data)[0]
    for k in range(l.n_trained):
        own.uniforms[k] = q.parameters[l.a + k]
    return own


cdef void activate(Engine e, const batch *q, const layer *l, const span *s) noexcept nogil:
    """y_hat = f(h)."""
    cdef real *h = at(s, l.h, l.n_out)
    cdef real *y_hat = at(s, l.y_hat, l.n_out)
    cdef formula_data own
    cdef Py_ssize_t r
    if l.f_rows != NULL:
        for r from 0 <= r < s.rows by s.panel:
            l.f_rows(h + r * l.n_out, y_hat + r * l.n_out, l.n_out, panel_rows(s, r), l.data)
    elif q.backward and l.both != NULL:
        l.both(h, y_hat, h, l.n_out * s.rows, l.data)
    else:
        l.f(h, y_hat, l.n_out * s.rows, present(q, l, &own))


cdef void forward(Engine e, const batch *q, const span *s) noexcept nogil:
    """h = W^T x + b and y_hat = f(h), layer by layer."""
    cdef const real *below = at(s, e.x, e.n_inputs)
    cdef const real *bias
    cdef real *h
    cdef real *y_hat
    cdef layer *l
    cdef panels p = panels_of(s.rows, s.rows - s.n)
    cdef panel_block x
    cdef Py_ssize_t index
    for index in range(e.n_layers):
        l = &e.layers[index]
        h, y_hat = at(s, l.h, l.n_out), at(s, l.y_hat, l.n_out)
        bias = q.parameters + l.b if l.b >= 0 else NULL
        x.p, x.units, x.first = below, l.n_in, 0
        if few_rows(l, s):
            few_net_inputs(e, l, s, below, q.parameters + l.w, bias)
        else:
            e.k.panel_product(q.parameters + l.w, 1, l.n_out, &p, &x, bias, h, l.n_out, l.n_in)
        activate(e, q, l, s)
        below = y_hat
        if q.training and l.keep < 1:
            drop(e, q, l, <int> index, s)
            below = at(s, l.out, l.n_out)


cdef void few_net_inputs(Engine e, const layer *l, const span *s, const real *x, const real *w,
                         const real *bias) noexcept nogil:
    """h of few rows: computed with the units for vector axis, then turned."""
    cdef real *by_rows = scratch(s, e.g)
    cdef const real *rows[WIDTH]
    cdef Py_ssize_t r
    e.k.few_net_inputs(x, s.n, w, bias, by_rows, l.n_out, l.n_in)
    for r in range(WIDTH):
        rows[r] = by_rows + min(r, s.n - 1) * l.n_out
    e.k.turn(rows, WIDTH, l.n_out, at(s, l.h, l.n_out), WIDTH)


cdef void drop(Engine e, const batch *q, const layer *l, int index, const span *s) noexcept nogil:
    """Inverted dropout: out = y_hat * mask, the mask 0 or 1 / keep (Srivastava et al. 2014).

    The word of a unit is counted by its row's position in the batch, so that the mask depends on
    neither chunks nor threads.
    """
    cdef real *mask = at(s, l.mask, l.n_out)
    cdef real *panel
    cdef real kept = <real> (1 / l.keep)
    cdef uint64_t limit = <uint64_t> (l.keep * 4294967296.0)
    cdef Py_ssize_t r, i, j, rows, words = (l.n_out + 3) // 4 * 4
    cdef stream words_of = open_stream(q.seed, DROPOUT, index, q.step)
    words_of.position = s.start * words
    for r from 0 <= r < s.rows by s.panel:
        rows = panel_rows(s, r)
        panel = mask + r * l.n_out
        for i in range(rows):
            for j in range(words):
                if next_word(&words_of) < limit:
                    if j < l.n_out:
                        panel[j * rows + i] = kept
                elif j < l.n_out:
                    panel[j * rows + i] = 0
    e.k.multiply(at(s, l.y_hat, l.n_out), mask, at(s, l.out, l.n_out), l.n_out * s.rows)


cdef void measure(Engine e, const span *s) noexcept nogil:
    """Add sum_r weight_r l(y_r, y_hat_r) to the lane's loss."""
    cdef layer *l = &e.layers[e.n_layers - 1]
    cdef real *y = at(s, e.y, l.n_out)
    cdef real *values = scratch(s, e.values)
    cdef Py_ssize_t r, k, rows
    if e.joint == NULL:
        e.loss(y, at(s, l.y_hat, l.n_out), values, l.n_out * s.rows, e.loss_data)
    for r from 0 <= r < s.rows by s.panel:
        rows, k = panel_rows(s, r), r * l.n_out
        if e.joint != NULL:
            e.joint(at(s, l.h, l.n_out) + k, y + k, values + k, l.n_out, rows, e.loss_data)
        s.a.loss += e.k.weighted_sum(values + k, at(s, e.weight, 1) + r, l.n_out, rows)


cdef void output_error(Engine e, const batch *q, const span *s) noexcept nogil:
    """dE/dh of the output layer, which is -delta: the gradient's own sign from here on."""
    cdef layer *l = &e.layers[e.n_layers - 1]
    cdef real *y = at(s, e.y, l.n_out)
    cdef real *y_hat = at(s, l.y_hat, l.n_out)
    cdef real *delta = at(s, l.delta, l.n_out)
    cdef real *g = scratch(s, e.g)
    cdef real *signed = at(s, e.signed, 1)
    cdef double scale = -q.scale if e.joint != NULL else q.scale
    cdef Py_ssize_t r, k
    e.k.scale(scale, at(s, e.weight, 1), signed, s.rows)
    if e.joint == NULL:
        e.loss_prime(y, y_hat, g, l.n_out * s.rows, e.loss_data)
        if l.n_trained:             # their gradient is a sum over weighted rows
            scale_panels(e, s, g, signed, l.n_out)
        through(e, q, l, s, g, delta)
    else:
        for r from 0 <= r < s.rows by s.panel:
            k = r * l.n_out
            e.joint_prime(y + k, y_hat + k, delta + k, l.n_out, panel_rows(s, r), e.loss_data)
    if not l.n_trained:
        scale_panels(e, s, delta, signed, l.n_out)


cdef void scale_panels(Engine e, const span *s, real *delta, const real *factors,
                       Py_ssize_t units) noexcept nogil:
    """delta_jr *= factor_r."""
    cdef Py_ssize_t r
    for r from 0 <= r < s.rows by s.panel:
        e.k.scale_rows(delta + r * units, factors + r, delta + r * units, units, panel_rows(s, r))


cdef void through(Engine e, const batch *q, const layer *l, const span *s, const real *g,
                  real *delta) noexcept nogil:
    """dE/dh from g = dE/dy_hat: times f'(h), or through the rows' Jacobian. It takes the place of h."""
    cdef real *h = at(s, l.h, l.n_out)
    cdef real *y_hat = at(s, l.y_hat, l.n_out)
    cdef real *slope = scratch(s, e.slope)
    cdef Py_ssize_t n = l.n_out * s.rows, r, k
    if l.backward_rows != NULL:
        for r from 0 <= r < s.rows by s.panel:
            k = r * l.n_out
            l.backward_rows(h + k, y_hat + k, g + k, slope + k, l.n_out, panel_rows(s, r), l.data)
        memcpy(delta, slope, n * sizeof(real))
    elif l.both != NULL:            # forward has left f'(h) in the place of h
        e.k.multiply(g, h, delta, n)
    elif l.n_trained:
        train_parameters(e, q, l, s, g, slope)
        e.k.multiply(g, slope, delta, n)
    else:
        l.df(h, y_hat, slope, n, l.data)
        e.k.multiply(g, slope, delta, n)


cdef void train_parameters(Engine e, const batch *q, const layer *l, const span *s, const real *g,
                           real *slope) noexcept nogil:
    """dE/dp += sum over rows and units of g df/dp, g = dE/dy_hat, for each trainable p; and f'(h)."""
    cdef formula_data own
    cdef const real *inputs[2]
    cdef real *outputs[1 + MAX_UNIFORMS]
    cdef Py_ssize_t n = l.n_out * s.rows
    cdef int k
    present(q, l, &own)
    inputs[0], inputs[1] = at(s, l.h, l.n_out), at(s, l.y_hat, l.n_out)
    outputs[0] = slope
    for k in range(l.n_trained):
        outputs[1 + k] = scratch(s, e.sensitivity) + k * n
    run_program(own.gradient, inputs, outputs, own.uniforms, n)
    for k in range(l.n_trained):
        e.k.dot(g, outputs[1 + k], s.a.written or s.first > 0, s.a.gradient + l.a + k, n)


cdef void backward(Engine e, Updater u, const batch *q, const span *s) noexcept nogil:
    """Leave the error terms of every layer in its block, from the last layer to the first."""
    cdef real *delta
    cdef real *g = scratch(s, e.g)
    cdef layer *l
    cdef layer *under
    cdef panels p = panels_of(s.rows, s.rows - s.n)
    cdef panel_block d
    cdef Py_ssize_t index
    output_error(e, q, s)
    delta = at(s, e.layers[e.n_layers - 1].delta, e.n_outputs)
    for index in range(e.n_layers - 1, -1, -1):
        l = &e.layers[index]
        turn_error(e, l, s, delta)
        if not index:
            break
        # dE/dy_hat_i = sum_j w_ij dE/dh_j
        under = &e.layers[index - 1]
        d.p, d.units, d.first = delta, l.n_out, 0
        if few_rows(l, s):
            few_errors(e, u, q, s, index, g)
        else:
            e.k.panel_product(q.parameters + l.w, l.n_out, 1, &p, &d, NULL, g, l.n_in, l.n_out)
        if q.training and under.keep < 1:
            e.k.multiply(g, at(s, under.mask, l.n_in), g, l.n_in * s.rows)
        delta = at(s, under.delta, l.n_in)
        through(e, q, under, s, g, delta)


cdef void turn_error(Engine e, const layer *l, const span *s, const real *delta) noexcept nogil:
    """Turn the error terms of a wide layer into blocks of rows x PANEL units, for its weight gradient."""
    cdef const real *units[PANEL]
    cdef real *out = at(s, l.turned, padded(l.n_out))
    cdef Py_ssize_t r, i, j, rows, wide
    if not l.wide:
        return
    for r from 0 <= r < s.rows by s.panel:
        rows = panel_rows(s, r)
        for j from 0 <= j < l.n_out by PANEL:
            wide = min(l.n_out - j, <Py_ssize_t> PANEL)
            for i in range(wide):
                units[i] = delta + r * l.n_out + (j + i) * rows
            e.k.turn(units, wide, rows, out + r * padded(l.n_out) + j * rows, padded(wide))


cdef void scatter(Engine e, const batch *q, const span *s) noexcept nogil:
    """Write a span's predictions, row by row."""
    cdef real *y_hat = at(s, e.layers[e.n_layers - 1].y_hat, e.n_outputs)
    cdef Py_ssize_t r, i, j, rows
    for r from 0 <= r < s.n by s.panel:
        rows = panel_rows(s, r)
        for i in range(min(rows, s.n - r)):
            for j in range(e.n_outputs):
                q.out[(s.start + r + i) * e.n_outputs + j] = y_hat[r * e.n_outputs + j * rows + i]


cdef void run_chunk(Engine e, Updater u, const batch *q, lane *a, Py_ssize_t index) noexcept nogil:
    cdef span s
    cdef Py_ssize_t start = index * q.chunk
    cdef Py_ssize_t n = min(q.chunk, q.n_rows - start)
    s.a = a
    s.chunk = padded(n)
    s.first = 0
    s.panel = PANEL
    while s.first < s.chunk:
        s.rows = min(s.chunk - s.first, e.span * <Py_ssize_t> PANEL)
        s.start = start + s.first
        s.n = min(s.rows, n - s.first)
        gather(e, q, &s)
        forward(e, q, &s)
        if q.y != NULL:
            measure(e, &s)
        if q.backward:
            backward(e, u, q, &s)
        if q.out != NULL:
            scatter(e, q, &s)
        s.first += s.rows
    if q.backward:
        weight_gradients(e, u, q, &s, start, n)

# Epochs of batches of one row: a row has no rows beside it to fill a vector with, so vectors run along the
# units or the inputs, and nothing is turned or padded row by row.
#
# A single unit goes through `train_unit` (kernels/per_sample_epoch.pxi) in runs of RUN rows. Any other network is
# trained on a copy of its parameters whose rows are whole lines (kernels/gemv.pxi): a layer lies with a row
# per input or a row per output, whichever pads less, and goes back after the epoch. Plain gradient descent
# updates w in the pass that propagates the error back; every other optimizer is given the gradient, laid out
# alike, with its state. Blocks of one row are padded with zeros, and so stay the lines: what activations
# and losses make of the padding is never read. Whether an epoch runs here depends on network and options
# alone.

# what a row counts ----------------------------------------------------------------------------------

cdef inline double weight_of_row(const batch *q, Py_ssize_t row) noexcept nogil:
    return q.weight[row] if q.weight != NULL else 1


cdef inline double row_scale(Engine e, double weight) noexcept nogil:
    """The factor of a row's gradient: as a batch, it is its own mean."""
    if e.reduction == SUM:
        return weight
    if weight == 0:
        return 0
    return 1.0 / e.n_outputs if e.reduction == MEAN else 1


# one unit -------------------------------------------------------------------------------------------

cdef struct unit_call:              # of a unit whose activation or loss is not among the kernels' own
    plan *p
    layer *l
    loss_block_t loss_prime
    joint_delta_t joint_prime
    void *loss_data
    const real *y


cdef real pull(void *data, Py_ssize_t row, real h, real *out) noexcept nogil:
    """-dl/dh of a row, through blocks of one line."""
    cdef unit_call *c = <unit_call *> data
    cdef plan *p = c.p
    cdef lines *a = p.layers
    cdef real *hs = p.memory + a.h
    cdef real *y_hat = p.memory + a.y_hat
    cdef real *error = p.memory + p.error
    cdef real *slope = p.memory + p.slope
    cdef real *y = p.memory + p.x           # the inputs have no other place to go through here
    hs[0], y[0] = h, c.y[row]
    if c.l.both != NULL:
        c.l.both(hs, y_hat, slope, WIDTH, c.l.data)
    else:
        c.l.f(hs, y_hat, WIDTH, c.l.data)
        if c.joint_prime == NULL:
            c.l.df(hs, y_hat, slope, WIDTH, c.l.data)
    out[0] = y_hat[0]
    if c.joint_prime != NULL:
        c.joint_prime(y, y_hat, error, 1, WIDTH, c.loss_data)
        return error[0]
    c.loss_prime(y, y_hat, error, WIDTH, c.loss_data)
    return -error[0] * slope[0]


cdef void run_unit(Engine e, job *j) noexcept nogil:
    """Train a single unit on every row in order, RUN rows at a time."""
    cdef plan *p = j.samples
    cdef batch *q = &j.q
    cdef const real *x[RUN + UNIT_AHEAD]
    cdef real *y = p.memory + p.y
    cdef real *values = p.memory + p.values
    cdef real *step = p.w
    cdef real *weight = step + RUN
    cdef real *h = weight + RUN
    cdef real *y_hat = h + RUN
    cdef Py_ssize_t first, row, r, n
    cdef double w, rate = j.learning_rate * p.factor
    cdef unit_call call
    cdef unit_rows u
    call.p, call.l, call.y = p, e.layers, y
    call.loss_prime, call.joint_prime, call.loss_data = e.loss_prime, e.joint_prime, e.loss_data
    u.d, u.x, u.y, u.step, u.h, u.y_hat = e.n_inputs, x, y, step, h, y_hat
    u.w = j.parameters + e.layers[0].w
    u.b = j.parameters + e.layers[0].b if e.layers[0].b >= 0 else NULL
    u.memory, u.pull, u.data = p.g, pull, &call
    for r in range(RUN):
        weight[r], step[r] = 1, <real> (rate * row_scale(e, 1))
    for first from 0 <= first < j.n_rows by RUN:
        n = min(<Py_ssize_t> RUN, j.n_rows - first)
        for r in range(n):
            row = row_of(q, first + r)
            x[r], y[r] = q.x + row * e.n_inputs, q.y[row]
        for r in range(n, n + UNIT_AHEAD):
            x[r] = q.x + row_of(q, min(first + r, j.n_rows - 1)) * e.n_inputs
        if q.weight != NULL:
            for r in range(n):
                w = weight_of_row(q, row_of(q, first + r))
                weight[r], step[r] = <real> w, <real> (rate * row_scale(e, w))
                j.weight += w
        else:
            j.weight += n
        u.n = n
        e.k.train_unit(p.kind, &u)
        for r in range(n, padded(n)):       # weight 0: the padding repeats the last row
            y[r], h[r], y_hat[r], weight[r] = y[n - 1], h[n - 1], y_hat[n - 1], 0
        if e.joint != NULL:
            e.joint(h, y, values, 1, padded(n), e.loss_data)
        else:
            e.loss(y, y_hat, values, padded(n), e.loss_data)
        j.loss += e.k.weighted_sum(values, weight, 1, padded(n))
        poll(e, j)
        if j.status != GOES_ON:
            return
    if e.reduction == SUM:
        j.weight = 0


# any network ----------------------------------------------------------------------------------------

cdef void copy_lines(Engine e, plan *p, real *flat, real *on_lines, bint back) noexcept nogil:
    """Copy a flat vector onto lines, or back."""
    cdef Py_ssize_t index, i, j, k, at
    cdef lines *a
    cdef layer *l
    for index in range(e.n_layers):
        l, a = &e.layers[index], &p.layers[index]
        for i in range(l.n_in):
            for j in range(l.n_out):
                k = l.w + i * l.n_out + j
                at = a.w + (j * a.n + i if a.by_output else i * a.n + j)
                if back:
                    flat[k] = on_lines[at]
                else:
                    on_lines[at] = flat[k]
        if l.b >= 0 and back:
            memcpy(flat + l.b, on_lines + a.b, l.n_out * sizeof(real))
        elif l.b >= 0:
            memcpy(on_lines + a.b, flat + l.b, l.n_out * sizeof(real))


cdef inline void clear_padding(real *p, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n, padded(n)):
        p[i] = 0


cdef inline Py_ssize_t vector_rows(Engine e) noexcept nogil:
    """Rows of a block for what looks at whole rows: one vector of them."""
    return e.k.vector_bytes // <Py_ssize_t> sizeof(real)


cdef void sample_forward(Engine e, job *j, plan *p) noexcept nogil:
    """h = W^T x + b and y_hat = f(h), layer by layer."""
    cdef real *below = p.memory + p.x
    cdef real *h
    cdef real *y_hat
    cdef const real *bias
    cdef layer *l
    cdef lines *a
    cdef Py_ssize_t index
    for index in range(e.n_layers):
        l, a = &e.layers[index], &p.layers[index]
        h, y_hat = p.memory + a.h, p.memory + a.y_hat
        bias = p.w + a.b if a.b >= 0 else NULL
        if a.by_output:
            e.k.line_products(p.w + a.w, below, bias, h, a.m, a.n)
        else:
            e.k.combine_lines(p.w + a.w, below, bias, h, a.m, a.n)
        if l.f_rows != NULL:
            spread(h, p.rows[0], l.n_out, vector_rows(e))
            l.f_rows(p.rows[0], p.rows[1], l.n_out, vector_rows(e), l.data)
            collect(p.rows[1], y_hat, l.n_out, vector_rows(e))
        elif l.both != NULL:
            l.both(h, y_hat, h, padded(l.n_out), l.data)
        else:
            l.f(h, y_hat, padded(l.n_out), l.data)
        clear_padding(y_hat, l.n_out)
        if l.keep < 1:
            draw_mask(&j.q, l, <int> index, p.memory + a.mask)
            e.k.multiply(y_hat, p.memory + a.mask, p.memory + a.out, l.n_out)
        below = p.memory + a.out


cdef void draw_mask(const batch *q, const layer *l, int index, real *mask) noexcept nogil:
    """Draw what `drop` draws for the first row of a batch."""
    cdef real kept = <real> (1 / l.keep)
    cdef uint64_t limit = <uint64_t> (l.keep * 4294967296.0)
    cdef Py_ssize_t j
    cdef stream s = open_stream(q.seed, DROPOUT, index, q.step)
    for j in range(l.n_out):
        mask[j] = kept if next_word(&s) < limit else 0


cdef inline void spread(const real *row, real *block, Py_ssize_t units, Py_ssize_t rows) noexcept nogil:
    """Put a row into the first of a block's rows."""
    cdef Py_ssize_t i
    for i in range(units):
        block[i * rows] = row[i]


cdef inline void collect(const real *block, real *row, Py_ssize_t units, Py_ssize_t rows) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(units):
        row[i] = block[i * rows]


cdef double sample_loss(Engine e, plan *p) noexcept nogil:
    """Return the sum of the loss over a row's outputs."""
    cdef layer *l = &e.layers[e.n_layers - 1]
    cdef lines *a = &p.layers[e.n_layers - 1]
    cdef real *y = p.memory + p.y
    cdef real *values = p.memory + p.values
    cdef Py_ssize_t i, rows = vector_rows(e)
    cdef double total = 0
    if e.joint != NULL and l.f_rows != NULL:
        spread(p.memory + a.h, p.rows[0], l.n_out, rows)
        spread(y, p.rows[1], l.n_out, rows)
        e.joint(p.rows[0], p.rows[1], p.rows[2], l.n_out, rows, e.loss_data)
        collect(p.rows[2], values, l.n_out, rows)
    elif e.joint != NULL:
        e.joint(p.memory + a.h, y, values, 1, padded(l.n_out), e.loss_data)
    else:
        e.loss(y, p.memory + a.y_hat, values, padded(l.n_out), e.loss_data)
    for i in range(l.n_out):
        total += values[i]
    return total


cdef void sample_error(Engine e, plan *p) noexcept nogil:
    """dl/dh of the output layer."""
    cdef layer *l = &e.layers[e.n_layers - 1]
    cdef lines *a = &p.layers[e.n_layers - 1]
    cdef real *y = p.memory + p.y
    cdef real *y_hat = p.memory + a.y_hat
    cdef real *error = p.memory + p.error
    cdef Py_ssize_t rows = vector_rows(e)
    if e.joint == NULL:
        e.loss_prime(y, y_hat, error, padded(l.n_out), e.loss_data)
        sample_through(e, p, e.n_layers - 1)
        return
    if l.f_rows != NULL:
        spread(y, p.rows[0], l.n_out, rows)
        spread(y_hat, p.rows[1], l.n_out, rows)
        e.joint_prime(p.rows[0], p.rows[1], p.rows[2], l.n_out, rows, e.loss_data)
        collect(p.rows[2], error, l.n_out, rows)
    else:
        e.joint_prime(y, y_hat, error, 1, padded(l.n_out), e.loss_data)
    e.k.scale(-1, error, p.memory + a.delta, l.n_out)


cdef void sample_through(Engine e, plan *p, Py_ssize_t index) noexcept nogil:
    """dl/dh of a layer from dl/dy_hat."""
    cdef layer *l = &e.layers[index]
    cdef lines *a = &p.layers[index]
    cdef real *h = p.memory + a.h
    cdef real *error = p.memory + p.error
    cdef real *slope = p.memory + p.slope
    cdef real *delta = p.memory + a.delta
    cdef Py_ssize_t rows = vector_rows(e)
    if l.backward_rows != NULL:
        spread(p.memory + a.y_hat, p.rows[0], l.n_out, rows)
        spread(error, p.rows[1], l.n_out, rows)
        l.backward_rows(p.rows[0], p.rows[0], p.rows[1], p.rows[2], l.n_out, rows, l.data)
        collect(p.rows[2], delta, l.n_out, rows)
    elif l.both != NULL:            # forward has left f'(h) in the place of h
        e.k.multiply(error, h, delta, l.n_out)
    else:
        l.df(h, p.memory + a.y_hat, slope, padded(l.n_out), l.data)
        e.k.multiply(error, slope, delta, l.n_out)


cdef void sample_backward(Engine e, plan *p, real rate) noexcept nogil:
    """From the last layer to the first: the error of the layer below, and the update or the gradient.

    `rate` is what dl/dw is multiplied by: into w, or into the gradient.
    """
    cdef real *error = p.memory + p.error
    cdef real *to = p.w if p.fused else p.g
    cdef real *below
    cdef real *delta
    cdef real *rows_of
    cdef real *of_rows
    cdef layer *l
    cdef lines *a
    cdef Py_ssize_t index
    sample_error(e, p)
    for index in range(e.n_layers - 1, -1, -1):
        l, a = &e.layers[index], &p.layers[index]
        delta = p.memory + a.delta
        below = p.memory + (p.layers[index - 1].out if index else p.x)
        # dl/dw is an outer product; its rows are as long as those of w
        rows_of, of_rows = (below, delta) if a.by_output else (delta, below)
        if index and p.fused:
            if a.by_output:
                e.k.combine_and_update(p.w + a.w, rows_of, of_rows, rate, error, a.m, a.n)
            else:
                e.k.dot_and_update(p.w + a.w, rows_of, of_rows, rate, error, a.m, a.n)
        else:
            if index and a.by_output:
                e.k.combine_lines(p.w + a.w, delta, NULL, error, a.m, a.n)
            elif index:
                e.k.line_products(p.w + a.w, delta, NULL, error, a.m, a.n)
            e.k.add_outer(rows_of, of_rows, rate, p.fused, to + a.w, a.m, a.n)
        if a.b >= 0:
            e.k.add_outer(delta, p.memory + p.one, rate, p.fused, to + a.b, 1, padded(l.n_out))
        if index:
            if e.layers[index - 1].keep < 1:
                e.k.multiply(error, p.memory + p.layers[index - 1].mask, error, l.n_in)
            sample_through(e, p, index - 1)


cdef void sample_update(Engine e, Updater u, job *j, plan *p) noexcept nogil:
    """The step of an optimizer over lines, after penalties and clipping."""
    cdef layer *l
    cdef lines *a
    cdef Py_ssize_t index
    cdef double factor
    for index in range(e.n_layers):
        l, a = &e.layers[index], &p.layers[index]
        if l.l1 or l.l2:
            e.k.penalty_gradient(p.w + a.w, l.l1, l.l2, p.g + a.w, a.m * a.n)
    if j.clip_value > 0:
        e.k.clip(j.clip_value, p.g, p.n)
    if j.clip_norm > 0:
        factor = j.clip_norm / (sqrt(e.k.square_sum(p.g, p.n)) + 1e-6)
        if factor < 1:
            e.k.scale(factor, p.g, p.g, p.n)
    u.prepare(j.learning_rate)
    u.f(p.w, p.g, p.state, p.n, u.s)


cdef void run_network(Engine e, Updater u, job *j) noexcept nogil:
    """Train on every row in order."""
    cdef plan *p = j.samples
    cdef batch *q = &j.q
    cdef Py_ssize_t position, row, i, every = max(1, min(<Py_ssize_t> RUN, <Py_ssize_t> (1e6 / e.flops)))
    cdef double weight, scale, share = 1.0 / e.n_outputs if e.reduction == MEAN else 1
    cdef int k
    copy_lines(e, p, j.parameters, p.w, False)
    for k in range(MAX_STATE):
        if p.state[k] != NULL:
            copy_lines(e, p, u.arrays[k], p.state[k], False)
    for position in range(j.n_rows):
        row = row_of(q, position)
        memcpy(p.memory + p.x, q.x + row * e.n_inputs, e.n_inputs * sizeof(real))
        memcpy(p.memory + p.y, q.y + row * e.n_outputs, e.n_outputs * sizeof(real))
        weight = weight_of_row(q, row)
        scale = row_scale(e, weight)
        sample_forward(e, j, p)
        j.loss += weight * sample_loss(e, p) * share
        if e.reduction != SUM:
            j.weight += weight
        sample_backward(e, p, <real> (-j.learning_rate * scale if p.fused else scale))
        if not p.fused:
            sample_update(e, u, j, p)
        q.step += 1
        if position % every == 0:
            poll(e, j)
            if j.status != GOES_ON:
                return
    copy_lines(e, p, j.parameters, p.w, True)
    for k in range(MAX_STATE):
        if p.state[k] != NULL:
            copy_lines(e, p, u.arrays[k], p.state[k], True)


cdef void run_samples(Engine e, Updater u, job *j) noexcept nogil:
    """One epoch of batches of one row, on the calling thread: every row needs the weights of the last."""
    j.q.first = 0
    if j.samples.unit:
        run_unit(e, j)
        j.q.step += j.n_rows
    else:
        run_network(e, u, j)
    if j.samples.fused:
        u.step += j.n_rows

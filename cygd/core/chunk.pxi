# One chunk of rows: into blocks, forward, loss, backward, out.
#
# Free functions of an engine and a lane, in the order in which `run_chunk` at the end calls them.

cdef inline void turn(const real *values, Py_ssize_t n, real *out, Py_ssize_t stride) noexcept nogil:
    """Write a row as a column."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i * stride] = values[i]


cdef void gather(Engine e, const batch *q, lane *a, Py_ssize_t start, Py_ssize_t n,
                 Py_ssize_t rows) noexcept nogil:
    """Turn rows start ... start + n of a batch into blocks; the padding repeats the last row.

    Padded rows have the weight 0, so they add 0 to every sum.
    """
    cdef real *weight = a.memory + e.weight * rows
    cdef Py_ssize_t r, row
    for r in range(rows):
        row = row_of(q, start + min(r, n - 1))
        turn(q.x + row * e.n_inputs, e.n_inputs, a.memory + e.x * rows + r, rows)
        if q.y != NULL:
            turn(q.y + row * e.n_outputs, e.n_outputs, a.memory + e.y * rows + r, rows)
        weight[r] = 0 if r >= n else q.weight[row] if q.weight != NULL else 1


cdef inline void *present(const batch *q, const layer *l, formula_data *own) noexcept nogil:
    """Return a layer's data; of a formula whose parameters are trained, a copy with their present values."""
    cdef int k
    if not l.n_trained:
        return l.data
    own[0] = (<formula_data *> l.data)[0]
    for k in range(l.n_trained):
        own.uniforms[k] = q.parameters[l.a + k]
    return own


cdef void forward(Engine e, const batch *q, lane *a, Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
    """h = W^T x + b and y_hat = f(h), layer by layer."""
    cdef const real *below = a.memory + e.x * rows
    cdef const real *bias
    cdef real *h
    cdef layer *l
    cdef formula_data own
    cdef Py_ssize_t index
    for index in range(e.n_layers):
        l = &e.layers[index]
        h = a.memory + l.h * rows
        bias = q.parameters + l.b if l.b >= 0 else NULL
        e.k.product(q.parameters + l.w, 1, l.n_out, below, rows, bias, False, h, rows,
                    l.n_out, rows, l.n_in)
        if l.f_rows != NULL:
            l.f_rows(h, a.memory + l.y_hat * rows, l.n_out, rows, l.data)
        elif q.backward and l.both != NULL:
            l.both(h, a.memory + l.y_hat * rows, h, l.n_out * rows, l.data)
        else:
            l.f(h, a.memory + l.y_hat * rows, l.n_out * rows, present(q, l, &own))
        below = a.memory + l.y_hat * rows
        if q.training and l.keep < 1:
            drop(e, q, l, <int> index, a, start, rows)
            below = a.memory + l.out * rows


cdef void drop(Engine e, const batch *q, const layer *l, int index, lane *a, Py_ssize_t start,
               Py_ssize_t rows) noexcept nogil:
    """Inverted dropout: out = y_hat * mask, the mask 0 or 1 / keep (Srivastava et al. 2014).

    The word of a unit is counted by its row's position in the batch, so that the mask depends on
    neither chunks nor threads.
    """
    cdef real *mask = a.memory + l.mask * rows
    cdef real kept = <real> (1 / l.keep)
    cdef uint64_t limit = <uint64_t> (l.keep * 4294967296.0)
    cdef Py_ssize_t r, j, words = (l.n_out + 3) // 4 * 4
    cdef stream s = open_stream(q.seed, DROPOUT, index, q.step)
    s.position = start * words
    for r in range(rows):
        for j in range(words):
            if next_word(&s) < limit:
                if j < l.n_out:
                    mask[j * rows + r] = kept
            elif j < l.n_out:
                mask[j * rows + r] = 0
    e.k.multiply(a.memory + l.y_hat * rows, mask, a.memory + l.out * rows, l.n_out * rows)


cdef void measure(Engine e, lane *a, Py_ssize_t rows) noexcept nogil:
    """Add sum_r weight_r l(y_r, y_hat_r) to the lane's loss."""
    cdef layer *l = &e.layers[e.n_layers - 1]
    cdef real *y = a.memory + e.y * rows
    cdef real *values = a.memory + e.values * rows
    if e.joint != NULL:
        e.joint(a.memory + l.h * rows, y, values, l.n_out, rows, e.loss_data)
    else:
        e.loss(y, a.memory + l.y_hat * rows, values, l.n_out * rows, e.loss_data)
    a.loss += e.k.weighted_sum(values, a.memory + e.weight * rows, l.n_out, rows)


cdef void output_error(Engine e, const batch *q, lane *a, Py_ssize_t rows) noexcept nogil:
    """dE/dh of the output layer, which is -delta: the gradient's own sign from here on."""
    cdef layer *l = &e.layers[e.n_layers - 1]
    cdef real *y = a.memory + e.y * rows
    cdef real *y_hat = a.memory + l.y_hat * rows
    cdef real *delta = a.memory + e.delta * rows
    cdef real *signed = a.memory + e.signed * rows
    cdef real *weight = a.memory + e.weight * rows
    cdef real scale = <real> (-q.scale if e.joint != NULL else q.scale)
    cdef Py_ssize_t r
    for r in range(rows):
        signed[r] = scale * weight[r]
    if e.joint != NULL:
        e.joint_prime(y, y_hat, delta, l.n_out, rows, e.loss_data)
    else:
        e.loss_prime(y, y_hat, delta, l.n_out * rows, e.loss_data)
        if l.n_trained:             # their gradient is a sum over weighted rows
            e.k.scale_rows(delta, signed, delta, l.n_out, rows)
        through(e, q, l, a, delta, rows)
    if not l.n_trained:
        e.k.scale_rows(delta, signed, delta, l.n_out, rows)


cdef void through(Engine e, const batch *q, const layer *l, lane *a, real *delta,
                  Py_ssize_t rows) noexcept nogil:
    """dE/dh from dE/dy_hat, in place: times f'(h), or through the rows' Jacobian."""
    cdef real *h = a.memory + l.h * rows
    cdef real *y_hat = a.memory + l.y_hat * rows
    cdef real *other = a.memory + e.delta_turned * rows
    if l.backward_rows != NULL:
        l.backward_rows(h, y_hat, delta, other, l.n_out, rows, l.data)
        memcpy(delta, other, l.n_out * rows * sizeof(real))
    elif l.both != NULL:            # forward has left f'(h) in the place of h
        e.k.multiply(delta, h, delta, l.n_out * rows)
    elif l.n_trained:
        train_parameters(e, q, l, a, delta, other, rows)
        e.k.multiply(delta, other, delta, l.n_out * rows)
    else:
        l.df(h, y_hat, other, l.n_out * rows, l.data)
        e.k.multiply(delta, other, delta, l.n_out * rows)


cdef void train_parameters(Engine e, const batch *q, const layer *l, lane *a, const real *g, real *slope,
                           Py_ssize_t rows) noexcept nogil:
    """dE/dp += sum over rows and units of g df/dp, g = dE/dy_hat, for each trainable p; and f'(h)."""
    cdef formula_data own
    cdef const real *inputs[2]
    cdef real *outputs[1 + MAX_UNIFORMS]
    cdef Py_ssize_t n = l.n_out * rows
    cdef int k
    present(q, l, &own)
    inputs[0], inputs[1] = a.memory + l.h * rows, a.memory + l.y_hat * rows
    outputs[0] = slope
    for k in range(l.n_trained):
        outputs[1 + k] = a.memory + e.sensitivity * rows + k * n
    run_program(own.gradient, inputs, outputs, own.uniforms, n)
    for k in range(l.n_trained):
        e.k.product_dot(g, n, outputs[1 + k], n, a.written, a.gradient + l.a + k, 1, 1, 1, n)


cdef void backward(Engine e, const batch *q, lane *a, Py_ssize_t rows) noexcept nogil:
    """Add the chunk's gradient to the lane's, from the last layer to the first."""
    cdef real *delta = a.memory + e.delta * rows
    cdef real *below = a.memory + e.delta_below * rows
    cdef layer *l
    cdef layer *under
    cdef Py_ssize_t index
    output_error(e, q, a, rows)
    for index in range(e.n_layers - 1, -1, -1):
        l = &e.layers[index]
        under = &e.layers[index - 1] if index else NULL
        weight_gradient(e, l, a, a.memory + (under.out if index and q.training else
                                             under.y_hat if index else e.x) * rows, delta, rows)
        if not index:
            break
        # dE/dy_hat_i = sum_j w_ij dE/dh_j
        e.k.product(q.parameters + l.w, l.n_out, 1, delta, rows, NULL, False, below, rows,
                    l.n_in, rows, l.n_out)
        if q.training and under.keep < 1:
            e.k.multiply(below, a.memory + under.mask * rows, below, l.n_in * rows)
        through(e, q, under, a, below, rows)
        delta, below = below, delta
    a.written = True


cdef void weight_gradient(Engine e, const layer *l, lane *a, const real *below, const real *delta,
                          Py_ssize_t rows) noexcept nogil:
    """dE/dw_ij += sum_r x_ir delta_jr and dE/db_j += sum_r delta_jr."""
    cdef real *turned = a.memory + e.delta_turned * rows
    cdef Py_ssize_t j, width = padded(l.n_out)
    if l.n_out < WIDTH:
        e.k.product_dot(below, rows, delta, rows, a.written, a.gradient + l.w, l.n_out,
                        l.n_in, l.n_out, rows)
    else:
        for j in range(l.n_out):
            turn(delta + j * rows, rows, turned + j, width)
        e.k.product(below, rows, 1, turned, width, NULL, a.written, a.gradient + l.w, l.n_out,
                    l.n_in, l.n_out, rows)
    if l.b >= 0:
        e.k.sum_rows(delta, rows, a.written, a.gradient + l.b, l.n_out, rows)


cdef void scatter(Engine e, const batch *q, lane *a, Py_ssize_t start, Py_ssize_t n,
                  Py_ssize_t rows) noexcept nogil:
    """Write a chunk's predictions, row by row."""
    cdef real *y_hat = a.memory + e.layers[e.n_layers - 1].y_hat * rows
    cdef Py_ssize_t r, j
    for r in range(n):
        for j in range(e.n_outputs):
            q.out[(start + r) * e.n_outputs + j] = y_hat[j * rows + r]


cdef void run_chunk(Engine e, const batch *q, lane *a, Py_ssize_t index) noexcept nogil:
    cdef Py_ssize_t start = index * q.chunk
    cdef Py_ssize_t n = min(q.chunk, q.n_rows - start)
    cdef Py_ssize_t rows = padded(n)
    gather(e, q, a, start, n, rows)
    forward(e, q, a, start, rows)
    if q.y != NULL:
        measure(e, a, rows)
    if q.backward:
        backward(e, q, a, rows)
    if q.out != NULL:
        scatter(e, q, a, start, n, rows)

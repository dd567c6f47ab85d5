# Networks of one layer with few outputs: one pass over x, which is read in place.
#
# The rows of a chunk stay in cache between the net inputs and the gradient, and the next chunk's rows are
# prefetched while both are computed. Activation and loss, in between, see blocks (units, rows) as in
# batch_chunks.pxi, of one panel. Rows are found by pointers, so shuffled batches and subsets are not copied.
#
# Rejected: transposing x into blocks as for other networks, which costs more than the arithmetic of a few
# outputs.

cdef enum:
    MAX_SINGLE_LAYER_OUTPUTS = 16           # beyond, a register tile over (units, rows) is as fast
    SINGLE_LAYER_CHUNK_BYTES = 20 * 1024    # of a chunk's rows of x: two thirds of a small L1


cdef bint uses_single_layer_path(Engine engine):
    """Return True if a network reads its rows in place; it depends on its shape and the dtype only.

    With several outputs and rows shorter than a vector, most of the vector would be empty.
    """
    return (engine.n_layers == 1 and engine.n_outputs <= MAX_SINGLE_LAYER_OUTPUTS
            and (engine.n_outputs == 1 or engine.n_inputs >= WIDTH) and engine.layers[0].keep_rate == 1)


cdef Py_ssize_t single_layer_chunk_rows(Engine engine) noexcept nogil:
    """Return how many rows of x stay in cache."""
    cdef Py_ssize_t most = SINGLE_LAYER_CHUNK_BYTES // (engine.n_inputs * <Py_ssize_t> sizeof(real))
    return min(max(most // WIDTH * WIDTH, <Py_ssize_t> WIDTH), MAX_CHUNK)


cdef inline real *packed_weights(Engine engine, const accumulator_t *accumulator) noexcept nogil:
    """Return the address of w as (outputs, inputs), after the accumulator's gradient."""
    return accumulator.gradient + padded(engine.n_parameters)


cdef inline real *packed_gradient(Engine engine, const accumulator_t *accumulator) noexcept nogil:
    """Return the address of dE/dw as (outputs, inputs)."""
    return packed_weights(engine, accumulator) + engine.n_outputs * padded(engine.n_inputs)


cdef void pack_layer(Engine engine, const batch_t *batch, accumulator_t *accumulator) noexcept nogil:
    """Pack the weights of several outputs, once per batch and accumulator."""
    if engine.n_outputs > 1:
        engine.kernels.pack_weights(batch.parameters + engine.layers[0].w, engine.n_inputs, engine.n_outputs,
                                    packed_weights(engine, accumulator), padded(engine.n_inputs))


cdef void unpack_gradient(Engine engine, const batch_t *batch, accumulator_t *accumulator) noexcept nogil:
    """Copy the packed gradient to its place in the accumulator's flat gradient."""
    cdef real *packed = packed_gradient(engine, accumulator)
    cdef real *flat = accumulator.gradient + engine.layers[0].w
    if not batch.backward or not accumulator.has_gradient:
        return
    if engine.n_outputs == 1:
        memcpy(flat, packed, engine.n_inputs * sizeof(real))
    else:
        engine.kernels.unpack_weights(packed, padded(engine.n_inputs), engine.n_inputs, engine.n_outputs,
                                      flat)


cdef void find_rows(const batch_t *batch, Py_ssize_t start, Py_ssize_t n, Py_ssize_t n_pointers,
                    const real *values, Py_ssize_t d, const real **rows) noexcept nogil:
    """Set pointers to the rows start ... start + n of a batch, and all further ones to the last of these."""
    cdef Py_ssize_t r
    if batch.rows == NULL:
        values += (batch.first + start) * d
        for r in range(n):
            rows[r] = values + r * d
    else:
        for r in range(n):
            rows[r] = values + row_index(batch, start + r) * d
    for r in range(n, n_pointers):
        rows[r] = rows[n - 1]


cdef void fill_rows(const batch_t *batch, const span_t *span, const real *filler,
                    const real **rows) noexcept nogil:
    """For a gradient, replace the pointers to rows of weight 0, as pack_rows does."""
    cdef Py_ssize_t r
    if batch.backward and batch.weight != NULL:
        for r in range(span.rows):
            if batch.weight[row_index(batch, span.start + min(r, span.n - 1))] == 0:
                rows[r] = filler


cdef void pack_targets(Engine engine, const batch_t *batch, const span_t *span) noexcept nogil:
    """Pack the targets and sample weights of a chunk into blocks; the padding has the weight 0."""
    cdef const real *rows[MAX_CHUNK]
    cdef real *weight = block_at(span, engine.weight, 1)
    cdef real *y = block_at(span, engine.y, engine.n_outputs)
    cdef Py_ssize_t r
    if batch.weight == NULL:
        for r in range(span.n):
            weight[r] = 1
    else:
        for r in range(span.n):
            weight[r] = batch.weight[row_index(batch, span.start + r)]
    for r in range(span.n, span.rows):
        weight[r] = 0
    if batch.y == NULL:
        return
    if engine.n_outputs == 1 and batch.rows == NULL and batch.weight == NULL:
        memcpy(y, batch.y + batch.first + span.start, span.n * sizeof(real))
        for r in range(span.n, span.rows):
            y[r] = y[span.n - 1]
        return
    find_rows(batch, span.start, span.n, span.rows, batch.y, engine.n_outputs, rows)
    fill_rows(batch, span, batch.filler_y, rows)
    if engine.n_outputs > 1:
        engine.kernels.transpose_rows(rows, span.rows, engine.n_outputs, y, span.rows)
        return
    for r in range(span.rows):
        y[r] = rows[r][0]


cdef void run_single_layer_chunk(Engine engine, const batch_t *batch, accumulator_t *accumulator,
                                 Py_ssize_t index) noexcept nogil:
    """Compute chunk `index` of a batch: h = W^T x + b, y_hat = f(h), the loss, dE/dw = x delta^T."""
    cdef const real *x[MAX_CHUNK]
    cdef const real *following[MAX_CHUNK]
    cdef const real **next = following if exceeds_cache(engine, batch.total_rows) else NULL
    cdef span_t span
    cdef layer_t *layer = &engine.layers[0]
    cdef const real *w = batch.parameters + layer.w
    cdef const real *bias = batch.parameters + layer.b if layer.b >= 0 else NULL
    cdef real *delta
    # half of the next chunk's rows are prefetched on the way forward, half on the way back
    cdef Py_ssize_t after, d = engine.n_inputs, share = 2 if batch.backward else 1
    if engine.n_outputs > 1:
        w = packed_weights(engine, accumulator)
    span.accumulator = accumulator
    span.first = 0
    span.start = index * batch.chunk_rows
    span.n = min(batch.chunk_rows, batch.n_rows - span.start)
    span.chunk_rows = span.rows = span.panel = padded(span.n)
    after = min(span.start + span.n, batch.n_rows - 1)
    find_rows(batch, span.start, span.n, span.rows, batch.x, d, x)
    fill_rows(batch, &span, batch.filler_x, x)
    if next != NULL:
        find_rows(batch, after, min(span.n, batch.n_rows - after), span.rows, batch.x, d, next)
    pack_targets(engine, batch, &span)
    engine.kernels.single_layer_net_inputs(x, next, share, span.rows, d, w, padded(d), bias,
                                           block_at(&span, layer.h, layer.n_out), layer.n_out)
    activate(engine, batch, layer, &span)
    if batch.y != NULL:
        accumulate_loss(engine, &span)
    if batch.backward:
        output_error(engine, batch, &span)
        delta = block_at(&span, layer.delta, layer.n_out)
        engine.kernels.single_layer_gradient(x, next, span.n, d, delta, span.rows, layer.n_out,
                                             accumulator.has_gradient, packed_gradient(engine, accumulator),
                                             padded(d))
        if layer.b >= 0:
            engine.kernels.sum_rows(delta, span.rows, accumulator.has_gradient,
                                    accumulator.gradient + layer.b, layer.n_out, span.rows)
        accumulator.has_gradient = True
    if batch.out != NULL:
        store_predictions(engine, batch, &span)

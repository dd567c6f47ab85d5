# One chunk of rows: pack it into blocks, run it forward, evaluate the loss, run it backward, store
# predictions.
#
# A chunk is cut into panels of at most PANEL rows, a multiple of WIDTH. The block of a chunk is a sequence of
# panels, each (units, rows of the panel), so elementwise code sees one flat array. A span of one or two
# panels goes through all layers and back while it is in cache, and leaves the error terms of every layer in
# their blocks; the weight gradients are then computed over the whole chunk (weight_gradients.pxi). If a
# component is Python, the span is the whole chunk, because a call costs more than reading the chunk from L2.

# Part of a chunk on its way through the network.
cdef struct span_t:
    accumulator_t *accumulator
    Py_ssize_t chunk_rows       # rows of the whole chunk, padding included
    Py_ssize_t first, rows      # the span's rows in the chunk: whole panels
    Py_ssize_t start, n         # position of its first row in the batch, and its rows without padding
    Py_ssize_t panel            # rows of a panel


cdef inline real *block_at(const span_t *span, Py_ssize_t offset, Py_ssize_t units) noexcept nogil:
    """Return the address of the span in a chunk's block with the given number of units."""
    return span.accumulator.memory + offset * span.chunk_rows + units * span.first


cdef inline real *scratch_at(const span_t *span, Py_ssize_t offset) noexcept nogil:
    """Return the address of a block that is used within one span only: every span reuses it."""
    return span.accumulator.memory + offset * span.chunk_rows


cdef inline Py_ssize_t panel_rows(const span_t *span, Py_ssize_t r) noexcept nogil:
    """Return the number of rows of the panel that begins at row r of the span."""
    return min(span.rows - r, span.panel)


cdef inline panels split_panels(Py_ssize_t rows, Py_ssize_t padding) noexcept nogil:
    """Return how a number of rows, the last `padding` of them padding, is cut into panels."""
    cdef panels p
    p.n = (rows + PANEL - 1) // PANEL
    p.width = min(rows, <Py_ssize_t> PANEL)
    p.last = rows - (p.n - 1) * PANEL
    p.filled = p.last - padding
    return p


cdef inline bint is_small_batch(const layer_t *layer, const span_t *span) noexcept nogil:
    """Return True if vectors should run along the units of a wide layer: most rows would be padding."""
    return (span.chunk_rows == WIDTH and span.n <= SMALL_BATCH_ROWS and layer.wide and not layer.reads_rows
            and layer.n_in * layer.n_out >= SMALL_BATCH_WEIGHTS)


cdef inline bint uses_filler(const batch_t *batch, Py_ssize_t row) noexcept nogil:
    """Return True if the filler takes the place of a row: for a gradient, where the row's weight is 0.

    An error term of 0 times a NaN from below would be NaN.
    """
    return batch.backward and batch.weight != NULL and batch.weight[row] == 0


cdef inline const real *input_row(Engine engine, const batch_t *batch, Py_ssize_t position) noexcept nogil:
    """Return the row of x at a position of the batch, or the filler."""
    cdef Py_ssize_t row = row_index(batch, position)
    return batch.filler_x if uses_filler(batch, row) else batch.x + row * engine.n_inputs


cdef void pack_rows(Engine engine, const batch_t *batch, const span_t *span) noexcept nogil:
    """Transpose rows of x and y into blocks (units, rows); the padding repeats the last row.

    Padding has the weight 0, so it adds nothing to a sum.
    """
    cdef const real *x[PANEL]
    cdef const real *y[PANEL]
    cdef real *x_block = block_at(span, engine.x, engine.n_inputs)
    cdef real *y_block = block_at(span, engine.y, engine.n_outputs)
    cdef real *weight = block_at(span, engine.weight, 1)
    cdef Py_ssize_t r, i, position, row, rows
    for r from 0 <= r < span.rows by span.panel:
        rows = panel_rows(span, r)
        for i in range(rows):
            position = span.start + min(r + i, span.n - 1)
            row = row_index(batch, position)
            x[i] = input_row(engine, batch, position)
            if batch.y != NULL:
                y[i] = batch.filler_y if uses_filler(batch, row) else batch.y + row * engine.n_outputs
            weight[r + i] = 0 if r + i >= span.n else batch.weight[row] if batch.weight != NULL else 1
        if not engine.layers[0].reads_rows:
            engine.kernels.transpose_rows(x, rows, engine.n_inputs, x_block + r * engine.n_inputs, rows)
        if batch.y != NULL:
            engine.kernels.transpose_rows(y, rows, engine.n_outputs, y_block + r * engine.n_outputs, rows)


# forward --------------------------------------------------------------------------------------------

cdef inline void *current_data(const batch_t *batch, const layer_t *layer,
                               formula_data_t *copy) noexcept nogil:
    """Return the data of a layer's functions, with the current values of its trainable parameters."""
    cdef int k
    if not layer.n_trainable:
        return layer.data
    copy[0] = (<formula_data_t *> layer.data)[0]
    for k in range(layer.n_trainable):
        copy.uniforms[k] = batch.parameters[layer.a + k]
    return copy


cdef void activate(Engine engine, const batch_t *batch, const layer_t *layer,
                   const span_t *span) noexcept nogil:
    """y_hat = f(h)."""
    cdef real *h = block_at(span, layer.h, layer.n_out)
    cdef real *y_hat = block_at(span, layer.y_hat, layer.n_out)
    cdef formula_data_t data
    cdef Py_ssize_t r
    if layer.f_rows != NULL:
        for r from 0 <= r < span.rows by span.panel:
            layer.f_rows(h + r * layer.n_out, y_hat + r * layer.n_out, layer.n_out, panel_rows(span, r),
                         layer.data)
    elif batch.backward and layer.value_and_derivative != NULL:
        layer.value_and_derivative(h, y_hat, h, layer.n_out * span.rows, layer.data)
    else:
        layer.f(h, y_hat, layer.n_out * span.rows, current_data(batch, layer, &data))


cdef void forward(Engine engine, const batch_t *batch, const span_t *span) noexcept nogil:
    """h = W^T x + b and y_hat = f(h), layer by layer."""
    cdef const real *below = block_at(span, engine.x, engine.n_inputs)
    cdef const real *bias
    cdef real *h
    cdef real *y_hat
    cdef layer_t *layer
    cdef panels p = split_panels(span.rows, span.rows - span.n)
    cdef panel_block x
    cdef Py_ssize_t index
    for index in range(engine.n_layers):
        layer = &engine.layers[index]
        h, y_hat = block_at(span, layer.h, layer.n_out), block_at(span, layer.y_hat, layer.n_out)
        bias = batch.parameters + layer.b if layer.b >= 0 else NULL
        x.p, x.units, x.first = below, layer.n_in, 0
        if layer.reads_rows:
            row_net_inputs(engine, batch, span, bias)
        elif is_small_batch(layer, span):
            small_batch_net_inputs(engine, layer, span, below, batch.parameters + layer.w, bias)
        else:
            engine.kernels.panel_matmul(batch.parameters + layer.w, 1, layer.n_out, &p, &x, bias, h,
                                        layer.n_out, layer.n_in)
        activate(engine, batch, layer, span)
        below = y_hat
        if batch.training and layer.keep_rate < 1:
            apply_dropout(engine, batch, layer, <int> index, span)
            below = block_at(span, layer.out, layer.n_out)


cdef void row_net_inputs(Engine engine, const batch_t *batch, const span_t *span,
                         const real *bias) noexcept nogil:
    """Compute h of the first layer from rows of x in place, then transpose it into its block."""
    cdef layer_t *layer = &engine.layers[0]
    cdef real *h_rows = scratch_at(span, engine.g)          # (span.n, n_out)
    cdef real *h = block_at(span, layer.h, layer.n_out)
    cdef const real *x[MAX_CHUNK]
    cdef const real *rows[PANEL]
    cdef Py_ssize_t r, i, n
    for r in range(span.n):
        x[r] = input_row(engine, batch, span.start + r)
    engine.kernels.row_net_inputs(x, span.n, batch.parameters + layer.w, bias, h_rows, layer.n_out,
                                  layer.n_in)
    for r from 0 <= r < span.rows by span.panel:
        n = panel_rows(span, r)
        for i in range(n):
            rows[i] = h_rows + min(r + i, span.n - 1) * layer.n_out
        engine.kernels.transpose_rows(rows, n, layer.n_out, h + r * layer.n_out, n)


cdef void small_batch_net_inputs(Engine engine, const layer_t *layer, const span_t *span, const real *x,
                                 const real *w, const real *bias) noexcept nogil:
    """Compute h of a small batch with the units as the vector axis, then transpose it into its block."""
    cdef real *h_rows = scratch_at(span, engine.g)          # (WIDTH, n_out)
    cdef const real *rows[WIDTH]
    cdef Py_ssize_t r
    engine.kernels.small_batch_net_inputs(x, span.n, w, bias, h_rows, layer.n_out, layer.n_in)
    for r in range(WIDTH):
        rows[r] = h_rows + min(r, span.n - 1) * layer.n_out
    engine.kernels.transpose_rows(rows, WIDTH, layer.n_out, block_at(span, layer.h, layer.n_out), WIDTH)


cdef void apply_dropout(Engine engine, const batch_t *batch, const layer_t *layer, int index,
                        const span_t *span) noexcept nogil:
    """Inverted dropout: out = y_hat * mask, the mask 0 or 1 / keep_rate (Srivastava et al. 2014).

    The random word of a unit is counted by the position of its row in the batch, so the mask depends
    neither on the chunks nor on the threads.
    """
    cdef real *mask = block_at(span, layer.mask, layer.n_out)
    cdef real *panel
    cdef real kept = <real> (1 / layer.keep_rate)
    cdef uint64_t limit = <uint64_t> (layer.keep_rate * 4294967296.0)
    cdef Py_ssize_t r, i, j, rows, words = (layer.n_out + 3) // 4 * 4      # whole Philox blocks per row
    cdef stream random = open_stream(batch.seed, DROPOUT, index, batch.step)
    random.position = span.start * words
    for r from 0 <= r < span.rows by span.panel:
        rows = panel_rows(span, r)
        panel = mask + r * layer.n_out
        for i in range(rows):
            for j in range(words):
                if next_word(&random) < limit:
                    if j < layer.n_out:
                        panel[j * rows + i] = kept
                elif j < layer.n_out:
                    panel[j * rows + i] = 0
    engine.kernels.multiply(block_at(span, layer.y_hat, layer.n_out), mask,
                            block_at(span, layer.out, layer.n_out), layer.n_out * span.rows)


cdef void accumulate_loss(Engine engine, const span_t *span) noexcept nogil:
    """Add sum_r weight_r l(y_r, y_hat_r) to the accumulator's loss."""
    cdef layer_t *layer = &engine.layers[engine.n_layers - 1]
    cdef real *h = block_at(span, layer.h, layer.n_out)
    cdef real *y = block_at(span, engine.y, layer.n_out)
    cdef real *y_hat = block_at(span, layer.y_hat, layer.n_out)
    cdef real *weight = block_at(span, engine.weight, 1)
    cdef real *values = scratch_at(span, engine.loss_values)
    cdef Py_ssize_t r, k, rows
    if engine.fused_loss == NULL:
        engine.loss(y, y_hat, values, layer.n_out * span.rows, engine.loss_data)
    for r from 0 <= r < span.rows by span.panel:
        rows, k = panel_rows(span, r), r * layer.n_out
        if engine.fused_loss != NULL:
            engine.fused_loss(h + k, y + k, values + k, layer.n_out, rows, engine.loss_data)
        span.accumulator.loss += engine.kernels.weighted_sum(values + k, weight + r, layer.n_out, rows)


# backward; `delta` is dE/dh from here on, the error term with the sign of the gradient --------------

cdef void output_error(Engine engine, const batch_t *batch, const span_t *span) noexcept nogil:
    """delta = dE/dh of the output layer: dE/dy_hat f'(h), or the fused form."""
    cdef layer_t *layer = &engine.layers[engine.n_layers - 1]
    cdef real *y = block_at(span, engine.y, layer.n_out)
    cdef real *y_hat = block_at(span, layer.y_hat, layer.n_out)
    cdef real *delta = block_at(span, layer.delta, layer.n_out)
    cdef real *g = scratch_at(span, engine.g)
    cdef real *error_scale = block_at(span, engine.error_scale, 1)      # weight_r * scale
    # fused_delta gives -dl/dh
    cdef double scale = -batch.scale if engine.fused_loss != NULL else batch.scale
    cdef Py_ssize_t r, k
    engine.kernels.scale(scale, block_at(span, engine.weight, 1), error_scale, span.rows)
    if engine.fused_loss == NULL:
        engine.loss_derivative(y, y_hat, g, layer.n_out * span.rows, engine.loss_data)
        if layer.n_trainable:       # their gradient is a sum over weighted rows, so scale before it
            scale_panels(engine, span, g, error_scale, layer.n_out)
        backprop_activation(engine, batch, layer, span, g, delta)
    else:
        for r from 0 <= r < span.rows by span.panel:
            k = r * layer.n_out
            engine.fused_delta(y + k, y_hat + k, delta + k, layer.n_out, panel_rows(span, r),
                               engine.loss_data)
    if not layer.n_trainable:
        scale_panels(engine, span, delta, error_scale, layer.n_out)


cdef void scale_panels(Engine engine, const span_t *span, real *delta, const real *factors,
                       Py_ssize_t units) noexcept nogil:
    """delta_jr *= factor_r."""
    cdef Py_ssize_t r
    for r from 0 <= r < span.rows by span.panel:
        engine.kernels.scale_rows(delta + r * units, factors + r, delta + r * units, units,
                                  panel_rows(span, r))


cdef void backprop_activation(Engine engine, const batch_t *batch, const layer_t *layer, const span_t *span,
                              const real *g, real *delta) noexcept nogil:
    """delta = f'(h) g with g = dE/dy_hat, or J^T g of a row-wise activation; delta overwrites h."""
    cdef real *h = block_at(span, layer.h, layer.n_out)
    cdef real *y_hat = block_at(span, layer.y_hat, layer.n_out)
    cdef real *derivative = scratch_at(span, engine.derivative)
    cdef Py_ssize_t n = layer.n_out * span.rows, r, k
    if layer.backward_rows != NULL:
        for r from 0 <= r < span.rows by span.panel:
            k = r * layer.n_out
            layer.backward_rows(h + k, y_hat + k, g + k, derivative + k, layer.n_out, panel_rows(span, r),
                                layer.data)
        memcpy(delta, derivative, n * sizeof(real))
    elif layer.value_and_derivative != NULL:        # forward has overwritten h with f'(h)
        engine.kernels.multiply(g, h, delta, n)
    elif layer.n_trainable:
        activation_gradients(engine, batch, layer, span, g, derivative)
        engine.kernels.multiply(g, derivative, delta, n)
    else:
        layer.df(h, y_hat, derivative, n, layer.data)
        engine.kernels.multiply(g, derivative, delta, n)


cdef void activation_gradients(Engine engine, const batch_t *batch, const layer_t *layer, const span_t *span,
                               const real *g, real *derivative) noexcept nogil:
    """dE/dp += sum over rows and units of g df/dp, for each trainable parameter p; and f'(h)."""
    cdef accumulator_t *accumulator = span.accumulator
    cdef formula_data_t data
    cdef const real *inputs[2]
    cdef real *outputs[1 + MAX_UNIFORMS]
    cdef Py_ssize_t n = layer.n_out * span.rows
    cdef int k
    current_data(batch, layer, &data)
    inputs[0] = block_at(span, layer.h, layer.n_out)
    inputs[1] = block_at(span, layer.y_hat, layer.n_out)
    outputs[0] = derivative
    for k in range(layer.n_trainable):
        outputs[1 + k] = scratch_at(span, engine.parameter_derivatives) + k * n
    run_program(data.gradient, inputs, outputs, data.uniforms, n)
    for k in range(layer.n_trainable):
        engine.kernels.dot(g, outputs[1 + k], accumulator.has_gradient or span.first > 0,
                           accumulator.gradient + layer.a + k, n)


cdef void backward(Engine engine, Optimizer optimizer, const batch_t *batch,
                   const span_t *span) noexcept nogil:
    """Compute delta of every layer into its block, from the last layer to the first."""
    cdef real *delta
    cdef real *g = scratch_at(span, engine.g)
    cdef layer_t *layer
    cdef layer_t *below
    cdef panels p = split_panels(span.rows, span.rows - span.n)
    cdef panel_block d
    cdef Py_ssize_t index
    output_error(engine, batch, span)
    delta = block_at(span, engine.layers[engine.n_layers - 1].delta, engine.n_outputs)
    for index in range(engine.n_layers - 1, -1, -1):
        layer = &engine.layers[index]
        transpose_delta(engine, layer, span, delta)
        if not index:
            break
        # g_i = dE/dy_hat_i of the layer below = sum_j w_ij delta_j
        below = &engine.layers[index - 1]
        d.p, d.units, d.first = delta, layer.n_out, 0
        if is_small_batch(layer, span):
            small_batch_errors(engine, optimizer, batch, span, index, g)
        else:
            engine.kernels.panel_matmul(batch.parameters + layer.w, layer.n_out, 1, &p, &d, NULL, g,
                                        layer.n_in, layer.n_out)
        if batch.training and below.keep_rate < 1:
            engine.kernels.multiply(g, block_at(span, below.mask, layer.n_in), g, layer.n_in * span.rows)
        delta = block_at(span, below.delta, layer.n_in)
        backprop_activation(engine, batch, below, span, g, delta)


cdef void transpose_delta(Engine engine, const layer_t *layer, const span_t *span,
                          const real *delta) noexcept nogil:
    """Transpose the delta of a wide layer into blocks (rows, WIDTH units), for its weight gradient."""
    cdef const real *units[WIDTH]
    cdef real *out = block_at(span, layer.transposed_delta, padded(layer.n_out))
    cdef Py_ssize_t r, i, j, rows, n_units
    if not layer.wide:
        return
    for r from 0 <= r < span.rows by span.panel:
        rows = panel_rows(span, r)
        for j from 0 <= j < layer.n_out by WIDTH:
            n_units = min(layer.n_out - j, <Py_ssize_t> WIDTH)
            for i in range(n_units):
                units[i] = delta + r * layer.n_out + (j + i) * rows
            engine.kernels.transpose_rows(units, n_units, rows, out + r * padded(layer.n_out) + j * rows,
                                          WIDTH)


# the whole chunk ------------------------------------------------------------------------------------

cdef void store_predictions(Engine engine, const batch_t *batch, const span_t *span) noexcept nogil:
    """Write the span's predictions to `out`, row by row."""
    cdef real *y_hat = block_at(span, engine.layers[engine.n_layers - 1].y_hat, engine.n_outputs)
    cdef Py_ssize_t n_outputs = engine.n_outputs, r, i, j, rows
    for r from 0 <= r < span.n by span.panel:
        rows = panel_rows(span, r)
        for i in range(min(rows, span.n - r)):
            for j in range(n_outputs):
                batch.out[(span.start + r + i) * n_outputs + j] = y_hat[r * n_outputs + j * rows + i]


cdef void run_chunk(Engine engine, Optimizer optimizer, const batch_t *batch, accumulator_t *accumulator,
                    Py_ssize_t index) noexcept nogil:
    """Compute chunk `index` of a batch, span by span."""
    cdef span_t span
    cdef Py_ssize_t start = index * batch.chunk_rows
    cdef Py_ssize_t n = min(batch.chunk_rows, batch.n_rows - start)
    span.accumulator = accumulator
    span.chunk_rows = padded(n)
    span.first = 0
    span.panel = PANEL
    while span.first < span.chunk_rows:
        span.rows = min(span.chunk_rows - span.first, engine.span_panels * <Py_ssize_t> PANEL)
        span.start = start + span.first
        span.n = min(span.rows, n - span.first)
        pack_rows(engine, batch, &span)
        forward(engine, batch, &span)
        if batch.y != NULL:
            accumulate_loss(engine, &span)
        if batch.backward:
            backward(engine, optimizer, batch, &span)
        if batch.out != NULL:
            store_predictions(engine, batch, &span)
        span.first += span.rows
    if batch.backward and not engine.by_strips:
        span.first, span.start, span.n = 0, start, n
        weight_gradients(engine, batch, &span)

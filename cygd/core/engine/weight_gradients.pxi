# Weight gradients over a whole chunk; for small batches, also the error terms of the layer below.
#
# If a batch is one chunk on one thread, its gradient is complete strip by strip, a strip being the weights of
# a few inputs of a wide layer: each strip is then updated at once, and its gradient never leaves the cache.
# In a small batch reading the weights dominates, so the error terms of the layer below are computed from the
# same strip, just before its update.

cdef struct gradient_operands_t:
    panels p                        # of the chunk
    panel_block x, delta            # inputs and error terms: x delta^T is the gradient


cdef inline Py_ssize_t strip_inputs(const layer_t *layer, const span_t *span) noexcept nogil:
    """Return the number of inputs whose weight gradient is computed in one go."""
    if not is_small_batch(layer, span):
        return STRIP_INPUTS
    return max(WIDTH, STRIP_BYTES // (layer.n_out * <Py_ssize_t> sizeof(real)) // WIDTH * WIDTH)


cdef inline void set_operands(Engine engine, const batch_t *batch, const span_t *span, Py_ssize_t index,
                              gradient_operands_t *operands) noexcept nogil:
    """Set the blocks whose product is the weight gradient of a layer."""
    cdef layer_t *layer = &engine.layers[index]
    cdef layer_t *below = &engine.layers[index - 1] if index else NULL
    cdef Py_ssize_t x = engine.x if not index else below.out if batch.training else below.y_hat
    cdef real *memory = span.accumulator.memory
    operands.x.units, operands.x.first = layer.n_in, 0
    operands.x.p = memory + x * span.chunk_rows
    operands.delta.units, operands.delta.first = padded(layer.n_out) if layer.wide else layer.n_out, 0
    operands.delta.p = memory + (layer.transposed_delta if layer.wide else layer.delta) * span.chunk_rows


cdef inline real *gradient_at(const accumulator_t *accumulator, Py_ssize_t start) noexcept nogil:
    """Return where to write the gradient of a range: always the same place if it is used up at once."""
    return accumulator.gradient if accumulator.fused_parameters != NULL else accumulator.gradient + start


cdef inline void fused_update(Engine engine, Optimizer optimizer, const accumulator_t *accumulator,
                              Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """Add the penalties and update a range whose gradient is complete, before the next overwrites it."""
    if accumulator.fused_parameters != NULL:
        add_penalties(engine, accumulator.fused_parameters, accumulator.gradient, start, start + n)
        optimizer.apply(accumulator.fused_parameters, accumulator.gradient, start, start + n)


cdef inline void strip_gradient(Engine engine, Optimizer optimizer, const accumulator_t *accumulator,
                                const layer_t *layer, gradient_operands_t *operands, Py_ssize_t i,
                                Py_ssize_t m) noexcept nogil:
    """dE/dw_ij += sum_r x_ir delta_jr, for the m inputs from i on of a wide layer."""
    cdef Py_ssize_t start = layer.w + i * layer.n_out
    operands.x.first = i
    engine.kernels.panel_outer(&operands.p, &operands.x, &operands.delta, accumulator.has_gradient,
                               gradient_at(accumulator, start), m, layer.n_out)
    fused_update(engine, optimizer, accumulator, start, m * layer.n_out)


cdef inline void bias_gradient(Engine engine, Optimizer optimizer, const accumulator_t *accumulator,
                               const layer_t *layer, gradient_operands_t *operands) noexcept nogil:
    """dE/db_j += sum_r delta_jr."""
    if layer.b < 0:
        return
    if layer.wide:
        engine.kernels.panel_outer_ones(&operands.p, &operands.delta, accumulator.has_gradient,
                                        gradient_at(accumulator, layer.b), layer.n_out)
    else:
        engine.kernels.panel_dots(&operands.p, &operands.delta, NULL, accumulator.has_gradient,
                                  gradient_at(accumulator, layer.b), layer.n_out, 1)
    fused_update(engine, optimizer, accumulator, layer.b, layer.n_out)


cdef void small_batch_errors(Engine engine, Optimizer optimizer, const batch_t *batch, const span_t *span,
                             Py_ssize_t index, real *g) noexcept nogil:
    """g = W delta of a small batch; with a fused update, update each strip while it is in cache."""
    cdef accumulator_t *accumulator = span.accumulator
    cdef layer_t *layer = &engine.layers[index]
    cdef gradient_operands_t operands
    cdef const real *w = batch.parameters + layer.w
    cdef Py_ssize_t i, m
    cdef Py_ssize_t strip = strip_inputs(layer, span) if accumulator.fused_parameters != NULL else layer.n_in
    operands.p = split_panels(span.chunk_rows, span.chunk_rows - span.n)
    set_operands(engine, batch, span, index, &operands)
    for i from 0 <= i < layer.n_in by strip:
        m = min(layer.n_in - i, strip)
        engine.kernels.small_batch_errors(w + i * layer.n_out, operands.delta.p, span.n, g + i * WIDTH, m,
                                          layer.n_out)
        if accumulator.fused_parameters != NULL:
            strip_gradient(engine, optimizer, accumulator, layer, &operands, i, m)
    if accumulator.fused_parameters != NULL:
        bias_gradient(engine, optimizer, accumulator, layer, &operands)


cdef void weight_gradients(Engine engine, Optimizer optimizer, const batch_t *batch, const span_t *span,
                           Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """Compute the gradients of all layers over the chunk, except those that small_batch_errors computed."""
    cdef accumulator_t *accumulator = span.accumulator
    cdef layer_t *layer
    cdef gradient_operands_t operands
    cdef Py_ssize_t index, i, m, strip
    operands.p = split_panels(span.chunk_rows, span.chunk_rows - n)
    for index in range(engine.n_layers):
        layer = &engine.layers[index]
        if index and accumulator.fused_parameters != NULL and is_small_batch(layer, span):
            continue
        set_operands(engine, batch, span, index, &operands)
        if layer.wide:
            strip = strip_inputs(layer, span)
            for i from 0 <= i < layer.n_in by strip:
                m = min(layer.n_in - i, strip)
                strip_gradient(engine, optimizer, accumulator, layer, &operands, i, m)
                if not index and batch.training:
                    prefetch_next_batch(engine, batch, start, span.chunk_rows, i, m)
        else:
            engine.kernels.panel_dots(&operands.p, &operands.x, &operands.delta, accumulator.has_gradient,
                                      gradient_at(accumulator, layer.w), layer.n_in, layer.n_out)
            fused_update(engine, optimizer, accumulator, layer.w, layer.n_in * layer.n_out)
        bias_gradient(engine, optimizer, accumulator, layer, &operands)
    accumulator.has_gradient = True


cdef void prefetch_next_batch(Engine engine, const batch_t *batch, Py_ssize_t start, Py_ssize_t n,
                              Py_ssize_t i, Py_ssize_t m) noexcept nogil:
    """Prefetch m inputs, from i on, of the next batch's rows at the positions start ... start + n.

    They come from memory, and packing them into blocks would wait for every cache line.
    """
    cdef Py_ssize_t r, column
    if n * engine.n_inputs * <Py_ssize_t> sizeof(real) > PREFETCH_BYTES:
        return
    for r from batch.n_rows + start <= r < min(batch.n_rows + start + n, batch.epoch_rows - batch.first):
        for column from i <= column < i + m by WIDTH:
            prefetch_read(batch.x + row_index(batch, r) * engine.n_inputs + column, False)

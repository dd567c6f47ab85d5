# Weight gradients; for small batches, also the error terms of the layer below.
#
# The gradient of a layer is computed in strips: the weights of a few inputs of a wide layer, or a whole
# narrow one. There are two schedules, chosen from the network only:
#
# - by chunk: each accumulator adds up the gradients of its own chunks, and the update adds the accumulators.
# - by strip (Engine.by_strips), if the parameters are large: each accumulator keeps the blocks of one chunk.
#   Once these are complete, the threads share the strips. A strip is summed over the chunks in order, then
#   updated at once, so that its gradient never leaves the cache. If there are more chunks than accumulators,
#   the next chunks follow, and the last ones complete the gradient.
#
# In a small batch reading the weights dominates, so the error terms of the layer below are computed from the
# same strip, just before its update.

cdef enum:
    STRIP_CHUNKS = 2                # whose rows are summed in one product: their inputs share L1 with a strip
    MAX_PANELS = STRIP_CHUNKS * MAX_CHUNK // PANEL

# A strip of the gradient of a layer: where its inputs and error terms are, in panels of a few chunks.
cdef struct strip_t:
    gradient_panel panels[MAX_PANELS]
    Py_ssize_t n_panels


cdef inline Py_ssize_t strip_inputs(const layer_t *layer, const span_t *span) noexcept nogil:
    """Return the number of inputs whose weight gradient is computed in one go."""
    if not layer.wide:
        return layer.n_in
    if not is_small_batch(layer, span):
        return STRIP_INPUTS
    return max(WIDTH, STRIP_BYTES // (layer.n_out * <Py_ssize_t> sizeof(real)) // WIDTH * WIDTH)


cdef inline const real *inputs_at(Engine engine, const batch_t *batch, const span_t *span,
                                  Py_ssize_t index) noexcept nogil:
    """Return the chunk's block of the inputs of a layer."""
    cdef layer_t *below = &engine.layers[index - 1] if index else NULL
    cdef Py_ssize_t x = engine.x if not index else below.out if batch.training else below.y_hat
    return span.accumulator.memory + x * span.chunk_rows


cdef inline void append_panels(Engine engine, const batch_t *batch, const span_t *span, Py_ssize_t index,
                               Py_ssize_t i, strip_t *strip) noexcept nogil:
    """Append the panels of a chunk to a strip that begins at input i of a wide layer."""
    cdef layer_t *layer = &engine.layers[index]
    cdef const real *x = inputs_at(engine, batch, span, index)
    cdef const real *delta = span.accumulator.memory + layer.transposed_delta * span.chunk_rows
    cdef gradient_panel *q
    cdef Py_ssize_t r
    for r from 0 <= r < span.chunk_rows by PANEL:
        q = &strip.panels[strip.n_panels]
        q.width, q.filled = min(span.chunk_rows - r, <Py_ssize_t> PANEL), min(span.n - r, <Py_ssize_t> PANEL)
        q.x, q.delta = x + r * layer.n_in + i * q.width, delta + r * padded(layer.n_out)
        strip.n_panels += 1


cdef inline void narrow_gradient(Engine engine, const batch_t *batch, const span_t *span, Py_ssize_t index,
                                 bint accumulate, real *w_gradient, real *b_gradient) noexcept nogil:
    """dE/dw_ij [+]= sum_r x_ir delta_jr and dE/db_j [+]= sum_r delta_jr, over a chunk; b_gradient or NULL."""
    cdef layer_t *layer = &engine.layers[index]
    cdef panels p = split_panels(span.chunk_rows, span.chunk_rows - span.n)
    cdef panel_block x, delta
    x.p, x.units, x.first = inputs_at(engine, batch, span, index), layer.n_in, 0
    delta.p, delta.units, delta.first = block_at(span, layer.delta, layer.n_out), layer.n_out, 0
    engine.kernels.panel_dots(&p, &x, &delta, accumulate, w_gradient, layer.n_in, layer.n_out)
    if b_gradient != NULL:
        engine.kernels.panel_dots(&p, &delta, NULL, accumulate, b_gradient, layer.n_out, 1)


cdef inline void update_strip(Engine engine, Optimizer optimizer, real *parameters, real *gradient,
                              Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """Add the penalties to the complete gradient of n parameters from `start` on, and update them."""
    add_penalties(engine, parameters, gradient, start, start + n)
    optimizer.apply(parameters, gradient, start, start + n)


# by chunk -----------------------------------------------------------------------------------------

cdef void weight_gradients(Engine engine, const batch_t *batch, const span_t *span) noexcept nogil:
    """Add the gradients of all layers over a whole chunk."""
    cdef accumulator_t *accumulator = span.accumulator
    cdef real *gradient = accumulator.gradient
    cdef layer_t *layer
    cdef Py_ssize_t index
    for index in range(engine.n_layers):
        layer = &engine.layers[index]
        if layer.wide:
            wide_gradient(engine, batch, span, index)
        else:
            narrow_gradient(engine, batch, span, index, accumulator.has_gradient, gradient + layer.w,
                            gradient + layer.b if layer.b >= 0 else NULL)
    accumulator.has_gradient = True


cdef void wide_gradient(Engine engine, const batch_t *batch, const span_t *span,
                        Py_ssize_t index) noexcept nogil:
    """Add the gradient of a wide layer over a whole chunk, and prefetch the next batch meanwhile."""
    cdef accumulator_t *accumulator = span.accumulator
    cdef real *gradient = accumulator.gradient
    cdef layer_t *layer = &engine.layers[index]
    cdef strip_t strip
    cdef Py_ssize_t i, m, step = strip_inputs(layer, span)
    for i from 0 <= i < layer.n_in by step:
        m = min(layer.n_in - i, step)
        strip.n_panels = 0
        append_panels(engine, batch, span, index, i, &strip)
        engine.kernels.panel_outer(strip.panels, strip.n_panels, accumulator.has_gradient,
                                   gradient + layer.w + i * layer.n_out, m, layer.n_out)
        if not index and batch.training:
            prefetch_next_batch(engine, batch, span.start, span.chunk_rows, i, m)
    if layer.b >= 0:
        engine.kernels.panel_outer_ones(strip.panels, strip.n_panels, accumulator.has_gradient,
                                        gradient + layer.b, layer.n_out)


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


# by strip -----------------------------------------------------------------------------------------

cdef inline span_t whole_chunk(const job_t *job, Py_ssize_t index) noexcept nogil:
    """Return chunk `index` as one span of the accumulator that keeps its blocks."""
    cdef span_t span
    memset(&span, 0, sizeof(span_t))
    span.accumulator = &job.accumulators[index % job.batch.n_accumulators]
    span.start = index * job.batch.chunk_rows
    span.n = min(job.batch.chunk_rows, job.batch.n_rows - span.start)
    span.rows = span.chunk_rows = padded(span.n)
    span.panel = PANEL
    return span


cdef void run_strips(Engine engine, Optimizer optimizer, job_t *job, int thread,
                     Py_ssize_t first_chunk) noexcept nogil:
    """Compute the gradients of unclaimed strips until none is left, over the chunks from first_chunk on."""
    cdef span_t span = whole_chunk(job, first_chunk)
    cdef layer_t *layer
    cdef Py_ssize_t index = 0, first = 0, n_strips, strip, own = 0
    cdef bint is_updated = span.accumulator.fused_parameters != NULL       # by small_batch_errors
    cdef Py_ssize_t k = fetch_add(&job.n_claimed_strips)
    while index < engine.n_layers:
        layer = &engine.layers[index]
        strip = strip_inputs(layer, &span)
        n_strips = (layer.n_in + strip - 1) // strip
        if k >= first + n_strips:                   # it belongs to a layer above
            first += n_strips
            index += 1
            continue
        if not (is_updated and index and is_small_batch(layer, &span)):
            run_strip(engine, optimizer, job, thread, first_chunk, index, (k - first) * strip, strip)
        if not index and job.batch.training:        # rows of the thread's own chunk, in its own strips
            prefetch_next_batch(engine, &job.batch, thread * job.batch.chunk_rows, job.batch.chunk_rows,
                                min(own * strip, layer.n_in), min(strip, layer.n_in - own * strip))
            own += job.n_threads
        k = fetch_add(&job.n_claimed_strips)


cdef void run_strip(Engine engine, Optimizer optimizer, job_t *job, int thread, Py_ssize_t first_chunk,
                    Py_ssize_t index, Py_ssize_t i, Py_ssize_t m) noexcept nogil:
    """Compute the gradient of at most m inputs, from i on, of a layer, and with the first one its bias."""
    cdef layer_t *layer = &engine.layers[index]
    cdef Py_ssize_t k, end = min(first_chunk + job.batch.n_accumulators, job.batch.n_chunks)
    cdef Py_ssize_t start = layer.w + i * layer.n_out
    cdef bint is_complete = job.fused_update and end == job.batch.n_chunks
    cdef bint has_bias = not i and layer.b >= 0
    cdef real *w_gradient = job.accumulators[0].gradient + start
    cdef real *b_gradient = job.accumulators[0].gradient + layer.b
    m = min(m, layer.n_in - i)
    if is_complete and not first_chunk:         # used up at once: always in the same place
        w_gradient = job.accumulators[thread].gradient
        b_gradient = w_gradient + m * layer.n_out
    for k from first_chunk <= k < end by STRIP_CHUNKS:
        sum_strip(engine, job, thread, k, min(k + STRIP_CHUNKS, end), index, i, m, w_gradient,
                  b_gradient if has_bias else NULL)
    if is_complete:
        update_strip(engine, optimizer, job.parameters, w_gradient, start, m * layer.n_out)
    if is_complete and has_bias:
        update_strip(engine, optimizer, job.parameters, b_gradient, layer.b, layer.n_out)


cdef void sum_strip(Engine engine, job_t *job, int thread, Py_ssize_t first_chunk, Py_ssize_t end,
                    Py_ssize_t index, Py_ssize_t i, Py_ssize_t m, real *w_gradient,
                    real *b_gradient) noexcept nogil:
    """Sum the gradient of m inputs, from i on, over at most STRIP_CHUNKS chunks; of the bias unless NULL."""
    cdef layer_t *layer = &engine.layers[index]
    # the blocks g and derivative, which are not used by now
    cdef real *scratch = job.accumulators[thread].memory + engine.g * job.batch.chunk_rows
    cdef span_t span
    cdef strip_t strip
    cdef Py_ssize_t k
    strip.n_panels = 0
    for k from first_chunk <= k < end:
        span = whole_chunk(job, k)
        if not layer.wide:
            narrow_gradient(engine, &job.batch, &span, index, k > 0, w_gradient, b_gradient)
        elif layer.reads_rows:
            scratch = append_inputs(engine, job, &span, i, m, scratch, &strip)
        else:
            append_panels(engine, &job.batch, &span, index, i, &strip)
    if not layer.wide:
        return
    engine.kernels.panel_outer(strip.panels, strip.n_panels, first_chunk > 0, w_gradient, m, layer.n_out)
    if b_gradient != NULL:
        engine.kernels.panel_outer_ones(strip.panels, strip.n_panels, first_chunk > 0, b_gradient,
                                        layer.n_out)


cdef real *append_inputs(Engine engine, const job_t *job, const span_t *span, Py_ssize_t first, Py_ssize_t m,
                         real *block, strip_t *strip) noexcept nogil:
    """Transpose m inputs, from `first` on, of a chunk's rows; append these panels; return the block's end.

    The inputs of the strip that the thread is likely to compute next are prefetched.
    """
    cdef const real *rows[PANEL]
    cdef gradient_panel *q = &strip.panels[strip.n_panels]
    cdef Py_ssize_t r, i, j, k, ahead = first + job.n_threads * m
    append_panels(engine, &job.batch, span, 0, first, strip)
    for r from 0 <= r < span.chunk_rows by PANEL:
        for i in range(q.filled):
            rows[i] = input_row(engine, &job.batch, span.start + r + i) + first
            for j from ahead <= j < min(ahead + m, engine.n_inputs) by WIDTH:
                prefetch_read(rows[i] + j - first, False)
        engine.kernels.transpose_rows(rows, q.filled, m, block, q.width)
        q.x = block
        block += m * q.width
        q += 1
    return block


# small batches ------------------------------------------------------------------------------------

cdef void small_batch_errors(Engine engine, Optimizer optimizer, const batch_t *batch, const span_t *span,
                             Py_ssize_t index, real *g) noexcept nogil:
    """g = W delta of a small batch; with a fused update, update each strip while it is in cache."""
    cdef accumulator_t *accumulator = span.accumulator
    cdef real *parameters = accumulator.fused_parameters
    cdef real *gradient = accumulator.gradient
    cdef layer_t *layer = &engine.layers[index]
    cdef strip_t strip
    cdef const real *w = batch.parameters + layer.w
    cdef const real *delta = span.accumulator.memory + layer.transposed_delta * span.chunk_rows
    cdef Py_ssize_t i, m
    cdef Py_ssize_t step = strip_inputs(layer, span) if parameters != NULL else layer.n_in
    for i from 0 <= i < layer.n_in by step:
        m = min(layer.n_in - i, step)
        engine.kernels.small_batch_errors(w + i * layer.n_out, delta, span.n, g + i * WIDTH, m, layer.n_out)
        if parameters != NULL:
            strip.n_panels = 0
            append_panels(engine, batch, span, index, i, &strip)
            engine.kernels.panel_outer(strip.panels, strip.n_panels, False, gradient, m, layer.n_out)
            update_strip(engine, optimizer, parameters, gradient, layer.w + i * layer.n_out, m * layer.n_out)
    if parameters != NULL and layer.b >= 0:
        engine.kernels.panel_outer_ones(strip.panels, strip.n_panels, False, gradient, layer.n_out)
        update_strip(engine, optimizer, parameters, gradient, layer.b, layer.n_out)

# Epochs of batches of one row. A single row does not fill a vector along the rows, so the vectors run along
# the units or the inputs, and no row is transposed into a block.
#
# A single unit goes through `train_unit` (kernels/per_sample_epoch.pxi), RUN_ROWS rows at a time. Any other
# network is trained on a copy of its parameters whose weights are padded to whole cache lines
# (kernels/gemv.pxi): a row per input or a row per output, whichever pads less. The copy is written back after
# the epoch. Plain gradient descent updates w in the pass that propagates the error; every other optimizer
# gets the gradient, padded in the same way, and its state. Padding elements stay 0 in the parameters, and
# what activations and losses compute from them is never read. Whether an epoch runs here depends on the
# network and the options only.

cdef inline double sample_weight(const batch_t *batch, Py_ssize_t row) noexcept nogil:
    """Return the weight of a row of x."""
    return batch.weight[row] if batch.weight != NULL else 1


cdef inline double sample_scale(Engine engine, const batch_t *batch, double weight) noexcept nogil:
    """Return the factor of a row's gradient."""
    if engine.reduction == SUM or weight == 0:
        return weight
    return weight / (mean_weight(batch) * (engine.n_outputs if engine.reduction == MEAN else 1))


# a single unit --------------------------------------------------------------------------------------

cdef struct unit_data_t:            # of a unit whose activation or loss `train_unit` does not know
    layout_t *layout
    layer_t *layer
    loss_block_t loss_derivative
    fused_delta_t fused_delta
    void *loss_data
    const real *y


cdef real unit_error_term(void *data, Py_ssize_t row, real h, real *out) noexcept nogil:
    """Return -dl/dh of a row and store y_hat, through blocks of one vector."""
    cdef unit_data_t *unit = <unit_data_t *> data
    cdef layout_t *layout = unit.layout
    cdef padded_layer_t *place = layout.layers
    cdef real *h_block = layout.memory + place.h
    cdef real *y_hat = layout.memory + place.y_hat
    cdef real *error = layout.memory + layout.error
    cdef real *derivative = layout.memory + layout.derivative
    cdef real *y = layout.memory + layout.x         # a single unit does not use the block of the inputs
    h_block[0], y[0] = h, unit.y[row]
    if unit.layer.value_and_derivative != NULL:
        unit.layer.value_and_derivative(h_block, y_hat, derivative, WIDTH, unit.layer.data)
    else:
        unit.layer.f(h_block, y_hat, WIDTH, unit.layer.data)
        if unit.fused_delta == NULL:
            unit.layer.df(h_block, y_hat, derivative, WIDTH, unit.layer.data)
    out[0] = y_hat[0]
    if unit.fused_delta != NULL:
        unit.fused_delta(y, y_hat, error, 1, WIDTH, unit.loss_data)
        return error[0]
    unit.loss_derivative(y, y_hat, error, WIDTH, unit.loss_data)
    return -error[0] * derivative[0]


cdef void train_single_unit(Engine engine, job_t *job) noexcept nogil:
    """Train a single unit on every row in order, RUN_ROWS rows at a time."""
    cdef layout_t *layout = job.layout
    cdef batch_t *batch = &job.batch
    cdef const real *x[RUN_ROWS + UNIT_PREFETCH_ROWS]
    cdef real *y = layout.memory + layout.y
    cdef real *loss_values = layout.memory + layout.loss_values
    cdef real *step = layout.w                      # four arrays of RUN_ROWS
    cdef real *weight = step + RUN_ROWS
    cdef real *h = weight + RUN_ROWS
    cdef real *y_hat = h + RUN_ROWS
    cdef Py_ssize_t first, row, r, n
    cdef double w, rate = job.learning_rate * layout.rate_factor
    cdef unit_data_t data
    cdef unit_rows unit
    data.layout, data.layer, data.y = layout, engine.layers, y
    data.loss_derivative, data.fused_delta = engine.loss_derivative, engine.fused_delta
    data.loss_data = engine.loss_data
    unit.exceeds_cache = exceeds_cache(engine, job.n_rows)
    unit.d, unit.x, unit.y, unit.step, unit.h, unit.y_hat = engine.n_inputs, x, y, step, h, y_hat
    unit.w = job.parameters + engine.layers[0].w
    unit.b = job.parameters + engine.layers[0].b if engine.layers[0].b >= 0 else NULL
    unit.memory, unit.error_term, unit.data = layout.g, unit_error_term, &data
    for r in range(RUN_ROWS):
        weight[r], step[r] = 1, <real> (rate * sample_scale(engine, batch, 1))
    for first from 0 <= first < job.n_rows by RUN_ROWS:
        n = min(<Py_ssize_t> RUN_ROWS, job.n_rows - first)
        for r in range(n):
            row = row_index(batch, first + r)
            x[r], y[r] = batch.x + row * engine.n_inputs, batch.y[row]
            if batch.weight != NULL and batch.weight[row] == 0:
                x[r], y[r] = batch.filler_x, batch.filler_y[0]
        for r in range(n, n + UNIT_PREFETCH_ROWS):  # prefetched only
            x[r] = batch.x + row_index(batch, min(first + r, job.n_rows - 1)) * engine.n_inputs
        if batch.weight != NULL:
            for r in range(n):
                w = sample_weight(batch, row_index(batch, first + r))
                weight[r], step[r] = <real> w, <real> (rate * sample_scale(engine, batch, w))
        job.weight += n * mean_weight(batch)
        unit.n = n
        engine.kernels.train_unit(layout.unit_kind, &unit)
        for r in range(n, padded(n)):               # the padding repeats the last row, with weight 0
            y[r], h[r], y_hat[r], weight[r] = y[n - 1], h[n - 1], y_hat[n - 1], 0
        if engine.fused_loss != NULL:
            engine.fused_loss(h, y, loss_values, 1, padded(n), engine.loss_data)
        else:
            engine.loss(y, y_hat, loss_values, padded(n), engine.loss_data)
        job.loss += engine.kernels.weighted_sum(loss_values, weight, 1, padded(n))
        poll(engine, job)
        if job.status != RUNNING:
            return
    if engine.reduction == SUM:
        job.weight = 0


# any other network ----------------------------------------------------------------------------------

cdef void pack_parameters(Engine engine, layout_t *layout, const real *flat, real *packed) noexcept nogil:
    """Copy a flat vector (parameters or state) into the padded layout."""
    cdef Py_ssize_t index, i, j, k, at
    cdef padded_layer_t *place
    cdef layer_t *layer
    for index in range(engine.n_layers):
        layer, place = &engine.layers[index], &layout.layers[index]
        for i in range(layer.n_in):
            for j in range(layer.n_out):
                k = layer.w + i * layer.n_out + j
                at = place.w + (j * place.n + i if place.by_output else i * place.n + j)
                packed[at] = flat[k]
        if layer.b >= 0:
            memcpy(packed + place.b, flat + layer.b, layer.n_out * sizeof(real))


cdef void unpack_parameters(Engine engine, layout_t *layout, const real *packed, real *flat) noexcept nogil:
    """Copy the padded layout back into a flat vector."""
    cdef Py_ssize_t index, i, j, k, at
    cdef padded_layer_t *place
    cdef layer_t *layer
    for index in range(engine.n_layers):
        layer, place = &engine.layers[index], &layout.layers[index]
        for i in range(layer.n_in):
            for j in range(layer.n_out):
                k = layer.w + i * layer.n_out + j
                at = place.w + (j * place.n + i if place.by_output else i * place.n + j)
                flat[k] = packed[at]
        if layer.b >= 0:
            memcpy(flat + layer.b, packed + place.b, layer.n_out * sizeof(real))


cdef inline void clear_padding(real *p, Py_ssize_t n) noexcept nogil:
    """Set the elements from n up to the next multiple of WIDTH to 0."""
    cdef Py_ssize_t i
    for i in range(n, padded(n)):
        p[i] = 0


cdef inline Py_ssize_t vector_rows(Engine engine) noexcept nogil:
    """Return the rows of a block for row-wise functions: one vector."""
    return engine.kernels.vector_bytes // <Py_ssize_t> sizeof(real)


cdef inline void to_rowwise(const real *row, real *block, Py_ssize_t units, Py_ssize_t rows) noexcept nogil:
    """Copy a row into the first row of a block (units, rows)."""
    cdef Py_ssize_t i
    for i in range(units):
        block[i * rows] = row[i]


cdef inline void from_rowwise(const real *block, real *row, Py_ssize_t units, Py_ssize_t rows) noexcept nogil:
    """Copy the first row of a block (units, rows)."""
    cdef Py_ssize_t i
    for i in range(units):
        row[i] = block[i * rows]


cdef void sample_forward(Engine engine, job_t *job, layout_t *layout) noexcept nogil:
    """h = W^T x + b and y_hat = f(h), layer by layer."""
    cdef real *below = layout.memory + layout.x
    cdef real *h
    cdef real *y_hat
    cdef real *w
    cdef const real *bias
    cdef layer_t *layer
    cdef padded_layer_t *place
    cdef Py_ssize_t index
    for index in range(engine.n_layers):
        layer, place = &engine.layers[index], &layout.layers[index]
        h, y_hat, w = layout.memory + place.h, layout.memory + place.y_hat, layout.w + place.w
        bias = layout.w + place.b if place.b >= 0 else NULL
        if place.by_output:
            engine.kernels.gemv(w, below, bias, h, place.m, place.n)
        else:
            engine.kernels.gemv_transposed(w, below, bias, h, place.m, place.n)
        if layer.f_rows != NULL:
            to_rowwise(h, layout.rowwise[0], layer.n_out, vector_rows(engine))
            layer.f_rows(layout.rowwise[0], layout.rowwise[1], layer.n_out, vector_rows(engine), layer.data)
            from_rowwise(layout.rowwise[1], y_hat, layer.n_out, vector_rows(engine))
        elif layer.value_and_derivative != NULL:
            layer.value_and_derivative(h, y_hat, h, padded(layer.n_out), layer.data)
        else:
            layer.f(h, y_hat, padded(layer.n_out), layer.data)
        clear_padding(y_hat, layer.n_out)
        if layer.keep_rate < 1:
            draw_mask(&job.batch, layer, <int> index, layout.memory + place.mask)
            engine.kernels.multiply(y_hat, layout.memory + place.mask, layout.memory + place.out, layer.n_out)
        below = layout.memory + place.out


cdef void draw_mask(const batch_t *batch, const layer_t *layer, int index, real *mask) noexcept nogil:
    """Draw the mask that `apply_dropout` draws for the first row of a batch."""
    cdef real kept = <real> (1 / layer.keep_rate)
    cdef uint64_t limit = <uint64_t> (layer.keep_rate * 4294967296.0)
    cdef Py_ssize_t j
    cdef stream random = open_stream(batch.seed, DROPOUT, index, batch.step)
    for j in range(layer.n_out):
        mask[j] = kept if next_word(&random) < limit else 0


cdef double sample_loss(Engine engine, layout_t *layout) noexcept nogil:
    """Return the sum of the loss over a row's outputs."""
    cdef layer_t *layer = &engine.layers[engine.n_layers - 1]
    cdef padded_layer_t *place = &layout.layers[engine.n_layers - 1]
    cdef real *h = layout.memory + place.h
    cdef real *y = layout.memory + layout.y
    cdef real *values = layout.memory + layout.loss_values
    cdef Py_ssize_t i, rows = vector_rows(engine)
    cdef double total = 0
    if engine.fused_loss != NULL and layer.f_rows != NULL:
        to_rowwise(h, layout.rowwise[0], layer.n_out, rows)
        to_rowwise(y, layout.rowwise[1], layer.n_out, rows)
        engine.fused_loss(layout.rowwise[0], layout.rowwise[1], layout.rowwise[2], layer.n_out, rows,
                          engine.loss_data)
        from_rowwise(layout.rowwise[2], values, layer.n_out, rows)
    elif engine.fused_loss != NULL:
        engine.fused_loss(h, y, values, 1, padded(layer.n_out), engine.loss_data)
    else:
        engine.loss(y, layout.memory + place.y_hat, values, padded(layer.n_out), engine.loss_data)
    for i in range(layer.n_out):
        total += values[i]
    return total


cdef void sample_output_error(Engine engine, layout_t *layout) noexcept nogil:
    """delta = dl/dh of the output layer."""
    cdef layer_t *layer = &engine.layers[engine.n_layers - 1]
    cdef padded_layer_t *place = &layout.layers[engine.n_layers - 1]
    cdef real *y = layout.memory + layout.y
    cdef real *y_hat = layout.memory + place.y_hat
    cdef real *error = layout.memory + layout.error
    cdef Py_ssize_t rows = vector_rows(engine)
    if engine.fused_loss == NULL:
        engine.loss_derivative(y, y_hat, error, padded(layer.n_out), engine.loss_data)
        sample_backprop_activation(engine, layout, engine.n_layers - 1)
        return
    if layer.f_rows != NULL:
        to_rowwise(y, layout.rowwise[0], layer.n_out, rows)
        to_rowwise(y_hat, layout.rowwise[1], layer.n_out, rows)
        engine.fused_delta(layout.rowwise[0], layout.rowwise[1], layout.rowwise[2], layer.n_out, rows,
                           engine.loss_data)
        from_rowwise(layout.rowwise[2], error, layer.n_out, rows)
    else:
        engine.fused_delta(y, y_hat, error, 1, padded(layer.n_out), engine.loss_data)
    engine.kernels.scale(-1, error, layout.memory + place.delta, layer.n_out)


cdef void sample_backprop_activation(Engine engine, layout_t *layout, Py_ssize_t index) noexcept nogil:
    """delta = dl/dh of a layer from the error dl/dy_hat: f'(h) error, or J^T error."""
    cdef layer_t *layer = &engine.layers[index]
    cdef padded_layer_t *place = &layout.layers[index]
    cdef real *h = layout.memory + place.h
    cdef real *y_hat = layout.memory + place.y_hat
    cdef real *error = layout.memory + layout.error
    cdef real *derivative = layout.memory + layout.derivative
    cdef real *delta = layout.memory + place.delta
    cdef Py_ssize_t rows = vector_rows(engine)
    if layer.backward_rows != NULL:
        to_rowwise(y_hat, layout.rowwise[0], layer.n_out, rows)
        to_rowwise(error, layout.rowwise[1], layer.n_out, rows)
        layer.backward_rows(layout.rowwise[0], layout.rowwise[0], layout.rowwise[1], layout.rowwise[2],
                            layer.n_out, rows, layer.data)
        from_rowwise(layout.rowwise[2], delta, layer.n_out, rows)
    elif layer.value_and_derivative != NULL:        # forward has overwritten h with f'(h)
        engine.kernels.multiply(error, h, delta, layer.n_out)
    else:
        layer.df(h, y_hat, derivative, padded(layer.n_out), layer.data)
        engine.kernels.multiply(error, derivative, delta, layer.n_out)


cdef void sample_backward(Engine engine, layout_t *layout, real rate) noexcept nogil:
    """From the last layer to the first: the error of the layer below, then the update or the gradient.

    error_i = sum_j w_ij delta_j, and w_ij += rate x_i delta_j where the update is fused, else
    g_ij = rate x_i delta_j.
    """
    cdef real *error = layout.memory + layout.error
    cdef real *target = layout.w if layout.fused_update else layout.g
    cdef real *below
    cdef real *delta
    cdef real *w
    cdef real *along            # the factor of the outer product along the rows of w ...
    cdef real *across           # ... and the other one, an element per row
    cdef layer_t *layer
    cdef padded_layer_t *place
    cdef Py_ssize_t index
    sample_output_error(engine, layout)
    for index in range(engine.n_layers - 1, -1, -1):
        layer, place = &engine.layers[index], &layout.layers[index]
        w, delta = layout.w + place.w, layout.memory + place.delta
        below = layout.memory + (layout.layers[index - 1].out if index else layout.x)
        along, across = (below, delta) if place.by_output else (delta, below)
        if index and layout.fused_update:
            if place.by_output:
                engine.kernels.gemv_transposed_and_update(w, along, across, rate, error, place.m, place.n)
            else:
                engine.kernels.gemv_and_update(w, along, across, rate, error, place.m, place.n)
        else:
            if index and place.by_output:
                engine.kernels.gemv_transposed(w, delta, NULL, error, place.m, place.n)
            elif index:
                engine.kernels.gemv(w, delta, NULL, error, place.m, place.n)
            engine.kernels.rank_1_update(along, across, rate, layout.fused_update, target + place.w, place.m,
                                         place.n)
        if place.b >= 0:
            engine.kernels.rank_1_update(delta, layout.memory + layout.one, rate, layout.fused_update,
                                         target + place.b, 1, padded(layer.n_out))
        if index:
            if engine.layers[index - 1].keep_rate < 1:
                engine.kernels.multiply(error, layout.memory + layout.layers[index - 1].mask, error,
                                        layer.n_in)
            sample_backprop_activation(engine, layout, index - 1)


cdef void sample_update(Engine engine, Optimizer optimizer, job_t *job, layout_t *layout) noexcept nogil:
    """Add the penalties, clip, and apply the optimizer to the padded parameters."""
    cdef layer_t *layer
    cdef padded_layer_t *place
    cdef Py_ssize_t index
    for index in range(engine.n_layers):
        layer, place = &engine.layers[index], &layout.layers[index]
        if layer.l1 or layer.l2:
            engine.kernels.penalty_gradient(layout.w + place.w, layer.l1, layer.l2, layout.g + place.w,
                                            place.m * place.n)
    if not clip_gradient(engine, job, layout.g, layout.n):
        job.status = DIVERGED
    optimizer.begin_step(job.learning_rate)
    optimizer.f(layout.w, layout.g, layout.state, layout.n, optimizer.step_scalars)


cdef void train_rows(Engine engine, Optimizer optimizer, job_t *job) noexcept nogil:
    """Train a network on every row in order."""
    cdef layout_t *layout = job.layout
    cdef batch_t *batch = &job.batch
    cdef const real *x
    cdef const real *y
    cdef Py_ssize_t position, row, n_inputs = engine.n_inputs, n_outputs = engine.n_outputs
    cdef Py_ssize_t rows_per_poll = max(1, min(<Py_ssize_t> RUN_ROWS, <Py_ssize_t> (1e6 / engine.row_flops)))
    cdef double weight, scale, mean_factor = 1.0 / n_outputs if engine.reduction == MEAN else 1
    cdef int k
    pack_parameters(engine, layout, job.parameters, layout.w)
    for k in range(MAX_STATE):
        if layout.state[k] != NULL:
            pack_parameters(engine, layout, optimizer.state_arrays[k], layout.state[k])
    for position in range(job.n_rows):
        row = row_index(batch, position)
        weight = sample_weight(batch, row)
        scale = sample_scale(engine, batch, weight)
        x = batch.x + row * n_inputs if weight != 0 else batch.filler_x
        y = batch.y + row * n_outputs if weight != 0 else batch.filler_y
        memcpy(layout.memory + layout.x, x, n_inputs * sizeof(real))
        memcpy(layout.memory + layout.y, y, n_outputs * sizeof(real))
        sample_forward(engine, job, layout)
        if weight != 0:
            job.loss += weight * sample_loss(engine, layout) * mean_factor
        if engine.reduction != SUM:
            job.weight += mean_weight(batch)
        sample_backward(engine, layout, <real> (-job.learning_rate * scale if layout.fused_update else scale))
        if not layout.fused_update:
            sample_update(engine, optimizer, job, layout)
        batch.step += 1
        if position % rows_per_poll == 0:
            poll(engine, job)
        if job.status != RUNNING:
            return
    unpack_parameters(engine, layout, layout.w, job.parameters)
    for k in range(MAX_STATE):
        if layout.state[k] != NULL:
            unpack_parameters(engine, layout, layout.state[k], optimizer.state_arrays[k])


cdef void run_per_sample_epoch(Engine engine, Optimizer optimizer, job_t *job) noexcept nogil:
    """Run one epoch of batches of one row, on the calling thread: each row needs the weights of the last."""
    job.batch.first = 0
    if job.layout.single_unit:
        train_single_unit(engine, job)
        job.batch.step += job.n_rows
    else:
        train_rows(engine, optimizer, job)
    if job.layout.fused_update:
        optimizer.step += job.n_rows

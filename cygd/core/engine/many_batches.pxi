# A batch of many networks: pack the rows of each, strips of rows forward and backward, sums, and the update.
#
# Blocks are (rows, units, networks). The functions of batch_chunks.pxi and the elementwise kernels see them
# as panels (units, networks), one for each row of the batch. Only what adds over rows or units has kernels of
# its own (kernels/many_networks.pxi). A strip of rows goes forward and backward while it is in L1.

cdef inline void interleave(const real **rows, Py_ssize_t n, Py_ssize_t networks,
                            real *out) noexcept nogil:
    """out_ik = rows_k[i], out (n, networks)."""
    cdef Py_ssize_t i, k
    for i in range(n):
        for k in range(networks):
            out[i * networks + k] = rows[k][i]


cdef inline bint same_step(const member_t *a, const double *carried, const member_t *b) noexcept nogil:
    """Return whether the scalars of b's step are those of a, which carried these numbers."""
    return (a.rate == b.rate and a.step[0] == b.step[0]
            and memcmp(a.optimizer_parameters, b.optimizer_parameters,
                       MAX_OPTIMIZER_PARAMETERS * sizeof(double)) == 0
            and memcmp(carried, b.carried, 4 * sizeof(double)) == 0)


cdef class ManyBatches(ManyLanes):
    """Trains many networks on a batch of each."""

    cdef const uint32_t *rows_at(self, Py_ssize_t position) noexcept nogil:
        """Return the row of each network at a position of the epoch.

        They are interleaved for several positions at once, because the orders are far apart in memory.
        """
        cdef Py_ssize_t k, t, n
        cdef const uint32_t *order
        if not self.positions_from <= position < self.positions_to:
            n = min(self.job.n_rows - position, <Py_ssize_t> POSITIONS)
            self.positions_from, self.positions_to = position, position + n
            for k in range(self.networks):
                order = self.orders[k]
                for t in range(n):
                    self.positions[t * self.networks + k] = (
                        order[position + t] if order != NULL else <uint32_t> (position + t))
        return self.positions + (position - self.positions_from) * self.networks

    cdef void pack(self, const span_t *span, Py_ssize_t rows) noexcept nogil:
        """Copy the rows of each network and their weights into the blocks.

        The padding repeats the last row, and has the weight 0.
        """
        cdef const batch_t *batch = &self.job.batch
        cdef Py_ssize_t d = self.engine.n_inputs, m = self.engine.n_outputs, networks = self.networks, r, k
        cdef const uint32_t *row
        cdef real *weight = block_at(span, self.engine.weight, 1)
        cdef bint same_weights = batch.weight == NULL and self.weighted_rows == batch.n_rows
        for r in range(rows):
            row = self.rows_at(batch.first + min(r, batch.n_rows - 1))
            for k in range(networks):
                self.x_rows[k], self.y_rows[k] = batch.x + row[k] * d, batch.y + row[k] * m
            if batch.weight != NULL:
                for k in range(networks):
                    weight[r * networks + k] = batch.weight[row[k]] if r < batch.n_rows else 0
                    if batch.weight[row[k]] == 0:
                        self.x_rows[k], self.y_rows[k] = batch.filler_x, batch.filler_y
            elif not same_weights:
                for k in range(networks):
                    weight[r * networks + k] = 1 if r < batch.n_rows else 0
            interleave(self.x_rows, d, networks, block_at(span, self.engine.x, d) + r * d * networks)
            interleave(self.y_rows, m, networks, block_at(span, self.engine.y, m) + r * m * networks)
        self.weighted_rows = batch.n_rows

    cdef void draw_masks(self, const span_t *span, Py_ssize_t index) noexcept nogil:
        """Draw the dropout masks of a layer as `apply_dropout` does, and apply them."""
        cdef layer_t *layer = &self.engine.layers[index]
        cdef real *mask = block_at(span, layer.mask, layer.n_out)
        cdef Py_ssize_t r, k, j, words = (layer.n_out + 3) // 4 * 4
        cdef double keep_rate
        cdef real kept
        cdef uint64_t limit
        cdef member_t *member
        cdef stream random
        cdef bint keep
        for k in range(self.networks):
            member = &self.members[self.lanes[min(k, self.n_lanes - 1)]]
            keep_rate = member_layer(member, index).keep_rate
            kept, limit = <real> (1 / keep_rate), <uint64_t> (keep_rate * 4294967296.0)
            random = open_stream(member.seed, DROPOUT, <int> index, member.updates + self.batches)
            random.position = span.start * words
            for r in range(span.n):
                for j in range(words):
                    keep = next_word(&random) < limit
                    if j < layer.n_out:
                        mask[(r * layer.n_out + j) * self.networks + k] = kept if keep else 0
        self.engine.kernels.multiply(block_at(span, layer.y_hat, layer.n_out), mask,
                                     block_at(span, layer.out, layer.n_out), layer.n_out * span.rows)

    cdef void forward(self, const span_t *span) noexcept nogil:
        """h = W^T x + b and y_hat = f(h), layer by layer; and the losses of the rows."""
        cdef const real *below = block_at(span, self.engine.x, self.engine.n_inputs)
        cdef const real *bias
        cdef real *h = NULL
        cdef real *values
        cdef real *y
        cdef layer_t *layer = NULL
        cdef Py_ssize_t index, r, m = self.engine.n_outputs, networks = self.networks
        for index in range(self.engine.n_layers):
            layer = &self.engine.layers[index]
            bias = self.w + layer.b * networks if layer.b >= 0 else NULL
            h = block_at(span, layer.h, layer.n_out)
            self.engine.kernels.many_matmul(self.w + layer.w * networks, 1, layer.n_out, below, bias, h,
                                            span.n, layer.n_out, layer.n_in, networks)
            activate(self.engine, &self.job.batch, layer, span)
            if layer.keep_rate < 1:
                self.draw_masks(span, index)
            below = block_at(span, layer.out, layer.n_out)
        y, values = block_at(span, self.engine.y, m), block_at(span, self.engine.loss_values, m)
        if self.engine.fused_loss == NULL:
            self.engine.loss(y, below, values, m * span.rows, self.engine.loss_data)
            return
        for r from 0 <= r < span.rows by span.panel:
            self.engine.fused_loss(h + r * m, y + r * m, values + r * m, m, span.panel, self.engine.loss_data)

    cdef void backward(self, const span_t *span) noexcept nogil:
        """delta of every layer, from the last to the first, and the gradients of the wide ones."""
        cdef Py_ssize_t index
        cdef layer_t *layer
        cdef layer_t *below
        cdef const real *delta
        cdef real *g = scratch_at(span, self.engine.g)
        output_error(self.engine, &self.job.batch, span)
        for index in range(self.engine.n_layers - 1, -1, -1):
            layer = &self.engine.layers[index]
            if layer.wide:
                self.wide_gradient(span, index)
            if not index:
                break
            # g_i = dE/dy_hat_i of the layer below = sum_j w_ij delta_j
            below, delta = &self.engine.layers[index - 1], block_at(span, layer.delta, layer.n_out)
            self.engine.kernels.many_matmul(self.w + layer.w * self.networks, layer.n_out, 1, delta, NULL, g,
                                            span.n, layer.n_in, layer.n_out, self.networks)
            if below.keep_rate < 1:
                self.engine.kernels.multiply(g, block_at(span, below.mask, layer.n_in), g,
                                             layer.n_in * span.rows)
            backprop_activation(self.engine, &self.job.batch, below, span, g,
                                block_at(span, below.delta, layer.n_in))

    cdef inline const real *inputs(self, const span_t *span, Py_ssize_t index) noexcept nogil:
        """Return the block of the inputs of a layer."""
        if index == 0:
            return block_at(span, self.engine.x, self.engine.n_inputs)
        return block_at(span, self.engine.layers[index - 1].out, self.engine.layers[index - 1].n_out)

    cdef void wide_gradient(self, const span_t *span, Py_ssize_t index) noexcept nogil:
        """Add the rows of a strip to dE/dw = x delta^T and to dE/db, without padding."""
        cdef layer_t *layer = &self.engine.layers[index]
        cdef const real *delta = block_at(span, layer.delta, layer.n_out)
        cdef Py_ssize_t rows = min(span.n, self.job.batch.n_rows - span.start)
        if rows <= 0:
            return
        self.engine.kernels.many_outer(self.inputs(span, index), delta, span.start > 0,
                                       self.g + layer.w * self.networks, rows, layer.n_in, layer.n_out,
                                       self.networks)
        if layer.b >= 0:
            self.engine.kernels.many_outer_ones(delta, span.start > 0, self.g + layer.b * self.networks, rows,
                                                layer.n_out, self.networks)

    cdef void narrow_gradients(self, const span_t *batch) noexcept nogil:
        """dE/dw and dE/db of the narrow layers, from the blocks of the whole batch."""
        cdef layer_t *layer
        cdef const real *delta
        cdef Py_ssize_t index
        for index in range(self.engine.n_layers):
            layer = &self.engine.layers[index]
            if layer.wide:
                continue
            delta = block_at(batch, layer.delta, layer.n_out)
            self.engine.kernels.many_dots(self.inputs(batch, index), delta, self.g + layer.w * self.networks,
                                          batch.n, layer.n_in, layer.n_out, self.networks)
            if layer.b >= 0:
                self.engine.kernels.many_dots(NULL, delta, self.g + layer.b * self.networks, batch.n, 1,
                                              layer.n_out, self.networks)

    cdef void sum_losses(self, const span_t *batch) noexcept nogil:
        """Add the weighted losses of the batch to those of the epoch, in the order of `accumulate_loss`."""
        cdef real *weight = block_at(batch, self.engine.weight, 1)
        cdef real *values = block_at(batch, self.engine.loss_values, self.engine.n_outputs)
        cdef double divisor = 0 if self.engine.reduction == SUM else loss_divisor(&self.job.batch)
        cdef double scale = self.job.batch.scale, loss
        cdef Py_ssize_t r, k, m = self.engine.n_outputs
        memset(self.batch_loss, 0, self.networks * sizeof(double))
        for r from 0 <= r < batch.n by PANEL:
            self.engine.kernels.many_weighted_sums(values + r * m * self.networks, weight + r * self.networks,
                                                   self.batch_loss, m, min(batch.n - r, <Py_ssize_t> PANEL),
                                                   self.networks)
        for k in range(self.n_lanes):                   # as add_batch_loss
            loss = self.batch_loss[k] * scale
            self.epoch_loss[k] += loss * divisor if divisor > 0 else loss
        self.epoch_weight += divisor

    cdef void add_penalties(self) noexcept nogil:
        """g += l1 sign(w) + l2 w, for the weights of each layer."""
        cdef layer_t *layer
        cdef Py_ssize_t index, start, networks = self.networks
        for index in range(self.engine.n_layers):
            layer = &self.engine.layers[index]
            start = layer.w * networks
            self.engine.kernels.many_penalty_gradient(
                self.w + start, self.l1 + index * networks, self.l2 + index * networks,
                self.penalizes + index * networks, self.g + start, layer.n_in * layer.n_out, networks)

    cdef void compute_scalars(self) noexcept nogil:
        """Begin the step of every optimizer: count it and compute its scalars.

        They cost powers, and neighbors with the same numbers share them.
        """
        cdef double s[8]
        cdef double carried[4]                          # by the network of `s`, before this step
        cdef Py_ssize_t k, networks = self.networks
        cdef member_t *member
        cdef member_t *last = NULL
        cdef int i
        if self.steady and self.batches > 1:    # not the first step of an optimizer
            self.steady_steps += 1
            return
        memset(s, 0, sizeof(s))
        for k in range(networks):
            if k < self.n_lanes:
                member = &self.members[self.lanes[k]]
                member.step[0] += 1
                if last != NULL and same_step(last, carried, member):
                    memcpy(member.carried, last.carried, sizeof(carried))
                else:
                    last = member
                    memcpy(carried, member.carried, sizeof(carried))
                    self.optimizer.compute_scalars(member.optimizer_parameters, member.rate, member.step[0],
                                                   member.carried, s)
            for i in range(8):
                self.scalars[i * networks + k] = <real> s[i]

    cdef void train_batch(self, Py_ssize_t first) noexcept nogil:
        """Train on the batch that begins at position `first` of the epoch."""
        cdef batch_t *batch = &self.job.batch
        cdef Py_ssize_t rows, r
        cdef span_t whole, strip
        batch.first = first
        self.engine.split(batch, min(self.job.batch_size, self.job.n_rows - first))
        batch.scale = self.engine.loss_scale(batch)
        rows = many_rows(batch.n_rows)
        batch.chunk_rows = rows * self.networks         # by which `poll` estimates the work
        whole.accumulator = &self.accumulator
        whole.chunk_rows = whole.rows = rows * self.networks
        whole.first = whole.start = 0
        whole.n = rows
        whole.panel = self.networks                     # a row of the block is a panel of units x networks
        if not self.packed:
            self.pack(&whole, rows)
            self.packed = batch.n_rows == self.job.n_rows and self.orders[0] == NULL
        self.compute_scalars()
        strip = whole
        for r from 0 <= r < rows by self.strip_rows:
            strip.n = min(rows - r, self.strip_rows)
            strip.start, strip.first, strip.rows = r, r * self.networks, strip.n * self.networks
            self.forward(&strip)
            self.backward(&strip)
        self.narrow_gradients(&whole)
        self.sum_losses(&whole)
        if self.penalized:
            self.add_penalties()
        self.update(self.w, self.g, self.state, self.engine.n_parameters, self.networks, self.scalars)
        self.batches += 1

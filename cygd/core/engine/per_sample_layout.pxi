# The memory of per-sample epochs (per_sample.pxi): where the parameters and the blocks of one row are.

cdef enum:
    RUN_ROWS = 256                  # rows of one call of `train_unit`


# A layer whose weights are padded to whole cache lines; offsets and sizes in elements.
cdef struct padded_layer_t:
    bint by_output                  # w has a row per output instead of one per input
    Py_ssize_t m, n                 # rows of w, elements of a row
    Py_ssize_t w, b                 # in the padded parameters; b < 0: no bias
    Py_ssize_t h, y_hat, out, mask, delta   # in the layout's memory


# What a per-sample epoch needs besides the engine.
cdef struct layout_t:
    bint fused_update               # plain gradient descent: w is updated while the error is propagated
    bint single_unit                # trained by `train_unit`
    int unit_kind                   # UNIT_IDENTITY ...
    double rate_factor              # of a single unit
    int n_layers
    padded_layer_t *layers
    real *memory
    real *w                         # n padded parameters
    real *g
    real *state[MAX_STATE]
    Py_ssize_t n
    # offsets of blocks in the memory
    Py_ssize_t x, y, loss_values, derivative, error, one
    real *rowwise[3]                # blocks (units, rows of a vector) with one row, for row-wise functions


cdef class PerSampleLayout:
    """The layout of per-sample epochs, and its memory."""
    cdef layout_t layout
    cdef AlignedBuffer memory
    cdef Py_ssize_t end

    def __dealloc__(self):
        PyMem_Free(self.layout.layers)

    @staticmethod
    cdef PerSampleLayout create(Engine engine, Optimizer optimizer, bint clipped):
        """Return a layout, or None if the rows must go through chunks."""
        cdef PerSampleLayout self = PerSampleLayout()
        cdef layout_t *layout = &self.layout
        cdef layer_t *layer
        cdef Py_ssize_t index
        cdef bint plain_sgd = not clipped and optimizer.f == find_optimizer(engine.kernels, "sgd").f
        # Python components are called with whole batches, and a formula, or epsilon = 0, may turn the padding
        # into NaN
        if engine.has_python_components or optimizer.f == NULL:
            return None
        if <real> <double> optimizer.component.parameters.get("epsilon", 1.0) == 0:
            return None
        for index in range(engine.n_layers):
            layer = &engine.layers[index]
            if layer.n_trainable:
                return None
            plain_sgd = plain_sgd and layer.l1 == 0 and layer.l2 == 0
        # momentum and weight_decay; without momentum, dampening has no effect
        layout.fused_update = plain_sgd and optimizer.parameters[0] == 0 and optimizer.parameters[3] == 0
        layout.single_unit = (layout.fused_update and engine.n_layers == 1 and engine.n_outputs == 1
                              and engine.layers[0].keep_rate == 1 and engine.layers[0].f != NULL)
        self.allocate(engine, optimizer)
        return self

    cdef Py_ssize_t reserve(self, Py_ssize_t n):
        """Reserve n more elements and return their offset, a multiple of WIDTH."""
        self.end += padded(n)
        return self.end - padded(n)

    cdef allocate(self, Engine engine, Optimizer optimizer):
        """Set all offsets, then allocate the memory and set the pointers into it."""
        cdef layout_t *layout = &self.layout
        cdef padded_layer_t *place
        cdef layer_t *layer
        cdef Py_ssize_t index, widest = max(engine.n_inputs, RUN_ROWS), w, g, rowwise
        cdef Py_ssize_t state[MAX_STATE]
        cdef bint has_rowwise = False
        cdef int k
        layout.n_layers = engine.n_layers
        layout.layers = <padded_layer_t *> PyMem_Calloc(engine.n_layers, sizeof(padded_layer_t))
        if layout.layers == NULL:
            raise MemoryError()
        if layout.single_unit:
            self.select_unit_kernel(engine)
        for index in range(engine.n_layers):
            layer, place = &engine.layers[index], &layout.layers[index]
            # the orientation that pads less
            place.by_output = layer.n_out * padded(layer.n_in) < layer.n_in * padded(layer.n_out)
            if place.by_output:
                place.m, place.n = layer.n_out, padded(layer.n_in)
            else:
                place.m, place.n = layer.n_in, padded(layer.n_out)
            place.w = layout.n
            layout.n += place.m * place.n
            place.b = layout.n if layer.b >= 0 else -1
            layout.n += padded(layer.n_out) if layer.b >= 0 else 0
            place.h, place.y_hat = self.reserve(layer.n_out), self.reserve(layer.n_out)
            place.out = place.y_hat
            if layer.keep_rate < 1:
                place.out, place.mask = self.reserve(layer.n_out), self.reserve(layer.n_out)
            place.delta = self.reserve(layer.n_out)
            widest = max(widest, layer.n_out)
            has_rowwise = has_rowwise or layer.f_rows != NULL
        layout.x, layout.one = self.reserve(engine.n_inputs), self.reserve(1)
        layout.y = self.reserve(max(engine.n_outputs, RUN_ROWS))
        layout.loss_values = self.reserve(max(engine.n_outputs, RUN_ROWS))
        layout.derivative, layout.error = self.reserve(widest), self.reserve(widest)
        rowwise = self.reserve(3 * widest * WIDTH) if has_rowwise else 0
        if layout.single_unit:
            w, g = self.reserve(4 * RUN_ROWS), self.reserve(UNIT_MEMORY_LINES * WIDTH)
        else:
            w, g = self.reserve(layout.n), 0 if layout.fused_update else self.reserve(layout.n)
            for k in range(MAX_STATE):
                if not layout.fused_update and optimizer.state_arrays[k] != NULL:
                    state[k] = self.reserve(layout.n)
                else:
                    state[k] = 0
        self.memory = AlignedBuffer(self.end * sizeof(real))
        layout.memory = <real *> self.memory.start
        memset(layout.memory, 0, self.end * sizeof(real))
        layout.memory[layout.one] = 1
        layout.w, layout.g = layout.memory + w, layout.memory + g
        for k in range(3):
            layout.rowwise[k] = layout.memory + rowwise + k * widest * WIDTH
        if not layout.single_unit:
            for k in range(MAX_STATE):
                layout.state[k] = layout.memory + state[k] if state[k] else NULL

    cdef select_unit_kernel(self, Engine engine):
        """Set the kind of a single unit: one that `train_unit` knows, or UNIT_OTHER."""
        cdef block_t f = engine.layers[0].f
        cdef bint is_sigmoid = f == find_activation(engine.kernels, "sigmoid").f
        cdef bint is_identity = f == find_activation(engine.kernels, "identity").f
        self.layout.unit_kind = UNIT_OTHER
        self.layout.rate_factor = 1
        if engine.fused_loss != NULL:
            if is_sigmoid:
                self.layout.unit_kind = UNIT_LOGISTIC
            return
        # the derivatives are factor * (y_hat - y)
        for name, factor in (("sse", 1), ("squared_error", 2), ("mse", 2)):
            if engine.loss == find_loss(engine.kernels, name).f and (is_sigmoid or is_identity):
                self.layout.unit_kind = UNIT_SIGMOID if is_sigmoid else UNIT_IDENTITY
                self.layout.rate_factor = factor

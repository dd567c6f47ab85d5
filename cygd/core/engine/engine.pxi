# The engine: the forward and backward pass of a network over chunks of rows.
#
# A chunk is transposed once into blocks (units, rows), with the rows as the vector axis. It goes through all
# layers and back while it is in cache, and adds its part of the gradient to the accumulator that it belongs
# to. How a batch is split into chunks and accumulators depends on the network, the batch and the dtype, never
# on the number of threads or the CPU level, and accumulators are added in a fixed tree. So the bits of a
# result do not depend on the threads that computed it.
#
# Rejected: blocks (samples, units), which leave vectors half empty in narrow layers and need W transposed;
# one accumulator per thread, whose sums depend on the number of threads.

from libc.stdint cimport uint32_t, uint64_t
from cygd.core.random cimport DROPOUT, SHUFFLE, next_word, open_stream, shuffle, stream

cdef extern from "simd/vec.h" nogil:
    ctypedef struct barrier_t:
        pass
    void barrier_wait(barrier_t *barrier, int threads)
    int fetch_add(int *count)        # count++, atomically
    int load_int(const int *p)       # these four: atomically, in no order with other variables
    void store_int(int *p, int value)
    double load_double(const double *p)
    void store_double(double *p, double value)
    void prefetch_read "PREFETCH_READ"(const real *p, bint near)

cdef enum:
    MAX_ACCUMULATORS = 8
    MIN_CHUNK = 2 * WIDTH               # rows; fewer do not fill the register tiles
    MAX_CHUNK = 256
    CHUNK_BYTES = 512 * 1024            # of a chunk's blocks: part of a typical L2 cache
    SPLIT_FLOPS = 4000000               # below, a second chunk costs more than a second thread gains
    WIDE_LAYER_WEIGHTS = 16 * 1024      # weights that exceed L1, so that several panels share each strip
    WIDE_SPAN_PANELS = 2
    SMALL_BATCH_ROWS = WIDTH * 3 // 4   # at most; vectors then run along the units, in layers of
    SMALL_BATCH_WEIGHTS = 4 * 1024      # weights or more
    STRIP_INPUTS = 48                   # inputs whose gradient is computed between two prefetches
    CACHED_BYTES = 1024 * 1024          # rows of at most this size are taken to stay in L2, not prefetched
    PREFETCH_BYTES = 512 * 1024         # of the next rows, at most: they share the cache with the blocks
    STRIP_BYTES = 16 * 1024             # of weights that are read and then updated while in L1
    FUSED_UPDATE_BYTES = 128 * 1024     # of parameters; from here on a gradient should not leave the cache
    GRADIENT_BYTES = 8 * 1024 * 1024    # of the gradients of all accumulators together


cdef struct layer_t:
    Py_ssize_t n_in, n_out
    # where weights, biases and trainable activation parameters begin in the flat vector; b < 0: no bias
    Py_ssize_t w, b, a
    int n_trainable                     # parameters of the activation
    block_t f
    derivative_t df
    value_and_derivative_t value_and_derivative     # or NULL; f'(h) overwrites h
    rowwise_t f_rows                    # row-wise activations have these two instead of f and df
    rowwise_backward_t backward_rows
    void *data
    double keep_rate, l1, l2            # 1 - dropout rate; penalties on the weights
    bint wide                           # its weight gradient uses the units as the vector axis, not the rows
    bint reads_rows                     # it reads rows of x in place: there is no block of x
    # offsets of a chunk's blocks in the accumulator's memory, in elements per row
    Py_ssize_t h, y_hat, out, mask, delta, transposed_delta


# Where the chunks of one part of a batch are computed, one at a time, and their gradients added.
cdef struct accumulator_t:
    real *memory                        # the blocks of a chunk
    real *gradient                      # n_parameters
    bint has_gradient                   # False: the first chunk overwrites the gradient
    # the parameters, if the backward pass of a small batch updates them as it goes; else NULL
    real *fused_parameters
    double loss                         # sum of weight * loss over the rows so far


cdef struct batch_t:
    const real *parameters
    const real *x                       # (n, n_inputs), C-contiguous
    const real *y                       # (n, n_outputs), or NULL to predict
    const real *weight                  # (n) sample weights, or NULL
    # a row of x and of y to compute in place of each row of weight 0, whatever that holds
    const real *filler_x
    const real *filler_y
    Py_ssize_t total_rows               # of all batches, and the sum of their weights
    double total_weight
    const uint32_t *rows                # indices of the rows to use, in order, or NULL: 0, 1, 2, ...
    real *out                           # (n_rows, n_outputs): predictions, or NULL
    Py_ssize_t first                    # position of the batch in `rows`
    Py_ssize_t n_rows, chunk_rows, n_chunks
    Py_ssize_t epoch_rows               # rows of the whole epoch
    int n_accumulators
    double scale                        # of the loss: 1, or 1 / (divisor [* n_outputs]) for means
    bint backward, training
    uint64_t seed, step                 # of the dropout masks


cdef class Accumulators:
    """The memory of n accumulators, aligned to 64 bytes, for chunks of at most `chunk_rows` rows."""
    cdef accumulator_t *items
    cdef list memory                    # an AlignedBuffer per accumulator
    cdef readonly int n
    cdef readonly Py_ssize_t chunk_rows

    def __cinit__(self, int n, Py_ssize_t chunk_rows, Py_ssize_t row_elements, Py_ssize_t n_parameters):
        cdef AlignedBuffer memory
        self.items = <accumulator_t *> PyMem_Calloc(max(n, 1), sizeof(accumulator_t))
        if self.items == NULL:
            raise MemoryError()
        self.n = n
        self.chunk_rows = chunk_rows
        self.memory = []
        for index in range(n):
            memory = AlignedBuffer((row_elements * chunk_rows + n_parameters) * sizeof(real))
            self.memory.append(memory)
            self.items[index].memory = <real *> memory.start
            self.items[index].gradient = self.items[index].memory + row_elements * chunk_rows

    def __dealloc__(self):
        PyMem_Free(self.items)


cdef Py_ssize_t padded(Py_ssize_t n) noexcept nogil:
    """Round n up to a multiple of WIDTH."""
    return (n + WIDTH - 1) // WIDTH * WIDTH


cdef inline Py_ssize_t row_index(const batch_t *batch, Py_ssize_t position) noexcept nogil:
    """Return the row of x at a position of the batch."""
    return batch.rows[batch.first + position] if batch.rows != NULL else batch.first + position


cdef inline bint exceeds_cache(Engine engine, Py_ssize_t n_rows) noexcept nogil:
    """Return whether so many rows of x are worth prefetching."""
    return n_rows * engine.n_inputs * <Py_ssize_t> sizeof(real) > CACHED_BYTES


cdef inline double mean_weight(const batch_t *batch) noexcept nogil:
    """Return the mean weight of all rows."""
    return batch.total_weight / batch.total_rows


cdef inline double loss_divisor(const batch_t *batch) noexcept nogil:
    """Return the batch's rows times the mean weight of all rows: the sum of the weights if it has all rows.

    The expected gradient of a batch is then that of all rows. Divided by its own sum of weights, a small
    batch would lose them: with one row, every weight would be 1.
    """
    if batch.n_rows == batch.total_rows:
        return batch.total_weight
    return batch.n_rows * mean_weight(batch)


cdef class Engine:
    """The compiled form of a network: its layers, its loss, and the memory of its passes.

    Parameters
    ----------
    n_inputs : int
    layers : list of dict
        n_out, bias (bool), activation (component), dropout, l1, l2 of each layer.
    loss : component
    """

    cdef kernels *kernels
    cdef layer_t *layers
    cdef int n_layers, reduction
    cdef readonly Py_ssize_t n_parameters, n_inputs, n_outputs
    # offsets of the blocks that no layer owns, in elements per row
    cdef Py_ssize_t x, y, weight, error_scale, loss_values, g, derivative, parameter_derivatives
    cdef Py_ssize_t row_elements        # of all blocks together
    cdef loss_block_t loss, loss_derivative
    cdef fused_loss_t fused_loss        # of the last activation with the loss, or NULL
    cdef fused_delta_t fused_delta
    cdef void *loss_data
    cdef bint has_trainable             # some activation has trainable parameters
    # gradients are summed strip by strip (weight_gradients.pxi): accumulator k has the chunks k,
    # k + n_accumulators, ..., else a range of them
    cdef bint by_strips
    cdef bint single_layer              # one layer that reads the rows of x in place (single_layer.pxi)
    cdef Py_ssize_t packed_elements     # of its packed weights and their gradient, after the flat gradient
    cdef list owners                    # of what the data pointers point to
    cdef CallbackErrors errors
    cdef readonly bint has_python_components    # then threads would only wait for the GIL
    cdef list free_accumulators, used_accumulators      # of finished calls, and of running ones
    cdef readonly list chunks_per_thread        # computed in the last call
    cdef Py_ssize_t span_panels         # panels that go through the layers together
    cdef double row_flops               # forward and backward
    cdef public bint force_parallel     # never fall back to one thread: for tests of the threads
    # in milliseconds; concurrent calls share them, so they are read and written atomically
    cdef double single_threaded_until   # no thread team before this time of the clock
    cdef double backoff                 # on one thread after the next slowdown

    def __cinit__(self, Py_ssize_t n_inputs, list layers, loss):
        self.kernels = current()
        self.owners = []
        self.free_accumulators = []
        self.used_accumulators = []
        self.errors = CallbackErrors()
        self.chunks_per_thread = []
        self.backoff = MIN_BACKOFF_MILLISECONDS
        self.n_inputs = n_inputs
        self.n_layers = len(layers)
        self.layers = <layer_t *> PyMem_Calloc(self.n_layers, sizeof(layer_t))
        if self.layers == NULL:
            raise MemoryError()
        self.init_layers(layers)
        self.init_loss(loss, layers[self.n_layers - 1]["activation"])
        self.init_blocks()

    def __dealloc__(self):
        PyMem_Free(self.layers)

    cdef init_layers(self, list layers):
        """Lay out the flat parameter vector: w0, b0, a0, w1, b1, a1, ..., each w row by row."""
        cdef Py_ssize_t n_in = self.n_inputs, end = 0
        cdef layer_t *layer
        for index, given in enumerate(layers):
            layer = &self.layers[index]
            layer.n_in = n_in
            layer.n_out = given["n_out"]
            layer.w = end
            end += layer.n_in * layer.n_out
            layer.b = end if given["bias"] else -1
            end += layer.n_out if given["bias"] else 0
            layer.a = end
            layer.n_trainable = len(given["activation"].trainable)
            if layer.n_trainable > MAX_UNIFORMS:
                raise ValueError(f"{given['activation']}: expected at most {MAX_UNIFORMS} trainable "
                                 f"parameters, got {layer.n_trainable}")
            end += layer.n_trainable
            self.has_trainable = self.has_trainable or layer.n_trainable > 0
            layer.keep_rate = 1 - given["dropout"]
            layer.l1 = given["l1"]
            layer.l2 = given["l2"]
            self.init_activation(layer, given["activation"], f"layer {index}")
            self.row_flops += 6.0 * layer.n_in * layer.n_out + 20.0 * layer.n_out
            n_in = layer.n_out
        self.n_outputs = n_in
        self.n_parameters = end

    cdef init_activation(self, layer_t *layer, activation, where):
        """Set the functions of a layer: function pointers, a formula, Python functions or a kernel."""
        cdef activation_entry *entry
        cdef FormulaPrograms programs
        cdef FunctionPointers pointer
        if activation.pointers is not None:
            pair = activation.pointers.of("float32" if sizeof(real) == 4 else "float64")
            pointer = FunctionPointers(pair, list(activation.parameters.values()))
            self.owners.append(pointer)
            layer.data = &pointer.data
            layer.f = pointer_f
            layer.df = pointer.derivative
            return
        if activation.formula is not None:
            programs = FormulaPrograms(*activation.programs)
            self.owners.append(programs)
            layer.data = &programs.data
            layer.f = formula_f
            layer.df = formula_df
            if not layer.n_trainable:
                layer.value_and_derivative = formula_value_and_derivative
            return
        if activation.kernel is None:
            callback = PythonCallback(activation, f"activation {activation.name!r} of {where}", self.errors,
                                      self.used_accumulators)
            self.owners.append(callback)
            self.has_python_components = True
            layer.data = <void *> callback
            if activation.backward is None:
                layer.f = call_function
                layer.df = call_derivative
            else:
                layer.f_rows = call_rowwise
                layer.backward_rows = call_rowwise_backward
            return
        entry = find_activation(self.kernels, activation.kernel)
        parameters = activation_parameters(entry, activation.parameters)
        self.owners.append(parameters)
        layer.data = parameters.values
        layer.f = entry.f
        layer.df = entry.df
        layer.value_and_derivative = entry.value_and_derivative
        layer.f_rows = entry.f_rows
        layer.backward_rows = entry.backward_rows

    cdef init_loss(self, loss, activation):
        """Set the functions of the loss, fused with the last activation where a kernel exists."""
        cdef loss_entry *entry
        cdef fused_loss_entry *fused
        cdef FormulaPrograms programs
        self.reduction = {"sum": SUM, "mean": MEAN, "mean_rows": MEAN_ROWS}[loss.reduction]
        if loss.formula is not None:
            programs = FormulaPrograms(*loss.programs)
            self.owners.append(programs)
            self.loss_data = &programs.data
            self.loss = formula_loss
            self.loss_derivative = formula_loss_derivative
            return
        if loss.kernel is None:
            callback = PythonCallback(loss, f"loss {loss.name!r}", self.errors, self.used_accumulators)
            self.owners.append(callback)
            self.has_python_components = True
            self.loss_data = <void *> callback
            self.loss = call_loss
            self.loss_derivative = call_loss_derivative
            return
        entry = find_loss(self.kernels, loss.kernel)
        parameters = loss_parameters(entry, loss.parameters)
        self.owners.append(parameters)
        self.loss_data = parameters.values
        self.loss = entry.f
        self.loss_derivative = entry.df
        fused = find_fused_loss(self.kernels, activation.kernel or "", loss.kernel)
        if fused != NULL:
            # it would overwrite h, which the fused loss reads
            self.layers[self.n_layers - 1].value_and_derivative = NULL
            self.fused_loss = fused.f
            self.fused_delta = fused.delta

    cdef init_blocks(self):
        """Lay out an accumulator's memory, in elements per row of a chunk."""
        cdef Py_ssize_t end = 0, widest = 0, most_trainable = 0, most_weights = 0, index
        cdef layer_t *layer
        self.single_layer = uses_single_layer_path(self)
        self.x = end
        if self.single_layer:
            self.packed_elements = WIDTH + 2 * self.n_outputs * padded(self.n_inputs)
        self.by_strips = (self.n_parameters * <Py_ssize_t> sizeof(real) >= FUSED_UPDATE_BYTES
                          and not self.single_layer and not self.has_trainable)
        # then its net inputs are transposed instead, which must be fewer
        self.layers[0].reads_rows = self.by_strips and WIDTH <= self.layers[0].n_out < self.n_inputs
        if self.layers[0].reads_rows:
            widest = STRIP_INPUTS       # transposed for the gradient, in the blocks g and derivative
        elif not self.single_layer:
            end += self.n_inputs
        for index in range(self.n_layers):
            layer = &self.layers[index]
            layer.wide = layer.n_out >= WIDTH // 2 and not self.single_layer
            layer.h = layer.delta = end         # delta overwrites h, which is not needed by then
            layer.y_hat = layer.out = end + layer.n_out
            end += 2 * layer.n_out
            if layer.keep_rate < 1:
                layer.mask = end
                layer.out = end + layer.n_out
                end += 2 * layer.n_out
            if layer.wide:
                layer.transposed_delta = end
                end += padded(layer.n_out)
            widest = max(widest, layer.n_out)
            most_trainable = max(most_trainable, layer.n_trainable * layer.n_out)
            most_weights = max(most_weights, layer.n_in * layer.n_out)
        if self.has_python_components:
            self.span_panels = MAX_CHUNK // PANEL
        else:
            self.span_panels = WIDE_SPAN_PANELS if most_weights >= WIDE_LAYER_WEIGHTS else 1
        self.y = end
        self.loss_values = end + self.n_outputs
        self.weight = end + 2 * self.n_outputs
        self.error_scale = self.weight + 1
        self.g = self.error_scale + 1
        self.derivative = self.g + widest
        self.parameter_derivatives = self.derivative + widest
        self.row_elements = self.parameter_derivatives + most_trainable

    # splitting a batch ---------------------------------------------------------------------

    cdef void split(self, batch_t *batch, Py_ssize_t n_rows) noexcept nogil:
        """Set the chunks and accumulators of a batch, from the network, the batch and the dtype only."""
        cdef Py_ssize_t most = CHUNK_BYTES // (self.row_elements * <Py_ssize_t> sizeof(real))
        if self.single_layer:
            most = single_layer_chunk_rows(self)
        else:
            most = min(max(most // PANEL * PANEL, self.span_panels * <Py_ssize_t> PANEL), MAX_CHUNK)
        cdef Py_ssize_t n = (n_rows + most - 1) // most
        if n == 1 and n_rows >= 2 * MIN_CHUNK and self.row_flops * n_rows > SPLIT_FLOPS:
            n = 2
        batch.n_rows = n_rows
        batch.chunk_rows = padded((n_rows + n - 1) // n) if n else WIDTH
        batch.n_chunks = (n_rows + batch.chunk_rows - 1) // batch.chunk_rows
        most = MAX_ACCUMULATORS
        if not self.by_strips:
            most = max(GRADIENT_BYTES // max(self.n_parameters * <Py_ssize_t> sizeof(real), 1), 2)
        batch.n_accumulators = <int> min(batch.n_chunks, MAX_ACCUMULATORS, most)

    cdef int n_threads(self, const batch_t *batch, int threads) noexcept nogil:
        """Return how many of the given threads are worth using for a batch; no result depends on it."""
        if threads == 1 or self.has_python_components or forked or self.row_flops * batch.n_rows < 3e5:
            return 1
        cdef double until = load_double(&self.single_threaded_until)
        if until and now() < until:
            return 1
        return max(1, min(threads, batch.n_accumulators))

    cdef Accumulators acquire(self, int n, Py_ssize_t chunk_rows):
        """Return at least n accumulators for chunks of at least `chunk_rows` rows, reused or new."""
        cdef Accumulators accumulators
        for accumulators in self.free_accumulators:
            if accumulators.n >= n and accumulators.chunk_rows >= chunk_rows:
                self.free_accumulators.remove(accumulators)
                break
        else:
            accumulators = Accumulators(n, chunk_rows, self.row_elements,
                                        self.n_parameters + self.packed_elements)
        self.used_accumulators.append(accumulators)
        return accumulators

    cdef release(self, Accumulators accumulators, const Py_ssize_t *chunks):
        """Keep the accumulators for the next call and record how many chunks each thread computed."""
        if chunks != NULL:
            self.chunks_per_thread = [chunks[thread] for thread in range(MAX_ACCUMULATORS) if chunks[thread]]
        self.used_accumulators.remove(accumulators)
        if len(self.free_accumulators) < 2:
            self.free_accumulators.append(accumulators)

    cdef double loss_scale(self, const batch_t *batch) noexcept nogil:
        """Return the factor that turns the sum over the batch's rows into its loss."""
        cdef double divisor
        if self.reduction == SUM:
            return 1
        divisor = loss_divisor(batch)
        if divisor == 0:
            return 0
        return 1 / (divisor * self.n_outputs) if self.reduction == MEAN else 1 / divisor

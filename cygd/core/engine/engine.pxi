# The engine: a network's forward and backward pass over chunks of rows.
#
# A chunk is turned once into blocks of units x rows (the rows are the vector axis), goes through all
# layers and back while it is in cache, and leaves its part of the gradient in the accumulator of its
# lane. How a batch is cut into chunks and lanes depends on the network, the batch and the dtype, and
# never on the threads or the CPU level; lanes are added in a fixed tree. So the bits of a result do
# not depend on who computed it.
#
# Rejected: samples x units blocks, which waste the vector on narrow layers and need W transposed;
# one accumulator per thread, whose sums depend on the number of threads.

from libc.stdint cimport uint32_t, uint64_t
from cygd.core.random cimport DROPOUT, SHUFFLE, next_word, open_stream, shuffle, stream

cdef extern from "simd/vec.h" nogil:
    ctypedef struct barrier:
        pass
    void barrier_wait(barrier *b, int threads)
    void fetch_line "FETCH_LINE"(const real *p, bint near)
    int fetch_add(int *count)            # one number after the other, to each caller its own

cdef enum:
    MAX_LANES = 8
    MIN_CHUNK = 2 * WIDTH           # rows; fewer do not fill the register tiles
    MAX_CHUNK = 256
    CHUNK_BYTES = 512 * 1024        # of a chunk's blocks: a part of a common L2
    SPLIT_FLOPS = 4000000           # of a batch; for less a second chunk costs more than a thread gives
    WIDE_LAYER = 16 * 1024          # weights of a layer that leaves L1: several panels then share its strips
    WIDE_SPAN = 2
    FEW_ROWS = WIDTH * 3 // 4       # for no more, and
    FEW_ROWS_LAYER = 4 * 1024       # weights or more, vectors lie along a layer's units
    STRIP = 64                      # inputs whose gradient is computed while the next rows' are fetched
    FETCH_BYTES = 512 * 1024        # of them, at most: they have to find room beside the blocks
    STRIP_BYTES = 16 * 1024         # of weights that are read, and updated while they are in L1
    FUSED_BYTES = 128 * 1024        # of parameters from which on a gradient had better not leave the cache
    LANE_BYTES = 8 * 1024 * 1024    # of all lanes' gradients together


cdef struct layer:
    Py_ssize_t n_in, n_out
    # where weights, biases and trainable parameters begin in the flat vector; b < 0: none
    Py_ssize_t w, b, a
    int n_trained                   # parameters of the activation
    block_t f
    derivative_t df
    both_t both                     # f and f' in one pass, or NULL; the slope takes the place of h
    rowwise_t f_rows                  # row-wise activations have these two instead
    rowwise_backward_t backward_rows
    void *data
    double keep, l1, l2             # keep rate of dropout; penalties on the weights
    bint wide                       # its weight gradient has the units for vector axis, else the rows
    # a chunk's blocks, in elements per row from the start of the lane's memory
    Py_ssize_t h, y_hat, out, mask, delta, turned


cdef struct lane:
    real *memory                    # the blocks of a chunk
    real *gradient                  # n_parameters
    bint written                    # the gradient holds something
    real *updated                   # parameters that each range of the gradient updates at once, or NULL
    double loss                     # sum of weight * loss over the rows so far


# One batch of rows on its way through the network.
cdef struct batch:
    const real *parameters
    const real *x                   # (n, n_inputs), rows of n_inputs elements
    const real *y                   # (n, n_outputs), or NULL to predict
    const real *weight              # (n), or NULL
    const uint32_t *rows            # the rows that take part, in their order, or NULL: 0, 1, 2, ...
    real *out                       # (n_rows, n_outputs): where predictions go, or NULL
    Py_ssize_t first, n_rows, chunk, n_chunks
    Py_ssize_t total                # rows of the epoch, of which the batch begins at `first`
    int n_lanes
    double scale                    # 1 for sums, 1 / (sum of weights [* n_outputs]) for means
    bint backward, training
    uint64_t seed, step             # of the dropout masks


cdef class Lanes:
    """The memory of n lanes with chunks of up to `chunk` rows, on lines of 64 bytes."""
    cdef lane *items
    cdef list memory                # of each lane
    cdef readonly int n
    cdef readonly Py_ssize_t chunk

    def __cinit__(self, int n, Py_ssize_t chunk, Py_ssize_t row_elements, Py_ssize_t n_parameters):
        cdef Memory memory
        self.items = <lane *> PyMem_Calloc(max(n, 1), sizeof(lane))
        if self.items == NULL:
            raise MemoryError()
        self.n = n
        self.chunk = chunk
        self.memory = []
        for index in range(n):
            memory = Memory((row_elements * chunk + n_parameters) * sizeof(real))
            self.memory.append(memory)
            self.items[index].memory = <real *> memory.start
            self.items[index].gradient = self.items[index].memory + row_elements * chunk

    def __dealloc__(self):
        PyMem_Free(self.items)


cdef Py_ssize_t padded(Py_ssize_t n) noexcept nogil:
    return (n + WIDTH - 1) // WIDTH * WIDTH


cdef inline Py_ssize_t row_of(const batch *q, Py_ssize_t position) noexcept nogil:
    """Return the row of x at a position of the batch."""
    return q.rows[q.first + position] if q.rows != NULL else q.first + position


cdef class Engine:
    """The compiled form of a network: its layers, its loss, and the memory of its passes.

    Parameters
    ----------
    n_inputs : int
    layers : list of dict
        n_out, bias (bool), activation (component), dropout, l1, l2 of each layer.
    loss : component
    """

    cdef kernels *k
    cdef layer *layers
    cdef int n_layers, reduction
    cdef readonly Py_ssize_t n_parameters, n_inputs, n_outputs
    cdef Py_ssize_t x, y, weight, signed, values, g, slope, sensitivity, row_elements
    cdef loss_block_t loss, loss_prime
    cdef joint_block_t joint
    cdef joint_delta_t joint_prime
    cdef void *loss_data
    cdef bint trained               # some activation has parameters that are trained
    cdef bint in_rows               # one layer that reads the rows of x as they lie
    cdef Py_ssize_t turned          # elements of its weights and their gradient behind a lane's gradient
    cdef list alive                 # owns what the data pointers point at
    cdef Failure failure
    cdef readonly bint python       # some component is Python: threads would only wait for the GIL
    cdef list spare, lent           # lanes of finished calls, and of those that run
    cdef readonly list thread_chunks    # chunks that each thread has computed in the last call
    cdef Py_ssize_t span            # panels that go through the layers together
    cdef double flops               # of one row, forward and backward
    cdef double alone_until         # no team before this time, in milliseconds of the clock
    cdef public bint together       # never go on alone: to see the threads work, whatever else runs
    cdef double patience            # how long it stays alone after the next failure of a team

    def __cinit__(self, Py_ssize_t n_inputs, list layers, loss):
        self.k = current()
        self.alive = []
        self.spare = []
        self.lent = []
        self.failure = Failure()
        self.thread_chunks = []
        self.patience = ALONE_MILLISECONDS
        self.n_inputs = n_inputs
        self.n_layers = len(layers)
        self.layers = <layer *> PyMem_Calloc(self.n_layers, sizeof(layer))
        if self.layers == NULL:
            raise MemoryError()
        self.place_layers(layers)
        self.place_loss(loss, layers[self.n_layers - 1]["activation"])
        self.place_blocks()

    def __dealloc__(self):
        PyMem_Free(self.layers)

    cdef place_layers(self, list layers):
        """Lay the parameters out: w0, b0, a0, w1, b1, a1, ..., each w row by row."""
        cdef Py_ssize_t n_in = self.n_inputs, end = 0
        cdef layer *l
        for index, given in enumerate(layers):
            l = &self.layers[index]
            l.n_in = n_in
            l.n_out = given["n_out"]
            l.w = end
            end += l.n_in * l.n_out
            l.b = end if given["bias"] else -1
            end += l.n_out if given["bias"] else 0
            l.a = end
            l.n_trained = len(given["activation"].trainable)
            if l.n_trained > MAX_UNIFORMS:
                raise ValueError(f"{given['activation']}: at most {MAX_UNIFORMS} parameters can be trained")
            end += l.n_trained
            self.trained = self.trained or l.n_trained > 0
            l.keep = 1 - given["dropout"]
            l.l1 = given["l1"]
            l.l2 = given["l2"]
            self.place_activation(l, given["activation"], f"layer {index}")
            self.flops += 6.0 * l.n_in * l.n_out + 20.0 * l.n_out
            n_in = l.n_out
        self.n_outputs = n_in
        self.n_parameters = end

    cdef place_activation(self, layer *l, activation, where):
        cdef activation_row *row
        cdef Formula formula
        cdef Pointer pointer
        if activation.pointers is not None:
            values = list(activation.parameters.values())
            pointer = Pointer(activation.pointers.of("float32" if sizeof(real) == 4 else "float64"), values)
            self.alive.append(pointer)
            l.data = &pointer.data
            l.f = pointer_f
            l.df = pointer.derivative
            return
        if activation.formula is not None:
            formula = Formula(*activation.programs)
            self.alive.append(formula)
            l.data = &formula.data
            l.f = formula_f
            l.df = formula_df
            if not l.n_trained:
                l.both = formula_both
            return
        if activation.kernel is None:
            caller = Caller(activation, f"activation {activation.name!r} of {where}", self.failure, self.lent)
            self.alive.append(caller)
            self.python = True
            l.data = <void *> caller
            if activation.backward is None:
                l.f = call_function
                l.df = call_derivative
            else:
                l.f_rows = call_rowwise
                l.backward_rows = call_rowwise_backward
            return
        row = find_activation(self.k, activation.kernel)
        parameters = activation_parameters(row, activation.parameters)
        self.alive.append(parameters)
        l.data = parameters.values
        l.f = row.f
        l.df = row.df
        l.both = row.both
        l.f_rows = row.f_rows
        l.backward_rows = row.backward_rows

    cdef place_loss(self, loss, activation):
        cdef loss_row *row
        cdef joint_row *joint
        cdef Formula formula
        self.reduction = {"sum": SUM, "mean": MEAN, "mean_rows": MEAN_ROWS}[loss.reduction]
        if loss.formula is not None:
            formula = Formula(*loss.programs)
            self.alive.append(formula)
            self.loss_data = &formula.data
            self.loss = formula_loss
            self.loss_prime = formula_loss_prime
            return
        if loss.kernel is None:
            caller = Caller(loss, f"loss {loss.name!r}", self.failure, self.lent)
            self.alive.append(caller)
            self.python = True
            self.loss_data = <void *> caller
            self.loss = call_loss
            self.loss_prime = call_loss_derivative
            return
        row = find_loss(self.k, loss.kernel)
        parameters = loss_parameters(row, loss.parameters)
        self.alive.append(parameters)
        self.loss_data = parameters.values
        self.loss = row.f
        self.loss_prime = row.df
        joint = find_joint(self.k, activation.kernel or "", loss.kernel)
        if joint != NULL:
            self.layers[self.n_layers - 1].both = NULL      # it would overwrite h, which the joint form reads
            self.joint = joint.f
            self.joint_prime = joint.delta

    cdef place_blocks(self):
        """Lay a lane's memory out, in elements per row of a chunk."""
        cdef Py_ssize_t end = 0, widest = 0, trained = 0, largest = 0, index
        cdef layer *l
        self.in_rows = rows_fit(self)
        self.x = end
        if self.in_rows:
            self.turned = WIDTH + 2 * self.n_outputs * padded(self.n_inputs)
        else:
            end += self.n_inputs
        for index in range(self.n_layers):
            l = &self.layers[index]
            l.wide = l.n_out >= WIDTH // 2 and not self.in_rows
            l.h = l.delta = end         # which is needed no more when the error term is there
            l.y_hat = l.out = end + l.n_out
            end += 2 * l.n_out
            if l.keep < 1:
                l.mask = end
                l.out = end + l.n_out
                end += 2 * l.n_out
            if l.wide:
                l.turned = end
                end += padded(l.n_out)
            widest = max(widest, l.n_out)
            trained = max(trained, l.n_trained * l.n_out)
            largest = max(largest, l.n_in * l.n_out)
        self.span = MAX_CHUNK // PANEL if self.python else WIDE_SPAN if largest >= WIDE_LAYER else 1
        self.y = end
        self.values = end + self.n_outputs
        self.weight = end + 2 * self.n_outputs
        self.signed = self.weight + 1
        self.g = self.signed + 1
        self.slope = self.g + widest
        self.sensitivity = self.slope + widest
        self.row_elements = self.sensitivity + trained

    # how a batch is cut ----------------------------------------------------------------------

    cdef void cut(self, batch *q, Py_ssize_t n_rows) noexcept nogil:
        """Choose chunks and lanes for a batch: from the network, the batch and the dtype alone."""
        cdef Py_ssize_t most = CHUNK_BYTES // (self.row_elements * <Py_ssize_t> sizeof(real))
        if self.in_rows:
            most = rows_of_chunk(self)
        else:
            most = min(max(most // PANEL * PANEL, self.span * <Py_ssize_t> PANEL), MAX_CHUNK)
        cdef Py_ssize_t n = (n_rows + most - 1) // most
        if n == 1 and n_rows >= 2 * MIN_CHUNK and self.flops * n_rows > SPLIT_FLOPS:
            n = 2
        q.n_rows = n_rows
        q.chunk = padded((n_rows + n - 1) // n) if n else WIDTH
        q.n_chunks = (n_rows + q.chunk - 1) // q.chunk
        most = LANE_BYTES // max(self.n_parameters * <Py_ssize_t> sizeof(real), 1)
        q.n_lanes = <int> min(q.n_chunks, MAX_LANES, max(most, 2))

    cdef int team(self, const batch *q, int threads) noexcept nogil:
        """Return how many threads a batch pays for; what they compute does not depend on it."""
        if threads == 1 or self.python or forked or self.flops * q.n_rows < 3e5:
            return 1
        if self.alone_until and now() < self.alone_until:
            return 1
        return max(1, min(threads, q.n_lanes))

    cdef Lanes take_lanes(self, int n, Py_ssize_t chunk):
        """Return n lanes for chunks of up to so many rows: a finished call's where they fit, else new."""
        cdef Lanes lanes
        for lanes in self.spare:
            if lanes.n >= n and lanes.chunk >= chunk:
                self.spare.remove(lanes)
                break
        else:
            lanes = Lanes(n, chunk, self.row_elements, self.n_parameters + self.turned)
        self.lent.append(lanes)
        return lanes

    cdef give_back(self, Lanes lanes, const Py_ssize_t *chunks):
        """Keep the lanes for the next call and note which thread computed how many chunks."""
        if chunks != NULL:
            self.thread_chunks = [chunks[thread] for thread in range(MAX_LANES) if chunks[thread]]
        self.lent.remove(lanes)
        if len(self.spare) < 2:
            self.spare.append(lanes)

    cdef double scale_of(self, const batch *q) noexcept nogil:
        """Return the factor that makes the sum over the batch's rows its loss."""
        cdef double total
        if self.reduction == SUM:
            return 1
        total = self.weight_of(q)
        if total == 0:
            return 0
        return 1 / (total * self.n_outputs) if self.reduction == MEAN else 1 / total

    cdef double weight_of(self, const batch *q) noexcept nogil:
        """Return the sum of the weights of the batch's rows."""
        cdef double total = 0
        cdef Py_ssize_t i
        if q.weight == NULL:
            return q.n_rows
        for i in range(q.n_rows):
            total += q.weight[row_of(q, i)]
        return total

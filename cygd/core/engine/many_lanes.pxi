# The memory of many networks that are trained side by side: their parameters, optimizer states and blocks,
# interleaved. A network that runs has a lane; lanes that are left over repeat the last one.

cdef enum:
    MANY_BYTES = 48 * 1024              # of the blocks of all networks: near L1
    STRIP_BLOCK_BYTES = 24 * 1024       # of a strip of rows, if not all of them fit
    MIN_STRIP_ROWS = 4
    POSITIONS = 32                      # of an epoch whose rows are interleaved at once


cdef struct member_t:                   # one of the networks
    void *trainer                       # a Trainer, kept alive by the ManyTrainer
    void *recorder                      # a Recorder, or NULL
    real *parameters
    real *state[MAX_STATE]
    const uint32_t *order               # of the rows in the epoch, or NULL
    double *losses                      # of the epochs to come; until an epoch begins, its learning rate
    double *optimizer_parameters
    double *carried
    double saved_carried[4]
    long long *step
    long long saved_step, updates       # before the epoch
    uint64_t seed
    double rate                         # of the epoch
    int status
    bint running


# Objects are kept as pointers, and cast where they are used: a reference would need the GIL.

cdef inline layer_t *member_layer(const member_t *member, Py_ssize_t index) noexcept nogil:
    return &(<Trainer> member.trainer).engine.layers[index]


cdef Py_ssize_t many_rows(Py_ssize_t n) noexcept nogil:
    """Return the rows of a block of n rows: padded as alone, except that fewer than WIDTH stay."""
    return n if n <= WIDTH else padded(n)


cdef Py_ssize_t many_strip(Engine engine, Py_ssize_t networks, Py_ssize_t batch_size) noexcept nogil:
    """Return how many rows go through the layers together; no result depends on it."""
    cdef Py_ssize_t row_bytes = engine.row_elements * networks * <Py_ssize_t> sizeof(real)
    cdef Py_ssize_t rows = many_rows(batch_size)
    if rows * row_bytes <= MANY_BYTES:
        return rows
    return max(MIN_STRIP_ROWS, STRIP_BLOCK_BYTES // row_bytes // MIN_STRIP_ROWS * MIN_STRIP_ROWS)


cdef class ManyLanes:
    """The networks of some trainers, interleaved.

    Parameters
    ----------
    trainers : list of Trainer
        Of networks with equal layers but for their penalties and dropout rates, equal losses and
        `optimizer_form`s, on the same arrays and with the same batch size; `many_bytes` is not 0.
    """
    cdef list trainers
    cdef Engine engine                  # of the first network
    cdef Optimizer optimizer
    cdef member_t *members
    cdef int *lanes                     # the member in each lane that runs
    cdef job_t job                      # of the current batch; its rows are rows times networks
    cdef AlignedBuffer memory
    cdef many_update_t update
    cdef Py_ssize_t n_members, n_lanes, networks, n_states, strip_rows
    cdef int states[MAX_STATE]          # indices of the state arrays in use
    cdef bint penalized
    # interleaved: (parameters, networks), and (layers, networks) for the penalties
    cdef real *w
    cdef real *g
    cdef real *state[MAX_STATE]
    cdef real *saved                    # w and state before the epoch
    cdef real *scalars                  # of the optimizers, (8, networks)
    cdef real *l1
    cdef real *l2
    cdef real *penalizes
    cdef real *infinite                 # not 0: what is not finite
    cdef double *batch_loss             # (networks), like the next four
    cdef double *epoch_loss
    cdef const uint32_t **orders
    cdef uint32_t *positions            # (POSITIONS, networks): the rows at these positions of the epoch
    cdef Py_ssize_t positions_from, positions_to
    cdef const real **x_rows
    cdef const real **y_rows
    cdef double epoch_weight            # of the batches so far, the same for all networks
    cdef Py_ssize_t batches             # of the epoch so far
    cdef Py_ssize_t steady_steps        # of the epoch, not yet counted by the optimizers
    cdef accumulator_t accumulator      # has the blocks
    # the rows whose weights are packed, and whether all of a batch stays packed: it is all rows in order
    cdef Py_ssize_t weighted_rows
    cdef bint packed, steady

    def __cinit__(self, list trainers):
        self.members = <member_t *> PyMem_Calloc(max(1, len(trainers)), sizeof(member_t))
        self.lanes = <int *> PyMem_Calloc(max(1, len(trainers)), sizeof(int))
        if self.members == NULL or self.lanes == NULL:
            raise MemoryError()

    def __init__(self, list trainers):
        cdef Trainer trainer, first = trainers[0]
        cdef member_t *member
        cdef int k
        self.trainers = list(trainers)
        self.engine, self.optimizer = first.engine, first.optimizer
        self.n_members = len(trainers)
        for index, trainer in enumerate(trainers):
            if (trainer.engine.n_parameters != self.engine.n_parameters
                    or trainer.job.batch_size != first.job.batch_size
                    or trainer.job.n_rows != first.job.n_rows or trainer.shuffled != first.shuffled
                    or trainer.job.batch.x != first.job.batch.x or trainer.job.batch.y != first.job.batch.y
                    or trainer.job.batch.weight != first.job.batch.weight
                    or trainer.optimizer.f != self.optimizer.f):
                raise ValueError(f"trainer {index} differs from the first in its data or its optimizer")
            member = &self.members[index]
            member.trainer = <void *> trainer
            member.parameters = &trainer.parameters[0]
            for k in range(MAX_STATE):
                member.state[k] = trainer.optimizer.state_arrays[k]
            member.order = trainer.job.batch.rows
            member.optimizer_parameters = trainer.optimizer.parameters
            member.carried = trainer.optimizer.carried
            member.step = &trainer.optimizer.step
            member.seed = trainer.job.batch.seed
            for layer in range(self.engine.n_layers):
                if trainer.engine.layers[layer].l1 or trainer.engine.layers[layer].l2:
                    self.penalized = True
        self.n_states = 0
        for k in range(MAX_STATE):
            if self.optimizer.state_arrays[k] != NULL:
                self.states[self.n_states] = k
                self.n_states += 1
        self.update = find_optimizer(self.engine.kernels, self.optimizer.component.kernel).many
        self.steady = find_optimizer(self.engine.kernels, self.optimizer.component.kernel).steady
        self.job = first.job
        self.allocate()

    def __dealloc__(self):
        PyMem_Free(self.members)
        PyMem_Free(self.lanes)

    cdef allocate(self):
        """Allocate the interleaved arrays and the blocks of the largest batch."""
        cdef Py_ssize_t networks = padded(self.n_members), n = self.engine.n_parameters * networks
        cdef Py_ssize_t layers = self.engine.n_layers * networks, k
        cdef Py_ssize_t rows = max(many_rows(self.job.batch_size),
                                   many_rows(self.job.n_rows % self.job.batch_size))
        cdef Py_ssize_t elements = n * (3 + 2 * self.n_states) + networks * 9 + 3 * layers
        cdef real *end
        self.memory = AlignedBuffer((elements + self.engine.row_elements * rows * networks)
                                    * <Py_ssize_t> sizeof(real) + (5 * 8 + 4 * POSITIONS) * networks)
        self.batch_loss = <double *> self.memory.start
        self.epoch_loss = self.batch_loss + networks
        self.orders = <const uint32_t **> (self.epoch_loss + networks)
        self.x_rows = <const real **> (self.orders + networks)
        self.y_rows = self.x_rows + networks
        self.positions = <uint32_t *> (self.y_rows + networks)
        end = <real *> (self.positions + POSITIONS * networks)
        self.w, self.g, end = end, end + n, end + 2 * n
        for k in range(self.n_states):
            self.state[self.states[k]], end = end, end + n
        self.saved, end = end, end + n * (1 + self.n_states)
        self.scalars, self.infinite, end = end, end + 8 * networks, end + 9 * networks
        self.l1, self.l2, self.penalizes, end = end, end + layers, end + 2 * layers, end + 3 * layers
        self.accumulator.memory = end

    # between the networks and the lanes -------------------------------------------------------------

    cdef void gather(self) noexcept nogil:
        """Interleave the running networks; lanes that are left over repeat the last one."""
        cdef Py_ssize_t k, i, index, networks, n = self.engine.n_parameters
        cdef member_t *member
        cdef layer_t *layer
        cdef int s
        self.n_lanes = 0
        for k in range(self.n_members):
            if self.members[k].running:
                self.lanes[self.n_lanes] = <int> k
                self.n_lanes += 1
        self.networks = networks = padded(self.n_lanes)
        self.strip_rows = many_strip(self.engine, networks, self.job.batch_size)
        self.weighted_rows, self.packed, self.positions_to = 0, False, 0
        for k in range(networks):
            member = &self.members[self.lanes[min(k, self.n_lanes - 1)]]
            self.orders[k] = member.order
            for i in range(n):
                self.w[i * networks + k] = member.parameters[i]
            for index in range(self.n_states):
                s = self.states[index]
                for i in range(n):
                    self.state[s][i * networks + k] = member.state[s][i]
            for index in range(self.engine.n_layers):
                layer = member_layer(member, index)
                self.l1[index * networks + k] = <real> layer.l1
                self.l2[index * networks + k] = <real> layer.l2
                self.penalizes[index * networks + k] = 1 if layer.l1 or layer.l2 else 0

    cdef void scatter_parameters(self, Py_ssize_t k) noexcept nogil:
        """Copy the parameters of a lane to its network."""
        cdef member_t *member = &self.members[self.lanes[k]]
        cdef Py_ssize_t i
        for i in range(self.engine.n_parameters):
            member.parameters[i] = self.w[i * self.networks + k]

    cdef void scatter(self, Py_ssize_t k) noexcept nogil:
        """Copy parameters and state of a lane to its network."""
        cdef member_t *member = &self.members[self.lanes[k]]
        cdef Py_ssize_t i, index
        cdef int s
        self.scatter_parameters(k)
        for index in range(self.n_states):
            s = self.states[index]
            for i in range(self.engine.n_parameters):
                member.state[s][i] = self.state[s][i * self.networks + k]

    cdef void save(self) noexcept nogil:
        """Save the networks before an epoch."""
        cdef Py_ssize_t n = self.engine.n_parameters * self.networks, k
        cdef member_t *member
        memcpy(self.saved, self.w, n * sizeof(real))
        for k in range(self.n_states):
            memcpy(self.saved + (k + 1) * n, self.state[self.states[k]], n * sizeof(real))
        for k in range(self.n_lanes):
            member = &self.members[self.lanes[k]]
            member.saved_step = member.step[0]
            memcpy(member.saved_carried, member.carried, sizeof(member.saved_carried))

    cdef void restore(self, Py_ssize_t k) noexcept nogil:
        """Restore what was saved of a lane, in its network and its optimizer too."""
        cdef member_t *member = &self.members[self.lanes[k]]
        cdef Py_ssize_t n = self.engine.n_parameters, i, index
        for i in range(n):
            self.w[i * self.networks + k] = self.saved[i * self.networks + k]
            for index in range(self.n_states):
                self.state[self.states[index]][i * self.networks + k] = (
                    self.saved[((index + 1) * n + i) * self.networks + k])
        member.step[0] = member.saved_step
        memcpy(member.carried, member.saved_carried, sizeof(member.saved_carried))
        self.scatter(k)

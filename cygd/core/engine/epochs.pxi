# Complete calls without the GIL: epochs of updates, the gradient, the loss, predictions.
#
# The threads of a team run `epoch_worker` in parallel and synchronize between its steps: first the
# accumulators of a batch, then their sum and the update, each thread on its own range of the parameters. Only
# the calling thread, number 0, calls Python.

from libc.math cimport INFINITY, NAN, rint, sqrt

include "thread_team.pxi"

cdef enum:
    PARAMETER_BLOCK = 1024          # a thread's range of the parameters is a multiple of this


cdef class ArrayDataset:
    """The arrays of one call: checked, and kept alive while the GIL is released.

    Parameters
    ----------
    engine : Engine
    parameters : array of shape (n_parameters,)
    x : array of shape (n, n_inputs)
    y : array of shape (n, n_outputs), optional
        Targets; not needed for predictions.
    weight : array of shape (n,), optional
        Sample weights.
    rows : array of int, optional
        Indices of the rows to use, in this order; all by default.
    """
    cdef const real[:, ::1] x
    cdef const real[:, ::1] y
    cdef const real[::1] weight
    cdef const uint32_t[::1] rows
    cdef object blank                   # a row of zeros, if every weight is 0
    cdef batch_t batch
    cdef Py_ssize_t n_rows

    def __init__(self, Engine engine, const real[::1] parameters, x, y=None, weight=None, rows=None):
        if parameters.shape[0] != engine.n_parameters:
            raise ValueError(f"expected {engine.n_parameters} parameters, got {parameters.shape[0]}")
        self.x = x
        if self.x.shape[1] != engine.n_inputs:
            raise ValueError(f"expected x with {engine.n_inputs} columns, got {self.x.shape[1]}")
        self.n_rows = self.x.shape[0]
        memset(&self.batch, 0, sizeof(batch_t))
        self.batch.parameters = &parameters[0]
        if self.n_rows:
            self.batch.x = &self.x[0, 0]
        if y is not None:
            self.y = y
            if self.y.shape[0] != self.x.shape[0] or self.y.shape[1] != engine.n_outputs:
                raise ValueError(f"expected y of shape ({len(x)}, {engine.n_outputs}), got {y.shape}")
            if self.n_rows:
                self.batch.y = &self.y[0, 0]
        if weight is not None:
            self.weight = weight
            if self.weight.shape[0] != self.x.shape[0]:
                raise ValueError(f"expected {len(x)} sample weights, got {len(weight)}")
            if self.n_rows:
                self.batch.weight = &self.weight[0]
        if rows is not None:
            self.rows = row_indices(rows, self.n_rows)
            self.n_rows = self.rows.shape[0]
            if self.n_rows:
                self.batch.rows = &self.rows[0]
        self.batch.total_rows, self.batch.total_weight = self.n_rows, self.n_rows
        if self.batch.weight != NULL and self.batch.y != NULL:
            self.init_weights(engine)

    cdef init_weights(self, Engine engine):
        """Set the sum of the weights, and the row to compute in place of rows of weight 0.

        The filler is a row that counts, so that it meets no pole of a component where no other row does.
        """
        cdef batch_t *batch = &self.batch
        cdef real[::1] blank
        cdef Py_ssize_t i, row
        batch.total_weight = 0
        for i in range(self.n_rows):
            row = row_index(batch, i)
            batch.total_weight += batch.weight[row]
            if batch.filler_x == NULL and batch.weight[row] > 0:
                batch.filler_x = batch.x + row * engine.n_inputs
                batch.filler_y = batch.y + row * engine.n_outputs
        if batch.filler_x == NULL:
            self.blank = np.zeros(max(engine.n_inputs, engine.n_outputs), REAL_DTYPE)
            blank = self.blank
            batch.filler_x = batch.filler_y = &blank[0]


cdef row_indices(rows, Py_ssize_t n):
    """Return indices of some of n rows as the engine takes them, without a copy of contiguous uint32."""
    rows = np.ascontiguousarray(rows)
    if rows.size and (rows.min() < 0 or rows.max() >= n):
        raise IndexError(f"rows out of range: expected 0 to {n - 1}, got {rows.min()} to {rows.max()}")
    return rows.astype(np.uint32, copy=False)


# the gradient and the loss of a batch -------------------------------------------------------------

cdef void reduce_gradients(Engine engine, job_t *job, int n, Py_ssize_t start,
                           Py_ssize_t stop) noexcept nogil:
    """Add the gradients of n accumulators into the first, in a fixed tree."""
    cdef int k, step = 1
    while step < n:
        for k from 0 <= k < n - step by 2 * step:
            engine.kernels.add(job.accumulators[k].gradient + start,
                               job.accumulators[k + step].gradient + start,
                               job.accumulators[k].gradient + start, stop - start)
        step *= 2


cdef double reduce_loss(job_t *job) noexcept nogil:
    """Return the loss of the batch: scale * sum over the accumulators, in order."""
    cdef double total = 0
    cdef int k
    for k in range(job.batch.n_accumulators):
        total += job.accumulators[k].loss
    return total * job.batch.scale


cdef void add_penalties(Engine engine, const real *w, real *g, Py_ssize_t start,
                        Py_ssize_t stop) noexcept nogil:
    """g += l1 sign(w) + l2 w for the penalized weights in the range start ... stop, whose gradient is g."""
    cdef layer_t *layer
    cdef Py_ssize_t index, low, high
    for index in range(engine.n_layers):
        layer = &engine.layers[index]
        low = max(start, layer.w)
        high = min(stop, layer.w + layer.n_in * layer.n_out)
        if (layer.l1 or layer.l2) and high > low:
            engine.kernels.penalty_gradient(w + low, layer.l1, layer.l2, g + low - start, high - low)


cdef void add_batch_loss(Engine engine, job_t *job) noexcept nogil:
    """Add the batch's loss to the epoch's, weighted by the batch if the loss is a mean."""
    cdef double weight = 0 if engine.reduction == SUM else loss_divisor(&job.batch)
    cdef double loss = reduce_loss(job)
    job.loss += loss * weight if weight > 0 else loss
    job.weight += weight


cdef bint clip_gradient(Engine engine, const job_t *job, real *g, Py_ssize_t n) noexcept nogil:
    """Clip a complete gradient by value, then by norm; return False if it is not finite.

    The norm is scaled down to clip_norm (Pascanu et al. 2013).
    """
    cdef double norm, factor, unit = 1
    if job.clip_value > 0 and not engine.kernels.clip(job.clip_value, g, n):
        return False
    if job.clip_norm <= 0:
        return True
    norm = sqrt(engine.kernels.square_sum(g, n))
    if norm == INFINITY:                # perhaps only its squares are
        unit = 2.0**-100 if sizeof(real) == 4 else 2.0**-700
        norm = sqrt(scaled_square_sum(engine, unit, g, n))      # of the gradient times `unit`
    if not norm < INFINITY:
        return False
    factor = job.clip_norm * unit / (norm + 1e-6 * unit)
    if factor < 1 and unit == 1:
        engine.kernels.scale(factor, g, g, n)
    elif factor < 1:                    # in two steps: the factor itself may be subnormal
        engine.kernels.scale(sqrt(factor), g, g, n)
        engine.kernels.scale(sqrt(factor), g, g, n)
    return True


cdef double scaled_square_sum(Engine engine, double factor, const real *g, Py_ssize_t n) noexcept nogil:
    """Return the sum of (factor g_i)^2."""
    cdef real scaled[PARAMETER_BLOCK]
    cdef double total = 0
    cdef Py_ssize_t start, size
    for start from 0 <= start < n by PARAMETER_BLOCK:
        size = min(n - start, <Py_ssize_t> PARAMETER_BLOCK)
        engine.kernels.scale(factor, g + start, scaled, size)
        total += engine.kernels.square_sum(scaled, size)
    return total


# an epoch -----------------------------------------------------------------------------------------

cdef void begin_batch(Engine engine, job_t *job, Py_ssize_t first,
                      bint needs_complete_gradient) noexcept nogil:
    """Set up the batch that begins at position `first` of the epoch."""
    job.batch.first = first
    job.batch.epoch_rows = job.n_rows
    engine.split(&job.batch, min(job.batch_size, job.n_rows - first))
    job.batch.scale = engine.loss_scale(&job.batch)
    job.n_claimed = 0
    job.chunks_due += job.batch.n_chunks
    job.fused_update = engine.by_strips and not needs_complete_gradient


cdef void update_range(Engine engine, Optimizer optimizer, job_t *job, int n_accumulators, Py_ssize_t start,
                       Py_ssize_t stop) noexcept nogil:
    """Sum, penalties, update: block by block, so that a gradient is read once and from L1."""
    cdef real *g = job.accumulators[0].gradient
    cdef Py_ssize_t end
    while start < stop:
        end = min(start + PARAMETER_BLOCK, stop)
        reduce_gradients(engine, job, n_accumulators, start, end)
        add_penalties(engine, job.parameters, g + start, start, end)
        optimizer.apply(job.parameters, g + start, start, end)
        start = end


cdef void update_all(Engine engine, Optimizer optimizer, job_t *job, int thread, int n_accumulators,
                     Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Update where the complete gradient is needed at once: for clipping or an optimizer in Python."""
    cdef real *g = job.accumulators[0].gradient
    cdef Py_ssize_t n = engine.n_parameters
    reduce_gradients(engine, job, n_accumulators, start, stop)
    add_penalties(engine, job.parameters, g + start, start, stop)
    wait_for_team(job, thread)
    if thread == 0:
        if not clip_gradient(engine, job, g, n) or optimizer.python and not engine.kernels.all_finite(g, n):
            job.status = DIVERGED
        elif optimizer.python and not optimizer.call(job.parameters, g, n, job.learning_rate):
            job.status = FAILED
    wait_for_team(job, thread)
    if not optimizer.python:
        optimizer.apply(job.parameters, g + start, start, stop)


cdef void epoch_worker(Engine engine, Optimizer optimizer, job_t *job, int thread) noexcept nogil:
    """Run one thread's part of an epoch."""
    cdef Py_ssize_t first, start, stop, n = engine.n_parameters
    cdef Py_ssize_t blocks = (n + PARAMETER_BLOCK - 1) // PARAMETER_BLOCK
    cdef int n_accumulators
    cdef bint is_updated
    cdef bint needs_complete_gradient = job.clip_value > 0 or job.clip_norm > 0 or optimizer.python
    for first from 0 <= first < job.n_rows by job.batch_size:
        if thread == 0:
            if job.n_threads > 1 and not engine.force_parallel and is_slowed_down(job, MAX_WAIT_MILLISECONDS):
                job.single_threaded = True      # not reset in this epoch: a thread may be late to read it
            begin_batch(engine, job, first, needs_complete_gradient)
        wait_for_team(job, thread)
        if job.single_threaded:
            if thread:
                return
            job.n_threads = 1
        if thread == 0:                 # after the barrier: until then others may still be updating
            optimizer.begin_step(job.learning_rate)
        # this thread's range of the parameters. Read what belongs to the batch now: the next one may begin
        # before a late thread gets to it
        start = min(n, blocks * thread // job.n_threads * PARAMETER_BLOCK)
        stop = min(n, blocks * (thread + 1) // job.n_threads * PARAMETER_BLOCK)
        n_accumulators = 1 if engine.by_strips else job.batch.n_accumulators    # with a gradient
        is_updated = job.fused_update
        run_batch(engine, optimizer, job, thread)
        if not engine.by_strips:
            wait_for_team(job, thread)
        if job.status != RUNNING:
            return
        if needs_complete_gradient:
            update_all(engine, optimizer, job, thread, n_accumulators, start, stop)
        elif not is_updated:
            update_range(engine, optimizer, job, n_accumulators, start, stop)
        if job.status != RUNNING:
            return
        if thread == 0:
            add_batch_loss(engine, job)
            job.batch.step += 1


cdef void run_epoch(Engine engine, Optimizer optimizer, job_t *job) noexcept nogil:
    """Run one epoch of updates, row by row or batch by batch."""
    cdef int n_threads = job.n_threads
    if job.layout != NULL:
        run_per_sample_epoch(engine, optimizer, job)
        return
    start_clock(job)
    job.fused_update = False
    if n_threads == 1:
        epoch_worker(engine, optimizer, job, 0)
        return
    with parallel(num_threads=n_threads):
        epoch_worker(engine, optimizer, job, threadid())
        if threadid() == 0:
            job.left = now()
    job.waited += now() - job.left
    update_backoff(engine, job.n_threads != n_threads or is_slowed_down(job, MAX_JOIN_MILLISECONDS))


# what Python calls --------------------------------------------------------------------------------

cdef raise_errors(job_t *job, CallbackErrors errors):
    """Raise what ended a job early: the signal handler's exception, or a component's, with its name."""
    raised = errors.pop()
    if job.status == INTERRUPTED:
        raise signal_errors.pop()
    if job.status == FAILED:
        where, error = raised
        if isinstance(error, KeyboardInterrupt):
            raise error
        raise ComponentError(where, error) from error


class ComponentError(Exception):
    """A component given as Python functions raised an exception.

    Attributes
    ----------
    where : str
        The component and its layer, such as "activation 'swish' of layer 0".
    """

    def __init__(self, where, cause):
        super().__init__(f"{where}: {type(cause).__name__}: {cause}")
        self.where = where


def forward_backward(Engine engine, ArrayDataset dataset, int threads, out=None, gradient=None):
    """Run one pass over the rows and return the loss.

    Parameters
    ----------
    engine : Engine
    dataset : ArrayDataset
        With targets, unless only predictions are needed.
    threads : int
        The maximum number of threads; results do not depend on it.
    out : array of shape (n_rows, n_outputs), optional
        Receives the predictions.
    gradient : array of shape (n_parameters,), optional
        Receives the gradient of loss and penalties.

    Returns
    -------
    float
        The loss, without penalties; 0 without targets.
    """
    cdef job_t job
    cdef real[:, ::1] predictions
    cdef real[::1] flat
    cdef Accumulators accumulators
    memset(&job, 0, sizeof(job_t))
    job.batch = dataset.batch
    if out is not None:
        predictions = out
        if predictions.shape[0] != dataset.n_rows or predictions.shape[1] != engine.n_outputs:
            raise ValueError(f"expected out of shape ({dataset.n_rows}, {engine.n_outputs}), got {out.shape}")
        if dataset.n_rows:
            job.batch.out = &predictions[0, 0]
    job.batch.backward = gradient is not None
    engine.split(&job.batch, dataset.n_rows)
    job.batch.scale = engine.loss_scale(&job.batch)
    job.n_threads = engine.n_threads(&job.batch, threads)
    job.polled = now()
    accumulators = engine.acquire(job.batch.n_accumulators, job.batch.chunk_rows)
    job.accumulators = accumulators.items
    with nogil:
        run_parallel(engine, &job)
        if job.batch.backward and job.batch.n_accumulators and job.status == RUNNING:
            reduce_gradients(engine, &job, 1 if engine.by_strips else job.batch.n_accumulators, 0,
                             engine.n_parameters)
    if gradient is not None:
        flat = gradient
        if job.batch.n_accumulators:
            memcpy(&flat[0], job.accumulators[0].gradient, engine.n_parameters * sizeof(real))
        else:
            flat[:] = 0
        add_penalties(engine, job.batch.parameters, &flat[0], 0, engine.n_parameters)
    loss = reduce_loss(&job)
    engine.release(accumulators, job.chunks)
    raise_errors(&job, engine.errors)
    return loss


cdef double total_penalty(Engine engine, const real *parameters) noexcept nogil:
    """Return sum over weights of l1 |w| + l2 w^2 / 2."""
    cdef layer_t *layer
    cdef double total = 0
    cdef Py_ssize_t index
    for index in range(engine.n_layers):
        layer = &engine.layers[index]
        if layer.l1 or layer.l2:
            total += engine.kernels.penalty(parameters + layer.w, layer.l1, layer.l2,
                                            layer.n_in * layer.n_out)
    return total


def penalty(Engine engine, const real[::1] parameters):
    """Return sum over weights of l1 |w| + l2 w^2 / 2."""
    return total_penalty(engine, &parameters[0])

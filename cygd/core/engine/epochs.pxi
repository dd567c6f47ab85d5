# Whole calls without the GIL: epochs of updates, gradient, loss, predictions.
#
# The threads of a team run `epoch_worker` side by side and meet between its steps: lanes of a batch, then
# their sum and the update, each thread on its own range of the parameters. The calling thread, number 0,
# alone calls what is Python.

from libc.math cimport sqrt

include "thread_team.pxi"

cdef enum:
    RANGE = 1024                    # a thread's range of the parameters is a multiple of this


cdef class Task:
    """The arrays of one call, checked, and kept alive while the GIL is released."""
    cdef const real[:, ::1] x
    cdef const real[:, ::1] y
    cdef const real[::1] weight
    cdef const uint32_t[::1] rows
    cdef batch q
    cdef Py_ssize_t n_rows

    def __init__(self, Engine engine, const real[::1] parameters, x, y=None, weight=None, rows=None):
        if parameters.shape[0] != engine.n_parameters:
            raise ValueError(f"{parameters.shape[0]} parameters for a network of {engine.n_parameters}")
        self.x = x
        if self.x.shape[1] != engine.n_inputs:
            raise ValueError(f"x has {self.x.shape[1]} columns, the network {engine.n_inputs} inputs")
        self.n_rows = self.x.shape[0]
        memset(&self.q, 0, sizeof(batch))
        self.q.parameters = &parameters[0]
        if self.n_rows:
            self.q.x = &self.x[0, 0]
        if y is not None:
            self.y = y
            if self.y.shape[0] != self.x.shape[0] or self.y.shape[1] != engine.n_outputs:
                raise ValueError(f"y has shape {y.shape}, expected ({len(x)}, {engine.n_outputs})")
            if self.n_rows:
                self.q.y = &self.y[0, 0]
        if weight is not None:
            self.weight = weight
            if self.weight.shape[0] != self.x.shape[0]:
                raise ValueError(f"{len(weight)} sample weights for {len(x)} rows")
            if self.n_rows:
                self.q.weight = &self.weight[0]
        if rows is not None:
            self.rows = row_numbers(rows, self.n_rows)
            self.n_rows = self.rows.shape[0]
            if self.n_rows:
                self.q.rows = &self.rows[0]


cdef row_numbers(rows, Py_ssize_t n):
    """Return the numbers of some of n rows as the engine takes them: no copy of what split_rows gave."""
    rows = np.ascontiguousarray(rows)
    if rows.size and (rows.min() < 0 or rows.max() >= n):
        raise IndexError("rows out of range")
    return rows.astype(np.uint32, copy=False)


cdef void sum_lanes(Engine engine, job *j, int n, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Add the n lanes' gradients into the first, in a fixed tree."""
    cdef int k, step = 2 if j.paired else 1
    while step < n:
        for k from 0 <= k < n - step by 2 * step:
            engine.k.add(j.lanes[k].gradient + start, j.lanes[k + step].gradient + start,
                         j.lanes[k].gradient + start, stop - start)
        step *= 2


cdef double lanes_loss(job *j) noexcept nogil:
    cdef double total = 0
    cdef int k
    for k in range(j.q.n_lanes):
        total += j.lanes[k].loss
    return total * j.q.scale


cdef void add_penalties(Engine engine, const real *w, real *g, Py_ssize_t start,
                        Py_ssize_t stop) noexcept nogil:
    """g += l1 sign(w) + l2 w where the range start ... stop, of gradient g, has penalised weights."""
    cdef layer *l
    cdef Py_ssize_t index, low, high
    for index in range(engine.n_layers):
        l = &engine.layers[index]
        low = max(start, l.w)
        high = min(stop, l.w + l.n_in * l.n_out)
        if (l.l1 or l.l2) and high > low:
            engine.k.penalty_gradient(w + low, l.l1, l.l2, g + low - start, high - low)


cdef double norm_factor(Engine engine, job *j) noexcept nogil:
    """The factor that brings the gradient's norm down to clip_norm (Pascanu et al. 2013)."""
    cdef double norm = sqrt(engine.k.square_sum(j.lanes[0].gradient, engine.n_parameters))
    cdef double factor = j.clip_norm / (norm + 1e-6)
    return factor if factor < 1 else 1


cdef void begin_batch(Engine engine, job *j, Py_ssize_t first, bint whole) noexcept nogil:
    j.q.first = first
    j.q.total = j.n_rows
    engine.cut(&j.q, min(j.batch_size, j.n_rows - first))
    j.q.scale = engine.scale_of(&j.q)
    j.taken = 0
    j.due += j.q.n_chunks
    # on one thread, a lane of a single chunk adds what it would have left for the first step of the tree, all
    # at once; the gradients of trained activations come span by span
    j.paired = (j.threads == 1 and j.q.n_chunks == j.q.n_lanes and not engine.in_rows
                and not engine.trained)
    # a single chunk has the whole gradient; a component in Python may fail before it is right
    j.fused = (j.threads == 1 and j.q.n_chunks == 1 and not whole and not engine.in_rows
               and not engine.trained and not engine.python
               and engine.n_parameters * <Py_ssize_t> sizeof(real) >= FUSED_BYTES)


cdef void add_loss(Engine engine, job *j) noexcept nogil:
    """Add the batch's loss to the epoch's."""
    cdef double weight = 0 if engine.reduction == SUM else engine.weight_of(&j.q)
    cdef double loss = lanes_loss(j)
    j.loss += loss * weight if weight > 0 else loss
    j.weight += weight


cdef void clip(Engine engine, job *j) noexcept nogil:
    """Clip the whole gradient: by value, or by its norm."""
    cdef real *g = j.lanes[0].gradient
    cdef Py_ssize_t n = engine.n_parameters
    cdef double factor
    if j.clip_value > 0:
        engine.k.clip(j.clip_value, g, n)
    if j.clip_norm > 0:
        factor = norm_factor(engine, j)
        if factor < 1:
            engine.k.scale(factor, g, g, n)


cdef void update_range(Engine engine, Updater updater, job *j, int n_lanes, Py_ssize_t start,
                       Py_ssize_t stop) noexcept nogil:
    """Lanes, penalties, update: block by block, so that a gradient is read once and from L1."""
    cdef real *g = j.lanes[0].gradient
    cdef Py_ssize_t end
    while start < stop:
        end = min(start + RANGE, stop)
        sum_lanes(engine, j, n_lanes, start, end)
        add_penalties(engine, j.parameters, g + start, start, end)
        updater.apply(j.parameters, g + start, start, end)
        start = end


cdef void update_whole(Engine engine, Updater updater, job *j, int thread, int n_lanes, Py_ssize_t start,
                       Py_ssize_t stop) noexcept nogil:
    """The same where somebody has to see the whole gradient: what clips it, or an optimizer in Python."""
    cdef real *g = j.lanes[0].gradient
    cdef Py_ssize_t n = engine.n_parameters
    sum_lanes(engine, j, n_lanes, start, stop)
    add_penalties(engine, j.parameters, g + start, start, stop)
    meet_others(j, thread)
    if thread == 0:
        clip(engine, j)
        if updater.python and not updater.call(j.parameters, g, n, j.learning_rate):
            j.status = FAILED
    meet_others(j, thread)
    if not updater.python:
        updater.apply(j.parameters, g + start, start, stop)


cdef void epoch_worker(Engine engine, Updater updater, job *j, int thread) noexcept nogil:
    """One thread's part of an epoch."""
    cdef Py_ssize_t first, start, stop, n = engine.n_parameters
    cdef Py_ssize_t blocks = (n + RANGE - 1) // RANGE
    cdef int n_lanes
    cdef bint whole = j.clip_value > 0 or j.clip_norm > 0 or updater.python
    for first from 0 <= first < j.n_rows by j.batch_size:
        if thread == 0:
            if j.threads > 1 and not engine.together and hold_up(j, PATIENCE_MILLISECONDS):
                j.alone = True          # and stays so: a thread may come late to read it
            begin_batch(engine, j, first, whole)
        meet_others(j, thread)
        if j.alone:
            if thread:
                return
            j.threads = 1
        if thread == 0:                 # behind the meeting: others may still have updated until then
            updater.prepare(j.learning_rate)
        # this thread's range of the parameters; the next batch may begin before a late thread has asked for
        # the number of lanes
        start = min(n, blocks * thread // j.threads * RANGE)
        stop = min(n, blocks * (thread + 1) // j.threads * RANGE)
        n_lanes = j.q.n_lanes
        run_lanes(engine, updater, j, thread)
        meet_others(j, thread)
        if j.status != GOES_ON:
            return
        if whole:
            update_whole(engine, updater, j, thread, n_lanes, start, stop)
        elif not j.fused:
            update_range(engine, updater, j, n_lanes, start, stop)
        if j.status != GOES_ON:
            return
        if thread == 0:
            add_loss(engine, j)
            j.q.step += 1


cdef void run_epoch(Engine engine, Updater updater, job *j) noexcept nogil:
    cdef int threads = j.threads
    if j.samples != NULL:
        run_samples(engine, updater, j)
        return
    begin_together(j)
    if threads == 1:
        epoch_worker(engine, updater, j, 0)
        return
    with parallel(num_threads=threads):
        epoch_worker(engine, updater, j, threadid())
        if threadid() == 0:
            j.left = now()
    j.waited += now() - j.left
    remember(engine, j.threads == threads and not hold_up(j, JOIN_MILLISECONDS))


cdef end(job *j, Failure failure):
    """Raise what ended the work early: Ctrl-C, or what a component raised, under its name."""
    found = failure.take()
    if j.status == INTERRUPTED:
        raise pending.pop()
    if j.status == FAILED:
        where, error = found
        if isinstance(error, KeyboardInterrupt):
            raise error
        raise ComponentError(where, error) from error


class ComponentError(Exception):
    """A component given as Python functions failed; `where` names it and its layer."""

    def __init__(self, where, cause):
        super().__init__(f"{where}: {type(cause).__name__}: {cause}")
        self.where = where


def one_pass(Engine engine, Task task, int threads, out=None, gradient=None):
    """Go once over the rows: return the loss; fill `out` (predictions) and `gradient` if given.

    Parameters
    ----------
    task : Task
        With targets, unless only predictions are asked for.
    out : array of shape (n_rows, n_outputs), optional
    gradient : array of shape (n_parameters,), optional
        Receives the gradient of loss and penalties.
    """
    cdef job j
    cdef real[:, ::1] predictions
    cdef real[::1] flat
    cdef Lanes lanes
    memset(&j, 0, sizeof(job))
    j.q = task.q
    if out is not None:
        predictions = out
        if predictions.shape[0] != task.n_rows or predictions.shape[1] != engine.n_outputs:
            raise ValueError(f"out has shape {out.shape}, expected ({task.n_rows}, {engine.n_outputs})")
        if task.n_rows:
            j.q.out = &predictions[0, 0]
    j.q.backward = gradient is not None
    engine.cut(&j.q, task.n_rows)
    j.q.scale = engine.scale_of(&j.q)
    j.threads = engine.team(&j.q, threads)
    j.polled = now()
    lanes = engine.take_lanes(j.q.n_lanes, j.q.chunk)
    j.lanes = lanes.items
    with nogil:
        side_by_side(engine, &j)
        if j.q.backward and j.q.n_lanes and j.status == GOES_ON:
            sum_lanes(engine, &j, j.q.n_lanes, 0, engine.n_parameters)
    if gradient is not None:
        flat = gradient
        if j.q.n_lanes:
            memcpy(&flat[0], j.lanes[0].gradient, engine.n_parameters * sizeof(real))
        else:
            flat[:] = 0
        add_penalties(engine, j.q.parameters, &flat[0], 0, engine.n_parameters)
    loss = lanes_loss(&j)
    engine.give_back(lanes, j.chunks)
    end(&j, engine.failure)
    return loss


def penalty(Engine engine, const real[::1] parameters):
    """Return sum over weights of l1 |w| + l2 w^2 / 2."""
    cdef layer *l
    cdef double total = 0
    for index in range(engine.n_layers):
        l = &engine.layers[index]
        if l.l1 or l.l2:
            total += engine.k.penalty(&parameters[l.w], l.l1, l.l2, l.n_in * l.n_out)
    return total

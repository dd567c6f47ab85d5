# The thread team: how threads share the accumulators of a batch, and whether they pay off.
#
# The calling thread is number 0; it alone polls for signals, by the clock. On a machine with busy cores,
# waiting for a thread that is not scheduled costs more than it gains: the calling thread then continues
# single-threaded and retries the team with exponential backoff. Results are unaffected, to the bit.

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport parallel, prange, threadid
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

import os

cdef extern from *:
    """
    #ifdef _OPENMP
    #define HAS_OPENMP 1
    #else
    #define HAS_OPENMP 0
    #endif
    """
    bint HAS_OPENMP

OPENMP = bool(HAS_OPENMP)           # without it, everything runs on the calling thread

cdef bint forked = False            # OpenMP's threads do not survive a fork, and its runtime would hang


def _after_fork():
    global forked
    forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

cdef enum:
    POLL_MILLISECONDS = 50
    POLL_FLOPS = 1000000            # of work between two looks at the clock: 1 ms on a slow CPU
    MAX_WAIT_MILLISECONDS = 4       # of waiting within an epoch before the team is checked for a slowdown
    MAX_JOIN_MILLISECONDS = 1       # the same at the end of an epoch or a single pass
    MIN_BACKOFF_MILLISECONDS = 50   # the first backoff; each further slowdown doubles it
    MAX_BACKOFF_MILLISECONDS = 3200

cdef enum:                          # the status of a job: running, or why it ended early
    RUNNING = 0
    INTERRUPTED = 1                 # a signal handler raised
    FAILED = 2                      # a component raised
    DIVERGED = 3                    # the loss or a parameter is not finite

cdef double now() noexcept nogil:
    """Return the monotonic clock in milliseconds."""
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return t.tv_sec * 1e3 + t.tv_nsec * 1e-6


# What the threads of an epoch share.
cdef struct job_t:
    batch_t batch
    real *parameters
    accumulator_t *accumulators
    int n_threads
    barrier_t barrier
    Py_ssize_t n_rows, batch_size
    double learning_rate, clip_norm, clip_value     # 0: no clipping
    double loss, weight                             # sums over the epoch's batches
    double polled                                   # when signals were last polled
    double flops_since_poll
    int status                                      # atomic while the accumulators are computed
    int n_claimed                                   # accumulators of the batch claimed beyond one per thread
    # the calling thread in this epoch, in milliseconds: when it began, how long it waited for the others, and
    # when it finished its part; chunks it had computed before, and chunks of the epoch so far
    double began, waited, left
    Py_ssize_t chunks_before, chunks_due
    int n_claimed_strips                            # of the gradient, by all threads
    bint fused_update                               # each strip is updated when its gradient is complete
    bint single_threaded                            # after a slowdown: only the calling thread continues
    Py_ssize_t chunks[MAX_ACCUMULATORS]             # computed, by thread
    layout_t *layout                                # of batches of one row, or NULL


cdef void wait_for_team(job_t *job, int thread) noexcept nogil:
    """Wait until all threads of the team are here; the calling thread measures how long."""
    cdef double t
    if thread or job.n_threads == 1:
        barrier_wait(&job.barrier, job.n_threads)
        return
    t = now()
    barrier_wait(&job.barrier, job.n_threads)
    job.waited += now() - t


cdef bint is_slowed_down(job_t *job, double max_wait) noexcept nogil:
    """Return True if the calling thread would be faster alone: all chunks at the rate of its own."""
    cdef double spent = now() - job.began
    cdef Py_ssize_t own_chunks = job.chunks[0] - job.chunks_before
    return job.waited > max_wait and (spent - job.waited) * job.chunks_due < spent * own_chunks


cdef void poll(Engine engine, job_t *job) noexcept nogil:
    """Poll for signals, at most every 50 ms, and look at the clock only after some work."""
    cdef double t
    job.flops_since_poll += engine.row_flops * job.batch.chunk_rows
    if job.flops_since_poll < POLL_FLOPS and not engine.has_python_components or job.status != RUNNING:
        return
    job.flops_since_poll = 0
    t = now()
    if t - job.polled < POLL_MILLISECONDS:
        return
    job.polled = t
    with gil:
        try:
            PyErr_CheckSignals()
        except BaseException as error:
            signal_errors.append(error)
            store_int(&job.status, INTERRUPTED)


signal_errors = []      # what a signal handler raised, until the call ends and raises it


cdef void run_accumulators(Engine engine, Optimizer optimizer, job_t *job, int thread,
                           Py_ssize_t first_chunk) noexcept nogil:
    """Compute the chunks of accumulators, in order: the thread's own one first, then the next unclaimed.

    For gradients by strips, one chunk of each accumulator, from first_chunk on.
    """
    cdef batch_t *batch = &job.batch
    cdef accumulator_t *accumulator
    cdef Py_ssize_t index, start, stop, step
    cdef int k = thread
    while k < batch.n_accumulators:
        accumulator = &job.accumulators[k]
        start, step = k * batch.n_chunks // batch.n_accumulators, 1
        stop = (k + 1) * batch.n_chunks // batch.n_accumulators
        if engine.by_strips:
            start, step = first_chunk + k, batch.n_accumulators
            stop = min(batch.n_chunks, first_chunk + step) if batch.backward else batch.n_chunks
        if not first_chunk:
            accumulator.loss = 0
            accumulator.has_gradient = False
        accumulator.fused_parameters = NULL
        if job.fused_update and batch.n_chunks == 1 and not engine.has_python_components:
            accumulator.fused_parameters = job.parameters
        if engine.single_layer:
            pack_layer(engine, batch, accumulator)
        for index from start <= index < stop by step:
            if engine.single_layer:
                run_single_layer_chunk(engine, batch, accumulator, index)
            else:
                run_chunk(engine, optimizer, batch, accumulator, index)
            job.chunks[thread] += 1
            if thread == 0:
                poll(engine, job)
            if engine.has_python_components and engine.errors.raised():
                store_int(&job.status, FAILED)
            if load_int(&job.status) != RUNNING:
                return
        if engine.single_layer:
            unpack_gradient(engine, batch, accumulator)
        k = job.n_threads + fetch_add(&job.n_claimed)


cdef void run_batch(Engine engine, Optimizer optimizer, job_t *job, int thread) noexcept nogil:
    """Compute the accumulators of a batch; for gradients by strips, the whole gradient, or the update.

    The threads compute the chunks whose blocks the accumulators can keep, then share the strips of their
    gradient, until no chunk is left. They leave together; if an error ends the job, perhaps one by one.
    """
    cdef Py_ssize_t first_chunk = 0, n_chunks = job.batch.n_chunks
    cdef int step = job.batch.n_accumulators
    if not engine.by_strips or not job.batch.backward:
        run_accumulators(engine, optimizer, job, thread, 0)
        return
    while first_chunk < n_chunks:
        run_accumulators(engine, optimizer, job, thread, first_chunk)
        wait_for_team(job, thread)
        if job.status != RUNNING:
            return
        if thread == 0:                 # no one claims accumulators before the next wait
            job.n_claimed = 0
        run_strips(engine, optimizer, job, thread, first_chunk)
        wait_for_team(job, thread)
        if thread == 0:
            job.n_claimed_strips = 0
        first_chunk += step


cdef void start_clock(job_t *job) noexcept nogil:
    """Begin to measure the team."""
    job.began = now()
    job.waited = 0
    job.single_threaded = False
    job.chunks_before, job.chunks_due = job.chunks[0], 0


cdef void update_backoff(Engine engine, bint slowed_down) noexcept nogil:
    """After a slowdown, use one thread for a while, twice as long each time."""
    cdef double backoff = load_double(&engine.backoff)
    if not slowed_down or engine.force_parallel:
        store_double(&engine.backoff, MIN_BACKOFF_MILLISECONDS)
    else:
        store_double(&engine.single_threaded_until, now() + backoff)
        store_double(&engine.backoff, min(2 * backoff, MAX_BACKOFF_MILLISECONDS))


cdef void run_parallel(Engine engine, job_t *job) noexcept nogil:
    """Compute all accumulators of one batch; the calling thread shares the work and waits for the rest."""
    if job.n_threads == 1:
        run_batch(engine, None, job, 0)
        return
    start_clock(job)
    job.chunks_due = job.batch.n_chunks
    with parallel(num_threads=job.n_threads):
        run_batch(engine, None, job, threadid())
        if threadid() == 0:
            job.left = now()
    job.waited += now() - job.left
    update_backoff(engine, is_slowed_down(job, MAX_JOIN_MILLISECONDS))

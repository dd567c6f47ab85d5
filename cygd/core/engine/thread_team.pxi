# A team of threads, and whether it pays.
#
# The calling thread is number 0; it alone looks for signals, by the clock. Where a neighbour keeps a core
# busy, waiting for a thread that does not run costs more than it saves: the calling thread then goes on
# alone, and asks for company again after a while. No bit depends on it.

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport parallel, threadid
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

OPENMP = bool(HAS_OPENMP)           # without it everything runs on the calling thread

cdef bint forked = False            # OpenMP's threads do not survive a fork, and its runtime hangs


def _after_fork():
    global forked
    forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

cdef enum:
    POLL_MILLISECONDS = 50
    POLL_FLOPS = 1000000            # of work between two looks at the clock: a millisecond on a slow CPU
    PATIENCE_MILLISECONDS = 4       # of waiting, before it is asked whether the others are any help
    JOIN_MILLISECONDS = 1           # the same at the end of an epoch or a single pass
    ALONE_MILLISECONDS = 50         # at first; twice as long after each failure
    ALONE_MOST = 3200

# why an epoch ended early
cdef enum:
    GOES_ON = 0
    INTERRUPTED = 1                 # a signal handler raised
    FAILED = 2                      # a component raised
    DIVERGED = 3                    # loss or parameters are not finite

cdef double now() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return t.tv_sec * 1e3 + t.tv_nsec * 1e-6


# What the threads of an epoch share.
cdef struct job:
    batch q
    real *parameters
    lane *lanes
    int threads
    barrier barrier                                 # where they wait for each other
    Py_ssize_t n_rows, batch_size
    double learning_rate, clip_norm, clip_value     # 0: no clipping
    double loss, weight                             # sums over the epoch's batches
    double polled                                   # when signals were last looked for
    double unseen                                   # work since the clock was looked at
    int status
    int taken                                       # lanes of the batch that somebody took besides his own
    # of the calling thread in this epoch, in milliseconds: when it began, how long it waited for the others,
    # and when it had done its part; how many chunks it had computed before, and how many there were to do
    double began, waited, left
    Py_ssize_t before, due
    bint paired                                     # odd lanes add to the gradient of the one before
    bint fused                                      # the only chunk updates the parameters on its way
    bint alone                                      # the others only hold it up: it goes on by itself
    Py_ssize_t chunks[MAX_LANES]                    # computed, by thread
    plan *samples                                   # of batches of one row, or NULL


cdef void meet_others(job *j, int thread) noexcept nogil:
    """Wait until every thread of the team is here; the calling thread takes the time."""
    cdef double t
    if thread or j.threads == 1:
        barrier_wait(&j.barrier, j.threads)
        return
    t = now()
    barrier_wait(&j.barrier, j.threads)
    j.waited += now() - t


cdef bint hold_up(job *j, double patience) noexcept nogil:
    """Return whether the calling thread would be there alone by now: all chunks in the time of its own."""
    cdef double spent = now() - j.began
    return j.waited > patience and (spent - j.waited) * j.due < spent * (j.chunks[0] - j.before)


cdef void poll(Engine engine, job *j) noexcept nogil:
    """Look for signals, at most once in 50 ms, and for the time only where some of it may have passed."""
    cdef double t
    j.unseen += engine.flops * j.q.chunk
    if j.unseen < POLL_FLOPS and not engine.python or j.status != GOES_ON:
        return
    j.unseen = 0
    t = now()
    if t - j.polled < POLL_MILLISECONDS:
        return
    j.polled = t
    with gil:
        try:
            PyErr_CheckSignals()
        except BaseException as error:
            pending.append(error)
            j.status = INTERRUPTED


pending = []        # what a signal handler raised, on its way out of an epoch


cdef void run_lanes(Engine engine, Updater updater, job *j, int thread) noexcept nogil:
    """Compute lanes of a batch, chunks in order: the thread's own first, then whichever is next."""
    cdef batch *q = &j.q
    cdef lane *a
    cdef real *own
    cdef Py_ssize_t index
    cdef int k = thread
    while k < q.n_lanes:
        a = &j.lanes[k]
        a.loss = 0
        a.written = False
        a.updated = j.parameters if j.fused else NULL
        own = a.gradient
        if j.paired and k % 2:
            a.gradient = j.lanes[k - 1].gradient
            a.written = True
        if engine.in_rows:
            begin_rows(engine, q, a)
        for index in range(k * q.n_chunks // q.n_lanes, (k + 1) * q.n_chunks // q.n_lanes):
            if engine.in_rows:
                run_rows_chunk(engine, q, a, index)
            else:
                run_chunk(engine, updater, q, a, index)
            j.chunks[thread] += 1
            if thread == 0:
                poll(engine, j)
            if engine.python and engine.failure.here():
                j.status = FAILED
            if j.status != GOES_ON:
                a.gradient = own
                return
        a.gradient = own
        if engine.in_rows:
            end_rows(engine, q, a)
        k = j.threads + fetch_add(&j.taken)


cdef void begin_together(job *j) noexcept nogil:
    j.began = now()
    j.waited = 0
    j.alone = False
    j.before, j.due = j.chunks[0], 0


cdef void remember(Engine engine, bint helped) noexcept nogil:
    """Go alone for a while after the others were no help, and longer each time."""
    if helped or engine.together:
        engine.patience = ALONE_MILLISECONDS
    else:
        engine.alone_until = now() + engine.patience
        engine.patience = min(2 * engine.patience, ALONE_MOST)


cdef void side_by_side(Engine engine, job *j) noexcept nogil:
    """All lanes of one batch: the calling thread takes what the others leave, and waits for their last."""
    if j.threads == 1:
        run_lanes(engine, None, j, 0)
        return
    begin_together(j)
    j.due = j.q.n_chunks
    with parallel(num_threads=j.threads):
        run_lanes(engine, None, j, threadid())
        if threadid() == 0:
            j.left = now()
    j.waited = now() - j.left
    remember(engine, not hold_up(j, JOIN_MILLISECONDS))

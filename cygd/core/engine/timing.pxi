# How long the functions of a layer and its products take, called as the engine calls them, and how fast the
# machine itself is.

from cython.parallel cimport prange


def block_seconds(Engine engine, const real[::1] h, int calls):
    """Time the activation of a network's first layer over one block.

    Parameters
    ----------
    engine : Engine
    h : array of shape (n,)
        Net inputs, n a multiple of 64 bytes.
    calls : int
        How often each function is called.

    Returns
    -------
    tuple of three floats
        Seconds per call of f, of f', and of what training does: both in one pass where the activation can,
        else one after the other.
    """
    cdef layer *l = &engine.layers[0]
    cdef double[4] t
    cdef Py_ssize_t n = padded(h.shape[0])
    cdef Lanes lanes
    cdef real *x
    cdef real *y_hat
    cdef real *slope
    cdef int k
    if l.f == NULL or l.n_out != 1 or n != h.shape[0] or not n or calls < 1:
        raise ValueError(f"needs one elementwise unit, a multiple of {WIDTH} net inputs, and calls")
    lanes = engine.take_lanes(1, n)
    x, y_hat = lanes.items[0].memory + l.h * n, lanes.items[0].memory + l.y_hat * n
    slope = lanes.items[0].memory + engine.slope * n
    memcpy(x, &h[0], n * sizeof(real))
    l.f(x, y_hat, n, l.data)
    with nogil:
        t[0] = now()
        for k in range(calls):
            l.f(x, y_hat, n, l.data)
        t[1] = now()
        for k in range(calls):
            l.df(x, y_hat, slope, n, l.data)
        t[2] = now()
        for k in range(calls):
            if l.both != NULL:
                l.both(x, y_hat, slope, n, l.data)
            else:
                l.f(x, y_hat, n, l.data)
                l.df(x, y_hat, slope, n, l.data)
        t[3] = now()
    engine.give_back(lanes, NULL)
    found = engine.failure.take()
    if found is not None:
        raise ComponentError(*found) from found[1]
    return tuple((t[k + 1] - t[k]) / (1e3 * calls) for k in range(3))


def product_seconds(const real[:, ::1] a, const real[:, ::1] b, real[:, ::1] c, int calls):
    """Time c = a b.

    Parameters
    ----------
    a, b, c : arrays of shape (m, k), (k, n) and (m, n)
        n a multiple of 64 bytes.

    Returns
    -------
    float
        Seconds per call.
    """
    cdef Py_ssize_t m = c.shape[0], n = c.shape[1], k = a.shape[1]
    cdef double t
    cdef int i
    if (a.shape[0], b.shape[0], b.shape[1]) != (m, k, n) or not (m and k and n) or n % WIDTH or calls < 1:
        raise ValueError(f"needs shapes (m, k), (k, n), (m, n), n a multiple of {WIDTH}, and calls")
    with nogil:
        t = now()
        for i in range(calls):
            current().product(&a[0, 0], k, 1, &b[0, 0], n, NULL, False, &c[0, 0], n, m, n, k)
        t = now() - t
    return t / (1e3 * calls)


def multiply_add_rate(Py_ssize_t rounds, int threads=1):
    """Return the operations per second of multiply-adds on registers: the most the CPU level can do.

    Parameters
    ----------
    rounds : int
        A million of them take some two milliseconds.
    threads : int
        So many cores at once, where there are so many.
    """
    cdef double operations = 0, t
    if rounds < 1 or threads < 1:
        raise ValueError("needs at least one round and one thread")
    threads = 1 if forked else threads
    with nogil:
        with parallel(num_threads=threads):
            current().peak(1000)                # the threads are there, and awake
        t = now()
        for _ in prange(threads, num_threads=threads, schedule="static"):
            operations += current().peak(rounds)
        t = now() - t
    return operations / (1e-3 * t)


cdef void read_part(const real *x, Py_ssize_t n, int part, int parts, double *totals) noexcept nogil:
    cdef Py_ssize_t start = n * part // parts
    totals[part] = current().square_sum(x + start, n * (part + 1) // parts - start)


def read_seconds(const real[::1] x, int threads):
    """Time one pass of reading over an array: what memory, or a cache, can deliver here.

    Returns
    -------
    tuple of two floats
        Seconds, and the sum of squares that was computed on the way.
    """
    cdef double totals[MAX_LANES]
    cdef double began, ended
    cdef Py_ssize_t n = x.shape[0]
    if not 1 <= threads <= MAX_LANES or not n:
        raise ValueError(f"needs elements, and 1 to {MAX_LANES} threads")
    memset(totals, 0, sizeof(totals))
    with nogil:
        began = now()
        if threads == 1:
            read_part(&x[0], n, 0, 1, totals)
        else:
            with parallel(num_threads=threads):
                read_part(&x[0], n, threadid(), threads, totals)
        ended = now()
    return (ended - began) / 1e3, sum(totals)

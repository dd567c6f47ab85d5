# How long the functions of a layer take, called as the engine calls them.

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
    slope = lanes.items[0].memory + engine.delta * n
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

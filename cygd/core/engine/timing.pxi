# Timers for benchmarks: a layer's functions and a matrix product, called as the engine calls them, and the
# peak rates of the machine.

from cython.parallel cimport prange


def activation_seconds(Engine engine, const real[::1] h, int calls):
    """Time the activation of a network's first layer over one block.

    Parameters
    ----------
    engine : Engine
    h : array of shape (n,)
        Net inputs, a multiple of 64 bytes.
    calls : int
        How often each function is called.

    Returns
    -------
    tuple of three floats
        Seconds per call of f, of f', and of both as in training: in one pass where the activation has
        such a function, else one after the other.
    """
    cdef layer_t *layer = &engine.layers[0]
    cdef double[4] t
    cdef Py_ssize_t n = padded(h.shape[0])
    cdef Accumulators accumulators
    cdef real *x
    cdef real *y_hat
    cdef real *derivative
    cdef int k
    if layer.f == NULL or layer.n_out != 1 or n != h.shape[0] or not n or calls < 1:
        raise ValueError(f"expected one elementwise unit, a multiple of {WIDTH} net inputs, "
                         "and at least one call")
    accumulators = engine.acquire(1, n)
    x = accumulators.items[0].memory + layer.h * n
    y_hat = accumulators.items[0].memory + layer.y_hat * n
    derivative = accumulators.items[0].memory + engine.derivative * n
    memcpy(x, &h[0], n * sizeof(real))
    layer.f(x, y_hat, n, layer.data)
    with nogil:
        t[0] = now()
        for k in range(calls):
            layer.f(x, y_hat, n, layer.data)
        t[1] = now()
        for k in range(calls):
            layer.df(x, y_hat, derivative, n, layer.data)
        t[2] = now()
        for k in range(calls):
            if layer.value_and_derivative != NULL:
                layer.value_and_derivative(x, y_hat, derivative, n, layer.data)
            else:
                layer.f(x, y_hat, n, layer.data)
                layer.df(x, y_hat, derivative, n, layer.data)
        t[3] = now()
    engine.release(accumulators, NULL)
    raised = engine.errors.pop()
    if raised is not None:
        where, error = raised
        raise ComponentError(where, error) from error
    return tuple((t[k + 1] - t[k]) / (1e3 * calls) for k in range(3))


def matmul_seconds(const real[:, ::1] a, const real[:, ::1] b, real[:, ::1] c, int calls):
    """Time c = a b.

    Parameters
    ----------
    a, b, c : arrays of shape (m, k), (k, n) and (m, n)
        A row of n elements is a multiple of 64 bytes.
    calls : int

    Returns
    -------
    float
        Seconds per call.
    """
    cdef Py_ssize_t m = c.shape[0], n = c.shape[1], k = a.shape[1]
    cdef double t
    cdef int i
    if (a.shape[0], b.shape[0], b.shape[1]) != (m, k, n) or not (m and k and n) or n % WIDTH or calls < 1:
        raise ValueError(f"expected shapes (m, k), (k, n), (m, n), n a multiple of {WIDTH}, "
                         "and at least one call")
    with nogil:
        t = now()
        for i in range(calls):
            multiply_matrices(&a[0, 0], k, 1, &b[0, 0], n, False, &c[0, 0], m, n, k)
        t = now() - t
    return t / (1e3 * calls)


def peak_fma_rate(Py_ssize_t rounds, int threads=1):
    """Return the operations per second of fused multiply-adds on registers: the peak of the CPU level.

    Parameters
    ----------
    rounds : int
        A million of them take about 2 ms.
    threads : int
        The number of threads to run at once.
    """
    cdef double operations = 0, t
    if rounds < 1 or threads < 1:
        raise ValueError("expected at least one round and one thread")
    threads = 1 if forked else threads
    with nogil:
        with parallel(num_threads=threads):
            current().peak_fma(1000)            # start and wake the threads
        t = now()
        for _ in prange(threads, num_threads=threads, schedule="static"):
            operations += current().peak_fma(rounds)
        t = now() - t
    return operations / (1e-3 * t)


cdef void read_part(const real *x, Py_ssize_t n, int part, int parts, double *totals) noexcept nogil:
    """Read one of several equal parts of an array."""
    cdef Py_ssize_t start = n * part // parts
    totals[part] = current().square_sum(x + start, n * (part + 1) // parts - start)


def read_seconds(const real[::1] x, int threads):
    """Time one pass of reading over an array: the read bandwidth of memory, or of a cache.

    Parameters
    ----------
    x : array of shape (n,)
    threads : int

    Returns
    -------
    tuple of two floats
        Seconds, and the sum of squares that the pass computed.
    """
    cdef double totals[MAX_ACCUMULATORS]
    cdef double start, stop
    cdef Py_ssize_t n = x.shape[0]
    if not 1 <= threads <= MAX_ACCUMULATORS or not n:
        raise ValueError(f"expected elements and 1 to {MAX_ACCUMULATORS} threads")
    memset(totals, 0, sizeof(totals))
    with nogil:
        start = now()
        if threads == 1:
            read_part(&x[0], n, 0, 1, totals)
        else:
            with parallel(num_threads=threads):
                read_part(&x[0], n, threadid(), threads, totals)
        stop = now()
    return (stop - start) / 1e3, sum(totals)

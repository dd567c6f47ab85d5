# How long the functions of a layer take, called as the engine calls them.

def block_seconds(Engine engine, const real[::1] h, int calls):
    """Time the activation of a network's first layer over one block.

    Parameters
    ----------
    engine : Engine
    h : array of shape (n,)
        Net inputs.
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
    cdef int k
    cdef Py_ssize_t n = h.shape[0]
    cdef real[::1] y_hat = np.empty(n, np.asarray(h).dtype), slope = np.empty(n, np.asarray(h).dtype)
    if l.f == NULL or not n or calls < 1:
        raise ValueError("needs an elementwise activation, some net inputs and at least one call")
    l.f(&h[0], &y_hat[0], n, l.data)
    with nogil:
        t[0] = now()
        for k in range(calls):
            l.f(&h[0], &y_hat[0], n, l.data)
        t[1] = now()
        for k in range(calls):
            l.df(&h[0], &y_hat[0], &slope[0], n, l.data)
        t[2] = now()
        for k in range(calls):
            if l.both != NULL:
                l.both(&h[0], &y_hat[0], &slope[0], n, l.data)
            else:
                l.f(&h[0], &y_hat[0], n, l.data)
                l.df(&h[0], &y_hat[0], &slope[0], n, l.data)
        t[3] = now()
    found = engine.failure.take()
    if found is not None:
        raise ComponentError(*found) from found[1]
    return tuple((t[k + 1] - t[k]) / (1e3 * calls) for k in range(3))

# The optimizers over the parameters of many networks (parameters, networks), by the steps of optimizers.pxi.
#
# Each network has scalars of its own, in a vector of networks for each scalar. Where one of them selects the
# form of the step, its being 0 or not must be the same in all networks. Scalars that no longer change from
# step to step need not be computed again.

cdef inline void map_many(step_fn f, int n_state, real *w, const real *g, real **state, Py_ssize_t n,
                          Py_ssize_t networks, const real *scalars) noexcept nogil:
    """Apply f to w (n, networks), g and n_state arrays alike; scalars (MAX_SCALARS, networks)."""
    cdef vec s[MAX_SCALARS]
    cdef vec m[MAX_STATE]
    cdef vec x
    cdef vec smallest_normal = splat(<real> (1.17549435e-38 if REAL_BITS == 32 else 2.2250738585072014e-308))
    cdef Py_ssize_t i, v
    cdef int k
    for v from 0 <= v < networks by LANES:
        for k in range(MAX_SCALARS):
            s[k] = load(scalars + k * networks + v)
        for i from v <= i < n * networks + v by networks:
            x = load(w + i)
            for k in range(n_state):
                m[k] = load(state[k] + i)
            f(&x, load(g + i), m, s)
            store(w + i, x)
            for k in range(n_state):
                store(state[k] + i, select(lt(abs_(m[k]), smallest_normal), splat(0), m[k]))


cdef void many_sgd(real *w, const real *g, real **state, Py_ssize_t n, Py_ssize_t networks,
                   const real *s) noexcept nogil:
    if s[2 * networks] == 0:
        map_many(sgd_step_without_momentum, 0, w, g, state, n, networks, s)
    else:
        map_many(sgd_step, 1, w, g, state, n, networks, s)


cdef void many_adagrad(real *w, const real *g, real **state, Py_ssize_t n, Py_ssize_t networks,
                       const real *s) noexcept nogil:
    map_many(adagrad_step, 1, w, g, state, n, networks, s)


cdef void many_adadelta(real *w, const real *g, real **state, Py_ssize_t n, Py_ssize_t networks,
                        const real *s) noexcept nogil:
    map_many(adadelta_step, 2, w, g, state, n, networks, s)


cdef void many_rmsprop(real *w, const real *g, real **state, Py_ssize_t n, Py_ssize_t networks,
                       const real *s) noexcept nogil:
    if s[6 * networks] == 0:
        map_many(rmsprop_step, 3, w, g, state, n, networks, s)
    else:
        map_many(centered_rmsprop_step, 3, w, g, state, n, networks, s)


cdef void many_adam(real *w, const real *g, real **state, Py_ssize_t n, Py_ssize_t networks,
                    const real *s) noexcept nogil:
    if s[7 * networks] == 0:
        map_many(adam_step, 2, w, g, state, n, networks, s)
    else:
        map_many(amsgrad_step, 3, w, g, state, n, networks, s)


cdef void many_nadam(real *w, const real *g, real **state, Py_ssize_t n, Py_ssize_t networks,
                     const real *s) noexcept nogil:
    map_many(nadam_step, 2, w, g, state, n, networks, s)


cdef void many_lion(real *w, const real *g, real **state, Py_ssize_t n, Py_ssize_t networks,
                    const real *s) noexcept nogil:
    map_many(lion_step, 1, w, g, state, n, networks, s)


cdef void set_many_update(kernels *t, update_t f, many_update_t many, int selector,
                          bint steady) noexcept:
    """Set the update of many networks of each optimizer with the update f."""
    cdef int k
    for k in range(t.n_optimizers):
        if t.optimizers[k].f == f:
            t.optimizers[k].many = many
            t.optimizers[k].selector = selector
            t.optimizers[k].steady = steady


cdef void fill_many_optimizers(kernels *t) noexcept:
    set_many_update(t, sgd, many_sgd, 2, True)            # momentum
    set_many_update(t, adagrad, many_adagrad, -1, False)
    set_many_update(t, adadelta, many_adadelta, -1, True)
    set_many_update(t, rmsprop, many_rmsprop, 6, True)    # centered
    set_many_update(t, adam, many_adam, 7, False)          # amsgrad
    set_many_update(t, nadam, many_nadam, -1, False)
    set_many_update(t, lion, many_lion, -1, True)

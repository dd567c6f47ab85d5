# The equations of a layer over typed memoryviews, for one dtype. No checks of what the arrays hold or
# whether they overlap: those are in primitives.pyx, the only caller but for the tests.


cdef const real *start(const real[::1] x) noexcept:
    return &x[0] if x.shape[0] else NULL


cdef real *start_out(real[::1] x) noexcept:
    return &x[0] if x.shape[0] else NULL


def names():
    """Return what the kernels offer: names, parameters with their defaults, reductions, state."""
    cdef kernels *t = current()
    cdef int k, p
    found = {"functions": [], "activations": [], "losses": [], "joints": [], "optimizers": []}
    for k in range(t.n_functions):
        found["functions"].append((<bytes> t.functions[k].name).decode())
    for k in range(t.n_activations):
        found["activations"].append({
            "name": (<bytes> t.activations[k].name).decode(),
            "parameters": {(<bytes> t.activations[k].parameters[p]).decode(): t.activations[k].defaults[p]
                           for p in range(t.activations[k].n_parameters)},
            "rowwise": t.activations[k].f_rows != NULL,
        })
    for k in range(t.n_losses):
        found["losses"].append({
            "name": (<bytes> t.losses[k].name).decode(),
            "parameters": {(<bytes> t.losses[k].parameters[p]).decode(): t.losses[k].defaults[p]
                           for p in range(t.losses[k].n_parameters)},
            "reduction": ("sum", "mean", "mean_rows")[t.losses[k].reduction],
        })
    for k in range(t.n_joints):
        found["joints"].append(((<bytes> t.joints[k].activation).decode(),
                                (<bytes> t.joints[k].loss).decode()))
    for k in range(t.n_updates):
        found["optimizers"].append({
            "name": (<bytes> t.updates[k].name).decode(),
            "parameters": {(<bytes> t.updates[k].parameters[p]).decode(): t.updates[k].defaults[p]
                           for p in range(t.updates[k].n_parameters)},
            "state": [(<bytes> t.updates[k].state[p]).decode() for p in range(t.updates[k].n_state)],
        })
    return found


cdef Parameters given_parameters(values):
    """Return the values in the order of the row, as `data`; None stands for the defaults."""
    return None if values is None else Parameters(values)


cdef void *data_of(Parameters parameters) noexcept:
    return NULL if parameters is None else parameters.values


def block(str kind, str name, const real[::1] x, real[::1] out, params=None):
    """out = f(x) of an elementary function (kind "function") or an activation."""
    cdef kernels *t = current()
    cdef Parameters parameters = given_parameters(params)
    cdef int k
    if kind == "activation":
        find_activation(t, name).f(start(x), start_out(out), x.shape[0], data_of(parameters))
        return
    for k in range(t.n_functions):
        if t.functions[k].name == name.encode():
            t.functions[k].f(start(x), start_out(out), x.shape[0], NULL)
            return
    raise ValueError(f"unknown function {name!r}")


def derivative_block(str name, const real[::1] h, const real[::1] y_hat, real[::1] out, params=None):
    """out = f'(h)."""
    cdef Parameters parameters = given_parameters(params)
    find_activation(current(), name).df(start(h), start(y_hat), start_out(out), h.shape[0],
                                        data_of(parameters))


def both_blocks(str name, const real[::1] h, real[::1] y_hat, real[::1] slope, params=None):
    """y_hat = f(h) and slope = f'(h) in one pass; returns False for an activation without such a kernel."""
    cdef Parameters parameters = given_parameters(params)
    cdef activation_row *row = find_activation(current(), name)
    if row.both == NULL:
        return False
    row.both(start(h), start_out(y_hat), start_out(slope), h.shape[0], data_of(parameters))
    return True


def rowwise(str name, const real[:, ::1] h, real[:, ::1] out):
    """out = f(h) of a row-wise activation; blocks of units x rows."""
    if h.shape[0] and h.shape[1]:
        find_activation(current(), name).f_rows(&h[0, 0], &out[0, 0], h.shape[0], h.shape[1], NULL)


def rowwise_backward(str name, const real[:, ::1] h, const real[:, ::1] y_hat, const real[:, ::1] g,
                     real[:, ::1] delta):
    """delta = J^T g; blocks of units x rows."""
    if h.shape[0] and h.shape[1]:
        find_activation(current(), name).backward_rows(&h[0, 0], &y_hat[0, 0], &g[0, 0], &delta[0, 0],
                                                       h.shape[0], h.shape[1], NULL)


def loss_block(str name, const real[::1] y, const real[::1] y_hat, real[::1] out, bint derivative=False,
               params=None):
    """out = l(y, y_hat), or dl/dy_hat, before the reduction."""
    cdef Parameters parameters = given_parameters(params)
    cdef loss_row *row = find_loss(current(), name)
    if derivative:
        row.df(start(y), start(y_hat), start_out(out), y.shape[0], data_of(parameters))
    else:
        row.f(start(y), start(y_hat), start_out(out), y.shape[0], data_of(parameters))


def joint(str activation, str loss, const real[:, ::1] h, const real[:, ::1] y, real[:, ::1] out):
    """out = the joint loss from the net input; blocks of units x rows."""
    if h.shape[0] and h.shape[1]:
        find_joint(current(), activation, loss).f(&h[0, 0], &y[0, 0], &out[0, 0], h.shape[0],
                                                  h.shape[1], NULL)


def joint_delta(str activation, str loss, const real[:, ::1] y, const real[:, ::1] y_hat,
                real[:, ::1] delta):
    """delta = -dl/dh; blocks of units x rows."""
    if y.shape[0] and y.shape[1]:
        find_joint(current(), activation, loss).delta(&y[0, 0], &y_hat[0, 0], &delta[0, 0], y.shape[0],
                                                      y.shape[1], NULL)


def has_joint(str activation, str loss):
    """Return whether an activation and a loss have a joint form."""
    return find_joint(current(), activation, loss) != NULL


def matrix_product(const real[:, :] a, const real[:, ::1] b, real[:, ::1] c, bint accumulate=False):
    """c = [c +] a b; rows of b beyond the columns of c are padding, to a multiple of 64 bytes."""
    cdef Py_ssize_t row = a.strides[0] // <Py_ssize_t> sizeof(real)
    cdef Py_ssize_t column = a.strides[1] // <Py_ssize_t> sizeof(real)
    if c.shape[0] and c.shape[1]:
        with nogil:
            current().product(&a[0, 0] if a.shape[1] else NULL, row, column,
                              &b[0, 0] if b.shape[0] else NULL, b.shape[1], NULL, accumulate,
                              &c[0, 0], c.shape[1], a.shape[0], c.shape[1], a.shape[1])


def multiply(const real[::1] a, const real[::1] b, real[::1] out):
    """out = a * b."""
    current().multiply(start(a), start(b), start_out(out), a.shape[0])


def scale(double factor, const real[::1] a, real[::1] out):
    """out = factor * a."""
    current().scale(factor, start(a), start_out(out), a.shape[0])


def half_square_difference(const real[::1] y, const real[::1] y_hat):
    """Return 1/2 sum (y - y_hat)^2, in blocks that stay in cache."""
    cdef real difference[1024]
    cdef double total = 0
    cdef Py_ssize_t i, n
    with nogil:
        for i in range(0, y.shape[0], 1024):
            n = min(y.shape[0] - i, 1024)
            current().subtract(&y[i], &y_hat[i], difference, n)
            total += current().square_sum(difference, n)
    return 0.5 * total


def addresses(str name):
    """Return the addresses of an activation's function and derivative, for the C interface."""
    cdef activation_row *row = find_activation(current(), name)
    if row.f == NULL:
        raise ValueError(f"activation {name!r} is row-wise: it has no elementwise function")
    return <size_t> row.f, <size_t> row.df

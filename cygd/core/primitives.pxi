# Kernels over typed memoryviews, for one dtype. They check neither lengths nor overlap: primitives.pyx does,
# and is the only caller besides the tests and cygd's own Python.

from libc.stdlib cimport free

cdef extern from "<stdlib.h>" nogil:
    void *aligned_alloc(size_t alignment, size_t size)

cdef enum:
    LARGE_MATRIX = 192      # rows, columns and inner length from which copying both operands pays


cdef const real *data_in(const real[::1] x) noexcept:
    return &x[0] if x.shape[0] else NULL


cdef real *data_out(real[::1] x) noexcept:
    return &x[0] if x.shape[0] else NULL


def names():
    """Return what the kernels offer: names, parameters with their defaults, reductions, state."""
    cdef kernels *table = current()
    cdef int k, p
    offered = {"functions": [], "activations": [], "losses": [], "joints": [], "optimizers": []}
    for k in range(table.n_functions):
        offered["functions"].append((<bytes> table.functions[k].name).decode())
    for k in range(table.n_activations):
        offered["activations"].append({
            "name": (<bytes> table.activations[k].name).decode(),
            "parameters": {(<bytes> table.activations[k].parameters[p]).decode():
                           table.activations[k].defaults[p]
                           for p in range(table.activations[k].n_parameters)},
            "rowwise": table.activations[k].f_rows != NULL,
        })
    for k in range(table.n_losses):
        offered["losses"].append({
            "name": (<bytes> table.losses[k].name).decode(),
            "parameters": {(<bytes> table.losses[k].parameters[p]).decode(): table.losses[k].defaults[p]
                           for p in range(table.losses[k].n_parameters)},
            "reduction": ("sum", "mean", "mean_rows")[table.losses[k].reduction],
        })
    for k in range(table.n_fused_losses):
        offered["joints"].append(((<bytes> table.fused_losses[k].activation).decode(),
                                  (<bytes> table.fused_losses[k].loss).decode()))
    for k in range(table.n_optimizers):
        offered["optimizers"].append({
            "name": (<bytes> table.optimizers[k].name).decode(),
            "parameters": {(<bytes> table.optimizers[k].parameters[p]).decode():
                           table.optimizers[k].defaults[p]
                           for p in range(table.optimizers[k].n_parameters)},
            "state": [(<bytes> table.optimizers[k].state[p]).decode()
                      for p in range(table.optimizers[k].n_state)],
        })
    return offered


cdef KernelParameters kernel_parameters(values):
    """Return values in the order of the table entry as kernel parameters; None for the defaults."""
    return None if values is None else KernelParameters(values)


cdef void *parameters_data(KernelParameters parameters) noexcept:
    return NULL if parameters is None else parameters.values


# activations --------------------------------------------------------------------------------------

def block(str kind, str name, const real[::1] x, real[::1] out, params=None):
    """Compute out = f(x) of an elementary function (kind "function") or an activation ("activation")."""
    cdef kernels *table = current()
    cdef KernelParameters parameters = kernel_parameters(params)
    cdef int k
    if kind == "activation":
        find_activation(table, name).f(data_in(x), data_out(out), x.shape[0], parameters_data(parameters))
        return
    for k in range(table.n_functions):
        if table.functions[k].name == name.encode():
            table.functions[k].f(data_in(x), data_out(out), x.shape[0], NULL)
            return
    raise ValueError(f"unknown function {name!r}")


def derivative_block(str name, const real[::1] h, const real[::1] y_hat, real[::1] out, params=None):
    """Compute out = f'(h)."""
    cdef KernelParameters parameters = kernel_parameters(params)
    find_activation(current(), name).df(data_in(h), data_in(y_hat), data_out(out), h.shape[0],
                                        parameters_data(parameters))


def value_and_derivative_block(str name, const real[::1] h, real[::1] y_hat, real[::1] derivative,
                               params=None):
    """Compute y_hat = f(h) and derivative = f'(h) in one pass; return False without such a kernel."""
    cdef KernelParameters parameters = kernel_parameters(params)
    cdef activation_entry *entry = find_activation(current(), name)
    if entry.value_and_derivative == NULL:
        return False
    entry.value_and_derivative(data_in(h), data_out(y_hat), data_out(derivative), h.shape[0],
                               parameters_data(parameters))
    return True


def rowwise(str name, const real[:, ::1] h, real[:, ::1] out):
    """Compute out = f(h) of a row-wise activation; blocks (units, rows)."""
    if h.shape[0] and h.shape[1]:
        find_activation(current(), name).f_rows(&h[0, 0], &out[0, 0], h.shape[0], h.shape[1], NULL)


def rowwise_backward(str name, const real[:, ::1] h, const real[:, ::1] y_hat, const real[:, ::1] g,
                     real[:, ::1] delta):
    """Compute delta = J^T g of a row-wise activation; blocks (units, rows)."""
    if h.shape[0] and h.shape[1]:
        find_activation(current(), name).backward_rows(&h[0, 0], &y_hat[0, 0], &g[0, 0], &delta[0, 0],
                                                       h.shape[0], h.shape[1], NULL)


# losses -------------------------------------------------------------------------------------------

def loss_block(str name, const real[::1] y, const real[::1] y_hat, real[::1] out, bint derivative=False,
               params=None):
    """Compute out = l(y, y_hat), or dl/dy_hat, before the reduction."""
    cdef KernelParameters parameters = kernel_parameters(params)
    cdef loss_entry *entry = find_loss(current(), name)
    if derivative:
        entry.df(data_in(y), data_in(y_hat), data_out(out), y.shape[0], parameters_data(parameters))
    else:
        entry.f(data_in(y), data_in(y_hat), data_out(out), y.shape[0], parameters_data(parameters))


def fused_loss(str activation, str loss, const real[:, ::1] h, const real[:, ::1] y, real[:, ::1] out):
    """Compute out = the loss from the net input of an activation fused with it; blocks (units, rows)."""
    if h.shape[0] and h.shape[1]:
        find_fused_loss(current(), activation, loss).f(&h[0, 0], &y[0, 0], &out[0, 0], h.shape[0],
                                                       h.shape[1], NULL)


def fused_delta(str activation, str loss, const real[:, ::1] y, const real[:, ::1] y_hat,
                real[:, ::1] delta):
    """Compute delta = -dl/dh of a fused loss; blocks (units, rows)."""
    if y.shape[0] and y.shape[1]:
        find_fused_loss(current(), activation, loss).delta(&y[0, 0], &y_hat[0, 0], &delta[0, 0], y.shape[0],
                                                           y.shape[1], NULL)


def has_fused_loss(str activation, str loss):
    """Return True if an activation and a loss have a fused form."""
    return find_fused_loss(current(), activation, loss) != NULL


def sse(const real[::1] y, const real[::1] y_hat):
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


# linear algebra -----------------------------------------------------------------------------------

cdef void multiply_matrices(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const real *b,
                            Py_ssize_t ldb, bint accumulate, real *c, Py_ssize_t m, Py_ssize_t n,
                            Py_ssize_t k) noexcept nogil:
    """c (m, n) = [c +] a (m, k) b (k, n). Large matrices are copied into a workspace, if there is memory."""
    cdef real *workspace = NULL
    if min(m, n, k) >= LARGE_MATRIX:
        workspace = <real *> aligned_alloc(64, current().large_workspace(n) * sizeof(real))
    if workspace == NULL:
        current().matmul(a, a_row, a_column, b, ldb, NULL, accumulate, c, n, m, n, k)
        return
    current().large_matmul(a, a_row, a_column, b, ldb, accumulate, c, n, m, n, k, workspace)
    free(workspace)


def matmul(const real[:, :] a, const real[:, ::1] b, real[:, ::1] c, bint accumulate=False):
    """Compute c = [c +] a b; b may have more columns than c, as padding to a multiple of 64 bytes."""
    cdef Py_ssize_t row = a.strides[0] // <Py_ssize_t> sizeof(real)
    cdef Py_ssize_t column = a.strides[1] // <Py_ssize_t> sizeof(real)
    if c.shape[0] and c.shape[1]:
        with nogil:
            multiply_matrices(&a[0, 0] if a.shape[1] else NULL, row, column,
                              &b[0, 0] if b.shape[0] else NULL, b.shape[1], accumulate, &c[0, 0],
                              a.shape[0], c.shape[1], a.shape[1])


def multiply(const real[::1] a, const real[::1] b, real[::1] out):
    """Compute out = a * b."""
    current().multiply(data_in(a), data_in(b), data_out(out), a.shape[0])


def scale(double factor, const real[::1] a, real[::1] out):
    """Compute out = factor * a."""
    current().scale(factor, data_in(a), data_out(out), a.shape[0])


def addresses(str name):
    """Return the addresses of an activation's function and derivative, for the C interface."""
    cdef activation_entry *entry = find_activation(current(), name)
    if entry.f == NULL:
        raise ValueError(f"activation {name!r} is row-wise: it has no elementwise function")
    return <size_t> entry.f, <size_t> entry.df

# Activations: y_hat = f(h) and f'(h). This file has the loops, softmax and the table; the elementwise
# equations are in activations_piecewise.pxi and activations_smooth.pxi.
#
# To add an activation, write two inline functions over a vector (f and its derivative), two wrappers that
# pass them to a loop, and an entry at the end of the same file. `a` is the activation's parameter, if any.
# Where f and f' share an exponential or a division, a third wrapper (`_f_df`) computes both in one pass, for
# training.
#
# - Where f' is cheaper to compute from the output, it takes y_hat and is exact for the rounded y_hat. Where
#   y_hat is close to its limit, y (1 - y), 1 - y^2 and y + a are accurate to an ulp of 1, not of the result.
# - Values keep full relative precision in the left tail, except gelu_tanh, where the error is h^3 ulp.
# - Net inputs are clamped where a factor has reached its limit, so that inf times 0 does not produce NaN. NaN
#   stays NaN.

ctypedef vec (*activation_fn)(vec h, vec a) noexcept nogil
ctypedef vec (*derivative_fn)(vec h, vec y_hat, vec a) noexcept nogil

cdef struct value_and_derivative:
    vec value                           # f(h)
    vec derivative                      # f'(h)

ctypedef value_and_derivative (*value_and_derivative_fn)(vec h) noexcept nogil

cdef real NO_PARAMETER = 0              # passed as `a` to activations and losses without a parameter


cdef inline vec keep_nan(vec x, vec value) noexcept nogil:
    """Return value, or x where x is NaN."""
    return select(eq(x, x), value, x)


cdef inline vec load_parameter(void *data, real default) noexcept nogil:
    return splat((<const real *> data)[0] if data != NULL else default)


cdef inline void map_activation(activation_fn f, real default, const real *h, real *out, Py_ssize_t n,
                                void *data) noexcept nogil:
    """out (n) = f(h (n)), two vectors at a time, so that their latencies overlap."""
    cdef vec a = load_parameter(data, default), first, second
    cdef Py_ssize_t i = 0
    while i + 2 * LANES <= n:
        first, second = f(load(h + i), a), f(load(h + i + LANES), a)
        store(out + i, first)
        store(out + i + LANES, second)
        i += 2 * LANES
    while i < n:
        store_n(out + i, f(load_n(h + i, n - i), a), n - i)
        i += LANES


cdef inline void map_derivative(derivative_fn df, real default, const real *h, const real *y_hat, real *out,
                                Py_ssize_t n, void *data) noexcept nogil:
    """out (n) = f'(h), from h (n) and y_hat (n)."""
    cdef vec a = load_parameter(data, default), first, second
    cdef Py_ssize_t i = 0
    while i + 2 * LANES <= n:
        first = df(load(h + i), load(y_hat + i), a)
        second = df(load(h + i + LANES), load(y_hat + i + LANES), a)
        store(out + i, first)
        store(out + i + LANES, second)
        i += 2 * LANES
    while i < n:
        store_n(out + i, df(load_n(h + i, n - i), load_n(y_hat + i, n - i), a), n - i)
        i += LANES


cdef inline void map_value_and_derivative(value_and_derivative_fn f, const real *h, real *y_hat,
                                          real *derivative, Py_ssize_t n) noexcept nogil:
    """y_hat (n) = f(h) and derivative (n) = f'(h) in one pass; derivative may be h."""
    cdef value_and_derivative first, second
    cdef Py_ssize_t i = 0
    while i + 2 * LANES <= n:
        first, second = f(load(h + i)), f(load(h + i + LANES))
        store(y_hat + i, first.value)
        store(y_hat + i + LANES, second.value)
        store(derivative + i, first.derivative)
        store(derivative + i + LANES, second.derivative)
        i += 2 * LANES
    while i < n:
        first = f(load_n(h + i, n - i))
        store_n(y_hat + i, first.value, n - i)
        store_n(derivative + i, first.derivative, n - i)
        i += LANES


# table -------------------------------------------------------------------------------------------

cdef activation_entry *register_activation(kernels *t, const char *name, block_t f, derivative_t df) noexcept:
    """Append an entry to the table and return it."""
    cdef activation_entry *entry = &t.activations[t.n_activations]
    entry.name = name
    entry.f = f
    entry.df = df
    t.n_activations += 1
    return entry


cdef activation_entry *reads_y_hat(activation_entry *entry) noexcept:
    """Declare that df reads y_hat; return the entry."""
    entry.df_reads_y_hat = True
    return entry


cdef void add_parameter(activation_entry *entry, const char *name, double default) noexcept:
    """Append a parameter and its default to an entry."""
    entry.parameters[entry.n_parameters] = name
    entry.defaults[entry.n_parameters] = default
    entry.n_parameters += 1


include "activations_piecewise.pxi"
include "activations_smooth.pxi"


# softmax ------------------------------------------------------------------------------------------
# f(h)_j = exp(h_j - m) / sum_k exp(h_k - m), m = max_k h_k;  delta_j = y_hat_j (g_j - sum_k g_k y_hat_k)
#
# Blocks are units x rows: each lane is a row, so the sums over units need no horizontal step. Units at +inf
# share the probability 1 equally, and so do all units if all are at -inf: the limit of equal net inputs.

cdef inline vec minus_max(vec h, vec maximum) noexcept nogil:
    """Return h - maximum, and 0 where they are equal, even at infinity."""
    return select(eq(h, maximum), splat(0), h - maximum)


cdef void softmax_f(const real *h, real *out, Py_ssize_t units, Py_ssize_t rows,
                    void *data) noexcept nogil:
    cdef Py_ssize_t j, r
    cdef vec maximum, total, x
    for r from 0 <= r < rows by LANES:
        maximum = load(h + r)
        for j in range(1, units):
            x = load(h + j * rows + r)
            maximum = select(lt(maximum, x), x, maximum)
        total = splat(0)
        for j in range(units):
            x = v_exp(minus_max(load(h + j * rows + r), maximum))
            total = total + x
            store(out + j * rows + r, x)
        total = splat(1) / total
        for j in range(units):
            store(out + j * rows + r, load(out + j * rows + r) * total)


cdef void softmax_backward(const real *h, const real *y_hat, const real *g, real *delta,
                           Py_ssize_t units, Py_ssize_t rows, void *data) noexcept nogil:
    cdef Py_ssize_t j, r
    cdef vec total
    for r from 0 <= r < rows by LANES:
        total = splat(0)
        for j in range(units):
            total = fma_(load(g + j * rows + r), load(y_hat + j * rows + r), total)
        for j in range(units):
            store(delta + j * rows + r, load(y_hat + j * rows + r) * (load(g + j * rows + r) - total))


cdef void fill_activations(kernels *t) noexcept:
    cdef activation_entry *entry
    fill_piecewise_activations(t)
    fill_smooth_activations(t)
    entry = register_activation(t, "softmax", NULL, NULL)
    entry.f_rows = softmax_f
    entry.backward_rows = softmax_backward

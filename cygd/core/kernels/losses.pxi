# Losses: l(y, y_hat) of one element and dl/dy_hat, before the reduction, and the joint forms.
#
# A new loss is two inline functions, two wrappers and a row. `a` is the loss's parameter, where it has
# one; d = y_hat - y. Terms with a factor 0 are 0, also beside an infinite logarithm.

ctypedef vec (*loss_t)(vec y, vec y_hat, vec a) noexcept nogil

cdef real HUBER_DELTA = 1
cdef real TAU = <real> 0.5


cdef inline void map_loss(loss_t f, real default, const real *y, const real *y_hat, real *out,
                          Py_ssize_t n, void *data) noexcept nogil:
    cdef vec a = parameter(data, default)
    cdef Py_ssize_t i
    for i from 0 <= i < n by LANES:
        store_up_to(out + i, f(load_up_to(y + i, n - i), load_up_to(y_hat + i, n - i), a), n - i)


cdef inline vec product_or_zero(vec factor, vec x) noexcept nogil:
    """Return factor * x, and 0 where the factor is 0 (0 log 0 = 0)."""
    return select(eq(factor, splat(0)), splat(0), factor * x)


cdef inline vec ratio_or_zero(vec x, vec divisor) noexcept nogil:
    """Return x / divisor, and 0 where x is 0."""
    return select(eq(x, splat(0)), splat(0), x / divisor)


# sse ----------------------------------------------------------------------------------------------
# l = (y - y_hat)^2 / 2

cdef inline vec sse(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = y_hat - y
    return splat(<real> 0.5) * d * d


cdef inline vec sse_slope(vec y, vec y_hat, vec a) noexcept nogil:
    return y_hat - y


cdef void sse_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(sse, NONE, y, y_hat, out, n, data)


cdef void sse_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(sse_slope, NONE, y, y_hat, out, n, data)


# squared_error ------------------------------------------------------------------------------------
# l = (y - y_hat)^2

cdef inline vec squared_error(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = y_hat - y
    return d * d


cdef inline vec squared_error_slope(vec y, vec y_hat, vec a) noexcept nogil:
    return splat(2) * (y_hat - y)


cdef void squared_error_f(const real *y, const real *y_hat, real *out,
                          Py_ssize_t n, void *data) noexcept nogil:
    map_loss(squared_error, NONE, y, y_hat, out, n, data)


cdef void squared_error_df(const real *y, const real *y_hat, real *out,
                           Py_ssize_t n, void *data) noexcept nogil:
    map_loss(squared_error_slope, NONE, y, y_hat, out, n, data)


# mse ----------------------------------------------------------------------------------------------
# l = (y - y_hat)^2, averaged

cdef inline vec mse(vec y, vec y_hat, vec a) noexcept nogil:
    return squared_error(y, y_hat, a)


cdef inline vec mse_slope(vec y, vec y_hat, vec a) noexcept nogil:
    return squared_error_slope(y, y_hat, a)


cdef void mse_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(mse, NONE, y, y_hat, out, n, data)


cdef void mse_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(mse_slope, NONE, y, y_hat, out, n, data)


# mae ----------------------------------------------------------------------------------------------
# l = |y - y_hat|; l' = 0 where they are equal

cdef inline vec mae(vec y, vec y_hat, vec a) noexcept nogil:
    return abs_(y_hat - y)


cdef inline vec mae_slope(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = y_hat - y
    return unless_nan(d, sign(d))


cdef void mae_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(mae, NONE, y, y_hat, out, n, data)


cdef void mae_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(mae_slope, NONE, y, y_hat, out, n, data)


# huber --------------------------------------------------------------------------------------------
# l = d^2 / 2 for |d| <= a, else a (|d| - a / 2)                          (Huber 1964)

cdef inline vec huber(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = abs_(y_hat - y), c = select(lt(a, d), a, d)
    return c * (d - splat(<real> 0.5) * c)


cdef inline vec huber_slope(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = y_hat - y
    return select(lt(a, d), a, select(lt(d, -a), -a, d))


cdef void huber_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(huber, HUBER_DELTA, y, y_hat, out, n, data)


cdef void huber_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(huber_slope, HUBER_DELTA, y, y_hat, out, n, data)


# log_cosh -----------------------------------------------------------------------------------------
# l = log(cosh(d)) = log(1 + u^2 / (2 (u + 1))), u = exp(|d|) - 1; |d| - log(2) when large

cdef inline vec log_cosh(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = abs_(y_hat - y), u = v_expm1(at_most(d, 20))
    return select(lt(splat(20), d), d - splat(<real> 0.6931471805599453),
                  v_log1p(splat(<real> 0.5) * u * (u / (u + splat(1)))))


cdef inline vec log_cosh_slope(vec y, vec y_hat, vec a) noexcept nogil:
    return v_tanh(y_hat - y)


cdef void log_cosh_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(log_cosh, NONE, y, y_hat, out, n, data)


cdef void log_cosh_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(log_cosh_slope, NONE, y, y_hat, out, n, data)


# quantile -----------------------------------------------------------------------------------------
# l = a (y - y_hat) where y is above, (1 - a) (y_hat - y) where below         (Koenker & Bassett 1978)

cdef inline vec quantile(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = y - y_hat
    return select(lt(d, splat(0)), (a - splat(1)) * d, a * d)


cdef inline vec quantile_slope(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec d = y - y_hat
    return select(lt(d, splat(0)), splat(1) - a, select(lt(splat(0), d), -a, d))


cdef void quantile_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(quantile, TAU, y, y_hat, out, n, data)


cdef void quantile_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(quantile_slope, TAU, y, y_hat, out, n, data)


# poisson ------------------------------------------------------------------------------------------
# l = y_hat - y log(y_hat), y_hat is the rate

cdef inline vec poisson(vec y, vec y_hat, vec a) noexcept nogil:
    return y_hat - product_or_zero(y, v_log(y_hat))


cdef inline vec poisson_slope(vec y, vec y_hat, vec a) noexcept nogil:
    return unless_nan(y_hat, splat(1) - ratio_or_zero(y, y_hat))


cdef void poisson_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(poisson, NONE, y, y_hat, out, n, data)


cdef void poisson_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(poisson_slope, NONE, y, y_hat, out, n, data)


# binary_cross_entropy -----------------------------------------------------------------------------
# l = -y log(y_hat) - (1 - y) log(1 - y_hat)

cdef inline vec binary_cross_entropy(vec y, vec y_hat, vec a) noexcept nogil:
    return -product_or_zero(y, v_log(y_hat)) - product_or_zero(splat(1) - y, v_log1p(-y_hat))


cdef inline vec binary_cross_entropy_slope(vec y, vec y_hat, vec a) noexcept nogil:
    return ratio_or_zero(splat(1) - y, splat(1) - y_hat) - ratio_or_zero(y, y_hat)


cdef void binary_cross_entropy_f(const real *y, const real *y_hat, real *out,
                                 Py_ssize_t n, void *data) noexcept nogil:
    map_loss(binary_cross_entropy, NONE, y, y_hat, out, n, data)


cdef void binary_cross_entropy_df(const real *y, const real *y_hat, real *out,
                                  Py_ssize_t n, void *data) noexcept nogil:
    map_loss(binary_cross_entropy_slope, NONE, y, y_hat, out, n, data)


# cross_entropy ------------------------------------------------------------------------------------
# l = -y log(y_hat)

cdef inline vec cross_entropy(vec y, vec y_hat, vec a) noexcept nogil:
    return unless_nan(y_hat, -product_or_zero(y, v_log(y_hat)))


cdef inline vec cross_entropy_slope(vec y, vec y_hat, vec a) noexcept nogil:
    return unless_nan(y_hat, -ratio_or_zero(y, y_hat))


cdef void cross_entropy_f(const real *y, const real *y_hat, real *out,
                          Py_ssize_t n, void *data) noexcept nogil:
    map_loss(cross_entropy, NONE, y, y_hat, out, n, data)


cdef void cross_entropy_df(const real *y, const real *y_hat, real *out,
                           Py_ssize_t n, void *data) noexcept nogil:
    map_loss(cross_entropy_slope, NONE, y, y_hat, out, n, data)


# hinge --------------------------------------------------------------------------------------------
# l = max(0, 1 - y y_hat), y is -1 or 1; l' = 0 at the kink

cdef inline vec hinge(vec y, vec y_hat, vec a) noexcept nogil:
    return at_least(splat(1) - y * y_hat, 0)


cdef inline vec hinge_slope(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec m = y * y_hat
    return select(lt(m, splat(1)), -y, unless_nan(m, splat(0)))


cdef void hinge_f(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(hinge, NONE, y, y_hat, out, n, data)


cdef void hinge_df(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_loss(hinge_slope, NONE, y, y_hat, out, n, data)


# squared_hinge ------------------------------------------------------------------------------------
# l = max(0, 1 - y y_hat)^2

cdef inline vec squared_hinge(vec y, vec y_hat, vec a) noexcept nogil:
    cdef vec m = at_least(splat(1) - y * y_hat, 0)
    return m * m


cdef inline vec squared_hinge_slope(vec y, vec y_hat, vec a) noexcept nogil:
    return splat(-2) * y * at_least(splat(1) - y * y_hat, 0)


cdef void squared_hinge_f(const real *y, const real *y_hat, real *out,
                          Py_ssize_t n, void *data) noexcept nogil:
    map_loss(squared_hinge, NONE, y, y_hat, out, n, data)


cdef void squared_hinge_df(const real *y, const real *y_hat, real *out,
                           Py_ssize_t n, void *data) noexcept nogil:
    map_loss(squared_hinge_slope, NONE, y, y_hat, out, n, data)


# the joint forms ----------------------------------------------------------------------------------
# A sigmoid's or a softmax's logarithm is taken from the net input, where nothing has underflowed yet,
# and the derivative of the one cancels against that of the other.

# l = max(h, 0) - h y + log(1 + exp(-|h|));  delta = y - y_hat
# max(h, 0) - h y is |h| (1 - y) for h > 0 and |h| y below: no two terms cancel for targets in [0, 1]
cdef inline vec sigmoid_cross_entropy_at(vec h, vec y) noexcept nogil:
    cdef vec share = select(lt(splat(0), h), splat(1) - y, y), x = minus_abs(h)
    return v_softplus(x) - product_or_zero(share, x)


cdef void sigmoid_cross_entropy(const real *h, const real *y, real *out, Py_ssize_t units,
                                Py_ssize_t rows, void *data) noexcept nogil:
    # two vectors at a time, so that one's latency hides behind the other
    cdef Py_ssize_t i = 0
    cdef vec first, second
    while i + 2 * LANES <= units * rows:
        first = sigmoid_cross_entropy_at(load(h + i), load(y + i))
        second = sigmoid_cross_entropy_at(load(h + i + LANES), load(y + i + LANES))
        store(out + i, first)
        store(out + i + LANES, second)
        i += 2 * LANES
    while i < units * rows:
        store(out + i, sigmoid_cross_entropy_at(load(h + i), load(y + i)))
        i += LANES


cdef void sigmoid_cross_entropy_delta(const real *y, const real *y_hat, real *delta, Py_ssize_t units,
                                      Py_ssize_t rows, void *data) noexcept nogil:
    subtract(y, y_hat, delta, units * rows)


# l_j = -y_j (h_j - m - log(sum_k exp(h_k - m)));  delta_j = y_j - y_hat_j sum_k y_k
cdef void softmax_cross_entropy(const real *h, const real *y, real *out, Py_ssize_t units,
                                Py_ssize_t rows, void *data) noexcept nogil:
    cdef Py_ssize_t j, r
    cdef vec most, total, x
    for r from 0 <= r < rows by LANES:
        most = load(h + r)
        for j in range(1, units):
            x = load(h + j * rows + r)
            most = select(lt(most, x), x, most)
        total = splat(0)
        for j in range(units):
            total = total + v_exp(below_most(load(h + j * rows + r), most))
        total = v_log(total)
        for j in range(units):
            x = total - below_most(load(h + j * rows + r), most)
            store(out + j * rows + r, product_or_zero(load(y + j * rows + r), x))


cdef void softmax_cross_entropy_delta(const real *y, const real *y_hat, real *delta, Py_ssize_t units,
                                      Py_ssize_t rows, void *data) noexcept nogil:
    cdef Py_ssize_t j, r
    cdef vec total
    for r from 0 <= r < rows by LANES:
        total = splat(0)
        for j in range(units):
            total = total + load(y + j * rows + r)
        for j in range(units):
            store(delta + j * rows + r,
                  load(y + j * rows + r) - load(y_hat + j * rows + r) * total)


# the table ----------------------------------------------------------------------------------------

cdef loss_row *loss(kernels *t, const char *name, loss_block_t f, loss_block_t df,
                    int reduction) noexcept:
    """Add a row; returns it."""
    cdef loss_row *row = &t.losses[t.n_losses]
    row.name = name
    row.f = f
    row.df = df
    row.reduction = reduction
    t.n_losses += 1
    return row


cdef void with_loss_parameter(loss_row *row, const char *name, double default) noexcept:
    row.parameters[row.n_parameters] = name
    row.defaults[row.n_parameters] = default
    row.n_parameters += 1


cdef void joint(kernels *t, const char *activation, const char *loss, fused_loss_t f,
                fused_delta_t delta) noexcept:
    cdef fused_loss_row *row = &t.fused_losses[t.n_fused_losses]
    row.activation = activation
    row.loss = loss
    row.f = f
    row.delta = delta
    t.n_fused_losses += 1


cdef void fill_losses(kernels *t) noexcept:
    loss(t, "sse", sse_f, sse_df, SUM)
    loss(t, "squared_error", squared_error_f, squared_error_df, SUM)
    loss(t, "mse", mse_f, mse_df, MEAN)
    loss(t, "mae", mae_f, mae_df, MEAN)
    with_loss_parameter(loss(t, "huber", huber_f, huber_df, MEAN), "delta", HUBER_DELTA)
    loss(t, "log_cosh", log_cosh_f, log_cosh_df, MEAN)
    with_loss_parameter(loss(t, "quantile", quantile_f, quantile_df, MEAN), "tau", TAU)
    loss(t, "poisson", poisson_f, poisson_df, MEAN)
    loss(t, "binary_cross_entropy", binary_cross_entropy_f, binary_cross_entropy_df, MEAN)
    loss(t, "cross_entropy", cross_entropy_f, cross_entropy_df, MEAN_ROWS)
    loss(t, "hinge", hinge_f, hinge_df, MEAN)
    loss(t, "squared_hinge", squared_hinge_f, squared_hinge_df, MEAN)
    joint(t, "sigmoid", "binary_cross_entropy", sigmoid_cross_entropy, sigmoid_cross_entropy_delta)
    joint(t, "softmax", "cross_entropy", softmax_cross_entropy, softmax_cross_entropy_delta)

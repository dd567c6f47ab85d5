# The functions of formulas, and the table of all instructions.

ctypedef pair (*map_pair_t)(vec a) noexcept nogil


cdef inline vec v_exp_finite(vec a) noexcept nogil:
    return finite(v_exp(a))


cdef void exp_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_exp, x, out, n)


cdef void exp_finite_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_exp_finite, x, out, n)


cdef inline vec v_mul_exp(vec a, vec b) noexcept nogil:
    return v_exp(a * b)


cdef inline vec v_mul_exp_finite(vec a, vec b) noexcept nogil:
    return finite(v_exp(a * b))


cdef void mul_exp_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_2(v_mul_exp, x, out, n)


cdef void mul_exp_finite_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_2(v_mul_exp_finite, x, out, n)


cdef void expm1_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_expm1, x, out, n)


cdef void log_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_log, x, out, n)


cdef void log1p_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_log1p, x, out, n)


cdef void sin_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_sin, x, out, n)


cdef void cos_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_cos, x, out, n)


cdef void tan_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_tan, x, out, n)


cdef void sinh_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_sinh, x, out, n)


cdef void cosh_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_cosh, x, out, n)


cdef void arctan_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_arctan, x, out, n)


cdef void tanh_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_tanh, x, out, n)


cdef void softplus_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_softplus, x, out, n)


cdef void erf_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_erf, x, out, n)


cdef void erfc_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_erfc, x, out, n)


cdef inline pair logistics(vec a) noexcept nogil:
    # 1 / (1 + e^-a) and 1 / (1 + e^a) as hi and lo, which is no sum here: with e = e^-|a| <= 1 one is
    # q = 1 / (1 + e), the other e q, so neither takes 1 - the other
    cdef vec e = exp_minus_abs(a)
    cdef pair d = fast_two_sum(splat(1), e), s
    cdef vec q = splat(1) / d.hi
    cdef vmask negative = lt(a, splat(0))
    if REAL_BITS == 32:         # as in sigmoid_of
        q = fma_(q * d.lo, minus_inverse(d.hi), q)
    e = e * q
    s.hi = select(negative, e, q)
    s.lo = select(negative, q, e)
    return s


cdef inline vec v_logistic(vec a) noexcept nogil:
    # the first of the two, to the same bits, so that a formula has one value with and without its derivative
    return logistics(a).hi


cdef void sigmoid_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_logistic, x, out, n)


cdef inline pair tanh_log1p(vec v) noexcept nogil:
    # T = w / (w + 2) and T' = 4 (1 + v) / (w + 2)^2 as hi and lo, w = v (v + 2), v > -1; T is 1 - 2 / (w + 2)
    # for large v. Beyond the limit T is 1 and T' is 0, and at the limit w is finite
    cdef vec c = at_most(v, 1e18 if REAL_BITS == 32 else 1e150)
    cdef vec w = c * (c + splat(2)), q = splat(1) / (w + splat(2))
    cdef pair s
    s.hi = select(lt(c, splat(1)), w * q, fma_(splat(-2), q, splat(1)))
    s.lo = splat(4) * ((c + splat(1)) * q) * q
    return s


cdef inline vec v_tanh_log1p(vec a) noexcept nogil:
    return tanh_log1p(a).hi


cdef inline vec v_tanh_log1p_slope(vec a) noexcept nogil:
    return tanh_log1p(a).lo


cdef void tanh_log1p_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_tanh_log1p, x, out, n)


cdef void tanh_log1p_slope_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_tanh_log1p_slope, x, out, n)


cdef inline void over_1_to_2(map_pair_t f, const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out, x[1] = f(x[0])."""
    cdef operand a = x[0]
    cdef real *other = <real *> x[1].p
    cdef Py_ssize_t i = 0
    cdef pair first, second
    while i + 2 * LANES <= n:
        first, second = f(at(&a, i)), f(at(&a, i + LANES))
        store(out + i, first.hi)
        store(out + i + LANES, second.hi)
        store(other + i, first.lo)
        store(other + i + LANES, second.lo)
        i += 2 * LANES
    while i < n:
        first = f(at(&a, i))
        store(out + i, first.hi)
        store(other + i, first.lo)
        i += LANES


cdef void logistic_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out = 1 / (1 + e^-a) and x[1] = 1 / (1 + e^a), from one exponential."""
    over_1_to_2(logistics, x, out, n)


cdef void tanh_log1p_both_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out = tanh(log(1 + v)) and x[1] its slope by v."""
    over_1_to_2(tanh_log1p, x, out, n)


# the table ----------------------------------------------------------------------------------------

cdef void op(kernels *t, const char *name, op_t f, int operands, int outputs=1) noexcept:
    t.ops[t.n_ops].name = name
    t.ops[t.n_ops].f = f
    t.ops[t.n_ops].operands = operands
    t.ops[t.n_ops].outputs = outputs
    t.n_ops += 1


cdef void fill_ops(kernels *t) noexcept:
    op(t, "copy", copy_op, 1)
    op(t, "neg", neg_op, 1)
    op(t, "abs", abs_op, 1)
    op(t, "sign", sign_op, 1)
    op(t, "sqrt", sqrt_op, 1)
    op(t, "inverse", inverse_op, 1)
    op(t, "finite", finite_op, 1)
    op(t, "flush_subnormal", settle_op, 1)
    op(t, "add", add_op, 2)
    op(t, "sub", sub_op, 2)
    op(t, "mul", mul_op, 2)
    op(t, "div", div_op, 2)
    op(t, "minimum", minimum_op, 2)
    op(t, "maximum", maximum_op, 2)
    op(t, "fma", fma_op, 3)
    op(t, "fms", fms_op, 3)
    op(t, "fnma", fnma_op, 3)
    op(t, "mul3", mul3_op, 3)
    op(t, "add_mul", add_mul_op, 3)
    op(t, "mul3_fma", mul3_fma_op, 5)
    op(t, "finite_mul", finite_mul_op, 2)
    op(t, "fma_finite", fma_finite_op, 3)
    op(t, "add_inverse", add_inverse_op, 2)
    op(t, "div_add", div_add_op, 3)
    op(t, "div_add_mul", div_add_mul_op, 4)
    op(t, "fma_mul", fma_mul_op, 4)
    op(t, "mul_fma", mul_fma_op, 4)
    op(t, "fma_sqrt", fma_sqrt_op, 3)
    op(t, "where_lt", where_lt_op, 4)
    op(t, "where_le", where_le_op, 4)
    op(t, "where_eq", where_eq_op, 4)
    op(t, "exp", exp_op, 1)
    op(t, "exp_finite", exp_finite_op, 1)
    op(t, "mul_exp", mul_exp_op, 2)
    op(t, "mul_exp_finite", mul_exp_finite_op, 2)
    op(t, "expm1", expm1_op, 1)
    op(t, "log", log_op, 1)
    op(t, "log1p", log1p_op, 1)
    op(t, "sin", sin_op, 1)
    op(t, "cos", cos_op, 1)
    op(t, "tan", tan_op, 1)
    op(t, "sinh", sinh_op, 1)
    op(t, "cosh", cosh_op, 1)
    op(t, "tanh", tanh_op, 1)
    op(t, "arctan", arctan_op, 1)
    op(t, "sigmoid", sigmoid_op, 1)
    op(t, "softplus", softplus_op, 1)
    op(t, "erf", erf_op, 1)
    op(t, "erfc", erfc_op, 1)
    op(t, "logistic", logistic_op, 1, 2)
    op(t, "tanh_log1p", tanh_log1p_op, 1)
    op(t, "tanh_log1p_derivative", tanh_log1p_slope_op, 1)
    op(t, "tanh_log1p_value_and_derivative", tanh_log1p_both_op, 1, 2)

# Function instructions of formula programs, and the table of all instructions.
#
# The formula compiler emits instructions by the names in this table.

ctypedef pair (*unary_pair_fn)(vec a) noexcept nogil


cdef inline vec v_exp_finite(vec a) noexcept nogil:
    return clamp_finite(v_exp(a))


cdef void exp_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_exp, x, out, n)


cdef void exp_finite_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_exp_finite, x, out, n)


cdef inline vec v_mul_exp(vec a, vec b) noexcept nogil:
    return v_exp(a * b)


cdef inline vec v_mul_exp_finite(vec a, vec b) noexcept nogil:
    return clamp_finite(v_exp(a * b))


cdef void mul_exp_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_binary(v_mul_exp, x, out, n)


cdef void mul_exp_finite_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_binary(v_mul_exp_finite, x, out, n)


cdef void expm1_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_expm1, x, out, n)


cdef void log_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_log, x, out, n)


cdef void log1p_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_log1p, x, out, n)


cdef void sin_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_sin, x, out, n)


cdef void cos_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_cos, x, out, n)


cdef void tan_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_tan, x, out, n)


cdef void sinh_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_sinh, x, out, n)


cdef void cosh_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_cosh, x, out, n)


cdef void arctan_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_arctan, x, out, n)


cdef void tanh_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_tanh, x, out, n)


cdef void softplus_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_softplus, x, out, n)


cdef void erf_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_erf, x, out, n)


cdef void erfc_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_erfc, x, out, n)


cdef inline pair logistic_pair(vec a) noexcept nogil:
    # hi = 1 / (1 + e^-a), lo = 1 / (1 + e^a) (two results, not a sum). With e = e^-|a| <= 1 they are q = 1 /
    # (1 + e) and e q in some order, so neither is computed as 1 minus the other
    cdef vec e = exp_neg_abs(a)
    cdef pair d = fast_two_sum(splat(1), e), s
    cdef vec q = splat(1) / d.hi
    cdef vmask negative = lt(a, splat(0))
    if REAL_BITS == 32:         # the same correction as in sigmoid_from_exp
        q = fma_(q * d.lo, neg_reciprocal_approx(d.hi), q)
    e = e * q
    s.hi = select(negative, e, q)
    s.lo = select(negative, q, e)
    return s


cdef inline vec v_logistic(vec a) noexcept nogil:
    # the same bits as the value of logistic_pair, so that a formula's value does not depend on whether its
    # derivative is computed
    return logistic_pair(a).hi


cdef void sigmoid_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_logistic, x, out, n)


cdef inline pair tanh_log1p(vec v) noexcept nogil:
    # hi = T = tanh(log(1 + v)) = w / (w + 2), lo = T' = 4 (1 + v) / (w + 2)^2, with w = v (v + 2), v > -1;
    # for large v T = 1 - 2 / (w + 2). At the limit of v, w is still finite; beyond it T is 1 and T' is 0
    cdef vec c = clamp_max(v, 1e18 if REAL_BITS == 32 else 1e150)
    cdef vec w = c * (c + splat(2)), q = splat(1) / (w + splat(2))
    cdef pair s
    s.hi = select(lt(c, splat(1)), w * q, fma_(splat(-2), q, splat(1)))
    s.lo = splat(4) * ((c + splat(1)) * q) * q
    return s


cdef inline vec v_tanh_log1p(vec a) noexcept nogil:
    return tanh_log1p(a).hi


cdef inline vec v_tanh_log1p_derivative(vec a) noexcept nogil:
    return tanh_log1p(a).lo


cdef void tanh_log1p_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_tanh_log1p, x, out, n)


cdef void tanh_log1p_derivative_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_tanh_log1p_derivative, x, out, n)


cdef inline void apply_unary_pair(unary_pair_fn f, const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out, x[1] = f(x[0]): the second result goes to the address of the second operand."""
    cdef operand a = x[0]
    cdef real *out1 = <real *> x[1].p
    cdef Py_ssize_t i = 0
    cdef pair first, second
    while i + 2 * LANES <= n:
        first, second = f(load_at(&a, i)), f(load_at(&a, i + LANES))
        store(out + i, first.hi)
        store(out + i + LANES, second.hi)
        store(out1 + i, first.lo)
        store(out1 + i + LANES, second.lo)
        i += 2 * LANES
    while i < n:
        first = f(load_at(&a, i))
        store(out + i, first.hi)
        store(out1 + i, first.lo)
        i += LANES


cdef void logistic_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out = 1 / (1 + e^-a) and x[1] = 1 / (1 + e^a), from one exponential."""
    apply_unary_pair(logistic_pair, x, out, n)


cdef void tanh_log1p_value_and_derivative_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out = tanh(log(1 + v)) and x[1] = its derivative with respect to v."""
    apply_unary_pair(tanh_log1p, x, out, n)


# root_sum -----------------------------------------------------------------------------------------
# r + b and 1 + b / r for r = sqrt(b^2 + d); where b < 0 they cancel, so d / (r - b) and d / ((r - b) r). Both
# come from one division. |b| and r are clamped in the divisor, so that it neither overflows nor vanishes.

cdef inline pair root_sum(vec b, vec r, vec d) noexcept nogil:
    cdef real most = 9.223372036854775807e18 if REAL_BITS == 32 else <real> 6.7039039649712985e153
    cdef real least = 1e-18 if REAL_BITS == 32 else <real> 1e-150
    cdef vec a = abs_(b), root = max_(splat(least), min_(splat(most), r)), low = min_(splat(most), a)
    cdef vec total = root + low, q = splat(1) / (total * root)
    cdef vmask left = lt(b, splat(0))
    cdef pair y
    y.hi = select(left, d * (q * root), r + a)
    y.lo = select(left, d * q, fma_(low, q * total, splat(1)))
    return y


cdef inline vec v_root_sum(vec b, vec r, vec d) noexcept nogil:
    return root_sum(b, r, d).hi


cdef inline vec v_root_ratio(vec b, vec r, vec d) noexcept nogil:
    return root_sum(b, r, d).lo


cdef void root_sum_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_ternary(v_root_sum, x, out, n)


cdef void root_ratio_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_ternary(v_root_ratio, x, out, n)


cdef void root_sum_and_ratio_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    # out = r + b and x[3] = 1 + b / r
    cdef operand b = x[0], r = x[1], d = x[2]
    cdef real *out1 = <real *> x[3].p
    cdef Py_ssize_t i
    cdef pair y
    for i from 0 <= i < n by LANES:
        y = root_sum(load_at(&b, i), load_at(&r, i), load_at(&d, i))
        store(out + i, y.hi)
        store(out1 + i, y.lo)


# table --------------------------------------------------------------------------------------------

cdef void register_op(kernels *t, const char *name, op_t f, int operands, int outputs=1) noexcept:
    t.ops[t.n_ops].name = name
    t.ops[t.n_ops].f = f
    t.ops[t.n_ops].operands = operands
    t.ops[t.n_ops].outputs = outputs
    t.n_ops += 1


cdef void fill_ops(kernels *t) noexcept:
    register_op(t, "copy", copy_op, 1)
    register_op(t, "neg", neg_op, 1)
    register_op(t, "abs", abs_op, 1)
    register_op(t, "sign", sign_op, 1)
    register_op(t, "sqrt", sqrt_op, 1)
    register_op(t, "inverse", inverse_op, 1)
    register_op(t, "finite", finite_op, 1)
    register_op(t, "flush_subnormal", flush_subnormal_op, 1)
    register_op(t, "add", add_op, 2)
    register_op(t, "sub", sub_op, 2)
    register_op(t, "mul", mul_op, 2)
    register_op(t, "div", div_op, 2)
    register_op(t, "minimum", minimum_op, 2)
    register_op(t, "maximum", maximum_op, 2)
    register_op(t, "fma", fma_op, 3)
    register_op(t, "fms", fms_op, 3)
    register_op(t, "fnma", fnma_op, 3)
    register_op(t, "mul3", mul3_op, 3)
    register_op(t, "add_mul", add_mul_op, 3)
    register_op(t, "mul3_fma", mul3_fma_op, 5)
    register_op(t, "finite_mul", finite_mul_op, 2)
    register_op(t, "fma_finite", fma_finite_op, 3)
    register_op(t, "add_inverse", add_inverse_op, 2)
    register_op(t, "div_add", div_add_op, 3)
    register_op(t, "div_add_mul", div_add_mul_op, 4)
    register_op(t, "fma_mul", fma_mul_op, 4)
    register_op(t, "mul_fma", mul_fma_op, 4)
    register_op(t, "fma_sqrt", fma_sqrt_op, 3)
    register_op(t, "root_sum", root_sum_op, 3)
    register_op(t, "root_ratio", root_ratio_op, 3)
    register_op(t, "root_sum_and_ratio", root_sum_and_ratio_op, 3, 2)
    register_op(t, "where_lt", where_lt_op, 4)
    register_op(t, "where_le", where_le_op, 4)
    register_op(t, "where_eq", where_eq_op, 4)
    register_op(t, "exp", exp_op, 1)
    register_op(t, "exp_finite", exp_finite_op, 1)
    register_op(t, "mul_exp", mul_exp_op, 2)
    register_op(t, "mul_exp_finite", mul_exp_finite_op, 2)
    register_op(t, "expm1", expm1_op, 1)
    register_op(t, "log", log_op, 1)
    register_op(t, "log1p", log1p_op, 1)
    register_op(t, "sin", sin_op, 1)
    register_op(t, "cos", cos_op, 1)
    register_op(t, "tan", tan_op, 1)
    register_op(t, "sinh", sinh_op, 1)
    register_op(t, "cosh", cosh_op, 1)
    register_op(t, "tanh", tanh_op, 1)
    register_op(t, "arctan", arctan_op, 1)
    register_op(t, "sigmoid", sigmoid_op, 1)
    register_op(t, "softplus", softplus_op, 1)
    register_op(t, "erf", erf_op, 1)
    register_op(t, "erfc", erfc_op, 1)
    register_op(t, "logistic", logistic_op, 1, 2)
    register_op(t, "tanh_log1p", tanh_log1p_op, 1)
    register_op(t, "tanh_log1p_derivative", tanh_log1p_derivative_op, 1)
    register_op(t, "tanh_log1p_value_and_derivative", tanh_log1p_value_and_derivative_op, 1, 2)

# The instructions of formulas: one pass over a block each, in first-level cache.
#
# The loads of a step come before its stores, so `out` may be an operand, and the compiler need not ask
# whether they overlap. Two vectors at a time: a function's latency hides behind the other, and arithmetic is
# as fast as the cache (four at a time gain nothing over whole programs).

ctypedef vec (*map2_t)(vec a, vec b) noexcept nogil
ctypedef vec (*map3_t)(vec a, vec b, vec c) noexcept nogil
ctypedef vec (*map4_t)(vec a, vec b, vec c, vec d) noexcept nogil


# the loops ----------------------------------------------------------------------------------------

cdef inline vec at(const operand *x, Py_ssize_t i) noexcept nogil:
    return load(x.p + i * x.step)


cdef inline void over_1(map_t f, const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out = f(a)."""
    cdef operand a = x[0]
    cdef Py_ssize_t i = 0
    cdef vec v0, v1
    while i + 2 * LANES <= n:
        v0 = f(at(&a, i))
        v1 = f(at(&a, i + LANES))
        store(out + i, v0)
        store(out + i + LANES, v1)
        i += 2 * LANES
    while i < n:
        store(out + i, f(at(&a, i)))
        i += LANES


cdef inline void over_2(map2_t f, const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out = f(a, b)."""
    cdef operand a = x[0], b = x[1]
    cdef Py_ssize_t i = 0
    cdef vec v0, v1
    while i + 2 * LANES <= n:
        v0 = f(at(&a, i), at(&b, i))
        v1 = f(at(&a, i + LANES), at(&b, i + LANES))
        store(out + i, v0)
        store(out + i + LANES, v1)
        i += 2 * LANES
    while i < n:
        store(out + i, f(at(&a, i), at(&b, i)))
        i += LANES


cdef inline void over_3(map3_t f, const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out = f(a, b, c)."""
    cdef operand a = x[0], b = x[1], c = x[2]
    cdef Py_ssize_t i = 0
    cdef vec v0, v1
    while i + 2 * LANES <= n:
        v0 = f(at(&a, i), at(&b, i), at(&c, i))
        v1 = f(at(&a, i + LANES), at(&b, i + LANES), at(&c, i + LANES))
        store(out + i, v0)
        store(out + i + LANES, v1)
        i += 2 * LANES
    while i < n:
        store(out + i, f(at(&a, i), at(&b, i), at(&c, i)))
        i += LANES


cdef inline void over_4(map4_t f, const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out = f(a, b, c, d)."""
    cdef operand a = x[0], b = x[1], c = x[2], d = x[3]
    cdef Py_ssize_t i = 0
    cdef vec v0, v1
    while i + 2 * LANES <= n:
        v0 = f(at(&a, i), at(&b, i), at(&c, i), at(&d, i))
        v1 = f(at(&a, i + LANES), at(&b, i + LANES), at(&c, i + LANES), at(&d, i + LANES))
        store(out + i, v0)
        store(out + i + LANES, v1)
        i += 2 * LANES
    while i < n:
        store(out + i, f(at(&a, i), at(&b, i), at(&c, i), at(&d, i)))
        i += LANES


# arithmetic ---------------------------------------------------------------------------------------

cdef inline vec v_copy(vec a) noexcept nogil:
    return a


cdef inline vec v_neg(vec a) noexcept nogil:
    return -a


cdef inline vec v_sign(vec a) noexcept nogil:
    # of +-0 itself, and of NaN
    return select(lt(splat(0), abs_(a)), copysign_(splat(1), a), a)


cdef inline vec v_inverse(vec a) noexcept nogil:
    return splat(1) / a


cdef inline vec v_settle(vec a) noexcept nogil:
    # 0 for what is below the normal numbers
    return select(lt(abs_(a), splat(FLT_MIN if REAL_BITS == 32 else DBL_MIN)), splat(0), a)


cdef inline vec v_add(vec a, vec b) noexcept nogil:
    return a + b


cdef inline vec v_sub(vec a, vec b) noexcept nogil:
    return a - b


cdef inline vec v_mul(vec a, vec b) noexcept nogil:
    return a * b


cdef inline vec v_div(vec a, vec b) noexcept nogil:
    return a / b


cdef inline vec v_minimum(vec a, vec b) noexcept nogil:
    # one of the two is NaN where a or b is, else they are equal, but for the sign of zero
    return from_bits(bits(min_(a, b)) | bits(min_(b, a)))


cdef inline vec v_maximum(vec a, vec b) noexcept nogil:
    return from_bits(bits(max_(a, b)) | bits(max_(b, a)))


cdef inline vec v_fms(vec a, vec b, vec c) noexcept nogil:
    return fma_(a, b, -c)


cdef inline vec v_fnma(vec a, vec b, vec c) noexcept nogil:
    return fma_(-a, b, c)


cdef inline vec v_where_lt(vec a, vec b, vec x, vec y) noexcept nogil:
    # where neither a < b nor b <= a, one is NaN
    return select(lt(a, b), x, select(le(b, a), y, splat(NAN)))


cdef inline vec v_where_le(vec a, vec b, vec x, vec y) noexcept nogil:
    return select(le(a, b), x, select(lt(b, a), y, splat(NAN)))


cdef inline vec v_where_eq(vec a, vec b, vec x, vec y) noexcept nogil:
    return select(eq(a, b), x, select(lt(a, b) | lt(b, a), y, splat(NAN)))


cdef void copy_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_copy, x, out, n)


cdef void neg_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_neg, x, out, n)


cdef void abs_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(abs_, x, out, n)


cdef void sign_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_sign, x, out, n)


cdef void sqrt_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(sqrt_, x, out, n)


cdef void inverse_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_inverse, x, out, n)


cdef void finite_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(finite, x, out, n)


cdef void settle_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_settle, x, out, n)


cdef void add_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_2(v_add, x, out, n)


cdef void sub_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_2(v_sub, x, out, n)


cdef void mul_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_2(v_mul, x, out, n)


cdef void div_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_2(v_div, x, out, n)


cdef void minimum_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_2(v_minimum, x, out, n)


cdef void maximum_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_2(v_maximum, x, out, n)


cdef void fma_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_3(fma_, x, out, n)


cdef void fms_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_3(v_fms, x, out, n)


cdef void fnma_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_3(v_fnma, x, out, n)


cdef void where_lt_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_4(v_where_lt, x, out, n)


cdef void where_le_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_4(v_where_le, x, out, n)


cdef void where_eq_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_4(v_where_eq, x, out, n)


# functions ----------------------------------------------------------------------------------------

cdef void exp_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_1(v_exp, x, out, n)


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


cdef void logistic_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out = 1 / (1 + e^-a) and x[1] = 1 / (1 + e^a), from one exponential."""
    cdef operand a = x[0]
    cdef real *other = <real *> x[1].p
    cdef Py_ssize_t i = 0
    cdef pair first, second
    while i + 2 * LANES <= n:
        first, second = logistics(at(&a, i)), logistics(at(&a, i + LANES))
        store(out + i, first.hi)
        store(out + i + LANES, second.hi)
        store(other + i, first.lo)
        store(other + i + LANES, second.lo)
        i += 2 * LANES
    while i < n:
        first = logistics(at(&a, i))
        store(out + i, first.hi)
        store(other + i, first.lo)
        i += LANES


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
    op(t, "settle", settle_op, 1)
    op(t, "add", add_op, 2)
    op(t, "sub", sub_op, 2)
    op(t, "mul", mul_op, 2)
    op(t, "div", div_op, 2)
    op(t, "minimum", minimum_op, 2)
    op(t, "maximum", maximum_op, 2)
    op(t, "fma", fma_op, 3)
    op(t, "fms", fms_op, 3)
    op(t, "fnma", fnma_op, 3)
    op(t, "where_lt", where_lt_op, 4)
    op(t, "where_le", where_le_op, 4)
    op(t, "where_eq", where_eq_op, 4)
    op(t, "exp", exp_op, 1)
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

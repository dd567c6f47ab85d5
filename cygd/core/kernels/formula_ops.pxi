# Arithmetic instructions of formula programs: each is one pass over blocks that stay in L1.
#
# Frequent sequences are single instructions too, selected by the formula compiler's fusion pass. They round
# as the separate instructions would.
#
# Each step loads its operands before it stores, so `out` may be an operand, and the compiler need not check
# for overlap. Two vectors are computed at a time: a function's latency overlaps with the other's, and plain
# arithmetic runs at the speed of L1. Four at a time were rejected: no gain over complete programs.

ctypedef vec (*binary_fn)(vec a, vec b) noexcept nogil
ctypedef vec (*ternary_fn)(vec a, vec b, vec c) noexcept nogil
ctypedef vec (*quaternary_fn)(vec a, vec b, vec c, vec d) noexcept nogil


# loops --------------------------------------------------------------------------------------------

cdef inline vec load_at(const operand *x, Py_ssize_t i) noexcept nogil:
    # step is 1 for a block and 0 for a scalar, which is stored WIDTH times
    return load(x.p + i * x.step)


cdef inline void apply_unary(unary_fn f, const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out (n) = f(a (n))."""
    cdef operand a = x[0]
    cdef Py_ssize_t i = 0
    cdef vec v0, v1
    while i + 2 * LANES <= n:
        v0 = f(load_at(&a, i))
        v1 = f(load_at(&a, i + LANES))
        store(out + i, v0)
        store(out + i + LANES, v1)
        i += 2 * LANES
    while i < n:
        store(out + i, f(load_at(&a, i)))
        i += LANES


cdef inline void apply_binary(binary_fn f, const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out = f(a, b)."""
    cdef operand a = x[0], b = x[1]
    cdef Py_ssize_t i = 0
    cdef vec v0, v1
    while i + 2 * LANES <= n:
        v0 = f(load_at(&a, i), load_at(&b, i))
        v1 = f(load_at(&a, i + LANES), load_at(&b, i + LANES))
        store(out + i, v0)
        store(out + i + LANES, v1)
        i += 2 * LANES
    while i < n:
        store(out + i, f(load_at(&a, i), load_at(&b, i)))
        i += LANES


cdef inline void apply_ternary(ternary_fn f, const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out = f(a, b, c)."""
    cdef operand a = x[0], b = x[1], c = x[2]
    cdef Py_ssize_t i = 0
    cdef vec v0, v1
    while i + 2 * LANES <= n:
        v0 = f(load_at(&a, i), load_at(&b, i), load_at(&c, i))
        v1 = f(load_at(&a, i + LANES), load_at(&b, i + LANES), load_at(&c, i + LANES))
        store(out + i, v0)
        store(out + i + LANES, v1)
        i += 2 * LANES
    while i < n:
        store(out + i, f(load_at(&a, i), load_at(&b, i), load_at(&c, i)))
        i += LANES


cdef inline void apply_quaternary(quaternary_fn f, const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    """out = f(a, b, c, d)."""
    cdef operand a = x[0], b = x[1], c = x[2], d = x[3]
    cdef Py_ssize_t i = 0
    cdef vec v0, v1
    while i + 2 * LANES <= n:
        v0 = f(load_at(&a, i), load_at(&b, i), load_at(&c, i), load_at(&d, i))
        v1 = f(load_at(&a, i + LANES), load_at(&b, i + LANES), load_at(&c, i + LANES), load_at(&d, i + LANES))
        store(out + i, v0)
        store(out + i + LANES, v1)
        i += 2 * LANES
    while i < n:
        store(out + i, f(load_at(&a, i), load_at(&b, i), load_at(&c, i), load_at(&d, i)))
        i += LANES


cdef void mul3_fma_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    # out = a b c d + e
    cdef operand a = x[0], b = x[1], c = x[2], d = x[3], e = x[4]
    cdef Py_ssize_t i
    for i from 0 <= i < n by LANES:
        store(out + i, fma_(load_at(&a, i) * load_at(&b, i) * load_at(&c, i), load_at(&d, i), load_at(&e, i)))


# arithmetic ---------------------------------------------------------------------------------------

cdef inline vec v_copy(vec a) noexcept nogil:
    return a


cdef inline vec v_neg(vec a) noexcept nogil:
    return -a


cdef inline vec v_sign(vec a) noexcept nogil:
    # -1 or 1; +-0 and NaN stay
    return select(lt(splat(0), abs_(a)), copysign_(splat(1), a), a)


cdef inline vec v_inverse(vec a) noexcept nogil:
    return splat(1) / a


cdef inline vec v_flush_subnormal(vec a) noexcept nogil:
    # 0 for subnormals
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
    # min_(a, b) and min_(b, a) differ only where a or b is NaN (one of them is NaN) or both are 0 (in sign),
    # so their bitwise or is NaN or the minimum
    return from_bits(bits(min_(a, b)) | bits(min_(b, a)))


cdef inline vec v_maximum(vec a, vec b) noexcept nogil:
    return from_bits(bits(max_(a, b)) | bits(max_(b, a)))


cdef inline vec v_mul3(vec a, vec b, vec c) noexcept nogil:
    return a * b * c


cdef inline vec v_add_mul(vec a, vec b, vec c) noexcept nogil:
    return (a + b) * c


cdef inline vec v_finite_mul(vec a, vec b) noexcept nogil:
    return clamp_finite(a) * b


cdef inline vec v_add_inverse(vec a, vec b) noexcept nogil:
    return splat(1) / (a + b)


cdef inline vec v_div_add(vec a, vec b, vec c) noexcept nogil:
    return a / b + c


cdef inline vec v_div_add_mul(vec a, vec b, vec c, vec d) noexcept nogil:
    return (a / b + c) * d


cdef inline vec v_fma_mul(vec a, vec b, vec c, vec d) noexcept nogil:
    return fma_(a, b, c) * d


cdef inline vec v_mul_fma(vec a, vec b, vec c, vec d) noexcept nogil:
    return fma_(a * b, c, d)


cdef inline vec v_fma_finite(vec a, vec b, vec c) noexcept nogil:
    return clamp_finite(fma_(a, b, c))


cdef inline vec v_fma_sqrt(vec a, vec b, vec c) noexcept nogil:
    return sqrt_(fma_(a, b, c))


cdef inline vec v_fms(vec a, vec b, vec c) noexcept nogil:
    return fma_(a, b, -c)


cdef inline vec v_fnma(vec a, vec b, vec c) noexcept nogil:
    return fma_(-a, b, c)


cdef inline vec v_where_lt(vec a, vec b, vec x, vec y) noexcept nogil:
    # x if a < b, y if b <= a, else a or b is NaN
    return select(lt(a, b), x, select(le(b, a), y, splat(NAN)))


cdef inline vec v_where_le(vec a, vec b, vec x, vec y) noexcept nogil:
    return select(le(a, b), x, select(lt(b, a), y, splat(NAN)))


cdef inline vec v_where_eq(vec a, vec b, vec x, vec y) noexcept nogil:
    return select(eq(a, b), x, select(lt(a, b) | lt(b, a), y, splat(NAN)))


cdef void copy_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_copy, x, out, n)


cdef void neg_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_neg, x, out, n)


cdef void abs_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(abs_, x, out, n)


cdef void sign_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_sign, x, out, n)


cdef void sqrt_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(sqrt_, x, out, n)


cdef void inverse_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_inverse, x, out, n)


cdef void finite_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(clamp_finite, x, out, n)


cdef void flush_subnormal_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_unary(v_flush_subnormal, x, out, n)


cdef void add_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_binary(v_add, x, out, n)


cdef void sub_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_binary(v_sub, x, out, n)


cdef void mul_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_binary(v_mul, x, out, n)


cdef void div_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_binary(v_div, x, out, n)


cdef void minimum_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_binary(v_minimum, x, out, n)


cdef void maximum_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_binary(v_maximum, x, out, n)


cdef void fma_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_ternary(fma_, x, out, n)


cdef void fms_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_ternary(v_fms, x, out, n)


cdef void fnma_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_ternary(v_fnma, x, out, n)


cdef void mul3_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_ternary(v_mul3, x, out, n)


cdef void add_mul_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_ternary(v_add_mul, x, out, n)


cdef void finite_mul_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_binary(v_finite_mul, x, out, n)


cdef void add_inverse_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_binary(v_add_inverse, x, out, n)


cdef void div_add_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_ternary(v_div_add, x, out, n)


cdef void div_add_mul_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_quaternary(v_div_add_mul, x, out, n)


cdef void fma_mul_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_quaternary(v_fma_mul, x, out, n)


cdef void mul_fma_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_quaternary(v_mul_fma, x, out, n)


cdef void fma_finite_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_ternary(v_fma_finite, x, out, n)


cdef void fma_sqrt_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_ternary(v_fma_sqrt, x, out, n)


cdef void where_lt_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_quaternary(v_where_lt, x, out, n)


cdef void where_le_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_quaternary(v_where_le, x, out, n)


cdef void where_eq_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    apply_quaternary(v_where_eq, x, out, n)

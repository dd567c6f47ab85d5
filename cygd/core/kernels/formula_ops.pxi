# The arithmetic of formulas: an instruction is one pass over a block in first-level cache. What often follows
# one another is one instruction too (formula/fusing.py), rounded as the two are.
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


cdef void mul3_fma_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    # out = a b c d + e
    cdef operand a = x[0], b = x[1], c = x[2], d = x[3], e = x[4]
    cdef Py_ssize_t i
    for i from 0 <= i < n by LANES:
        store(out + i, fma_(at(&a, i) * at(&b, i) * at(&c, i), at(&d, i), at(&e, i)))


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


cdef inline vec v_mul3(vec a, vec b, vec c) noexcept nogil:
    return a * b * c


cdef inline vec v_add_mul(vec a, vec b, vec c) noexcept nogil:
    return (a + b) * c


cdef inline vec v_finite_mul(vec a, vec b) noexcept nogil:
    return finite(a) * b


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
    return finite(fma_(a, b, c))


cdef inline vec v_fma_sqrt(vec a, vec b, vec c) noexcept nogil:
    return sqrt_(fma_(a, b, c))


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


cdef void mul3_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_3(v_mul3, x, out, n)


cdef void add_mul_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_3(v_add_mul, x, out, n)


cdef void finite_mul_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_2(v_finite_mul, x, out, n)


cdef void add_inverse_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_2(v_add_inverse, x, out, n)


cdef void div_add_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_3(v_div_add, x, out, n)


cdef void div_add_mul_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_4(v_div_add_mul, x, out, n)


cdef void fma_mul_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_4(v_fma_mul, x, out, n)


cdef void mul_fma_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_4(v_mul_fma, x, out, n)


cdef void fma_finite_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_3(v_fma_finite, x, out, n)


cdef void fma_sqrt_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_3(v_fma_sqrt, x, out, n)


cdef void where_lt_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_4(v_where_lt, x, out, n)


cdef void where_le_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_4(v_where_le, x, out, n)


cdef void where_eq_op(const operand *x, real *out, Py_ssize_t n) noexcept nogil:
    over_4(v_where_eq, x, out, n)

# exp, log, tanh, sinh, cosh, sigmoid and softplus over `vec`: at most 2 ulp (float32) and 4 ulp (float64)
# from the exact value over the whole range.
#
# One text serves both dtypes: only constants and the degrees of polynomials differ, and the C compiler folds
# the test of REAL_BITS that selects them. No branch depends on a value: both results are computed and one is
# selected, special values last. Where terms cancel, a number is carried as an unevaluated sum hi + lo. `fma_`
# may round twice (level base), so only `two_product` relies on it being exact, and it checks.
#
# The polynomials are minimax; the comment in each names the set of tools/minimax.py that printed it. Lookup
# tables were rejected: a gather is slower than a longer polynomial.

from libc.float cimport DBL_MAX, DBL_MIN, FLT_MAX, FLT_MIN
from libc.math cimport INFINITY, NAN

include "polynomial.pxi"


cdef struct pair:               # the unevaluated sum hi + lo
    vec hi
    vec lo


cdef inline pair fast_two_sum(vec a, vec b) noexcept nogil:
    # a + b exactly, for |a| >= |b|
    cdef pair s
    s.hi = a + b
    s.lo = b - (s.hi - a)
    return s


cdef inline pair two_sum(vec a, vec b) noexcept nogil:
    # a + b exactly
    cdef pair s
    cdef vec back
    s.hi = a + b
    back = s.hi - a
    s.lo = (a - (s.hi - back)) + (b - back)
    return s


cdef inline pair two_product(vec a, vec b) noexcept nogil:
    # a b exactly, unless lo underflows: by a fused multiply-add, else by Dekker's product of halves
    cdef pair s
    cdef vec a_hi, a_lo, b_hi, b_lo
    s.hi = a * b
    if FUSED:
        s.lo = fma_(a, b, -s.hi)
    else:
        a_hi = high_part(a)
        b_hi = high_part(b)
        a_lo = a - a_hi
        b_lo = b - b_hi
        s.lo = ((a_hi * b_hi - s.hi) + (a_hi * b_lo + a_lo * b_hi)) + a_lo * b_lo
    return s


cdef inline real largest_finite() noexcept nogil:
    return FLT_MAX if REAL_BITS == 32 else <real> DBL_MAX


cdef inline vec clamp_max(vec x, real limit) noexcept nogil:
    # min(x, limit); NaN stays
    return min_(splat(limit), x)


cdef inline vec clamp_min(vec x, real limit) noexcept nogil:
    # max(x, limit); NaN stays
    return max_(splat(limit), x)


# The product or sum of two NaN has the sign of the first, and compilers swap operands. For the same NaN at
# every level, at most one operand may be NaN, or both must come from the same NaN. Otherwise one operand is
# passed through min_(x, limit) or max_(x, limit), which return the limit for NaN.

cdef inline vec clamp(vec x, real limit) noexcept nogil:
    # x clamped to [-limit, limit]; NaN stays
    return clamp_min(clamp_max(x, limit), -limit)


cdef inline vec clamp_finite(vec x) noexcept nogil:
    # +-inf becomes the largest finite number of that sign; NaN stays
    return clamp(x, largest_finite())


# ---- e^x -----------------------------------------------------------------------------------------
#
# e^x = 2^n (1 + p): n = round(x / ln 2), r = x - n ln 2, |r| <= ln(2) / 2, p = e^r - 1 = r + r^2 exp_poly(r).
# ln 2 is split in two parts, ln2_hi + ln2_lo, so that n ln2_hi is exact.

cdef struct exponential:        # 2^n (1 + p + p_lo)
    vec p
    vec p_lo
    vec n


cdef inline vec round_scaled(vec x, real factor) noexcept nogil:
    # round(factor x), for |factor x| < 2^(MANTISSA_BITS - 1)
    cdef real shift = 12582912 if REAL_BITS == 32 else 6755399441055744      # 1.5 * 2^MANTISSA_BITS
    return fma_(x, splat(factor), splat(shift)) - shift


# tools/minimax.py parts
cdef inline real ln2_hi() noexcept nogil:
    return 0.693145751953125 if REAL_BITS == 32 else 0.6931471805598903


cdef inline real ln2_lo() noexcept nogil:
    return 1.428606765330187e-06 if REAL_BITS == 32 else 5.497923018708371e-14


cdef inline vec exp_poly(vec r) noexcept nogil:
    # tools/minimax.py exp
    if REAL_BITS == 32:
        return poly6(r, 0.5, 0.166666672, 0.041666355, 0.00833327323, 0.00139410887, 0.000199142916)
    return poly10(r, 0.50000000000000056, 0.16666666666666685, 0.041666666666573121, 0.0083333333333144854,
                  0.0013888888932571696, 0.00019841269903303423, 2.4801504189797553e-05,
                  2.7557227677427711e-06, 2.7626436216110276e-07, 2.5114569488843971e-08)


cdef inline vec clamp_exp_low(vec x) noexcept nogil:
    # below this limit e^x is 0
    return clamp_min(x, -106 if REAL_BITS == 32 else -750)


cdef inline vec clamp_exp(vec x) noexcept nogil:
    # above the upper limit e^x is inf
    return clamp_exp_low(clamp_max(x, 90 if REAL_BITS == 32 else 711))


cdef inline exponential exp_reduced(vec r, vec n) noexcept nogil:
    # e^(n ln 2 + r)
    cdef exponential e
    cdef vec q = exp_poly(r)
    e.n = n
    e.p = fma_(r * r, q, r)
    e.p_lo = fma_(r * r, q, r - e.p)
    return e


cdef inline exponential exp_parts(vec x) noexcept nogil:
    # e^x, for x clamped by clamp_exp
    cdef vec n = round_scaled(x, 1.4426950408889634)
    return exp_reduced(fma_(n, splat(-ln2_lo()), fma_(n, splat(-ln2_hi()), x)), n)


cdef inline exponential exp_sum_parts(vec x, vec low) noexcept nogil:
    # e^(x + low), for low of about an ulp of x at most; the rounding error of r goes into p_lo
    cdef vec n = round_scaled(x, 1.4426950408889634)
    cdef vec exact = fma_(n, splat(-ln2_hi()), x)
    cdef vec correction = fma_(n, splat(-ln2_lo()), low)
    cdef vec r = exact + correction
    cdef exponential e = exp_reduced(r, n)
    e.p_lo = e.p_lo + ((exact - r) + correction)
    return e


cdef inline vec v_exp(vec x) noexcept nogil:
    cdef exponential e = exp_parts(clamp_exp(x))
    return ldexp_(e.p + splat(1), e.n)


cdef inline vec combine_exp(exponential e) noexcept nogil:
    # 2^n + 2^n p: rounded once, and 2^n is computed in parallel to p; unlike ldexp_, 2^n may overflow
    cdef vec s = ldexp_(splat(1), e.n)
    return fma_(s, e.p, s)


cdef inline vec exp_in_range(vec x) noexcept nogil:
    # e^x, for x clamped, and so far below the upper limit that 2^n is finite
    return combine_exp(exp_parts(x))


cdef inline pair expm1_parts(vec x) noexcept nogil:
    # e^x - 1 = 2 (2^(n-1) p + (2^(n-1) - 1/2)) as hi + lo (lo is valid for x <= 0 only). Halved, so that only
    # the final doubling overflows; n = 0 gives p itself, so that small x keep full precision
    cdef exponential e = exp_parts(clamp_max(clamp_exp(x), 88.73 if REAL_BITS == 32 else 709.79))
    cdef vec s = ldexp_(splat(0.5), e.n)
    cdef vec rest = s - splat(0.5)
    cdef vec half = fma_(s, e.p, rest)
    cdef vec residual = fma_(s, e.p_lo, fma_(s, e.p, rest - half))
    cdef vmask n_is_0 = eq(e.n, splat(0))
    cdef pair t
    t.hi = select(n_is_0, e.p, half + half)
    t.lo = select(n_is_0, e.p_lo, residual + residual)
    return t


cdef inline vec v_expm1(vec x) noexcept nogil:
    return copysign_(expm1_parts(x).hi, x)


cdef inline vec expm1_nonpositive(vec x) noexcept nogil:
    # e^x - 1 for x <= 0, which cannot overflow: 2^n p + (2^n - 1), where 2^n - 1 is exact, or 2^n negligible.
    # From -42 on (2^-60) the result is -1
    cdef exponential e = exp_parts(clamp_min(x, -42))
    cdef vec s = ldexp_(splat(1), e.n)
    return copysign_(fma_(s, e.p, s - splat(1)), x)


# ---- sinh and cosh -------------------------------------------------------------------------------
#
# |x| = n ln 2 + r. With s = sinh r, c = cosh r - 1, S = sinh(n ln 2) = (2^n - 2^-n) / 2 and
# C = cosh(n ln 2) = (2^n + 2^-n) / 2:
#
#     sinh |x| = S (1 + c) + C s        cosh x = C (1 + c) + S s
#
# This needs neither a division nor a second exponential. Everything is halved, so that only the final
# doubling overflows.

cdef struct hyperbolic:
    vec n
    vec r
    vec s                       # sinh r - r, plus the rounding error of r
    vec c                       # cosh r - 1
    vec up                      # 2^n / 4
    vec down                    # 2^-n / 4


cdef inline vec sinh_poly(vec z) noexcept nogil:
    # tools/minimax.py sinh
    if REAL_BITS == 32:
        return poly3(z, 0.166666672, 0.00833328906, 0.000199050395)
    return poly5(z, 0.16666666666666677, 0.0083333333333215926, 0.00019841269886266882,
                 2.7557244033503094e-06, 2.5109108415127811e-08)


cdef inline vec cosh_poly(vec z) noexcept nogil:
    # tools/minimax.py cosh
    if REAL_BITS == 32:
        return poly2(z, 0.041666463, 0.00139352691)
    return poly4(z, 0.041666666666609731, 0.0013888888924802059, 2.4801510876791915e-05,
                 2.7624409779115442e-07)


cdef inline hyperbolic hyperbolic_parts(vec x) noexcept nogil:
    # of |x|; above the limit sinh and cosh are inf
    cdef vec a = clamp_max(abs_(x), 89.5 if REAL_BITS == 32 else 710.5)
    cdef vec n = round_scaled(a, 1.4426950408889634)
    cdef vec exact = fma_(n, splat(-ln2_hi()), a)
    cdef vec correction = n * splat(-ln2_lo())
    cdef vec r = exact + correction
    cdef vec z = r * r
    cdef hyperbolic h
    h.n = n
    h.r = r
    h.s = fma_(z * r, sinh_poly(z), (exact - r) + correction)
    h.c = fma_(z * z, cosh_poly(z), z * splat(0.5))
    h.up = ldexp_(splat(0.25), n)
    h.down = ldexp_(splat(0.25), -n)
    return h


cdef inline vec v_sinh(vec x) noexcept nogil:
    # S + C r cancels for negative r, so it is carried as half + residual. n = 0 gives sinh r itself, so that
    # small x keep full precision
    cdef hyperbolic h = hyperbolic_parts(x)
    cdef vec half_s = h.up - h.down
    cdef vec half_c = h.up + h.down
    cdef vec half = fma_(half_c, h.r, half_s)
    cdef vec residual = fma_(half_c, h.r, half_s - half)
    half = half + (residual + fma_(half_c, h.s, half_s * h.c))
    return copysign_(select(eq(h.n, splat(0)), h.r + h.s, half + half), x)


cdef inline vec v_cosh(vec x) noexcept nogil:
    # 2^n / 4 is added last: it is the largest term, and exact
    cdef hyperbolic h = hyperbolic_parts(x)
    cdef vec half_s = h.up - h.down
    cdef vec half_c = h.up + h.down
    cdef vec half = h.up + fma_(half_s, h.r, fma_(half_s, h.s, fma_(half_c, h.c, h.down)))
    return half + half


# ---- log -----------------------------------------------------------------------------------------
#
# log x = k ln 2 + log(1 + f) for x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt 2). With s = f / (2 + f) and
# z = s^2:
#
#     log(1 + f) = 2 atanh(s) = f - (f^2/2 - s (f^2/2 + z log_poly(z)))
#
# f is exact, and so are the large terms.

cdef struct float_parts:        # 2^k (1 + f)
    vec f
    vec k


cdef inline float_parts split_exponent(vec x) noexcept nogil:
    # x = 2^k (1 + f), for positive normal x
    cdef float_parts b
    cdef vec m = mantissa(x)
    cdef vmask upper = lt(splat(1.41421356237309505), m)
    b.k = exponent_(x) - splat(127 if REAL_BITS == 32 else 1023)
    b.k = select(upper, b.k + splat(1), b.k)
    b.f = select(upper, m * splat(0.5), m) - splat(1)
    return b


cdef inline vec log_poly(vec z) noexcept nogil:
    # tools/minimax.py log
    if REAL_BITS == 32:
        return poly3(z, 0.666667759, 0.399775624, 0.29871586)
    return poly7(z, 0.66666666666667329, 0.39999999999424313, 0.28571428740757254, 0.22222198703494506,
                 0.18183559023439158, 0.15314155851925992, 0.14795151177405305)


cdef inline vec log_of_parts(vec f, vec low, vec k) noexcept nogil:
    # k ln 2 + log(1 + f + low), for tiny low, which counts as low / (1 + f) = low (1 - s) / (1 + s)
    # = low (1 - 2 s + 2 s^2) nearly
    cdef vec s = f / (f + splat(2))
    cdef vec z = s * s
    cdef vec h = f * f * splat(0.5)
    cdef vec rest = low * fma_(s, fma_(s, splat(2), splat(-2)), splat(1))
    rest = fma_(k, splat(ln2_lo()), rest)
    return k * ln2_hi() - ((h - fma_(s, fma_(z, log_poly(z), h), rest)) - f)


cdef inline vec v_log(vec x) noexcept nogil:
    cdef real up = 8388608 if REAL_BITS == 32 else 4503599627370496     # 2^MANTISSA_BITS, for subnormals
    cdef vmask subnormal = lt(x, splat(FLT_MIN if REAL_BITS == 32 else DBL_MIN))
    cdef float_parts b = split_exponent(select(subnormal, x * up, x))
    cdef vec k = select(subnormal, b.k - splat(MANTISSA_BITS), b.k)
    cdef vec y = log_of_parts(b.f, splat(0), k)
    y = select(lt(x, splat(INFINITY)), y, x)                     # inf and NaN
    y = select(eq(x, splat(0)), splat(-INFINITY), y)
    return select(lt(x, splat(0)), splat(NAN), y)


cdef inline vec log1p_sum(vec x, vec low) noexcept nogil:
    # log(1 + x + low) for finite x > -1: 1 + x = u.hi + u.lo exactly, u.hi = 2^k (1 + f)
    cdef pair u = two_sum(x, splat(1))
    cdef float_parts b = split_exponent(u.hi)
    return log_of_parts(b.f, ldexp_(u.lo + low, -b.k), b.k)


cdef inline vec v_log1p(vec x) noexcept nogil:
    cdef vec y = log1p_sum(x, splat(0))
    y = select(lt(x, splat(INFINITY)), y, x)
    y = select(eq(x, splat(0)), x, y)                       # keeps -0.0
    y = select(eq(x, splat(-1)), splat(-INFINITY), y)
    return select(lt(x, splat(-1)), splat(NAN), y)


# ---- softplus, sigmoid, tanh ---------------------------------------------------------------------

cdef inline vec softplus_poly(vec z) noexcept nogil:
    # tools/minimax.py softplus
    if REAL_BITS == 32:
        return poly5(z, 0.666666746, 0.39998886, 0.286167502, 0.214286506, 0.242986411)
    return poly10(z, 0.6666666666666633, 0.4000000000015099, 0.2857142854846134, 0.22222223939608865,
                  0.18181744788861484, 0.15386544779065056, 0.13301137907015223, 0.121050128701663,
                  0.08343952059198285, 0.17012782484675512)


cdef inline vec softplus_from_exp(vec x, vec e) noexcept nogil:
    # max(x, 0) + log1p(e), e = e^-|x|. With s = e / (2 + e) <= 1/3 and z = s^2,
    #     log1p(e) = 2 atanh(s) = e - s (e - z softplus_poly(z)):
    # the rounding error of s counts less than half, and no power of two has to be split off
    cdef vec s = e / (e + splat(2))
    cdef vec z = s * s
    return max_(x, splat(0)) + fma_(-s, fma_(-z, softplus_poly(z), e), e)


cdef inline vec exp_neg_abs(vec x) noexcept nogil:
    # e^-|x|
    return exp_in_range(clamp_exp_low(neg_abs(x)))


cdef inline vec v_softplus(vec x) noexcept nogil:
    # log(1 + e^x)
    return softplus_from_exp(x, exp_neg_abs(x))


# The error of a quotient q = a / d from the rounding errors of its operands is a.lo / d - q d.lo / d. To
# correct it, one digit of 1 / d is enough.
cdef inline vec neg_reciprocal_approx(vec d) noexcept nogil:
    # -1 / d to about one digit, for 1 <= d <= 2
    return fma_(d, splat(0.5), splat(-1.46))


cdef inline vec sigmoid_from_exp(vec x, vec e) noexcept nogil:
    # 1 / (1 + e^-x) from e = e^-|x| <= 1: 1 / (1 + e) for x >= 0, e / (1 + e) for x < 0
    cdef vec numerator = select(lt(x, splat(0)), e, splat(1))
    cdef pair d
    cdef vec q
    if REAL_BITS == 64:
        return numerator / (e + splat(1))
    # the tighter bound of float32 needs a correction for the rounding error of 1 + e
    d = fast_two_sum(splat(1), e)
    q = numerator / d.hi
    return fma_(q * d.lo, neg_reciprocal_approx(d.hi), q)


cdef inline vec v_sigmoid(vec x) noexcept nogil:
    return sigmoid_from_exp(x, exp_neg_abs(x))


cdef inline vec v_tanh(vec x) noexcept nogil:
    # tanh |x| = -t / (2 + t) with t = e^(-2|x|) - 1 = 2^n p + (2^n - 1) in (-1, 0]; 1 for |x| > 21. ln 2 in
    # one part will do: its error matters for large n only, where t is nearly -1
    cdef vec a = clamp_min(neg_abs(x), -21)
    cdef vec n = round_scaled(a, 2.8853900817779268)
    cdef exponential e = exp_reduced(fma_(n, splat(-0.6931471805599453), a + a), n)
    cdef vec s = ldexp_(splat(1), n)
    cdef vec t = fma_(s, e.p, s - splat(1))
    return copysign_(t / fma_(s, e.p, s + splat(1)), x)

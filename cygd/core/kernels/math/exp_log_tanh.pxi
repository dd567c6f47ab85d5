# Elementary functions over `vec`: exp, log, tanh, sinh, erf and their kin, at most 2 ulp (float32) and 4 ulp
# (float64) from the truth over the whole range.
#
# One text for both dtypes: only constants and the length of a polynomial differ, chosen by
# `if REAL_BITS == 32`, which the C compiler folds. No branch depends on a value: both sides are computed
# and one is selected, special values last. What cancels is carried as an unevaluated sum of two numbers
# (hi + lo); `fma_` may round twice (level base), so nothing relies on it being exact but `two_product`, which
# asks. The polynomials are minimax; the comment above each names the call of tools/minimax.py that
# printed it. Tables of values were rejected: gathers are slower than a longer polynomial.

from libc.float cimport DBL_MAX, DBL_MIN, FLT_MAX, FLT_MIN
from libc.math cimport INFINITY, NAN

include "polynomial.pxi"


cdef struct pair:               # the unevaluated sum hi + lo
    vec hi
    vec lo


cdef inline pair fast_two_sum(vec a, vec b) noexcept nogil:
    # a + b exactly, |a| >= |b|
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
    # a b exactly (where lo does not underflow): one fused step, else Dekker's product of halves
    cdef pair s
    cdef vec a_hi, a_lo, b_hi, b_lo
    s.hi = a * b
    if FUSED:
        s.lo = fma_(a, b, -s.hi)
    else:
        a_hi = leading(a)
        b_hi = leading(b)
        a_lo = a - a_hi
        b_lo = b - b_hi
        s.lo = ((a_hi * b_hi - s.hi) + (a_hi * b_lo + a_lo * b_hi)) + a_lo * b_lo
    return s


cdef inline real largest() noexcept nogil:
    return FLT_MAX if REAL_BITS == 32 else <real> DBL_MAX


cdef inline vec at_most(vec x, real limit) noexcept nogil:
    # min(x, limit); NaN stays
    return min_(splat(limit), x)


cdef inline vec at_least(vec x, real limit) noexcept nogil:
    # max(x, limit); NaN stays
    return max_(splat(limit), x)


# Of two NaN in a product or a sum the sign of the first one stays, and compilers swap the operands. So that
# all levels give the same NaN, only one operand may be NaN, or both have it from one source: the other takes
# min_ and max_ with the limit behind, which leave NaN out.

cdef inline vec within(vec x, real limit) noexcept nogil:
    # x moved into [-limit, limit]; NaN stays
    return at_least(at_most(x, limit), -limit)


cdef inline vec finite(vec x) noexcept nogil:
    # +-inf becomes the largest number of its sign; NaN stays
    return within(x, largest())


# ---- e^x -----------------------------------------------------------------------------------------
#
# e^x = 2^n (1 + p): n = round(x / ln 2), r = x - n ln 2, p = e^r - 1 = r + r^2 q(r), |r| <= ln(2) / 2.
# ln 2 comes in two parts, of which n times the first is exact.

cdef struct exponential:        # 2^n (1 + p + p_lo)
    vec p
    vec p_lo
    vec n


cdef inline vec nearest(vec x, real factor) noexcept nogil:
    # the whole number nearest to factor x, |factor x| < 2^(MANTISSA_BITS - 1)
    cdef real shift = 12582912 if REAL_BITS == 32 else 6755399441055744
    return fma_(x, splat(factor), splat(shift)) - shift


# the parts of ln 2: tools/minimax.py parts
cdef inline real ln2_hi() noexcept nogil:
    return 0.693145751953125 if REAL_BITS == 32 else 0.6931471805598903


cdef inline real ln2_lo() noexcept nogil:
    return 1.428606765330187e-06 if REAL_BITS == 32 else 5.497923018708371e-14


cdef inline vec exp_q(vec r) noexcept nogil:
    # tools/minimax.py exp
    if REAL_BITS == 32:
        return poly6(r, 0.5, 0.166666672, 0.041666355, 0.00833327323, 0.00139410887, 0.000199142916)
    return poly10(r, 0.50000000000000056, 0.16666666666666685, 0.041666666666573121, 0.0083333333333144854,
                  0.0013888888932571696, 0.00019841269903303423, 2.4801504189797553e-05,
                  2.7557227677427711e-06, 2.7626436216110276e-07, 2.5114569488843971e-08)


cdef inline vec exp_low(vec x) noexcept nogil:
    # below it e^x is 0
    return at_least(x, -106 if REAL_BITS == 32 else -750)


cdef inline vec exp_limit(vec x) noexcept nogil:
    # beyond the other end e^x is inf
    return exp_low(at_most(x, 90 if REAL_BITS == 32 else 711))


cdef inline exponential exp_rest(vec r, vec n) noexcept nogil:
    # of e^(n ln 2 + r)
    cdef exponential e
    cdef vec q = exp_q(r)
    e.n = n
    e.p = fma_(r * r, q, r)
    e.p_lo = fma_(r * r, q, r - e.p)
    return e


cdef inline exponential exp_parts(vec x) noexcept nogil:
    # of e^x, x within the limits
    cdef vec n = nearest(x, 1.4426950408889634)
    return exp_rest(fma_(n, splat(-ln2_lo()), fma_(n, splat(-ln2_hi()), x)), n)


cdef inline exponential exp_sum_parts(vec x, vec low) noexcept nogil:
    # of e^(x + low), low no larger than an ulp or so of x; what rounding r loses goes to p_lo
    cdef vec n = nearest(x, 1.4426950408889634)
    cdef vec exact = fma_(n, splat(-ln2_hi()), x)
    cdef vec correction = fma_(n, splat(-ln2_lo()), low)
    cdef vec r = exact + correction
    cdef exponential e = exp_rest(r, n)
    e.p_lo = e.p_lo + ((exact - r) + correction)
    return e


cdef inline vec v_exp(vec x) noexcept nogil:
    cdef exponential e = exp_parts(exp_limit(x))
    return scale_(e.p + splat(1), e.n)


cdef inline vec exp_low_parts(exponential e) noexcept nogil:
    # 2^n + 2^n p: rounded once, and 2^n is ready before p is, but it overflows where n does
    cdef vec s = scale_(splat(1), e.n)
    return fma_(s, e.p, s)


cdef inline vec exp_within(vec x) noexcept nogil:
    # e^x, x within the limits and far from the upper one
    return exp_low_parts(exp_parts(x))


cdef inline pair expm1_parts(vec x) noexcept nogil:
    # e^x - 1 = 2 (2^(n-1) p + (2^(n-1) - 1/2)) as hi + lo (lo for x <= 0 only); overflows at the end only,
    # and is p itself where n = 0, so that small x keep all their bits
    cdef exponential e = exp_parts(at_most(exp_limit(x), 88.73 if REAL_BITS == 32 else 709.79))
    cdef vec s = scale_(splat(0.5), e.n)
    cdef vec rest = s - splat(0.5)
    cdef vec half = fma_(s, e.p, rest)
    cdef vec lost = fma_(s, e.p_lo, fma_(s, e.p, rest - half))
    cdef vmask plain = eq(e.n, splat(0))
    cdef pair t
    t.hi = select(plain, e.p, half + half)
    t.lo = select(plain, e.p_lo, lost + lost)
    return t


cdef inline vec v_expm1(vec x) noexcept nogil:
    return copysign_(expm1_parts(x).hi, x)


cdef inline vec expm1_low(vec x) noexcept nogil:
    # e^x - 1 for x <= 0, where it needs no halves: 2^n p + (2^n - 1), of which the second is exact while it
    # counts. 2^-60 is nothing beside 1
    cdef exponential e = exp_parts(at_least(x, -42))
    cdef vec s = scale_(splat(1), e.n)
    return copysign_(fma_(s, e.p, s - splat(1)), x)


# ---- sinh and cosh -------------------------------------------------------------------------------
#
# |x| = n ln 2 + r: sinh |x| = S (1 + c) + C s and cosh x = C (1 + c) + S s, with s = sinh r, c = cosh r - 1,
# and S, C = (2^n -+ 2^-n) / 2, the sinh and cosh of n ln 2: no division, and no second exponential. All of it
# is halved, so that only the doubling at the end overflows.

cdef struct hyperbolic:
    vec n
    vec r
    vec s                       # sinh r - r, with what rounding r has lost
    vec c
    vec up                      # 2^n / 4
    vec down                    # 2^-n / 4


cdef inline vec sinh_s(vec z) noexcept nogil:
    # tools/minimax.py sinh
    if REAL_BITS == 32:
        return poly3(z, 0.166666672, 0.00833328906, 0.000199050395)
    return poly5(z, 0.16666666666666677, 0.0083333333333215926, 0.00019841269886266882,
                 2.7557244033503094e-06, 2.5109108415127811e-08)


cdef inline vec cosh_c(vec z) noexcept nogil:
    # tools/minimax.py cosh
    if REAL_BITS == 32:
        return poly2(z, 0.041666463, 0.00139352691)
    return poly4(z, 0.041666666666609731, 0.0013888888924802059, 2.4801510876791915e-05,
                 2.7624409779115442e-07)


cdef inline hyperbolic hyperbolic_parts(vec x) noexcept nogil:
    # of |x|; beyond the limit sinh and cosh are inf
    cdef vec a = at_most(abs_(x), 89.5 if REAL_BITS == 32 else 710.5)
    cdef vec n = nearest(a, 1.4426950408889634)
    cdef vec exact = fma_(n, splat(-ln2_hi()), a)
    cdef vec correction = n * splat(-ln2_lo())
    cdef vec r = exact + correction
    cdef vec z = r * r
    cdef hyperbolic h
    h.n = n
    h.r = r
    h.s = fma_(z * r, sinh_s(z), (exact - r) + correction)
    h.c = fma_(z * z, cosh_c(z), z * splat(0.5))
    h.up = scale_(splat(0.25), n)
    h.down = scale_(splat(0.25), -n)
    return h


cdef inline vec v_sinh(vec x) noexcept nogil:
    # S + C r cancels for negative r: it is carried in two numbers. n = 0 is sinh r itself, so that small x
    # keep all their bits
    cdef hyperbolic h = hyperbolic_parts(x)
    cdef vec half_s = h.up - h.down
    cdef vec half_c = h.up + h.down
    cdef vec half = fma_(half_c, h.r, half_s)
    cdef vec lost = fma_(half_c, h.r, half_s - half)
    half = half + (lost + fma_(half_c, h.s, half_s * h.c))
    return copysign_(select(eq(h.n, splat(0)), h.r + h.s, half + half), x)


cdef inline vec v_cosh(vec x) noexcept nogil:
    # 2^n last: it is the largest term, and exact
    cdef hyperbolic h = hyperbolic_parts(x)
    cdef vec half_s = h.up - h.down
    cdef vec half_c = h.up + h.down
    cdef vec half = h.up + fma_(half_s, h.r, fma_(half_s, h.s, fma_(half_c, h.c, h.down)))
    return half + half


# ---- log -----------------------------------------------------------------------------------------
#
# log x = k ln 2 + log(1 + f), x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt 2). With s = f / (2 + f):
# log(1 + f) = 2 atanh(s) = f - (f^2/2 - s (f^2/2 + z L(z))), z = s^2: f is exact, so the large terms are.

cdef struct binary:             # 2^k (1 + f)
    vec f
    vec k


cdef inline binary split(vec x) noexcept nogil:
    # x positive and normal
    cdef binary b
    cdef vec m = mantissa(x)
    cdef vmask upper = lt(splat(1.41421356237309505), m)
    b.k = exponent_(x) - splat(127 if REAL_BITS == 32 else 1023)
    b.k = select(upper, b.k + splat(1), b.k)
    b.f = select(upper, m * splat(0.5), m) - splat(1)
    return b


cdef inline vec log_l(vec z) noexcept nogil:
    # tools/minimax.py log
    if REAL_BITS == 32:
        return poly3(z, 0.666667759, 0.399775624, 0.29871586)
    return poly7(z, 0.66666666666667329, 0.39999999999424313, 0.28571428740757254, 0.22222198703494506,
                 0.18183559023439158, 0.15314155851925992, 0.14795151177405305)


cdef inline vec log_sum(vec f, vec low, vec k) noexcept nogil:
    # k ln 2 + log(1 + f + low); d log(1 + f) = 1 / (1 + f) = (1 - s) / (1 + s), and low is tiny
    cdef vec s = f / (f + splat(2))
    cdef vec z = s * s
    cdef vec h = f * f * splat(0.5)
    cdef vec rest = low * fma_(s, fma_(s, splat(2), splat(-2)), splat(1))
    rest = fma_(k, splat(ln2_lo()), rest)
    return k * ln2_hi() - ((h - fma_(s, fma_(z, log_l(z), h), rest)) - f)


cdef inline vec v_log(vec x) noexcept nogil:
    cdef real up = 8388608 if REAL_BITS == 32 else 4503599627370496     # 2^MANTISSA_BITS: subnormals
    cdef vmask tiny = lt(x, splat(FLT_MIN if REAL_BITS == 32 else DBL_MIN))
    cdef binary b = split(select(tiny, x * up, x))
    cdef vec k = select(tiny, b.k - splat(MANTISSA_BITS), b.k)
    cdef vec y = log_sum(b.f, splat(0), k)
    y = select(lt(x, splat(INFINITY)), y, x)                     # inf and NaN
    y = select(eq(x, splat(0)), splat(-INFINITY), y)
    return select(lt(x, splat(0)), splat(NAN), y)


cdef inline vec log1p_sum(vec x, vec low) noexcept nogil:
    # log(1 + x + low) for finite x > -1: 1 + x = u + c exactly, u = 2^k (1 + f)
    cdef pair u = two_sum(x, splat(1))
    cdef binary b = split(u.hi)
    return log_sum(b.f, scale_(u.lo + low, -b.k), b.k)


cdef inline vec v_log1p(vec x) noexcept nogil:
    cdef vec y = log1p_sum(x, splat(0))
    y = select(lt(x, splat(INFINITY)), y, x)
    y = select(eq(x, splat(0)), x, y)                       # the sign of -0.0
    y = select(eq(x, splat(-1)), splat(-INFINITY), y)
    return select(lt(x, splat(-1)), splat(NAN), y)


# ---- from exp and log ----------------------------------------------------------------------------

cdef inline vec softplus_l(vec z) noexcept nogil:
    # tools/minimax.py softplus
    if REAL_BITS == 32:
        return poly5(z, 0.666666746, 0.39998886, 0.286167502, 0.214286506, 0.242986411)
    return poly10(z, 0.6666666666666633, 0.4000000000015099, 0.2857142854846134, 0.22222223939608865,
                  0.18181744788861484, 0.15386544779065056, 0.13301137907015223, 0.121050128701663,
                  0.08343952059198285, 0.17012782484675512)


cdef inline vec softplus_of(vec x, vec e) noexcept nogil:
    # max(x, 0) + log1p(e), e = e^-|x|. With s = e / (2 + e) <= 1/3 and z = s^2, log1p(e) = 2 atanh(s)
    # = e - s (e - z L(z)): what s loses counts less than half, and no power of two is split off
    cdef vec s = e / (e + splat(2))
    cdef vec z = s * s
    return max_(x, splat(0)) + fma_(-s, fma_(-z, softplus_l(z), e), e)


cdef inline vec exp_minus_abs(vec x) noexcept nogil:
    # e^-|x|
    return exp_within(exp_low(minus_abs(x)))


cdef inline vec v_softplus(vec x) noexcept nogil:
    # log(1 + e^x)
    return softplus_of(x, exp_minus_abs(x))


# A quotient q = a / d is off by what its terms have lost: a.lo / d - q d.lo / d. For that, 1 / d need
# only be known to a tenth.
cdef inline vec minus_inverse(vec d) noexcept nogil:
    # -1 / d nearly, 1 <= d <= 2
    return fma_(d, splat(0.5), splat(-1.46))


cdef inline vec sigmoid_of(vec x, vec e) noexcept nogil:
    # 1 / (1 + e^-x), with e = e^-|x| <= 1: 1 / (1 + e) for x >= 0 and e / (1 + e) for x < 0
    cdef vec above = select(lt(x, splat(0)), e, splat(1))
    cdef pair d
    cdef vec q
    if REAL_BITS == 64:
        return above / (e + splat(1))
    # what 1 + e has lost, for the narrower bound
    d = fast_two_sum(splat(1), e)
    q = above / d.hi
    return fma_(q * d.lo, minus_inverse(d.hi), q)


cdef inline vec v_sigmoid(vec x) noexcept nogil:
    return sigmoid_of(x, exp_minus_abs(x))


cdef inline vec v_tanh(vec x) noexcept nogil:
    # with t = e^(-2|x|) - 1 = 2^n p + (2^n - 1) in (-1, 0]: tanh |x| = -t / (2 + t). Beyond 21 it is 1, and
    # what ln 2 in one part is off by counts for large n, where t is -1 nearly
    cdef vec a = at_least(minus_abs(x), -21)
    cdef vec n = nearest(a, 2.8853900817779268)
    cdef exponential e = exp_rest(fma_(n, splat(-0.6931471805599453), a + a), n)
    cdef vec s = scale_(splat(1), n)
    cdef vec t = fma_(s, e.p, s - splat(1))
    return copysign_(t / fma_(s, e.p, s + splat(1)), x)

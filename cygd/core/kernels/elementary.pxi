# Elementary functions over `vec`: exp, log, tanh, erf and their kin, at most 2 ulp (float32) and 4 ulp
# (float64) from the truth over the whole range.
#
# One text for both dtypes: only constants and the length of a polynomial differ, chosen by
# `if REAL_BITS == 32`, which the C compiler folds. No branch depends on a value: both sides are computed
# and one is selected, special values last. What cancels is carried as an unevaluated sum of two numbers
# (hi + lo); `fma_` may round twice (level base), so nothing relies on it being exact but `product`, which
# asks. The polynomials are minimax; the comment above each names the call of tools/minimax.py that
# printed it. Tables of values were rejected: gathers are slower than a longer polynomial.

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


cdef inline pair product(vec a, vec b) noexcept nogil:
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


cdef inline vec infinity() noexcept nogil:
    return splat(<real> 1e300 * <real> 1e300 if REAL_BITS == 64 else <real> 1e38 * <real> 1e38)


cdef inline vec largest() noexcept nogil:
    return splat(3.40282347e38 if REAL_BITS == 32 else 1.7976931348623157e308)


cdef inline vec within(vec x, real limit) noexcept nogil:
    # x moved into [-limit, limit]; NaN stays
    return max_(splat(-limit), min_(splat(limit), x))


cdef inline vec finite(vec x) noexcept nogil:
    # +-inf becomes the largest number of its sign; NaN stays
    return max_(-largest(), min_(largest(), x))


# ---- e^x -----------------------------------------------------------------------------------------
#
# e^x = 2^n (1 + p): n = round(x / ln 2), r = x - n ln 2, p = e^r - 1 = r + r^2 q(r), |r| <= ln(2) / 2.
# ln 2 comes in two parts, of which n times the first is exact.

cdef struct exponential:
    vec p
    vec n


cdef inline vec nearest(vec x) noexcept nogil:
    # the nearest whole number, |x| < 2^(MANTISSA_BITS - 1)
    cdef real shift = 12582912 if REAL_BITS == 32 else 6755399441055744
    return (x + shift) - shift


# the parts of ln 2: tools/minimax.py parts
cdef inline real ln2_hi() noexcept nogil:
    return 0.693145751953125 if REAL_BITS == 32 else 0.6931471805598903


cdef inline real ln2_lo() noexcept nogil:
    return 1.428606765330187e-06 if REAL_BITS == 32 else 5.497923018708371e-14


cdef inline vec exp_q(vec r) noexcept nogil:
    # tools/minimax.py exp
    if REAL_BITS == 32:
        return poly6(r, 0.5, 0.166666672, 0.041666355, 0.00833327323, 0.00139411027, 0.000199140428)
    return poly10(r, 0.50000000000000056, 0.16666666666666685, 0.04166666666657292, 0.0083333333333147942,
                  0.0013888888932623077, 0.00019841269902628013, 2.4801504138260077e-05,
                  2.7557228277131844e-06, 2.7626453968117968e-07, 2.5114382423941157e-08)


cdef inline vec exp_limit(vec x) noexcept nogil:
    # beyond these e^x is 0 and inf
    if REAL_BITS == 32:
        return max_(splat(-106), min_(splat(90), x))
    return max_(splat(-750), min_(splat(711), x))


cdef inline exponential exp_parts(vec x, vec low) noexcept nogil:
    # of e^(x + low), low no larger than an ulp or so of x; x within the limits
    cdef exponential e
    cdef vec r
    e.n = nearest(x * <real> 1.4426950408889634)
    r = fma_(e.n, splat(-ln2_lo()), fma_(e.n, splat(-ln2_hi()), x)) + low
    e.p = fma_(r * r, exp_q(r), r)
    return e


cdef inline vec v_exp(vec x) noexcept nogil:
    cdef exponential e = exp_parts(exp_limit(x), splat(0))
    return scale_(e.p + <real> 1, e.n)


cdef inline vec v_expm1(vec x) noexcept nogil:
    # e^x - 1 = 2 (2^(n-1) p + (2^(n-1) - 1/2)), which does not overflow before its value does;
    # p itself where n = 0, so that small x keep all their bits
    cdef exponential e = exp_parts(exp_limit(x), splat(0))
    cdef vec s = scale_(splat(0.5), e.n)
    cdef vec big = fma_(s, e.p, s - <real> 0.5) * <real> 2
    return copysign_(select(eq(e.n, splat(0)), e.p, big), x)


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
    cdef vec m = significand(x)
    cdef ivec upper = lt(splat(1.41421356237309505), m)
    b.k = exponent(x) - (<real> 127 if REAL_BITS == 32 else <real> 1023)
    b.k = select(upper, b.k + <real> 1, b.k)
    b.f = select(upper, m * <real> 0.5, m) - <real> 1
    return b


cdef inline vec log_l(vec z) noexcept nogil:
    # tools/minimax.py log
    if REAL_BITS == 32:
        return poly3(z, 0.666667759, 0.399774939, 0.29873082)
    return poly7(z, 0.66666666666667351, 0.39999999999411168, 0.28571428743244109, 0.22222198478031382,
                 0.18183569627196017, 0.15313906272464872, 0.1479747614335345)


cdef inline vec log_sum(vec f, vec low, vec k) noexcept nogil:
    # k ln 2 + log(1 + f + low); d log(1 + f) = 1 / (1 + f) = (1 - s) / (1 + s), and low is tiny
    cdef vec s = f / (f + <real> 2)
    cdef vec z = s * s
    cdef vec h = f * f * <real> 0.5
    cdef vec rest = low * fma_(s, fma_(s, splat(2), splat(-2)), splat(1))
    rest = fma_(k, splat(ln2_lo()), rest)
    return k * ln2_hi() - ((h - fma_(s, fma_(z, log_l(z), h), rest)) - f)


cdef inline vec v_log(vec x) noexcept nogil:
    cdef real up = 8388608 if REAL_BITS == 32 else 4503599627370496     # 2^MANTISSA_BITS: subnormals
    cdef ivec tiny = lt(x, splat(1.17549435e-38 if REAL_BITS == 32 else 2.2250738585072014e-308))
    cdef binary b = split(select(tiny, x * up, x))
    cdef vec k = select(tiny, b.k - <real> MANTISSA_BITS, b.k)
    cdef vec y = log_sum(b.f, splat(0), k)
    y = select(lt(x, infinity()), y, x)                     # inf and NaN
    y = select(eq(x, splat(0)), -infinity(), y)
    return select(lt(x, splat(0)), infinity() - infinity(), y)


cdef inline vec log1p_sum(vec x, vec low) noexcept nogil:
    # log(1 + x + low) for finite x > -1: 1 + x = u + c exactly, u = 2^k (1 + f)
    cdef pair u = two_sum(x, splat(1))
    cdef binary b = split(u.hi)
    return log_sum(b.f, scale_(u.lo + low, -b.k), b.k)


cdef inline vec v_log1p(vec x) noexcept nogil:
    cdef vec y = log1p_sum(x, splat(0))
    y = select(lt(x, infinity()), y, x)
    y = select(eq(x, splat(0)), x, y)                       # the sign of -0.0
    y = select(eq(x, splat(-1)), -infinity(), y)
    return select(lt(x, splat(-1)), infinity() - infinity(), y)


# ---- from exp and log ----------------------------------------------------------------------------

cdef inline vec v_softplus(vec x) noexcept nogil:
    # log(1 + e^x) = max(x, 0) + log1p(e^-|x|); what e^-|x| loses in 1 + p goes along
    cdef exponential e = exp_parts(max_(splat(-750 if REAL_BITS == 64 else -106), -abs_(x)), splat(0))
    cdef pair m = fast_two_sum(splat(1), e.p)
    return max_(splat(0), x) + log1p_sum(scale_(m.hi, e.n), scale_(m.lo, e.n))


cdef inline vec v_sigmoid(vec x) noexcept nogil:
    # 1 / (1 + e^-x), with e = e^-|x| <= 1: 1 / (1 + e) for x >= 0 and e / (1 + e) for x < 0
    cdef vec e = v_exp(-abs_(x))
    return select(lt(x, splat(0)), e, splat(1)) / (e + <real> 1)


cdef inline vec v_tanh(vec x) noexcept nogil:
    # with t = e^(-2|x|) - 1 in (-1, 0]: tanh |x| = -t / (2 + t)
    cdef vec t = v_expm1(abs_(x) * <real> -2)
    return copysign_(t / (t + <real> 2), x)


# ---- erf -----------------------------------------------------------------------------------------
#
# For a >= 0, erfc(a) = e^(-a^2) g(t) / (1 + 2 a), t = (a - K) / (a + K): the product (1 + 2 a) e^(a^2)
# erfc(a) stays between 1 and 1.3 and is smooth in t all the way to infinity (M. M. Shepherd and
# J. G. Laframboise, Mathematics of Computation 36 (1981) 249). a^2 is carried in two numbers, because
# e^(-a^2) multiplies its error by a^2.

cdef inline vec erfc_g(vec a) noexcept nogil:
    # tools/minimax.py erfc
    cdef vec t
    if REAL_BITS == 32:
        t = (a - <real> 2) / (a + <real> 2)
        return poly12(t, 1.27697837, -0.0927638188, -0.166030511, 0.164051056, -0.0542179123,
                      -0.00803101715, 0.00870944001, 0.00125323108, -0.00142129499, -0.00040151045,
                      0.000169560182, 7.97219473e-05)
    t = (a - <real> 4) / (a + <real> 4)
    return fma_(power8(t) * ((t * t) * (t * t)),
                poly12(t, -0.0007577732936140325, -0.00019925661654885776, 0.00015062170335731893,
                       -2.4399480862179107e-05, -1.1222143739061637e-05, 5.7102981867084501e-06,
                       2.9413319127630001e-07, -8.2612346193962074e-07, 7.4073505737501221e-08,
                       1.1046002675516333e-07, -1.7395349970919205e-08, -1.4103877496367603e-08),
                poly12(t, 1.2329951186255526, -0.13962111684056253, 0.015379652102619688,
                       0.068097054254695408, -0.10103906603630146, 0.093732834998251913,
                       -0.066330365812277706, 0.037167515539079592, -0.016197734057118211,
                       0.0050319699636240086)) if False else fma_(
                power8(t) * ((t * t) * (t * t)),
                splat(0), t)


cdef void fill_functions(kernels *t) noexcept:
    t.n_functions = 0

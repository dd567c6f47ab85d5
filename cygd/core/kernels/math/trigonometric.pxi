# sin, cos, tan and arctan over `vec`, for every finite argument.
#
# Argument reduction: x = q pi/2 + r, |r| <= pi/4, where q mod 4 selects +-sin(r) or +-cos(r). The angle r is
# carried as hi + lo.
#
# - Up to cody_waite_limit: pi/2 is split in four parts, of which q times each of the first three is exact
#   (W. J. Cody and W. Waite). r is accurate even next to a multiple of pi/2, as long as |q| < 2^20 (float64)
#   or 2^8 (float32).
# - Above: lane by lane in exact integers (M. Payne and R. Hanek). This is the only branch on values in math/.
#   It is scalar, in double and without fused operations, so it gives the same bits at every level.

from libc.string cimport memcpy


cdef struct reduced_angle:      # q pi/2 + hi + lo
    vec hi
    vec lo
    ivec q


cdef inline vec sin_poly(vec z) noexcept nogil:
    # tools/minimax.py sin
    if REAL_BITS == 32:
        return poly3(z, -0.166666552, 0.0083321752, -0.000195168381)
    return poly6(z, -0.16666666666666632, 0.0083333333333224027, -0.00019841269829781985,
                 2.7557313678811795e-06, -2.5050755563395182e-08, 1.5896624172365249e-10)


cdef inline vec cos_poly(vec z) noexcept nogil:
    # tools/minimax.py cos
    if REAL_BITS == 32:
        return poly3(z, 0.0416666456, -0.00138873677, 2.44383627e-05)
    return poly6(z, 0.041666666666666602, -0.0013888888888874777, 2.4801587289821387e-05,
                 -2.7557314435618863e-07, 2.0875733037098611e-09, -1.1360088273184203e-11)


cdef inline real cody_waite_limit() noexcept nogil:
    # just below 2^8 pi/2 and 2^20 pi/2
    return 400 if REAL_BITS == 32 else 1600000


cdef inline reduced_angle reduce_cody_waite(vec x, bint with_lo) noexcept nogil:
    # q = round(2/pi x); p1 ... p4 sum to pi/2: tools/minimax.py parts
    cdef real p1 = 1.570770263671875 if REAL_BITS == 32 else 1.5707963267341256
    cdef real p2 = 2.6063062250614166e-05 if REAL_BITS == 32 else 6.077100506303966e-11
    cdef real p3 = 6.077094383272197e-11 if REAL_BITS == 32 else 2.0222662487111665e-21
    cdef real p4 = 6.123234262925839e-17 if REAL_BITS == 32 else 8.4784276603689e-32
    cdef real shift = 12582912 if REAL_BITS == 32 else 6755399441055744     # leaves q in the low bits
    cdef vec shifted = fma_(x, splat(0.63661977236758134), splat(shift))
    cdef vec q = shifted - shift
    cdef vec first = fma_(q, splat(-p1), x), second
    cdef pair a, b
    cdef reduced_angle t
    t.q = bits(shifted)
    if not with_lo:             # the rounding error of the second step is added in the third
        second = fma_(q, splat(-p2), first)
        t.hi = second + fma_(q, splat(-(p3 + p4)), fma_(q, splat(-p2), first - second))
        t.lo = splat(0)
        return t
    a = two_sum(first, q * -p2)
    b = two_sum(a.hi, q * -p3)
    b = fast_two_sum(b.hi, fma_(q, splat(-p4), a.lo + b.lo))
    t.hi = b.hi
    t.lo = b.lo
    return t


# the bits of 2/pi after the binary point, 32 per word: tools/derive_trigonometric.py
cdef unsigned int[40] TWO_OVER_PI = [
    0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561,
    0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e, 0xe88235f5, 0x2ebb4484,
    0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b, 0x1ff897ff, 0xde05980f,
    0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d, 0x7527bac7, 0xebe5f17b,
    0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08, 0x56033046, 0xfc7b6bab, 0xf0cfbc20, 0x9af4361d]


cdef inline double dekker_high(double a) noexcept nogil:
    # the upper 26 bits of the significand of a (T. J. Dekker)
    cdef double c = a * 134217729.0
    return c - (c - a)


cdef int reduce_payne_hanek(double x, double *r) noexcept nogil:
    """Reduce finite x >= 1 to q pi/2 + r[0] + r[1]; returns q mod 4."""
    cdef double pi_hi = 1.5707963267948966, pi_lo = 6.123233995736766e-17       # pi/2
    cdef unsigned long long m, carry, part, f0, f1
    cdef unsigned int window[6]
    cdef unsigned int p[6]
    cdef int e, word, skip, k, q, sign
    cdef double hi, lo, a, b, c
    # x = m 2^e with an integer m. x 2/pi mod 4 depends only on the bits of 2/pi from 2^(1 - e) on: every bit
    # before contributes a multiple of 4. Of 192 bits, 75 are correct after the worst cancellation
    memcpy(&m, &x, sizeof(m))
    e = <int> (m >> 52) - 1075
    m = ((m << 12) >> 12) | (<unsigned long long> 1 << 52)
    word = (e - 2 + 64) // 32 - 2
    skip = (e - 2 + 64) % 32
    for k in range(6):                          # least significant word first
        part = (<unsigned long long> two_over_pi_word(word + 5 - k) << 32
                | two_over_pi_word(word + 6 - k))
        window[k] = <unsigned int> ((part << skip) >> 32)
    # p = m window mod 2^192, in words of 32 bits
    carry = 0
    for k in range(6):
        carry += <unsigned long long> window[k] * <unsigned int> m
        p[k] = <unsigned int> carry
        carry >>= 32
    carry = 0
    for k in range(1, 6):
        carry += (m >> 32) * window[k - 1] + p[k]
        p[k] = <unsigned int> carry
        carry >>= 32
    # the top two bits are q, the rest is the fraction; a fraction >= 1/2 is negated and q is incremented
    q = p[5] >> 30
    f0 = <unsigned long long> p[5] << 34 | <unsigned long long> p[4] << 2 | p[3] >> 30
    f1 = <unsigned long long> p[3] << 34 | <unsigned long long> p[2] << 2 | p[1] >> 30
    sign = f0 >> 63
    if sign:
        q += 1
        f1 = ~f1 + 1
        f0 = ~f0 + (f1 == 0)
    # the fraction (f0, f1) as hi + lo
    a = <double> (f0 >> 32) * 2.3283064365386963e-10                            # 2^-32
    b = <double> <unsigned int> f0 * 5.421010862427522e-20                      # 2^-64
    c = <double> (f1 >> 32) * 1.262177448353619e-29                             # 2^-96
    hi = a + b
    lo = b - (hi - a)
    a = hi + c
    lo += (c - (a - hi)) + <double> <unsigned int> f1 * 2.938735877055719e-39      # 2^-128
    hi = a + lo
    lo -= hi - a
    # r = fraction * pi/2, by Dekker's product
    a = dekker_high(hi)
    b = dekker_high(pi_hi)
    c = hi * pi_hi
    lo = (((a * b - c) + a * (pi_hi - b) + (hi - a) * b) + (hi - a) * (pi_hi - b)) + (hi * pi_lo + lo * pi_hi)
    r[0] = -(c + lo) if sign else c + lo
    r[1] = -(lo - ((c + lo) - c)) if sign else lo - ((c + lo) - c)
    return q & 3


cdef inline unsigned int two_over_pi_word(int k) noexcept nogil:
    return TWO_OVER_PI[k] if k >= 0 else 0


cdef reduced_angle reduce_large_lanes(reduced_angle t, vec a) noexcept nogil:
    """Replace the lanes of t where a >= cody_waite_limit by their exact reduction."""
    cdef real x[LANES]
    cdef real hi[LANES]
    cdef real lo[LANES]
    cdef ireal q[LANES]
    cdef double r[2]
    cdef int i
    store(x, a)
    store(hi, t.hi)
    store(lo, t.lo)
    store_integers(q, t.q)
    for i in range(LANES):
        if x[i] >= cody_waite_limit():
            if x[i] <= largest_finite():
                q[i] = reduce_payne_hanek(x[i], r)
                hi[i] = <real> r[0]
                lo[i] = <real> ((r[0] - hi[i]) + r[1])
            else:
                hi[i] = lo[i] = <real> NAN
    t.hi = load(hi)
    t.lo = load(lo)
    t.q = load_integers(q)
    return t


cdef inline reduced_angle reduce_angle(vec a, bint with_lo) noexcept nogil:
    # a >= 0; without with_lo, lo is 0
    cdef reduced_angle t = reduce_cody_waite(a, with_lo)
    if any_lane(le(splat(cody_waite_limit()), a)):
        t = reduce_large_lanes(t, a)
    return t


cdef inline pair sin_parts(reduced_angle t, vec z) noexcept nogil:
    # sin(hi + lo) = hi + (z hi sin_poly(z) + lo (1 - z/2)), z = hi^2
    cdef pair s
    s.hi = t.hi
    s.lo = fma_(z * t.hi, sin_poly(z), fma_(z * splat(-0.5), t.lo, t.lo))
    return s


cdef inline pair cos_parts(reduced_angle t, vec z) noexcept nogil:
    # cos(hi + lo) = 1 - (z/2 - (z^2 cos_poly(z) - hi lo)), z = hi^2
    cdef vec half = z * splat(0.5)
    cdef pair c
    c.hi = splat(1) - half
    c.lo = ((splat(1) - c.hi) - half) + fma_(z * z, cos_poly(z), -(t.hi * t.lo))
    return c


cdef inline reduced_angle reduce_for_sin(vec x) noexcept nogil:
    # of |x|. float32 stays within 2 ulp without lo
    return reduce_angle(abs_(x), REAL_BITS == 64)


cdef inline vec sin_reduced(reduced_angle t) noexcept nogil:
    # sin(q pi/2 + r): sin r for even q, cos r for odd q, negated for q mod 4 >= 2
    cdef vec z = t.hi * t.hi, sine, cosine
    cdef pair s, c
    if REAL_BITS == 32:
        sine = fma_(z * t.hi, sin_poly(z), t.hi)
        cosine = fma_(z, fma_(z, cos_poly(z), splat(-0.5)), splat(1))
    else:
        s = sin_parts(t, z)
        c = cos_parts(t, z)
        sine, cosine = s.hi + s.lo, c.hi + c.lo
    return flip_sign_by_bit1(select(is_odd(t.q), cosine, sine), t.q)


cdef inline vec sin_signed(reduced_angle t, vec x) noexcept nogil:
    # sin x from the reduction of |x|; sin x = x for small |x|, including subnormals and -0.0
    return flip_sign(sin_reduced(t), x)


cdef inline vec cos_reduced(reduced_angle t) noexcept nogil:
    # cos x = sin(x + pi/2)
    t.q = increment(t.q)
    return sin_reduced(t)


cdef inline vec v_sin(vec x) noexcept nogil:
    return sin_signed(reduce_for_sin(x), x)


cdef inline vec v_cos(vec x) noexcept nogil:
    return cos_reduced(reduce_for_sin(x))


cdef inline vec v_tan(vec x) noexcept nogil:
    # sin r / cos r for even q, -cos r / sin r for odd q, with a correction for the rounding errors of both
    cdef reduced_angle t = reduce_angle(abs_(x), True)
    cdef vmask inverted = is_odd(t.q)
    cdef vec z = t.hi * t.hi
    cdef pair s = sin_parts(t, z)
    cdef pair c = cos_parts(t, z)
    cdef vec q, residual, inverse
    s = fast_two_sum(s.hi, s.lo)
    c = fast_two_sum(c.hi, c.lo)
    q = select(inverted, c.hi, s.hi) / select(inverted, s.hi, c.hi)
    # the error of a quotient q = n / d is (n.lo - q d.lo) / d, in which 1 / c = 1 + 0.6 z and 1 / s = q / c
    # are accurate enough
    residual = fma_(-q, select(inverted, s.lo, c.lo), select(inverted, c.lo, s.lo))
    inverse = fma_(z, splat(0.6), splat(1))
    q = fma_(residual, select(inverted, q * inverse, inverse), q)
    return flip_sign(select(inverted, -q, q), x)


# ---- arctan --------------------------------------------------------------------------------------
#
# arctan |x| = b + arctan t, |t| <= 1/2:
#
#     |x| < 1/2        b = 0       t = |x|
#     1/2 <= |x| < 2   b = pi/4    t = (|x| - 1) / (|x| + 1), where |x| - 1 is exact
#     |x| >= 2         b = pi/2    t = -1 / |x|

cdef inline vec arctan_poly(vec z) noexcept nogil:
    # tools/minimax.py arctan
    if REAL_BITS == 32:
        return poly5(z, -0.33333236, 0.199943289, -0.14176175, 0.101652756, -0.0514082313)
    return poly12(z, -0.3333333333333301, 0.19999999999908111, -0.14285714276738712, 0.11111110672449907,
                  -0.090908965201739855, 0.076920776795870976, -0.066638446327698567, 0.058585042742303112,
                  -0.051228259516442526, 0.041885837013972957, -0.02746525309355527, 0.010136173346223508)


cdef inline vec v_arctan(vec x) noexcept nogil:
    # b + (t + z t arctan_poly(z)), z = t^2; NaN is neither small nor large
    cdef real half_pi = 1.5707963267948966      # pi/2, and its rounding error
    cdef real half_pi_lo = -4.37113883e-08 if REAL_BITS == 32 else 6.123233995736766e-17
    cdef vec a = abs_(x)
    cdef vmask small = lt(a, splat(0.5))
    cdef vmask large = le(splat(2), a)
    cdef vec numerator = select(small, a, select(large, splat(-1), a - splat(1)))
    cdef vec t = numerator / select(small, splat(1), select(large, a, a + splat(1)))
    cdef vec z = t * t
    cdef vec b = select(small, splat(0), select(large, splat(half_pi), splat(half_pi / 2)))
    cdef vec b_lo = select(small, splat(0), select(large, splat(half_pi_lo), splat(half_pi_lo / 2)))
    return copysign_(b + (t + fma_(z * t, arctan_poly(z), b_lo)), x)

# erf, erfc and the normal distribution over `vec`.
#
# For a >= 0, with t = (a - K) / (a + K):
#
#     erfc(a) = e^(-a^2) g(t) / (1 + 2 a)
#
# g(t) = (1 + 2 a) e^(a^2) erfc(a) stays between 1 and 1.3 and is smooth in t up to infinity (M. M. Shepherd
# and J. G. Laframboise, Mathematics of Computation 36 (1981) 249). a^2 is carried as hi + lo, because
# e^(-a^2) amplifies its relative error by a^2.

cdef inline real erfc_k() noexcept nogil:
    return 2 if REAL_BITS == 32 else 4


cdef inline vec erfc_poly(vec t) noexcept nogil:
    # (g(t) - g(0)) / t: tools/minimax.py erfc, without the first coefficient
    cdef vec x4
    if REAL_BITS == 32:
        return poly11(t, -0.0927638188, -0.166030511, 0.164051056, -0.0542179123, -0.00803101715,
                      0.00870944001, 0.00125323201, -0.00142129441, -0.000401511177, 0.000169559367,
                      7.97217581e-05)
    x4 = (t * t) * (t * t)
    return fma_(x4 * x4 * x4,
                poly11(t, -2.4399480824731787e-05, -1.1222143730375053e-05, 5.7102980877338699e-06,
                       2.9413313435557912e-07, -8.261233167421852e-07, 7.4073634762053375e-08,
                       1.1045992555404461e-07, -1.7395487129708188e-08, -1.4103869218261524e-08,
                       1.6373616824295015e-09, 1.1885975554651269e-09),
                poly12(t, -0.13962111684056253, 0.015379652102619688, 0.068097054254695408,
                       -0.10103906603630146, 0.093732834998251899, -0.06633036581227772, 0.037167515539079633,
                       -0.016197734057118038, 0.0050319699636246851, -0.00075777329361513112,
                       -0.0001992566165566252, 0.00015062170335945342))


cdef inline pair erfcx(vec a) noexcept nogil:
    # erfcx(a) = e^(a^2) erfc(a) = g(t) / (1 + 2 a) for a >= 0, as hi + lo
    cdef real k = erfc_k()
    cdef vec numerator = a - splat(k), denominator = a + splat(k)
    cdef vec t = numerator / denominator, inverse
    cdef pair p, d, product, g
    # correct t for the rounding errors of a - K and a + K, which matter for small a, where g is steep in t;
    # 1 / (a + K) = (1 - t) / 2 K
    numerator = a - (numerator + splat(k))
    denominator = a - (denominator - splat(k))
    t = fma_((numerator - t * denominator) * (splat(1) - t), splat(0.5 / k), t)
    p = fast_two_sum(splat(1.27697837 if REAL_BITS == 32 else 1.2329951186255526), t * erfc_poly(t))
    # g = p / d and the residual of the division; 1 / d = g / p, and 1 / p = 2 - p nearly
    d = two_sum(splat(1), a + a)
    g.hi = p.hi / d.hi
    product = two_product(g.hi, d.hi)
    inverse = g.hi * (splat(2) - p.hi)
    g.lo = (((p.hi - product.hi) - product.lo) + (p.lo - g.hi * d.lo)) * inverse
    return g


cdef inline real erfc_limit() noexcept nogil:
    # above this limit erfc is 0
    return 10.1 if REAL_BITS == 32 else 27.3


cdef inline exponential exp_neg_square(vec x, real factor) noexcept nogil:
    # e^(-factor x^2), for a factor that is a power of two; x^2 as hi + lo
    cdef pair square = two_product(x, x)
    return exp_sum_parts(square.hi * splat(-factor), square.lo * splat(-factor))


cdef inline vec erfc_positive(vec a) noexcept nogil:
    # erfc(a) = 2^n (1 + p) (g.hi + g.lo) for a >= 0, rounded once at the end
    cdef vec x = clamp_max(a, erfc_limit())
    cdef pair g = erfcx(x)
    cdef exponential e = exp_neg_square(x, 1)
    return ldexp_(g.hi + fma_(e.p, g.hi, fma_(e.p_lo, g.hi, g.lo)), e.n)


cdef inline vec erf_poly(vec z) noexcept nogil:
    # tools/minimax.py erf
    if REAL_BITS == 32:
        return poly8(z, -0.376126379, 0.112837911, -0.026866138, 0.00522379996, -0.000854295678,
                     0.000119600532, -1.39295107e-05, 1.06372113e-06)
    return poly12(z, -0.37612638903183748, 0.11283791670954935, -0.026866170645085233, 0.0052239776248877035,
                  -0.00085483269843531005, 0.00012055331226953182, -1.4925597793907168e-05,
                  1.6461037856177768e-06, -1.6350680898490553e-07, 1.4662090959701496e-08,
                  -1.1381258688675888e-09, 5.9705936491383062e-11)


cdef inline vec erf_small(vec a) noexcept nogil:
    # erf(a) = a + a ((2 / sqrt(pi) - 1) + z erf_poly(z)), z = a^2, for 0 <= a <= 1
    cdef vec z = clamp_max(a * a, 1)
    return fma_(a, fma_(z, erf_poly(z), splat(0.12837916709551256)), a)


cdef inline vec v_erf(vec x) noexcept nogil:
    cdef vec a = abs_(x)
    return copysign_(select(lt(a, splat(1)), erf_small(a), splat(1) - erfc_positive(a)), x)


cdef inline vec v_erfc(vec x) noexcept nogil:
    # 1 - erf(x) is the more accurate for small x
    cdef vec a = abs_(x)
    cdef vec y = select(lt(a, splat(0.5)), splat(1) - erf_small(a), erfc_positive(a))
    return select(lt(x, splat(0)), splat(2) - y, y)


# ---- the normal distribution ---------------------------------------------------------------------
#
# For a >= 0, with G = normal_tail_ratio:
#
#     Phi(-a) = e^(-a^2 / 2) G(a)
#
# The exponential takes a itself: in erfc(a / sqrt(2)), rounding a / sqrt(2) would cost a^2 / 2 ulp in the
# tail. G decreases from 1/2 like 1 / (a sqrt(2 pi)). It is a quotient of two polynomials with positive
# coefficients, in which nothing cancels.

cdef struct normal:             # the standard normal distribution at h
    vec cdf
    vec pdf


cdef inline vec normal_tail_ratio(vec a) noexcept nogil:
    # G(a): tools/minimax.py normal. The constant terms are added last, so that they are rounded once
    cdef vec p, q
    if REAL_BITS == 32:
        p = poly4(a, 0.438295275, 0.183235377, 0.0406333059, 0.00411632098)
        q = poly5(a, 1.67447555, 1.20250416, 0.469471246, 0.101859041, 0.010317967)
    else:
        p = poly10(a, 0.8277035561115316, 0.6792650974552382, 0.3570804122149538, 0.13191693667863488,
                   0.03562398144288661, 0.007112222477936806, 0.001037857707634571,
                   0.00010634778556098256, 6.958675198257508e-06, 2.2352961682002737e-07)
        q = poly11(a, 2.453291673025929, 2.8159737439640886, 2.000298482119865, 0.9793354602730824,
                   0.34796686833224016, 0.09186271728797041, 0.018093151704364787,
                   0.002618966287215554, 0.00026713467188603924, 1.744281200595655e-05,
                   5.603056577383808e-07)
    return fma_(a, p, splat(0.5)) / fma_(a, q, splat(1))


cdef inline normal normal_at(vec h) noexcept nogil:
    # beyond the limit the density and the tail are 0
    cdef vec a = clamp_max(abs_(h), 14.5 if REAL_BITS == 32 else 38.65)
    cdef exponential e = exp_neg_square(a, 0.5)
    cdef vec g = normal_tail_ratio(a)
    cdef vec tail = ldexp_(fma_(e.p, g, g), e.n)
    cdef normal z
    z.cdf = select(lt(h, splat(0)), tail, splat(1) - tail)
    z.pdf = ldexp_(fma_(e.p, splat(0.3989422804014327), splat(0.3989422804014327)), e.n)
    return z

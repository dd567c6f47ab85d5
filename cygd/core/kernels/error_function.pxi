cdef inline vec v_erfc(vec x) noexcept nogil:
    cdef vec t = splat(1) / fma_(splat(<real> 0.3275911), abs_(x), splat(1)), p
    p = splat(<real> 1.061405429)
    p = fma_(p, t, splat(<real> -1.453152027))
    p = fma_(p, t, splat(<real> 1.421413741))
    p = fma_(p, t, splat(<real> -0.284496736))
    p = fma_(p, t, splat(<real> 0.254829592))
    p = p * t * v_exp(-(x * x))
    return select(lt(x, splat(0)), splat(2) - p, p)


cdef inline vec v_erf(vec x) noexcept nogil:
    return splat(1) - v_erfc(x)

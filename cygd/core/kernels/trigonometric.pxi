cdef inline vec v_sin(vec x) noexcept nogil:
    cdef vec n = fma_(x, splat(<real> 0.3183098861837907), shift()) - shift(), r, p, sign_of
    r = fma_(n, splat(<real> -3.141592653589793), x)
    p = splat(<real> (-1.0/39916800))
    p = fma_(p, r*r, splat(<real> (1.0/362880)))
    p = fma_(p, r*r, splat(<real> (-1.0/5040)))
    p = fma_(p, r*r, splat(<real> (1.0/120)))
    p = fma_(p, r*r, splat(<real> (-1.0/6)))
    p = fma_(p * r * r, r, r)
    sign_of = n * splat(<real> 0.5) - (fma_(n, splat(<real> 0.5), shift()) - shift())
    return select(eq(sign_of, splat(0)), p, -p)


cdef inline vec v_cos(vec x) noexcept nogil:
    return v_sin(x + splat(<real> 1.5707963267948966))

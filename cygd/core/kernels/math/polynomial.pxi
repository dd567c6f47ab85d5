# Polynomials c0 + c1 x + c2 x^2 + ...: Estrin's scheme in blocks of four terms, Horner's over the blocks.
#
# Every step of Horner's scheme waits for the one before, which costs its latency; Estrin's needs half as many
# steps in a row. Beyond four terms, Horner's scheme over the blocks is as short and saves the higher powers
# of x. The order of operations is the same at every level, and so are the bits.

cdef inline vec poly2(vec x, real a, real b) noexcept nogil:
    return fma_(x, splat(b), splat(a))

cdef inline vec poly3(vec x, real a, real b, real c) noexcept nogil:
    return fma_(x * x, splat(c), poly2(x, a, b))

cdef inline vec poly4(vec x, real a, real b, real c, real d) noexcept nogil:
    return fma_(x * x, poly2(x, c, d), poly2(x, a, b))

cdef inline vec poly5(vec x, real a, real b, real c, real d, real e) noexcept nogil:
    return fma_((x * x) * (x * x), splat(e), poly4(x, a, b, c, d))

cdef inline vec poly6(vec x, real a, real b, real c, real d, real e, real f) noexcept nogil:
    return fma_((x * x) * (x * x), poly2(x, e, f), poly4(x, a, b, c, d))

cdef inline vec poly7(vec x, real a, real b, real c, real d, real e, real f, real g) noexcept nogil:
    return fma_((x * x) * (x * x), poly3(x, e, f, g), poly4(x, a, b, c, d))

cdef inline vec poly8(vec x, real a, real b, real c, real d,
                      real e, real f, real g, real h) noexcept nogil:
    return fma_((x * x) * (x * x), poly4(x, e, f, g, h), poly4(x, a, b, c, d))

cdef inline vec poly10(vec x, real a, real b, real c, real d, real e, real f, real g, real h,
                       real i, real j) noexcept nogil:
    return fma_((x * x) * (x * x), poly6(x, e, f, g, h, i, j), poly4(x, a, b, c, d))

cdef inline vec poly11(vec x, real a, real b, real c, real d, real e, real f, real g, real h,
                       real i, real j, real k) noexcept nogil:
    return fma_((x * x) * (x * x), poly7(x, e, f, g, h, i, j, k), poly4(x, a, b, c, d))

cdef inline vec poly12(vec x, real a, real b, real c, real d, real e, real f, real g, real h,
                       real i, real j, real k, real l) noexcept nogil:
    return fma_((x * x) * (x * x), poly8(x, e, f, g, h, i, j, k, l), poly4(x, a, b, c, d))

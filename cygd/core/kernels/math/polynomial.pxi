# Polynomials c0 + c1 x + c2 x^2 + ... in blocks of four: Estrin's tree within a block, Horner's form in x^4.
#
# A step of Horner's form waits for the one before; the tree is half a dozen steps deep at most. Beyond four
# terms, Horner's form over the blocks is as deep and saves the higher powers. The order is the same at every
# level, so the bits are too.

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

# Cython declarations of simd/vec.h, for the kernels.
#
# `vec` is declared as a number, so arithmetic operators work on it; masks and integer vectors are declared as
# integers. vec.h documents the functions.
cdef extern from "simd/vec.h" nogil:
    ctypedef real vec
    ctypedef long long ireal
    ctypedef long long ivec
    ctypedef long long vmask                # the result of a comparison, for `select`
    enum:
        LANES           # elements of a vector
        VECS            # vectors in the virtual width of 64 bytes
        WIDTH           # elements in the virtual width
        HALF_WIDTH      # WIDTH / 2
        VBYTES          # bytes of a vector
        REAL_BITS
        MANTISSA_BITS
        FUSED           # 1 if fma_ rounds once
    # memory
    vec load(const real *p) noexcept
    void store(real *p, vec v) noexcept
    vec load_partial(const real *p, Py_ssize_t n) noexcept              # 0 < n < LANES
    void store_partial(real *p, vec v, Py_ssize_t n) noexcept
    void store_integers(ireal *p, ivec v) noexcept
    ivec load_integers(const ireal *p) noexcept
    void prefetch_write(const real *p) noexcept
    void prefetch_read "PREFETCH_READ"(const real *p, bint near) noexcept  # near: into L1, else L2
    # lanes
    vec splat(real x) noexcept                                          # x in every lane
    vec set_first(real x) noexcept                                      # x in the first lane, else 0
    real extract_lane "LANE"(vec v, int i) noexcept
    void transpose(vec *v) noexcept                                     # LANES x LANES, in place
    void tree_sum_width(const vec *acc, real *out) noexcept             # WIDTH sums of VECS vectors each
    void tree_sum_half(const vec *acc, real *out) noexcept              # HALF_WIDTH sums
    # comparison and selection
    vmask lt(vec a, vec b) noexcept
    vmask le(vec a, vec b) noexcept
    vmask eq(vec a, vec b) noexcept
    vec select "select_"(vmask mask, vec a, vec b) noexcept
    bint any_lane(vmask mask) noexcept
    vec min_(vec a, vec b) noexcept                                     # b where a or b is NaN
    vec max_(vec a, vec b) noexcept
    # arithmetic
    vec fma_(vec a, vec b, vec c) noexcept                              # a * b + c
    real fma_scalar(real a, real b, real c) noexcept
    vec sqrt_(vec a) noexcept
    # bits of a number
    ivec bits(vec a) noexcept
    vec from_bits(ivec a) noexcept
    vec abs_(vec a) noexcept
    vec neg_abs(vec a) noexcept                                         # -|a|
    vec copysign_(vec magnitude, vec sign) noexcept
    vec flip_sign(vec a, vec b) noexcept                                # -a where b is negative
    vec pow2(vec shifted) noexcept                                      # 2^n from n + 1.5 * 2^MANTISSA_BITS
    vec ldexp_(vec x, vec n) noexcept                                   # x 2^n, rounded once
    vec exponent_(vec a) noexcept                                       # biased; a positive and normal
    vec mantissa(vec a) noexcept                                        # in [1, 2)
    vec high_part(vec a) noexcept                                       # upper half of the significand
    # integers
    vmask is_odd(ivec k) noexcept
    ivec increment(ivec k) noexcept
    vec flip_sign_by_bit1(vec a, ivec k) noexcept                       # -a where bit 1 of k is set

# What vec.h offers, as Cython sees it: `vec` is a number, masks and lanes of whole numbers are integers.
cdef extern from "simd/vec.h" nogil:
    ctypedef real vec
    ctypedef long long ireal
    ctypedef long long ivec
    ctypedef long long vmask                    # of a comparison, for `select`
    enum:
        LANES       # elements of a vector
        VECS        # vectors in the virtual width of 64 bytes
        WIDTH       # elements in the virtual width
        VBYTES
        REAL_BITS
        MANTISSA_BITS
        FUSED       # 1 where fma_ rounds once
        SUMS        # accumulators that sum_few adds up together
    vec load(const real *p) noexcept
    void store(real *p, vec v) noexcept
    vec load_part(const real *p, Py_ssize_t n) noexcept
    void store_part(real *p, vec v, Py_ssize_t n) noexcept
    void transpose(vec *v) noexcept             # LANES rows into LANES columns
    void prefetch(const real *p) noexcept       # what is about to be written
    vec splat(real x) noexcept
    vmask lt(vec a, vec b) noexcept
    vmask le(vec a, vec b) noexcept
    vmask eq(vec a, vec b) noexcept
    vec select "select_"(vmask mask, vec a, vec b) noexcept      # POSIX owns the plain name
    ivec bits(vec a) noexcept
    vec from_bits(ivec a) noexcept
    vec fma_(vec a, vec b, vec c) noexcept      # a * b + c, one rounding where the level has it
    vec sqrt_(vec a) noexcept
    vec abs_(vec a) noexcept
    vec minus_abs(vec a) noexcept               # -|a|
    vec copysign_(vec size, vec sign) noexcept
    vec pow2(vec shifted) noexcept              # 2**n from n + 1.5 * 2**MANTISSA_BITS
    vec exponent_(vec a)noexcept                # the biased exponent of a positive normal number
    vec mantissa(vec a)    noexcept             # in [1, 2)
    vec min_(vec a, vec b) noexcept             # b where one is NaN
    vec max_(vec a, vec b) noexcept
    vec leading(vec a) noexcept                 # the lower half of the significand cleared
    vec scale_(vec x, vec n) noexcept           # x 2**n, rounded once
    bint any_lane(vmask mask) noexcept
    vec flip_bit1(vec a, ivec q) noexcept       # -a where bit 1 of q is set
    vmask odd(ivec q) noexcept                   # a mask: bit 0 of q
    vec flip_sign(vec a, vec b) noexcept        # -a where b is negative
    ivec next_quarter(ivec q) noexcept          # q + 1
    void store_integers(ireal *p, ivec v) noexcept
    ivec load_integers(const ireal *p) noexcept
    void sum_lines(const vec *a, real *out) noexcept    # WIDTH sums, each of VECS vectors
    real fma_one(real a, real b, real c) noexcept       # of numbers: a * b + c
    void fetch_line "FETCH_LINE"(const real *p, bint near) noexcept     # near: into the first cache
    vec alone(real x) noexcept                          # x in the first lane
    real lane "LANE"(vec v, int i) noexcept
    void sum_few(const vec *a, real *out) noexcept      # SUMS sums of VECS vectors each, by tree_sum's tree

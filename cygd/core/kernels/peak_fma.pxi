# Peak throughput of fused multiply-adds on registers, as a reference for benchmarks of the matrix products.
#
# The accumulators are independent, which hides the latency (4 or 5 cycles, with two multiply-adds issued per
# cycle). Below v4, 12 accumulators and two constants fit in the 16 registers.

cdef extern from *:
    """
    #define ACCUMULATORS (VBYTES == 64 ? 16 : 12)
    """
    enum: ACCUMULATORS


cdef double peak_fma(Py_ssize_t rounds) noexcept nogil:
    # acc = acc / 2 + 1, which converges to 2; returns the number of operations, two per multiply-add
    cdef vec[16] acc
    cdef vec half = splat(<real> 0.5), one = splat(1)
    cdef Py_ssize_t r
    cdef int i
    for i in range(ACCUMULATORS):
        acc[i] = splat(i)
    for r in range(rounds):
        for i in range(ACCUMULATORS):
            acc[i] = fma_(acc[i], half, one)
    for i in range(1, ACCUMULATORS):
        acc[0] = acc[0] + acc[i]
    # always true; the test keeps the compiler from removing the loop
    return 2.0 * ACCUMULATORS * LANES * rounds if any_lane(le(splat(0), acc[0])) else 0


cdef void fill_peak_fma(kernels *t) noexcept:
    t.peak_fma = peak_fma

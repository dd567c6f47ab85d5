# What the machine can do at most: multiply-adds on registers alone, for the benchmarks to measure against.
#
# Every accumulator is a chain of its own, so that the latency (4 or 5 cycles, begun twice a cycle) is
# hidden; 12 chains and two constants fit into the 16 registers below v4.

cdef extern from *:
    """
    #define CHAINS (VBYTES == 64 ? 16 : 12)
    """
    enum: CHAINS


cdef double peak(Py_ssize_t rounds) noexcept nogil:
    # acc = acc / 2 + 1, which goes to 2; returns the operations, two for a multiply-add
    cdef vec[16] acc
    cdef vec half = splat(<real> 0.5), one = splat(1)
    cdef Py_ssize_t r
    cdef int i
    for i in range(CHAINS):
        acc[i] = splat(i)
    for r in range(rounds):
        for i in range(CHAINS):
            acc[i] = fma_(acc[i], half, one)
    for i in range(1, CHAINS):
        acc[0] = acc[0] + acc[i]
    # asked about, so that the loop is not taken for idle; the answer is yes
    return 2.0 * CHAINS * LANES * rounds if any_lane(le(splat(0), acc[0])) else 0


cdef void fill_peak(kernels *t) noexcept:
    t.peak_fma = peak

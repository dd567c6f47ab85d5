# Random words, sixteen blocks of four at a time (simd/philox.h).

from libc.stdint cimport uint32_t, uint64_t

cdef extern from "simd/philox.h" nogil:
    void c_philox_words "philox_words"(uint64_t seed, uint64_t index, uint32_t place, uint64_t block,
                                       uint32_t *out) noexcept


cdef void philox_words(uint64_t seed, uint64_t index, uint32_t place, uint64_t block,
                       uint32_t *out) noexcept nogil:
    # the words of the blocks block ... block + 15 of a stream, as core/random.pxd defines them
    c_philox_words(seed, index, place, block, out)


cdef void fill_philox(kernels *t) noexcept:
    t.philox_words = philox_words

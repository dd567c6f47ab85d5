# Counter-based random numbers: a word of random bits is a function of (seed, purpose, index, position) only,
# so a resumed run draws the same numbers as the uninterrupted one.

from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    WEIGHTS = 0
    SHUFFLE = 1
    DROPOUT = 2
    SPLIT = 3
    DATA = 4


# One block of Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"):
# four words from a counter of four words and a key of two.
cdef inline void philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint64_t key,
                        uint32_t *out) noexcept nogil:
    cdef uint32_t k0 = <uint32_t> key, k1 = <uint32_t> (key >> 32)
    cdef uint64_t p0, p1
    cdef int _round
    for _round in range(10):
        p0 = <uint64_t> 0xD2511F53u * c0
        p1 = <uint64_t> 0xCD9E8D57u * c2
        c0 = <uint32_t> (p1 >> 32) ^ c1 ^ k0
        c2 = <uint32_t> (p0 >> 32) ^ c3 ^ k1
        c1 = <uint32_t> p1
        c3 = <uint32_t> p0
        k0 += 0x9E3779B9u
        k1 += 0xBB67AE85u
    out[0] = c0
    out[1] = c1
    out[2] = c2
    out[3] = c3


# The words of one stream, in order. The four words of the counter are: the low word of position / 4; the high
# words of position / 4 and of the index, combined; the low word of the index; and `place`, the purpose and
# the layer.
cdef struct stream:
    uint64_t seed
    uint64_t index
    uint32_t place
    uint64_t position
    uint32_t words[4]

cdef stream open_stream(uint64_t seed, int purpose, int layer, uint64_t index) noexcept nogil
cdef uint32_t next_word(stream *s) noexcept nogil
cdef void shuffle(uint64_t seed, int purpose, uint64_t index, uint32_t *order,
                  Py_ssize_t n) noexcept nogil

"""Counter-based random numbers: Philox bits, and transforms that do not depend on NumPy's version.

NumPy guarantees the bits of its generators, but not the distributions made of them. So shuffles and normal
deviates are computed here: the same with every version, and available without the GIL.
"""

from cygd.core cimport dispatch, f64

from libc.stdint cimport int64_t
from libc.string cimport memcpy

import numpy as np

PURPOSES = {"weights": WEIGHTS, "shuffle": SHUFFLE, "dropout": DROPOUT, "split": SPLIT, "data": DATA}


cdef stream open_stream(uint64_t seed, int purpose, int layer, uint64_t index) noexcept nogil:
    cdef stream s
    s.seed = seed
    s.index = index
    s.place = <uint32_t> purpose | (<uint32_t> layer << 4)
    s.position = 0
    s.words[0] = s.words[1] = s.words[2] = s.words[3] = 0
    return s


cdef uint32_t next_word(stream *s) noexcept nogil:
    cdef uint64_t block
    if s.position % 4 == 0:
        block = s.position // 4
        philox(<uint32_t> block, <uint32_t> (block >> 32) ^ <uint32_t> (s.index >> 32), <uint32_t> s.index,
               s.place, s.seed, s.words)
    s.position += 1
    return s.words[(s.position - 1) % 4]


cdef uint32_t below(stream *s, uint32_t n) noexcept nogil:
    """Return a uniform integer in [0, n) (Lemire 2019)."""
    cdef uint64_t product = <uint64_t> next_word(s) * n
    cdef uint32_t threshold
    if <uint32_t> product < n:
        threshold = (<uint32_t> 0 - n) % n
        while <uint32_t> product < threshold:
            product = <uint64_t> next_word(s) * n
    return <uint32_t> (product >> 32)


cdef enum:
    WORDS_AHEAD = 64                    # of a call of the kernel


cdef Py_ssize_t permute_ahead(stream *s, uint32_t *order, Py_ssize_t n) noexcept nogil:
    """Do the first steps of `permute`, with its numbers but many words at once; return the elements left."""
    cdef uint32_t words[WORDS_AHEAD]
    cdef uint64_t product
    cdef Py_ssize_t k, i = n - 1, j
    cdef uint32_t swapped
    while i >= WORDS_AHEAD // 2 and s.position % 4 == 0:
        dispatch.kernels_f64.philox_words(s.seed, s.index, s.place, s.position // 4, words)
        k = 0
        while k < WORDS_AHEAD and i > 0:
            product = <uint64_t> words[k] * (<uint32_t> i + 1)
            k += 1
            if <uint32_t> product <= <uint32_t> i:      # rarely: `below` may draw again
                if <uint32_t> product < (<uint32_t> 0 - (<uint32_t> i + 1)) % (<uint32_t> i + 1):
                    continue
            j = product >> 32
            swapped = order[i]
            order[i] = order[j]
            order[j] = swapped
            i -= 1
        s.position += k
        if k % 4:                       # the rest of a block is next_word's
            memcpy(s.words, words + k // 4 * 4, sizeof(s.words))
    return i + 1


cdef void permute(stream *s, uint32_t *order, Py_ssize_t n) noexcept nogil:
    """Shuffle n elements (Fisher and Yates)."""
    cdef Py_ssize_t i, j
    cdef uint32_t swapped
    for i in range(permute_ahead(s, order, n) - 1, 0, -1):
        j = below(s, <uint32_t> (i + 1))
        swapped = order[i]
        order[i] = order[j]
        order[j] = swapped


cdef void shuffle(uint64_t seed, int purpose, uint64_t index, uint32_t *order,
                  Py_ssize_t n) noexcept nogil:
    """Shuffle n elements, from the seed, the purpose and the index only."""
    cdef stream s = open_stream(seed, purpose, 0, index)
    permute(&s, order, n)


cdef object apply(const char *name, double[::1] values):
    """Apply an elementary function of the kernels in place: the platform's may differ in the last bit."""
    cdef f64.kernels *table = dispatch.kernels_f64
    cdef int k
    for k in range(table.n_functions):
        if table.functions[k].name == <bytes> name:
            if values.shape[0]:
                table.functions[k].f(&values[0], &values[0], values.shape[0], NULL)
            return np.asarray(values)
    raise LookupError(name)


cdef class Stream:
    """Random numbers of one purpose, with the names and arguments of NumPy's `Generator`.

    Parameters
    ----------
    seed : int
        0 to 2**64 - 1.
    purpose : {"weights", "shuffle", "dropout", "split", "data"}
        Streams of different purposes are independent of each other.
    index : int
        The epoch or the step: what distinguishes streams of one purpose.
    layer : int
        The layer that the numbers are for.

    Examples
    --------
    >>> rng = Stream(0, purpose="data")
    >>> rng.uniform(-1, 1, size=2).shape
    (2,)
    >>> Stream(7).random() == Stream(7).random()
    True
    """

    cdef stream s

    def __init__(self, seed=0, purpose="weights", index=0, layer=0):
        if purpose not in PURPOSES:
            raise ValueError(f"expected purpose to be one of {', '.join(PURPOSES)}, got {purpose!r}")
        self.s = open_stream(seed, PURPOSES[purpose], layer, index)

    def words(self, Py_ssize_t n):
        """Return the next n raw words of 32 bits."""
        cdef uint32_t[::1] out = np.empty(n, np.uint32)
        cdef Py_ssize_t i
        for i in range(n):
            out[i] = next_word(&self.s)
        return np.asarray(out)

    def random(self, size=None):
        """Return floats in [0, 1) of 53 random bits."""
        count = 1 if size is None else int(np.prod(size))
        cdef double[::1] out = np.empty(count)
        cdef uint32_t high, low
        cdef Py_ssize_t i
        for i in range(out.shape[0]):
            high = next_word(&self.s) >> 5
            low = next_word(&self.s) >> 6
            out[i] = (high * 67108864.0 + low) / 9007199254740992.0
        return reshape(np.asarray(out), size)

    def uniform(self, low=0.0, high=1.0, size=None):
        """Return floats in [low, high)."""
        return low + (high - low) * self.random(size)

    def standard_normal(self, size=None):
        """Return standard normal deviates (Box & Muller 1958)."""
        count = 1 if size is None else int(np.prod(size))
        pairs = (count + 1) // 2
        # 1 - u is in (0, 1], so its logarithm is finite
        radius = np.sqrt(-2 * apply("log", 1 - self.random(pairs)))
        angle = 2 * np.pi * self.random(pairs)
        out = np.empty(2 * pairs)
        out[0::2] = radius * apply("cos", angle.copy())
        out[1::2] = radius * apply("sin", angle)
        return reshape(out[:count], size)

    def normal(self, loc=0.0, scale=1.0, size=None):
        """Return normal deviates of mean `loc` and standard deviation `scale`."""
        return loc + scale * self.standard_normal(size)

    def integers(self, low, high=None, size=None):
        """Return integers in [low, high), or in [0, low) without `high`."""
        if high is None:
            low, high = 0, low
        if not 0 < high - low < 2**32:
            raise ValueError(f"integers: expected 1 to 2**32 - 1 values, got low={low}, high={high}")
        count = 1 if size is None else int(np.prod(size))
        cdef int64_t[::1] out = np.empty(count, np.int64)
        cdef int64_t first = low
        cdef uint32_t n = high - low
        cdef Py_ssize_t i
        for i in range(out.shape[0]):
            out[i] = first + below(&self.s, n)
        return reshape(np.asarray(out), size)

    def permutation(self, x):
        """Return the numbers 0 ... x - 1, or the rows of an array, in random order."""
        if isinstance(x, (int, np.integer)):
            return self.order(x).astype(np.int64)
        return np.asarray(x)[self.order(len(x))]

    def order(self, Py_ssize_t n):
        """Return the numbers 0 ... n - 1 in random order, as uint32: half the memory of `permutation`."""
        if n >= 2**32:
            raise ValueError(f"permutation: expected at most 2**32 - 1 elements, got {n}")
        cdef uint32_t[::1] order = np.arange(n, dtype=np.uint32)
        if n:
            permute(&self.s, &order[0], n)
        return np.asarray(order)


def reshape(values, size):
    """Return values in the shape `size`; for None, a scalar."""
    return values[0].item() if size is None else values.reshape(size)


def epoch_order(seed, epoch, Py_ssize_t n):
    """Return the order of n rows in an epoch, as the compiled epoch draws it."""
    cdef uint32_t[::1] order = np.arange(n, dtype=np.uint32)
    if n:
        shuffle(seed, SHUFFLE, epoch, &order[0], n)
    return np.asarray(order).astype(np.int64)


def philox_block(counter, uint64_t key):
    """Return the four words of one Philox4x32-10 block, to test it on the published vectors."""
    cdef uint32_t out[4]
    philox(counter[0], counter[1], counter[2], counter[3], key, out)
    return [out[0], out[1], out[2], out[3]]

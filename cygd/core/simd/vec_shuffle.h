/* Operations across the lanes of vectors: transposition and horizontal sums. Part of vec.h.
 *
 * A horizontal sum follows one tree: lane i of n is added to lane i + n / 2, then n is halved, down to 1.
 * Summing one accumulator at a time leaves most lanes idle. So many accumulators are summed together, by the
 * same tree, and each step folds two vectors into one.
 */
#pragma once

/* The lower and the upper half of a0 b0 a1 b1 ... */
#if defined(__GNUC__) || defined(__clang__)
#ifdef __clang__
#define PERMUTE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PERMUTE(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#endif
#if LANES == 16
INLINE vec interleave_low(vec a, vec b) {
    return PERMUTE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
INLINE vec interleave_high(vec a, vec b) {
    return PERMUTE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
#elif LANES == 8
INLINE vec interleave_low(vec a, vec b) { return PERMUTE(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
INLINE vec interleave_high(vec a, vec b) { return PERMUTE(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
#elif LANES == 4
INLINE vec interleave_low(vec a, vec b) { return PERMUTE(a, b, 0, 4, 1, 5); }
INLINE vec interleave_high(vec a, vec b) { return PERMUTE(a, b, 2, 6, 3, 7); }
#else
INLINE vec interleave_low(vec a, vec b) { return PERMUTE(a, b, 0, 2); }
INLINE vec interleave_high(vec a, vec b) { return PERMUTE(a, b, 1, 3); }
#endif
/* Transpose LANES x LANES elements in place, in log2(LANES) rounds of interleaving. */
INLINE void transpose(vec *v) {
    vec t[LANES];
#pragma GCC unroll 4
    for (int round = 1; round < LANES; round *= 2) {
#pragma GCC unroll 16
        for (int i = 0; i < LANES / 2; i++) {
            t[2 * i] = interleave_low(v[i], v[i + LANES / 2]);
            t[2 * i + 1] = interleave_high(v[i], v[i + LANES / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) v[i] = t[i];
    }
}
#else
INLINE void transpose(vec *v) { (void)v; }
#endif

/* out (n): the sums of n accumulators, one at a time. For compilers without vector shuffles. */
INLINE void tree_sum_each(const vec *a, int n, real *out) {
    for (int i = 0; i < n; i++) {
        real part[WIDTH];
        memcpy(part, a + i * VECS, sizeof part);
        for (int half = WIDTH / 2; half; half /= 2)
            for (int k = 0; k < half; k++) part[k] += part[k + half];
        out[i] = part[0];
    }
}

/* out (WIDTH): the sums of WIDTH accumulators of VECS vectors each. FOLD(n, s) folds n vectors into n / 2: it
 * adds the two halves of every segment of s lanes and packs the results of two vectors into one. */
#ifdef PERMUTE
/* Lane k of the result comes from this lane of the two vectors, in the lower (half = 0) or upper half. */
#define FOLD_INDEX(k, s, half) ((k) / ((s) / 2) * (s) + (half) * ((s) / 2) + (k) % ((s) / 2))
#define FOLD_INDEX2(k, s, half) FOLD_INDEX(k, s, half), FOLD_INDEX((k) + 1, s, half)
#define FOLD_INDEX4(k, s, half) FOLD_INDEX2(k, s, half), FOLD_INDEX2((k) + 2, s, half)
#define FOLD_INDEX8(k, s, half) FOLD_INDEX4(k, s, half), FOLD_INDEX4((k) + 4, s, half)
#if LANES == 16
#define FOLD_INDICES(s, half) FOLD_INDEX8(0, s, half), FOLD_INDEX8(8, s, half)
#elif LANES == 8
#define FOLD_INDICES(s, half) FOLD_INDEX8(0, s, half)
#elif LANES == 4
#define FOLD_INDICES(s, half) FOLD_INDEX4(0, s, half)
#else
#define FOLD_INDICES(s, half) FOLD_INDEX2(0, s, half)
#endif
#define FOLD(n, s) _Pragma("GCC unroll 16") \
    for (int i = 0; i < (n) / 2; i++) t[i] = PERMUTE(t[2 * i], t[2 * i + 1], FOLD_INDICES(s, 0)) \
                                           + PERMUTE(t[2 * i], t[2 * i + 1], FOLD_INDICES(s, 1));
INLINE void tree_sum_width(const vec *a, real *out) {
    vec t[WIDTH];
#pragma GCC unroll 16
    for (int i = 0; i < WIDTH; i++) {
#if VECS == 1
        t[i] = a[i];
#elif VECS == 2
        t[i] = a[2 * i] + a[2 * i + 1];
#else
        t[i] = (a[4 * i] + a[4 * i + 2]) + (a[4 * i + 1] + a[4 * i + 3]);
#endif
    }
#if LANES == 16
    FOLD(WIDTH, 16)
    FOLD(WIDTH / 2, 8)
    FOLD(WIDTH / 4, 4)
    FOLD(WIDTH / 8, 2)
#elif LANES == 8
    FOLD(WIDTH, 8)
    FOLD(WIDTH / 2, 4)
    FOLD(WIDTH / 4, 2)
#elif LANES == 4
    FOLD(WIDTH, 4)
    FOLD(WIDTH / 2, 2)
#else
    FOLD(WIDTH, 2)
#endif
#pragma GCC unroll 4
    for (int i = 0; i < VECS; i++) store(out + i * LANES, t[i]);
}
#else
INLINE void tree_sum_width(const vec *a, real *out) { tree_sum_each(a, WIDTH, out); }
#endif

/* out (HALF_WIDTH): the sums of HALF_WIDTH accumulators of VECS vectors each. The first step folds each
 * accumulator into 32 bytes; every later step packs two of them into one. PERMUTE cannot do the first step,
 * whose result has fewer lanes than its operands: that takes __builtin_shufflevector (Clang, GCC 12). */
#define HALF_WIDTH (WIDTH / 2)
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLE __builtin_shufflevector
#endif
#endif
#ifdef SHUFFLE
typedef real half_width __attribute__((vector_size(32), aligned(REAL_BITS / 8), may_alias));
INLINE half_width fold_to_half(const vec *a) {
#if VBYTES == 64 && REAL_BITS == 32
    return SHUFFLE(a[0], a[0], 0, 1, 2, 3, 4, 5, 6, 7) + SHUFFLE(a[0], a[0], 8, 9, 10, 11, 12, 13, 14, 15);
#elif VBYTES == 64
    return SHUFFLE(a[0], a[0], 0, 1, 2, 3) + SHUFFLE(a[0], a[0], 4, 5, 6, 7);
#elif VBYTES == 32
    return a[0] + a[1];
#elif REAL_BITS == 32
    return SHUFFLE(a[0] + a[2], a[1] + a[3], 0, 1, 2, 3, 4, 5, 6, 7);
#else
    return SHUFFLE(a[0] + a[2], a[1] + a[3], 0, 1, 2, 3);
#endif
}
/* fold_by_k: add lane i to lane i + k in every segment of 2 k lanes, of two vectors into one */
#if REAL_BITS == 32
INLINE half_width fold_by_4(half_width a, half_width b) {
    return SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11) + SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}
INLINE half_width fold_by_2(half_width a, half_width b) {
    return SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13) + SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
}
INLINE half_width fold_by_1(half_width a, half_width b) {
    return SHUFFLE(a, b, 0, 2, 8, 10, 4, 6, 12, 14) + SHUFFLE(a, b, 1, 3, 9, 11, 5, 7, 13, 15);
}
INLINE void tree_sum_half(const vec *a, real *out) {
    half_width h[8];
    for (int i = 0; i < 8; i++) h[i] = fold_to_half(a + i * VECS);
    *(half_width *)out = fold_by_1(fold_by_2(fold_by_4(h[0], h[4]), fold_by_4(h[1], h[5])),
                         fold_by_2(fold_by_4(h[2], h[6]), fold_by_4(h[3], h[7])));
}
#else
INLINE half_width fold_by_2(half_width a, half_width b) {
    return SHUFFLE(a, b, 0, 1, 4, 5) + SHUFFLE(a, b, 2, 3, 6, 7);
}
INLINE half_width fold_by_1(half_width a, half_width b) {
    return SHUFFLE(a, b, 0, 4, 2, 6) + SHUFFLE(a, b, 1, 5, 3, 7);
}
INLINE void tree_sum_half(const vec *a, real *out) {
    *(half_width *)out = fold_by_1(fold_by_2(fold_to_half(a), fold_to_half(a + 2 * VECS)),
                                   fold_by_2(fold_to_half(a + VECS), fold_to_half(a + 3 * VECS)));
}
#endif
#else
INLINE void tree_sum_half(const vec *a, real *out) { tree_sum_each(a, HALF_WIDTH, out); }
#endif

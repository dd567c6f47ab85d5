/* What crosses the lanes of vectors: transposition, and the sums of many vectors at once. Part of vec.h. */
#pragma once

/* Two vectors interleaved, a0 b0 a1 b1 ...: the first half of it, and the second. */
#if defined(__GNUC__) || defined(__clang__)
#ifdef __clang__
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#endif
#if LANES == 16
INLINE vec zip_low(vec a, vec b) {
    return PICK(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
INLINE vec zip_high(vec a, vec b) {
    return PICK(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
#elif LANES == 8
INLINE vec zip_low(vec a, vec b) { return PICK(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
INLINE vec zip_high(vec a, vec b) { return PICK(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
#elif LANES == 4
INLINE vec zip_low(vec a, vec b) { return PICK(a, b, 0, 4, 1, 5); }
INLINE vec zip_high(vec a, vec b) { return PICK(a, b, 2, 6, 3, 7); }
#else
INLINE vec zip_low(vec a, vec b) { return PICK(a, b, 0, 2); }
INLINE vec zip_high(vec a, vec b) { return PICK(a, b, 1, 3); }
#endif
/* LANES vectors of rows become LANES vectors of columns: log2(LANES) rounds of interleaving */
INLINE void transpose(vec *v) {
    vec t[LANES];
#pragma GCC unroll 4
    for (int round = 1; round < LANES; round *= 2) {
#pragma GCC unroll 16
        for (int i = 0; i < LANES / 2; i++) {
            t[2 * i] = zip_low(v[i], v[i + LANES / 2]);
            t[2 * i + 1] = zip_high(v[i], v[i + LANES / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) v[i] = t[i];
    }
}
#else
INLINE void transpose(vec *v) { (void)v; }
#endif

/* The sums of n accumulators one by one, for compilers that shuffle no vectors. */
INLINE void sum_each(const vec *a, int n, real *out) {
    for (int i = 0; i < n; i++) {
        real part[WIDTH];
        memcpy(part, a + i * VECS, sizeof part);
        for (int half = WIDTH / 2; half; half /= 2)
            for (int k = 0; k < half; k++) part[k] += part[k + half];
        out[i] = part[0];
    }
}

/* The sums of WIDTH accumulators of VECS vectors each: lanes i and i + n / 2 of n, then half as many, down to one,
 * as one accumulator alone would be added. All go down together: FOLD adds the halves of every segment of s lanes
 * of two vectors and leaves them in one. */
#ifdef PICK
#define AT(k, s, half) ((k) / ((s) / 2) * (s) + (half) * ((s) / 2) + (k) % ((s) / 2))
#define AT2(k, s, half) AT(k, s, half), AT((k) + 1, s, half)
#define AT4(k, s, half) AT2(k, s, half), AT2((k) + 2, s, half)
#define AT8(k, s, half) AT4(k, s, half), AT4((k) + 4, s, half)
#if LANES == 16
#define LANES_AT(s, half) AT8(0, s, half), AT8(8, s, half)
#elif LANES == 8
#define LANES_AT(s, half) AT8(0, s, half)
#elif LANES == 4
#define LANES_AT(s, half) AT4(0, s, half)
#else
#define LANES_AT(s, half) AT2(0, s, half)
#endif
#define FOLD(n, s) _Pragma("GCC unroll 16") \
    for (int i = 0; i < (n) / 2; i++) t[i] = PICK(t[2 * i], t[2 * i + 1], LANES_AT(s, 0)) \
                                           + PICK(t[2 * i], t[2 * i + 1], LANES_AT(s, 1));
INLINE void sum_lines(const vec *a, real *out) {
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
INLINE void sum_lines(const vec *a, real *out) { sum_each(a, WIDTH, out); }
#endif

/* The sums of SUMS accumulators of VECS vectors each: lanes i and i + n / 2 of n, then half as many, down to
 * one. All accumulators go down the tree together, in halves of the virtual width, two of them in one from
 * the second step on. */
#define SUMS (WIDTH / 2)
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLE __builtin_shufflevector
#endif
#endif
#ifdef SHUFFLE
typedef real half __attribute__((vector_size(32), aligned(REAL_BITS / 8), may_alias));
INLINE half half_of(const vec *a) {
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
#if REAL_BITS == 32
INLINE half fold4(half a, half b) {
    return SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11) + SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}
INLINE half fold2(half a, half b) {
    return SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13) + SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
}
INLINE half fold1(half a, half b) {
    return SHUFFLE(a, b, 0, 2, 8, 10, 4, 6, 12, 14) + SHUFFLE(a, b, 1, 3, 9, 11, 5, 7, 13, 15);
}
INLINE void sum_few(const vec *a, real *out) {
    half h[8];
    for (int i = 0; i < 8; i++) h[i] = half_of(a + i * VECS);
    *(half *)out = fold1(fold2(fold4(h[0], h[4]), fold4(h[1], h[5])),
                         fold2(fold4(h[2], h[6]), fold4(h[3], h[7])));
}
#else
INLINE half fold2(half a, half b) { return SHUFFLE(a, b, 0, 1, 4, 5) + SHUFFLE(a, b, 2, 3, 6, 7); }
INLINE half fold1(half a, half b) { return SHUFFLE(a, b, 0, 4, 2, 6) + SHUFFLE(a, b, 1, 5, 3, 7); }
INLINE void sum_few(const vec *a, real *out) {
    *(half *)out = fold1(fold2(half_of(a), half_of(a + 2 * VECS)), fold2(half_of(a + VECS), half_of(a + 3 * VECS)));
}
#endif
#else
INLINE void sum_few(const vec *a, real *out) { sum_each(a, SUMS, out); }
#endif

/* The vector of one CPU level, as far as Cython cannot say it: types, memory, selection, bits.
 *
 * `vec` is a GCC/Clang vector type that Cython sees as a plain number, so that kernels write
 * `a * b + c` and no intrinsics. setup.py sets the level and the type with three macros:
 *
 *     VBYTES     bytes of a vector: 16 (base), 32 (v3), 64 (v4)
 *     REAL       float or double
 *     REAL_BITS  32 or 64
 *
 * There is no arithmetic of ours here: equations live in kernels/, in Cython. A compiler without
 * vector extensions gets `vec` = one scalar and the same text.
 */
#pragma once
#include <stdint.h>
#include <string.h>

#ifndef REAL
#define REAL double
#define REAL_BITS 64
#endif

typedef REAL real;
#if REAL_BITS == 32
typedef int32_t ireal;
#define REAL_FMA __builtin_fmaf
#define REAL_SQRT __builtin_sqrtf
#define MANTISSA_BITS 23
#else
typedef int64_t ireal;
#define REAL_FMA __builtin_fma
#define REAL_SQRT __builtin_sqrt
#define MANTISSA_BITS 52
#endif

#if defined(__GNUC__) || defined(__clang__)
#ifndef VBYTES
#define VBYTES 16
#endif
/* aligned to one element and aliasing anything: load and store work on any address */
typedef real vec __attribute__((vector_size(VBYTES), aligned(REAL_BITS / 8), may_alias));
typedef ireal ivec __attribute__((vector_size(VBYTES), aligned(REAL_BITS / 8), may_alias));
#define LANE(v, i) ((v)[i])
#define INLINE static inline __attribute__((always_inline))
#else
#undef VBYTES
#define VBYTES (REAL_BITS / 8)
typedef real vec;
typedef ireal ivec;
#define LANE(v, i) (v)
#define INLINE static inline
#endif

#define LANES (VBYTES / (REAL_BITS / 8))
/* Sums within a row run over a fixed virtual width of 64 bytes, so that every level adds in the
 * same order: VECS vectors of the level side by side. */
#define VECS (64 / VBYTES)
#define WIDTH (512 / REAL_BITS)

INLINE vec load(const real *p) { return *(const vec *)p; }
INLINE void store(real *p, vec v) { *(vec *)p = v; }

/* The first `n` elements (0 < n < LANES); the rest read as zero and are not written. */
INLINE vec load_part(const real *p, ptrdiff_t n) {
    real part[LANES] = {0};
    memcpy(part, p, (size_t)n * sizeof(real));
    return load(part);
}
INLINE void store_part(real *p, vec v, ptrdiff_t n) {
    real part[LANES];
    store(part, v);
    memcpy(p, part, (size_t)n * sizeof(real));
}

#if defined(__GNUC__) || defined(__clang__)
/* x - 0 keeps -0.0 and costs nothing; 0 + x does neither */
INLINE vec splat(real x) { vec zero = {0}; return x - zero; }
/* masks: all bits of a lane set or clear */
INLINE ivec lt(vec a, vec b) { return (ivec)(a < b); }
INLINE ivec le(vec a, vec b) { return (ivec)(a <= b); }
INLINE ivec eq(vec a, vec b) { return (ivec)(a == b); }
INLINE vec select_(ivec m, vec a, vec b) { return (vec)((m & (ivec)a) | (~m & (ivec)b)); }
INLINE ivec bits(vec a) { return (ivec)a; }
INLINE vec from_bits(ivec a) { return (vec)a; }
#else
INLINE vec splat(real x) { return x; }
INLINE ivec lt(vec a, vec b) { return -(ireal)(a < b); }
INLINE ivec le(vec a, vec b) { return -(ireal)(a <= b); }
INLINE ivec eq(vec a, vec b) { return -(ireal)(a == b); }
INLINE vec select_(ivec m, vec a, vec b) { return m ? a : b; }
INLINE ivec bits(vec a) { ivec r; memcpy(&r, &a, sizeof r); return r; }
INLINE vec from_bits(ivec a) { vec r; memcpy(&r, &a, sizeof r); return r; }
#endif

/* A fused multiply-add where the level has the instruction; there the lane loop compiles to that
 * one instruction. Elsewhere two roundings: libm's emulation is a hundred times slower. */
INLINE vec fma_(vec a, vec b, vec c) {
#if (defined(__FMA__) || defined(__ARM_FEATURE_FMA)) && defined(__GNUC__)
    vec r;
    for (int i = 0; i < LANES; i++) LANE(r, i) = REAL_FMA(LANE(a, i), LANE(b, i), LANE(c, i));
    return r;
#else
    return a * b + c;
#endif
}

INLINE vec sqrt_(vec a) {
    vec r;
    for (int i = 0; i < LANES; i++) LANE(r, i) = REAL_SQRT(LANE(a, i));
    return r;
}

/* The team of threads that runs an epoch meets here (Cython has no word for it). */
INLINE void team_barrier(void) {
#ifdef _OPENMP
#pragma omp barrier
#endif
}

/* 4: AVX-512 (F, BW, CD, DQ, VL); 3: AVX2, FMA, BMI2; 2: everything else. Asks the CPU and the
 * operating system, so a level that runs here can be imported here. */
INLINE int cpu_level(void) {
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    __builtin_cpu_init();
    int v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
        && __builtin_cpu_supports("bmi2");
    int v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vl");
    return v4 ? 4 : v3 ? 3 : 2;
#else
    return 2;
#endif
}

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
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__GNUC__) || defined(__clang__)
#include <sched.h>
#endif
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

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
#ifdef VBYTES
/* in a kernel, `cdef inline` is meant: a vector function that is called spills its constants */
#undef CYTHON_INLINE
#define CYTHON_INLINE inline __attribute__((always_inline))
#else
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

/* Where the compiler's own vectors leave a choice, the instruction is named: X86(max) is _mm512_max_pd */
#if REAL_BITS == 32
#define X86_(prefix, name) prefix##_##name##_ps
#else
#define X86_(prefix, name) prefix##_##name##_pd
#endif
#if VBYTES == 16 && defined(__SSE4_1__)
#define X86(name) X86_(_mm, name)
#elif VBYTES == 32 && defined(__AVX2__)
#define X86(name) X86_(_mm256, name)
#elif VBYTES == 64 && defined(__AVX512F__)
#define X86(name) X86_(_mm512, name)
#endif

INLINE vec load(const real *p) { return *(const vec *)p; }
INLINE void store(real *p, vec v) { *(vec *)p = v; }

/* The first `n` elements (0 < n < LANES); the rest read as zero and are not written. */
#if VBYTES == 64 && defined(X86) && REAL_BITS == 32
INLINE vec load_part(const real *p, ptrdiff_t n) { return (vec)_mm512_maskz_loadu_ps((1u << n) - 1, p); }
INLINE void store_part(real *p, vec v, ptrdiff_t n) { _mm512_mask_storeu_ps(p, (1u << n) - 1, v); }
#elif VBYTES == 64 && defined(X86)
INLINE vec load_part(const real *p, ptrdiff_t n) { return (vec)_mm512_maskz_loadu_pd((1u << n) - 1, p); }
INLINE void store_part(real *p, vec v, ptrdiff_t n) { _mm512_mask_storeu_pd(p, (1u << n) - 1, v); }
#elif VBYTES == 32 && defined(X86)
static const ireal first_lanes[2 * LANES] = {[0 ... LANES - 1] = -1};      /* n of them from LANES - n on */
INLINE __m256i part_mask(ptrdiff_t n) { return _mm256_loadu_si256((const __m256i *)(first_lanes + LANES - n)); }
INLINE vec load_part(const real *p, ptrdiff_t n) { return (vec)X86(maskload)(p, part_mask(n)); }
INLINE void store_part(real *p, vec v, ptrdiff_t n) { X86(maskstore)(p, part_mask(n), v); }
#else
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
#endif

/* ask for the line at p, which will be read soon, into the first cache (near) or the second */
#if defined(__GNUC__) || defined(__clang__)
#define PREFETCH(p, near) ((near) ? __builtin_prefetch(p, 0, 3) : __builtin_prefetch(p, 0, 2))
#else
#define PREFETCH(p, near) ((void)(p))
#endif

#if defined(__GNUC__) || defined(__clang__)
/* x - 0 keeps -0.0 and costs nothing; 0 + x does neither */
INLINE vec splat(real x) { vec zero = {0}; return x - zero; }
/* a number in the first lane, where a chain of them waits for each: splat takes longer */
INLINE vec alone(real x) { vec v = {x}; return v; }
/* masks: all bits of a lane set or clear */
INLINE ivec lt(vec a, vec b) { return (ivec)(a < b); }
INLINE ivec le(vec a, vec b) { return (ivec)(a <= b); }
INLINE ivec eq(vec a, vec b) { return (ivec)(a == b); }
INLINE vec select_(ivec m, vec a, vec b) {
#if VBYTES == 64 && defined(X86) && REAL_BITS == 32
    return (vec)_mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)m), b, a);
#elif VBYTES == 64 && defined(X86)
    return (vec)_mm512_mask_blend_pd(_mm512_movepi64_mask((__m512i)m), b, a);
#elif defined(X86)
    return (vec)X86(blendv)(b, a, (vec)m);
#else
    return (vec)((m & (ivec)a) | (~m & (ivec)b));
#endif
}
INLINE ivec bits(vec a) { return (ivec)a; }
INLINE vec from_bits(ivec a) { return (vec)a; }
#else
INLINE vec splat(real x) { return x; }
INLINE vec alone(real x) { return x; }
INLINE ivec lt(vec a, vec b) { return -(ireal)(a < b); }
INLINE ivec le(vec a, vec b) { return -(ireal)(a <= b); }
INLINE ivec eq(vec a, vec b) { return -(ireal)(a == b); }
INLINE vec select_(ivec m, vec a, vec b) { return m ? a : b; }
INLINE ivec bits(vec a) { ivec r; memcpy(&r, &a, sizeof r); return r; }
INLINE vec from_bits(ivec a) { vec r; memcpy(&r, &a, sizeof r); return r; }
#endif

/* the bits of a number: its size, its sign on another's size, its exponent and its significand */
#define SIGN_BIT ((ireal)((uint64_t)1 << (REAL_BITS - 1)))
#define EXPONENT_ONE ((ireal)((REAL_BITS == 32 ? 127LL : 1023LL) << MANTISSA_BITS))    /* of 1.0 */
INLINE vec abs_(vec a) { return from_bits(bits(a) & ~SIGN_BIT); }
INLINE vec copysign_(vec size, vec sign) {
    return from_bits((bits(size) & ~SIGN_BIT) | (bits(sign) & SIGN_BIT));
}
/* 2**n from n + 1.5 * 2**MANTISSA_BITS, whose last bits are n; n in the range of normal numbers */
INLINE vec pow2(vec shifted) { return from_bits((bits(shifted) << MANTISSA_BITS) + EXPONENT_ONE); }
/* the biased exponent of a positive normal number, as a number: its bits behind those of 2**MANTISSA_BITS */
INLINE vec exponent_(vec a) {
    ireal shift = (ireal)((REAL_BITS == 32 ? 150LL : 1075LL) << MANTISSA_BITS);
    vec power = splat((real)((int64_t)1 << MANTISSA_BITS));
    return from_bits((bits(a) >> MANTISSA_BITS) | shift) - power;
}
/* the significand of a positive normal number, in [1, 2) */
INLINE vec mantissa(vec a) {
    return from_bits((bits(a) & (((ireal)1 << MANTISSA_BITS) - 1)) | EXPONENT_ONE);
}

/* a < b ? a : b and a > b ? a : b, so b where one is NaN: what the instruction does */
#ifdef X86
INLINE vec min_(vec a, vec b) { return (vec)X86(min)(a, b); }
INLINE vec max_(vec a, vec b) { return (vec)X86(max)(a, b); }
#else
INLINE vec min_(vec a, vec b) { return select_(lt(a, b), a, b); }
INLINE vec max_(vec a, vec b) { return select_(lt(b, a), a, b); }
#endif
/* a with the lower half of its significand cleared: a product of two such numbers is exact */
INLINE vec leading(vec a) { return from_bits(bits(a) & ~(((ireal)1 << (MANTISSA_BITS / 2 + 1)) - 1)); }
/* 1 where any lane of the mask is set */
INLINE int any_lane(ivec m) {
    ireal found = 0;
    for (int i = 0; i < LANES; i++) found |= LANE(m, i);
    return found != 0;
}
/* whole numbers, of which sin and cos need the last two bits: -a where the second is set, a mask of the
 * first, and the next number; and a with its sign turned over where b is negative */
INLINE void store_integers(ireal *p, ivec v) { *(ivec *)p = v; }
INLINE ivec load_integers(const ireal *p) { return *(const ivec *)p; }
INLINE ivec next_quarter(ivec q) { return q + 1; }
INLINE vec flip_sign(vec a, vec b) { return from_bits(bits(a) ^ (bits(b) & SIGN_BIT)); }
INLINE vec flip_bit1(vec a, ivec q) {
    return from_bits(bits(a) ^ ((q << (REAL_BITS - 2)) & SIGN_BIT));
}
INLINE ivec odd(ivec q) { return -(q & 1); }
/* x 2**n, rounded once: n is a whole number, the halves of which are exponents of normal numbers.
 * AVX-512 has an instruction for it; elsewhere two exact factors, of which the first rounds nothing */
INLINE vec scale_(vec x, vec n) {
#if VBYTES == 64 && defined(X86)
    return (vec)X86(scalef)(x, n);
#else
    vec round = splat((real)((int64_t)3 << (MANTISSA_BITS - 1)));
    vec half = n * (real)0.5 + round;
    return x * pow2(half) * pow2(n - (half - round) + round);
#endif
}

/* A fused multiply-add where the level has the instruction; there the lane loop compiles to that
 * one instruction. Elsewhere two roundings: libm's emulation is a hundred times slower. */
#if (defined(__FMA__) || defined(__ARM_FEATURE_FMA)) && defined(__GNUC__)
#define FUSED 1
#else
#define FUSED 0
#endif
INLINE vec fma_(vec a, vec b, vec c) {
#if FUSED && defined(X86)
    return (vec)X86(fmadd)(a, b, c);
#elif FUSED
    vec r;
    for (int i = 0; i < LANES; i++) LANE(r, i) = REAL_FMA(LANE(a, i), LANE(b, i), LANE(c, i));
    return r;
#else
    return a * b + c;
#endif
}

/* a b + c of numbers, rounded as fma_ rounds */
INLINE real fma_one(real a, real b, real c) {
#if FUSED
    return REAL_FMA(a, b, c);
#else
    return a * b + c;
#endif
}

INLINE vec sqrt_(vec a) {
#ifdef X86
    return (vec)X86(sqrt)(a);
#else
    vec r;
    for (int i = 0; i < LANES; i++) LANE(r, i) = REAL_SQRT(LANE(a, i));
    return r;
#endif
}

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
INLINE void sum_lines(const vec *a, real *out) {
    half h[8];
    for (int i = 0; i < 8; i++) h[i] = half_of(a + i * VECS);
    *(half *)out = fold1(fold2(fold4(h[0], h[4]), fold4(h[1], h[5])),
                         fold2(fold4(h[2], h[6]), fold4(h[3], h[7])));
}
#else
INLINE half fold2(half a, half b) { return SHUFFLE(a, b, 0, 1, 4, 5) + SHUFFLE(a, b, 2, 3, 6, 7); }
INLINE half fold1(half a, half b) { return SHUFFLE(a, b, 0, 4, 2, 6) + SHUFFLE(a, b, 1, 5, 3, 7); }
INLINE void sum_lines(const vec *a, real *out) {
    *(half *)out = fold1(fold2(half_of(a), half_of(a + 2 * VECS)), fold2(half_of(a + VECS), half_of(a + 3 * VECS)));
}
#endif
#else
INLINE void sum_lines(const vec *a, real *out) {
    for (int i = 0; i < SUMS; i++) {
        real part[WIDTH];
        memcpy(part, a + i * VECS, sizeof part);
        for (int n = WIDTH / 2; n; n /= 2)
            for (int k = 0; k < n; k++) part[k] += part[k + n];
        out[i] = part[0];
    }
}
#endif

/* Where the threads of a team wait for each other. OpenMP's own barrier spins for milliseconds, which
 * on a core that a neighbour keeps busy stops the very thread that is waited for; this one spins for a
 * few microseconds and then gives the core away. */
typedef struct {
    int arrived, phase;
} meeting;

INLINE void meet(meeting *m, int threads) {
#if defined(__GNUC__) || defined(__clang__)
    if (threads == 1) return;
    int phase = __atomic_load_n(&m->phase, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&m->arrived, 1, __ATOMIC_ACQ_REL) == threads) {
        __atomic_store_n(&m->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&m->phase, phase + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int spins = 0; __atomic_load_n(&m->phase, __ATOMIC_ACQUIRE) == phase; spins++) {
        if (spins >= 2000) sched_yield();
#if defined(__x86_64__)
        else __builtin_ia32_pause();
#endif
    }
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

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
/* and whole numbers of its size, which go round: bits of NaN and garbage may overflow */
#if REAL_BITS == 32
typedef uint32_t ireal;
#define REAL_FMA __builtin_fmaf
#define REAL_SQRT __builtin_sqrtf
#define MANTISSA_BITS 23
#else
typedef uint64_t ireal;
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

/* on lines of the cache: a vector that lies across two of them costs twice */
#ifdef __GNUC__
#define ON_LINES __attribute__((aligned(64)))
#else
#define ON_LINES
#endif

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
#if VBYTES == 64 && defined(X86)
#if REAL_BITS == 32
#define FIRST(n) ((__mmask16)((1u << (n)) - 1))
#else
#define FIRST(n) ((__mmask8)((1u << (n)) - 1))
#endif
INLINE vec load_part(const real *p, ptrdiff_t n) { return (vec)X86(maskz_loadu)(FIRST(n), p); }
INLINE void store_part(real *p, vec v, ptrdiff_t n) { X86(mask_storeu)(p, FIRST(n), v); }
#elif VBYTES == 32 && defined(X86)
static const ireal first_lanes[2 * LANES] = {[0 ... LANES - 1] = (ireal)-1};      /* n of them from LANES - n on */
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

/* Ask for the line at p: to be written soon; or to be read, from the first cache (near) or the second. */
INLINE void prefetch(const real *p) {
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(p, 1);
#else
    (void)p;
#endif
}
#if defined(__GNUC__) || defined(__clang__)
#define FETCH_LINE(p, near) ((near) ? __builtin_prefetch(p, 0, 3) : __builtin_prefetch(p, 0, 2))
#else
#define FETCH_LINE(p, near) ((void)(p))
#endif

#if defined(__GNUC__) || defined(__clang__)
/* x - 0 keeps -0.0 and costs nothing; 0 + x does neither */
INLINE vec splat(real x) { vec zero = {0}; return x - zero; }
/* a number in the first lane, where a chain of them waits for each: splat takes longer */
INLINE vec alone(real x) { vec v = {x}; return v; }
/* masks: a bit for each lane where the level has registers for that, else all bits of a lane set or clear */
#if VBYTES == 64 && defined(X86)
#if REAL_BITS == 32
typedef __mmask16 vmask;
INLINE vmask lt(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
INLINE vmask le(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
INLINE vmask eq(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
INLINE vec select_(vmask m, vec a, vec b) { return (vec)_mm512_mask_blend_ps(m, b, a); }
#else
typedef __mmask8 vmask;
INLINE vmask lt(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
INLINE vmask le(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }
INLINE vmask eq(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
INLINE vec select_(vmask m, vec a, vec b) { return (vec)_mm512_mask_blend_pd(m, b, a); }
#endif
#else
typedef ivec vmask;
INLINE vmask lt(vec a, vec b) { return (ivec)(a < b); }
INLINE vmask le(vec a, vec b) { return (ivec)(a <= b); }
INLINE vmask eq(vec a, vec b) { return (ivec)(a == b); }
INLINE vec select_(vmask m, vec a, vec b) {
#if defined(X86)
    return (vec)X86(blendv)(b, a, (vec)m);
#else
    return (vec)((m & (ivec)a) | (~m & (ivec)b));
#endif
}
#endif
INLINE ivec bits(vec a) { return (ivec)a; }
INLINE vec from_bits(ivec a) { return (vec)a; }
#else
INLINE vec splat(real x) { return x; }
INLINE vec alone(real x) { return x; }
typedef ivec vmask;
INLINE vmask lt(vec a, vec b) { return -(ireal)(a < b); }
INLINE vmask le(vec a, vec b) { return -(ireal)(a <= b); }
INLINE vmask eq(vec a, vec b) { return -(ireal)(a == b); }
INLINE vec select_(vmask m, vec a, vec b) { return m ? a : b; }
INLINE ivec bits(vec a) { ivec r; memcpy(&r, &a, sizeof r); return r; }
INLINE vec from_bits(ivec a) { vec r; memcpy(&r, &a, sizeof r); return r; }
#endif

/* the bits of a number: its size, its sign on another's size, its exponent and its significand */
#define SIGN_BIT ((ireal)((uint64_t)1 << (REAL_BITS - 1)))
#define EXPONENT_ONE ((ireal)((REAL_BITS == 32 ? 127LL : 1023LL) << MANTISSA_BITS))    /* of 1.0 */
INLINE vec abs_(vec a) { return from_bits(bits(a) & ~SIGN_BIT); }
INLINE vec minus_abs(vec a) { return from_bits(bits(a) | SIGN_BIT); }
/* AVX-512 has one instruction for any function of three bits, given by its table */
#if VBYTES == 64 && defined(X86) && REAL_BITS == 32
#define BITWISE(a, b, c, table) (vec)_mm512_ternarylogic_epi32((__m512i)(a), (__m512i)(b), c, table)
#define SIGN_BITS _mm512_set1_epi32(SIGN_BIT)
#elif VBYTES == 64 && defined(X86)
#define BITWISE(a, b, c, table) (vec)_mm512_ternarylogic_epi64((__m512i)(a), (__m512i)(b), c, table)
#define SIGN_BITS _mm512_set1_epi64(SIGN_BIT)
#endif
INLINE vec copysign_(vec size, vec sign) {
#ifdef BITWISE
    return BITWISE(size, sign, SIGN_BITS, 0xd8);        /* c ? b : a */
#else
    return from_bits((bits(size) & ~SIGN_BIT) | (bits(sign) & SIGN_BIT));
#endif
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
INLINE int any_lane(vmask m) {
#if VBYTES == 64 && defined(X86)
    return m != 0;
#elif defined(X86)
    return X86(movemask)((vec)m) != 0;
#else
    ireal found = 0;
    for (int i = 0; i < LANES; i++) found |= LANE(m, i);
    return found != 0;
#endif
}
/* whole numbers, of which sin and cos need the last two bits: -a where the second is set, a mask of the
 * first, and the next number; and a with its sign turned over where b is negative */
INLINE void store_integers(ireal *p, ivec v) { *(ivec *)p = v; }
INLINE ivec load_integers(const ireal *p) { return *(const ivec *)p; }
INLINE ivec next_quarter(ivec q) { return q + 1; }
INLINE vec flip_sign(vec a, vec b) {
#ifdef BITWISE
    return BITWISE(a, b, SIGN_BITS, 0x78);              /* a ^ (b & c) */
#else
    return from_bits(bits(a) ^ (bits(b) & SIGN_BIT));
#endif
}
INLINE vec flip_bit1(vec a, ivec q) { return flip_sign(a, from_bits(q << (REAL_BITS - 2))); }
INLINE vmask odd(ivec q) {
#if VBYTES == 64 && defined(X86) && REAL_BITS == 32
    return _mm512_test_epi32_mask((__m512i)q, _mm512_set1_epi32(1));
#elif VBYTES == 64 && defined(X86)
    return _mm512_test_epi64_mask((__m512i)q, _mm512_set1_epi64(1));
#else
    return -(q & 1);
#endif
}
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

#include "vec_shuffle.h"
#include "barrier.h"

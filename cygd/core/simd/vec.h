/* The SIMD vector of one CPU level: types, loads and stores, masks, and operations on the bits of a number.
 *
 * `vec` is a GCC/Clang vector type that Cython treats as a plain number, so kernels write `a * b + c` instead
 * of intrinsics. setup.py selects the CPU level and the element type with three macros:
 *
 *     VBYTES     bytes of a vector: 16 (base), 32 (v3), 64 (v4)
 *     REAL       float or double
 *     REAL_BITS  32 or 64
 *
 * This header holds only what Cython cannot express. Equations are in kernels/. With a compiler that lacks
 * vector extensions, `vec` is one scalar and the kernels compile unchanged.
 *
 * Names that end in an underscore (select_, sqrt_) avoid names of libc.
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
/* Integers of the same size, unsigned so that they wrap: the bits of NaN and of unused lanes may overflow. */
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
/* `cdef inline` must inline in a kernel: a call to a vector function spills its constants */
#undef CYTHON_INLINE
#define CYTHON_INLINE inline __attribute__((always_inline))
#else
#define VBYTES 16
#endif
/* Aligned to one element and may alias, so load and store work on any address. */
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
/* Sums along a row use a virtual vector of WIDTH elements (64 bytes) at every level: VECS hardware vectors
 * side by side. So all levels add in the same order. */
#define VECS (64 / VBYTES)
#define WIDTH (512 / REAL_BITS)

/* Aligned to a cache line: a vector that straddles two lines costs twice as much. */
#ifdef __GNUC__
#define CACHE_ALIGNED __attribute__((aligned(64)))
#else
#define CACHE_ALIGNED
#endif

/* An intrinsic where the compiler could choose a different instruction: X86(max) is _mm512_max_pd. */
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

/* Load or store the first n elements, 0 < n < LANES. The other lanes read as 0 and are not written. */
#if VBYTES == 64 && defined(X86)
#if REAL_BITS == 32
#define FIRST_LANES(n) ((__mmask16)((1u << (n)) - 1))
#else
#define FIRST_LANES(n) ((__mmask8)((1u << (n)) - 1))
#endif
INLINE vec load_partial(const real *p, ptrdiff_t n) { return (vec)X86(maskz_loadu)(FIRST_LANES(n), p); }
INLINE void store_partial(real *p, vec v, ptrdiff_t n) { X86(mask_storeu)(p, FIRST_LANES(n), v); }
#elif VBYTES == 32 && defined(X86)
/* n lanes are set in a vector read from LANES - n on */
static const ireal lane_masks[2 * LANES] = {[0 ... LANES - 1] = (ireal)-1};
INLINE __m256i partial_mask(ptrdiff_t n) {
    return _mm256_loadu_si256((const __m256i *)(lane_masks + LANES - n));
}
INLINE vec load_partial(const real *p, ptrdiff_t n) { return (vec)X86(maskload)(p, partial_mask(n)); }
INLINE void store_partial(real *p, vec v, ptrdiff_t n) { X86(maskstore)(p, partial_mask(n), v); }
#else
INLINE vec load_partial(const real *p, ptrdiff_t n) {
    real part[LANES] = {0};
    memcpy(part, p, (size_t)n * sizeof(real));
    return load(part);
}
INLINE void store_partial(real *p, vec v, ptrdiff_t n) {
    real part[LANES];
    store(part, v);
    memcpy(p, part, (size_t)n * sizeof(real));
}
#endif

/* Prefetch the cache line at p, for writing; or for reading, into L1 (near) or L2. */
INLINE void prefetch_write(const real *p) {
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(p, 1);
#else
    (void)p;
#endif
}
#if defined(__GNUC__) || defined(__clang__)
#define PREFETCH_READ(p, near) ((near) ? __builtin_prefetch(p, 0, 3) : __builtin_prefetch(p, 0, 2))
#else
#define PREFETCH_READ(p, near) ((void)(p))
#endif

#if defined(__GNUC__) || defined(__clang__)
/* x in every lane. x - 0 keeps -0.0 and compiles to a broadcast; x + 0 does neither. */
INLINE vec splat(real x) { vec zero = {0}; return x - zero; }
/* x in the first lane, 0 in the others: for serial code, where splat would add latency. */
INLINE vec set_first(real x) { vec v = {x}; return v; }
/* Masks: one bit per lane with AVX-512, else all bits of a lane set or clear. */
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
INLINE vec set_first(real x) { return x; }
typedef ivec vmask;
INLINE vmask lt(vec a, vec b) { return -(ireal)(a < b); }
INLINE vmask le(vec a, vec b) { return -(ireal)(a <= b); }
INLINE vmask eq(vec a, vec b) { return -(ireal)(a == b); }
INLINE vec select_(vmask m, vec a, vec b) { return m ? a : b; }
INLINE ivec bits(vec a) { ivec r; memcpy(&r, &a, sizeof r); return r; }
INLINE vec from_bits(ivec a) { vec r; memcpy(&r, &a, sizeof r); return r; }
#endif

/* Sign, exponent and significand of a number, as bits. */
#define SIGN_BIT ((ireal)((uint64_t)1 << (REAL_BITS - 1)))
#define EXPONENT_ONE ((ireal)((REAL_BITS == 32 ? 127LL : 1023LL) << MANTISSA_BITS))    /* of 1.0 */
INLINE vec abs_(vec a) { return from_bits(bits(a) & ~SIGN_BIT); }
INLINE vec neg_abs(vec a) { return from_bits(bits(a) | SIGN_BIT); }
/* AVX-512 evaluates any function of three bits in one instruction, given its truth table. */
#if VBYTES == 64 && defined(X86) && REAL_BITS == 32
#define TERNARY_LOGIC(a, b, c, table) (vec)_mm512_ternarylogic_epi32((__m512i)(a), (__m512i)(b), c, table)
#define SIGN_BITS _mm512_set1_epi32(SIGN_BIT)
#elif VBYTES == 64 && defined(X86)
#define TERNARY_LOGIC(a, b, c, table) (vec)_mm512_ternarylogic_epi64((__m512i)(a), (__m512i)(b), c, table)
#define SIGN_BITS _mm512_set1_epi64(SIGN_BIT)
#endif
INLINE vec copysign_(vec magnitude, vec sign) {
#ifdef TERNARY_LOGIC
    return TERNARY_LOGIC(magnitude, sign, SIGN_BITS, 0xd8);        /* c ? b : a */
#else
    return from_bits((bits(magnitude) & ~SIGN_BIT) | (bits(sign) & SIGN_BIT));
#endif
}
/* 2**n from n + 1.5 * 2**MANTISSA_BITS, whose low bits hold n; 2**n must be a normal number. */
INLINE vec pow2(vec shifted) { return from_bits((bits(shifted) << MANTISSA_BITS) + EXPONENT_ONE); }
/* The biased exponent of a positive normal number, converted by placing its bits in 2**MANTISSA_BITS. */
INLINE vec exponent_(vec a) {
    ireal shift = (ireal)((REAL_BITS == 32 ? 150LL : 1075LL) << MANTISSA_BITS);
    vec power = splat((real)((int64_t)1 << MANTISSA_BITS));
    return from_bits((bits(a) >> MANTISSA_BITS) | shift) - power;
}
/* The significand of a positive normal number, in [1, 2). */
INLINE vec mantissa(vec a) {
    return from_bits((bits(a) & (((ireal)1 << MANTISSA_BITS) - 1)) | EXPONENT_ONE);
}

/* a < b ? a : b and a > b ? a : b, as the x86 instructions: the result is b where a or b is NaN. */
#ifdef X86
INLINE vec min_(vec a, vec b) { return (vec)X86(min)(a, b); }
INLINE vec max_(vec a, vec b) { return (vec)X86(max)(a, b); }
#else
INLINE vec min_(vec a, vec b) { return select_(lt(a, b), a, b); }
INLINE vec max_(vec a, vec b) { return select_(lt(b, a), a, b); }
#endif
/* a with the lower half of its significand cleared: the product of two such numbers is exact. */
INLINE vec high_part(vec a) { return from_bits(bits(a) & ~(((ireal)1 << (MANTISSA_BITS / 2 + 1)) - 1)); }
/* Return 1 if any lane of the mask is set. */
INLINE int any_lane(vmask m) {
#if VBYTES == 64 && defined(X86)
    return m != 0;
#elif defined(X86)
    return X86(movemask)((vec)m) != 0;
#else
    ireal any = 0;
    for (int i = 0; i < LANES; i++) any |= LANE(m, i);
    return any != 0;
#endif
}
/* Integers, for the quadrant of sin and cos. */
INLINE void store_integers(ireal *p, ivec v) { *(ivec *)p = v; }
INLINE ivec load_integers(const ireal *p) { return *(const ivec *)p; }
INLINE ivec increment(ivec k) { return k + 1; }
/* -a where the sign bit of b is set, else a. */
INLINE vec flip_sign(vec a, vec b) {
#ifdef TERNARY_LOGIC
    return TERNARY_LOGIC(a, b, SIGN_BITS, 0x78);              /* a ^ (b & c) */
#else
    return from_bits(bits(a) ^ (bits(b) & SIGN_BIT));
#endif
}
/* -a where bit 1 of k is set, else a. */
INLINE vec flip_sign_by_bit1(vec a, ivec k) {
    return flip_sign(a, from_bits(k << (REAL_BITS - 2)));
}
INLINE vmask is_odd(ivec k) {
#if VBYTES == 64 && defined(X86) && REAL_BITS == 32
    return _mm512_test_epi32_mask((__m512i)k, _mm512_set1_epi32(1));
#elif VBYTES == 64 && defined(X86)
    return _mm512_test_epi64_mask((__m512i)k, _mm512_set1_epi64(1));
#else
    return -(k & 1);
#endif
}
/* x 2**n, rounded once; n is an integer, and 2**(n/2) must be a normal number. AVX-512 has an instruction for
 * this. Elsewhere x is multiplied by two powers of two, of which the first multiplication is exact. */
INLINE vec ldexp_(vec x, vec n) {
#if VBYTES == 64 && defined(X86)
    return (vec)X86(scalef)(x, n);
#else
    vec round = splat((real)((int64_t)3 << (MANTISSA_BITS - 1)));
    vec half = n * (real)0.5 + round;
    return x * pow2(half) * pow2(n - (half - round) + round);
#endif
}

/* a * b + c, rounded once (FUSED) where the level has the instruction, to which the loop over lanes compiles.
 * Elsewhere it rounds twice: libm's emulation is a hundred times slower. */
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

/* a * b + c of scalars, rounded like fma_. */
INLINE real fma_scalar(real a, real b, real c) {
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
#include "cpu_level.h"

/* Philox4x32-10 for many blocks of one stream: each lane of 64 bits computes a block.
 *
 * The upper half of a lane is never read by the multiplication, so it may hold anything. */
#pragma once
#include "vec.h"

#define PHILOX_BLOCKS 16            /* of a call */
#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

#if defined(X86) && VBYTES == 64
#define MULTIPLY_LOW(a, b) (block_vec)_mm512_mul_epu32((__m512i)(a), (__m512i)(b))
#elif defined(X86) && VBYTES == 32
#define MULTIPLY_LOW(a, b) (block_vec)_mm256_mul_epu32((__m256i)(a), (__m256i)(b))
#elif defined(X86) && VBYTES == 16
#define MULTIPLY_LOW(a, b) (block_vec)_mm_mul_epu32((__m128i)(a), (__m128i)(b))
#endif

#ifdef MULTIPLY_LOW
typedef uint64_t block_vec __attribute__((vector_size(VBYTES), may_alias));
#define BLOCK_LANES (VBYTES / 8)
#define BLOCK_VECS 2                /* in flight, to hide the latency of the multiplication */

/* block, block + 1, ... */
INLINE block_vec load_blocks(uint64_t block) {
    uint64_t numbers[BLOCK_LANES];
    for (int i = 0; i < BLOCK_LANES; i++) numbers[i] = block + i;
    block_vec v;
    memcpy(&v, numbers, sizeof v);
    return v;
}

/* words (BLOCK_VECS * BLOCK_LANES, 4): the blocks from `block` on. */
INLINE void philox_group(uint64_t seed, uint64_t index, uint32_t place, uint64_t block, uint64_t *words) {
    block_vec c0[BLOCK_VECS], c1[BLOCK_VECS], c2[BLOCK_VECS], c3[BLOCK_VECS], p0, p1;
    block_vec none = {0}, low = none + 0xFFFFFFFFu, m0 = none + PHILOX_M0, m1 = none + PHILOX_M1;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int v = 0; v < BLOCK_VECS; v++) {
        c0[v] = load_blocks(block + v * BLOCK_LANES);
        c1[v] = (c0[v] >> 32) ^ (index >> 32);
        c2[v] = none + (uint32_t)index;
        c3[v] = none + place;
    }
    for (int round = 0; round < 10; round++) {
        for (int v = 0; v < BLOCK_VECS; v++) {
            p0 = MULTIPLY_LOW(c0[v], m0);
            p1 = MULTIPLY_LOW(c2[v], m1);
            c0[v] = (p1 >> 32) ^ c1[v] ^ k0;
            c2[v] = (p0 >> 32) ^ c3[v] ^ k1;
            c1[v] = p1;
            c3[v] = p0;
        }
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    for (int v = 0; v < BLOCK_VECS; v++) {
        p0 = (c0[v] & low) | (c1[v] << 32);
        p1 = (c2[v] & low) | (c3[v] << 32);
        for (int i = 0; i < BLOCK_LANES; i++) {
            words[2 * (v * BLOCK_LANES + i)] = p0[i];
            words[2 * (v * BLOCK_LANES + i) + 1] = p1[i];
        }
    }
}

INLINE void philox_words(uint64_t seed, uint64_t index, uint32_t place, uint64_t block, uint32_t *out) {
    uint64_t words[2 * PHILOX_BLOCKS];
    for (int k = 0; k < PHILOX_BLOCKS; k += BLOCK_VECS * BLOCK_LANES)
        philox_group(seed, index, place, block + k, words + 2 * k);
    memcpy(out, words, sizeof words);
}
#else
INLINE void philox_words(uint64_t seed, uint64_t index, uint32_t place, uint64_t block, uint32_t *out) {
    for (int k = 0; k < PHILOX_BLOCKS; k++, block++, out += 4) {
        uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32) ^ (uint32_t)(index >> 32);
        uint32_t c2 = (uint32_t)index, c3 = place, k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
        for (int round = 0; round < 10; round++) {
            uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;
            c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
            c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
            c1 = (uint32_t)p1;
            c3 = (uint32_t)p0;
            k0 += PHILOX_W0;
            k1 += PHILOX_W1;
        }
        out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
    }
}
#endif

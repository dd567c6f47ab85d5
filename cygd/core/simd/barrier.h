/* Thread synchronization that Cython cannot express: atomic variables and a barrier. Part of vec.h.
 *
 * OpenMP's own barrier is not used: it spins for milliseconds, which on a core shared with another process
 * delays the very thread that the others wait for. This one spins for a few microseconds, then yields.
 */
#pragma once

/* Return *count and add 1 to it: every caller gets a different number. */
INLINE int fetch_add(int *count) {
#if defined(__GNUC__) || defined(__clang__)
    return __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
#else
    return (*count)++;
#endif
}

/* Read and write a variable that another thread may write at the same time; nothing else is ordered by it. */
INLINE int load_int(const int *p) {
#if defined(__GNUC__) || defined(__clang__)
    return __atomic_load_n(p, __ATOMIC_RELAXED);
#else
    return *p;
#endif
}

INLINE void store_int(int *p, int value) {
#if defined(__GNUC__) || defined(__clang__)
    __atomic_store_n(p, value, __ATOMIC_RELAXED);
#else
    *p = value;
#endif
}

/* Where 8 bytes take a lock, a torn time only uses one thread too many or too few. */
INLINE double load_double(const double *p) {
#if defined(__GCC_ATOMIC_LLONG_LOCK_FREE) && __GCC_ATOMIC_LLONG_LOCK_FREE == 2
    double value;
    __atomic_load(p, &value, __ATOMIC_RELAXED);
    return value;
#else
    return *p;
#endif
}

INLINE void store_double(double *p, double value) {
#if defined(__GCC_ATOMIC_LLONG_LOCK_FREE) && __GCC_ATOMIC_LLONG_LOCK_FREE == 2
    __atomic_store(p, &value, __ATOMIC_RELAXED);
#else
    *p = value;
#endif
}

/* arrived: threads that wait in this phase; phase: how often all of them have passed */
typedef struct {
    int arrived, phase;
} barrier_t;

#define BARRIER_SPINS 2000

/* Wait until `threads` threads have called this. The last one to arrive starts the next phase. */
INLINE void barrier_wait(barrier_t *b, int threads) {
#if defined(__GNUC__) || defined(__clang__)
    if (threads == 1) return;
    int phase = __atomic_load_n(&b->phase, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&b->arrived, 1, __ATOMIC_ACQ_REL) == threads) {
        __atomic_store_n(&b->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&b->phase, phase + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int spins = 0; __atomic_load_n(&b->phase, __ATOMIC_ACQUIRE) == phase; spins++) {
        if (spins >= BARRIER_SPINS) sched_yield();
#if defined(__x86_64__)
        else __builtin_ia32_pause();
#endif
    }
#endif
}

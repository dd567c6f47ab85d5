/* Where threads meet, and which CPU this is: what no Cython says. Part of vec.h. */
#pragma once

/* 0, 1, 2, ...: every number to one caller, whichever asks first */
INLINE int take(int *count) {
#if defined(__GNUC__) || defined(__clang__)
    return __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
#else
    return (*count)++;
#endif
}

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

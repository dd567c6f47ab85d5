/* Detection of the CPU level at run time. Part of vec.h. */
#pragma once

/* Return 4 for AVX-512 (F, BW, CD, DQ, VL), 3 for AVX2, FMA and BMI2, 2 for every other CPU. The operating
 * system is asked too, so that a module built for the level returned can be imported. */
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

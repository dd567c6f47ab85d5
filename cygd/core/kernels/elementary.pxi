cdef void fill_functions(kernels *t) noexcept:
    t.n_functions = 0

cdef void fill_losses(kernels *t) noexcept:
    t.n_losses = 0

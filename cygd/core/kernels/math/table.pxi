# The elementary functions as blocks of the kernel table: for tests, random numbers and `cygd.core`.

ctypedef vec (*unary_fn)(vec x) noexcept nogil


cdef inline void map_block(unary_fn f, const real *x, real *out, Py_ssize_t n) noexcept nogil:
    """out (n) = f(x (n)), two vectors at a time, so that their latencies overlap."""
    cdef Py_ssize_t i = 0
    cdef vec a, b
    while i + 2 * LANES <= n:
        a, b = f(load(x + i)), f(load(x + i + LANES))
        store(out + i, a)
        store(out + i + LANES, b)
        i += 2 * LANES
    while i < n:
        store_n(out + i, f(load_n(x + i, n - i)), n - i)
        i += LANES


cdef void exp_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_exp, x, out, n)


cdef void expm1_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_expm1, x, out, n)


cdef void log_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_log, x, out, n)


cdef void log1p_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_log1p, x, out, n)


cdef void tanh_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_tanh, x, out, n)


cdef void sinh_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_sinh, x, out, n)


cdef void cosh_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_cosh, x, out, n)


cdef void sigmoid_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_sigmoid, x, out, n)


cdef void softplus_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_softplus, x, out, n)


cdef void sqrt_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(sqrt_, x, out, n)


cdef void sin_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_sin, x, out, n)


cdef void cos_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_cos, x, out, n)


cdef void tan_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_tan, x, out, n)


cdef void arctan_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_arctan, x, out, n)


cdef void erf_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_erf, x, out, n)


cdef void erfc_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    map_block(v_erfc, x, out, n)


cdef void register_function(kernels *t, const char *name, block_t f) noexcept:
    t.functions[t.n_functions].name = name
    t.functions[t.n_functions].f = f
    t.n_functions += 1


cdef void fill_functions(kernels *t) noexcept:
    register_function(t, "exp", exp_block)
    register_function(t, "expm1", expm1_block)
    register_function(t, "log", log_block)
    register_function(t, "log1p", log1p_block)
    register_function(t, "tanh", tanh_block)
    register_function(t, "sinh", sinh_block)
    register_function(t, "cosh", cosh_block)
    register_function(t, "sigmoid", sigmoid_block)
    register_function(t, "softplus", softplus_block)
    register_function(t, "sqrt", sqrt_block)
    register_function(t, "sin", sin_block)
    register_function(t, "cos", cos_block)
    register_function(t, "tan", tan_block)
    register_function(t, "arctan", arctan_block)
    register_function(t, "erf", erf_block)
    register_function(t, "erfc", erfc_block)

# The elementary functions as blocks of the table, for tests, random numbers and formulas.

ctypedef vec (*map_t)(vec x) noexcept nogil


cdef inline void each_of(map_t f, const real *x, real *out, Py_ssize_t n) noexcept nogil:
    """out = f(x): two vectors at a time, so that one's latency hides behind the other."""
    cdef Py_ssize_t i = 0
    cdef vec a, b
    while i + 2 * LANES <= n:
        a, b = f(load(x + i)), f(load(x + i + LANES))
        store(out + i, a)
        store(out + i + LANES, b)
        i += 2 * LANES
    while i < n:
        store_up_to(out + i, f(load_up_to(x + i, n - i)), n - i)
        i += LANES


cdef void exp_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_exp, x, out, n)


cdef void expm1_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_expm1, x, out, n)


cdef void log_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_log, x, out, n)


cdef void log1p_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_log1p, x, out, n)


cdef void tanh_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_tanh, x, out, n)


cdef void sinh_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_sinh, x, out, n)


cdef void cosh_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_cosh, x, out, n)


cdef void sigmoid_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_sigmoid, x, out, n)


cdef void softplus_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_softplus, x, out, n)


cdef void sqrt_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(sqrt_, x, out, n)


cdef void sin_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_sin, x, out, n)


cdef void cos_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_cos, x, out, n)


cdef void tan_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_tan, x, out, n)


cdef void arctan_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_arctan, x, out, n)


cdef void erf_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_erf, x, out, n)


cdef void erfc_block(const real *x, real *out, Py_ssize_t n, void *data) noexcept nogil:
    each_of(v_erfc, x, out, n)


cdef void function(kernels *t, const char *name, block_t f) noexcept:
    t.functions[t.n_functions].name = name
    t.functions[t.n_functions].f = f
    t.n_functions += 1


cdef void fill_functions(kernels *t) noexcept:
    function(t, "exp", exp_block)
    function(t, "expm1", expm1_block)
    function(t, "log", log_block)
    function(t, "log1p", log1p_block)
    function(t, "tanh", tanh_block)
    function(t, "sinh", sinh_block)
    function(t, "cosh", cosh_block)
    function(t, "sigmoid", sigmoid_block)
    function(t, "softplus", softplus_block)
    function(t, "sqrt", sqrt_block)
    function(t, "sin", sin_block)
    function(t, "cos", cos_block)
    function(t, "tan", tan_block)
    function(t, "arctan", arctan_block)
    function(t, "erf", erf_block)
    function(t, "erfc", erfc_block)

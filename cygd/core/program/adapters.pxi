# Formula programs behind the function types of the engine, with a `formula_data` as their `data`.

cdef enum:
    MAX_UNIFORMS = MAX_OUTPUTS - 1      # trainable parameters: each has an output of its own

# what a layer or a loss gives its functions as `data`
cdef struct formula_data:
    const program *forward
    const program *derivative
    const program *both
    const program *gradient
    double uniforms[MAX_UNIFORMS]


cdef class Formula:
    """The programs of an activation or a loss, as the data of its functions."""

    cdef formula_data data
    cdef tuple programs

    def __cinit__(self, forward, derivative, both=None, gradient=None):
        cdef Program p
        given = (forward, derivative, both, gradient)
        self.programs = tuple(None if item is None else Program(item) for item in given)
        p = self.programs[0]
        self.data.forward = &p.p
        p = self.programs[1]
        self.data.derivative = &p.p
        if both is not None:
            p = self.programs[2]
            self.data.both = &p.p
        if gradient is not None:
            p = self.programs[3]
            self.data.gradient = &p.p


# the functions of the engine ----------------------------------------------------------------------

cdef void formula_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    run_program((<formula_data *> data).forward, &h, &out, (<formula_data *> data).uniforms, n)


cdef void formula_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    cdef const real *inputs[2]
    inputs[0], inputs[1] = h, y_hat
    run_program((<formula_data *> data).derivative, inputs, &out, (<formula_data *> data).uniforms, n)


cdef void formula_both(const real *h, real *y_hat, real *slope, Py_ssize_t n, void *data) noexcept nogil:
    cdef real *outputs[2]
    outputs[0], outputs[1] = y_hat, slope
    run_program((<formula_data *> data).both, &h, outputs, (<formula_data *> data).uniforms, n)


cdef void formula_loss(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    cdef const real *inputs[2]
    inputs[0], inputs[1] = y, y_hat
    run_program((<formula_data *> data).forward, inputs, &out, (<formula_data *> data).uniforms, n)


cdef void formula_loss_prime(const real *y, const real *y_hat, real *out, Py_ssize_t n,
                             void *data) noexcept nogil:
    cdef const real *inputs[2]
    inputs[0], inputs[1] = y, y_hat
    run_program((<formula_data *> data).derivative, inputs, &out, (<formula_data *> data).uniforms, n)

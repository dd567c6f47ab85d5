# Formula programs as the block functions of the engine; their `data` is a `formula_data_t`.

cdef enum:
    MAX_UNIFORMS = MAX_OUTPUTS - 1      # trainable parameters: each has its own output

# what a layer or a loss passes to its functions as `data`
cdef struct formula_data_t:
    const program_t *value
    const program_t *derivative
    const program_t *value_and_derivative
    const program_t *gradient               # f'(h), and df/dp of each trainable parameter
    double uniforms[MAX_UNIFORMS]


cdef class FormulaPrograms:
    """The programs of an activation or a loss given as a formula, as the `data` of its block functions."""

    cdef formula_data_t data
    cdef tuple programs

    def __cinit__(self, value, derivative, value_and_derivative=None, gradient=None):
        cdef Program program
        descriptions = (value, derivative, value_and_derivative, gradient)
        self.programs = tuple(None if item is None else Program(item) for item in descriptions)
        program = self.programs[0]
        self.data.value = &program.p
        program = self.programs[1]
        self.data.derivative = &program.p
        if value_and_derivative is not None:
            program = self.programs[2]
            self.data.value_and_derivative = &program.p
        if gradient is not None:
            program = self.programs[3]
            self.data.gradient = &program.p


cdef void formula_f(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil:
    run_program((<formula_data_t *> data).value, &h, &out, (<formula_data_t *> data).uniforms, n)


cdef void formula_df(const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    cdef const real *inputs[2]
    inputs[0], inputs[1] = h, y_hat
    run_program((<formula_data_t *> data).derivative, inputs, &out, (<formula_data_t *> data).uniforms, n)


cdef void formula_value_and_derivative(const real *h, real *y_hat, real *derivative, Py_ssize_t n,
                                       void *data) noexcept nogil:
    cdef formula_data_t *formula = <formula_data_t *> data
    cdef real *outputs[2]
    outputs[0], outputs[1] = y_hat, derivative
    run_program(formula.value_and_derivative, &h, outputs, formula.uniforms, n)


cdef void formula_loss(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    cdef const real *inputs[2]
    inputs[0], inputs[1] = y, y_hat
    run_program((<formula_data_t *> data).value, inputs, &out, (<formula_data_t *> data).uniforms, n)


cdef void formula_loss_derivative(const real *y, const real *y_hat, real *out, Py_ssize_t n,
                                  void *data) noexcept nogil:
    cdef const real *inputs[2]
    inputs[0], inputs[1] = y, y_hat
    run_program((<formula_data_t *> data).derivative, inputs, &out, (<formula_data_t *> data).uniforms, n)

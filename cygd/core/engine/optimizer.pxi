# An optimizer during training: its flat state arrays, its step count, and a saved copy of both to restore the
# last complete epoch.

cdef read_parameters(const optimizer_entry *entry, component, double *parameters):
    """Write the parameters of an optimizer, in the order of its kernel."""
    for k in range(entry.n_parameters):
        parameters[k] = component.parameters.get((<bytes> entry.parameters[k]).decode(), entry.defaults[k])


cdef class Optimizer:
    """The state and the step count of an optimizer.

    Parameters
    ----------
    component : Optimizer component
    engine : Engine
        Gives the number of parameters, and the kernels.

    Attributes
    ----------
    component : Optimizer component
    state : dict of str to array
        Flat arrays of the shape of the parameters.
    step : int
        Updates made so far.
    scalars : list of float
        Scalars that some optimizers carry from step to step.
    """

    cdef update_t f
    cdef step_scalars_t compute_scalars
    cdef Program program            # of an optimizer given as formulas, instead of f
    cdef double uniforms[2]         # its learning_rate and step
    cdef bint python
    cdef double parameters[MAX_OPTIMIZER_PARAMETERS]
    cdef double carried[4]          # scalars from step to step
    cdef double step_scalars[8]     # of this step, for f
    cdef real *state_arrays[MAX_STATE]
    cdef readonly dict state
    cdef readonly object component
    cdef public long long step
    cdef CallbackErrors errors
    # the copy
    cdef dict saved_state
    cdef real *saved_arrays[MAX_STATE]
    cdef double saved_carried[4]
    cdef long long saved_step
    cdef Py_ssize_t n
    cdef kernels *kernels
    cdef int n_infinite              # gradients that were not finite since `save`

    def __init__(self, component, Engine engine):
        cdef optimizer_entry *entry
        self.component = component
        self.errors = CallbackErrors()
        self.n = engine.n_parameters
        self.kernels = engine.kernels
        names = component.state
        if component.kernel is not None:
            entry = find_optimizer(engine.kernels, component.kernel)
            self.f = entry.f
            self.compute_scalars = entry.scalars
            read_parameters(entry, component, self.parameters)
            names = [(<bytes> entry.state[k]).decode() for k in range(entry.n_state)]
        elif component.formula is not None:
            self.program = Program(component.program)
        else:
            self.python = True
        dtype = np.float32 if sizeof(real) == 4 else np.float64
        self.state = {name: np.zeros(self.n, dtype) for name in names}
        self.saved_state = {name: np.zeros(self.n, dtype) for name in names}
        if not self.python:
            for k, name in enumerate(names):
                self.state_arrays[k] = data_out(self.state[name])
                self.saved_arrays[k] = data_out(self.saved_state[name])

    @property
    def scalars(self):
        return list(self.carried)

    @scalars.setter
    def scalars(self, values):
        values = list(values)
        if len(values) != 4:
            raise ValueError(f"expected 4 scalars, got {len(values)}")
        for k in range(4):
            self.carried[k] = values[k]

    cdef void save(self) noexcept nogil:
        """Save state and step count."""
        cdef int k
        self.saved_step = self.step
        self.n_infinite = 0
        memcpy(self.saved_carried, self.carried, sizeof(self.carried))
        if self.python:
            with gil:       # a Python optimizer may have replaced its arrays
                for name in self.saved_state:
                    self.saved_state[name] = np.array(self.state[name])
            return
        for k in range(MAX_STATE):
            if self.state_arrays[k] != NULL:
                memcpy(self.saved_arrays[k], self.state_arrays[k], self.n * sizeof(real))

    cdef bint is_finite(self) noexcept nogil:
        """Return False if a gradient since `save` was not finite, whatever the update made of it.

        In a kernel such a gradient stays in the state, if not in the parameters; so does a finite one whose
        square is not.
        """
        cdef int k
        for k in range(MAX_STATE):
            if (self.f != NULL and self.state_arrays[k] != NULL
                    and not self.kernels.all_finite(self.state_arrays[k], self.n)):
                return False
        return self.n_infinite == 0

    cdef void restore(self) noexcept nogil:
        """Restore what was saved last."""
        cdef int k
        self.step = self.saved_step
        memcpy(self.carried, self.saved_carried, sizeof(self.carried))
        if self.python:
            with gil:
                for name in self.saved_state:
                    self.state[name] = self.saved_state[name].copy()
            return
        for k in range(MAX_STATE):
            if self.state_arrays[k] != NULL:
                memcpy(self.state_arrays[k], self.saved_arrays[k], self.n * sizeof(real))

    cdef void begin_step(self, double learning_rate) noexcept nogil:
        """Count the step and compute its scalars."""
        self.step += 1
        self.uniforms[0] = learning_rate
        self.uniforms[1] = <double> self.step
        if self.compute_scalars != NULL:
            self.compute_scalars(self.parameters, learning_rate, self.step, self.carried, self.step_scalars)

    cdef void apply(self, real *w, const real *g, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
        """Update the parameters start ... stop of w; g is the gradient of this range."""
        cdef real *blocks[2 + MAX_STATE]        # g, w, state: a program writes all of them except g
        cdef const real *inputs[2 + MAX_STATE]
        cdef int k
        blocks[0], blocks[1] = <real *> g, w + start
        for k in range(MAX_STATE):
            blocks[2 + k] = self.state_arrays[k] + start if self.state_arrays[k] != NULL else NULL
        if stop <= start:
            return
        if self.f != NULL:
            self.f(blocks[1], blocks[0], blocks + 2, stop - start, self.step_scalars)
            return
        if not self.kernels.all_finite(g, stop - start):
            fetch_add(&self.n_infinite)
        for k in range(2 + MAX_STATE):
            inputs[k] = blocks[k]
        run_program(&self.program.p, inputs, blocks + 1, self.uniforms, stop - start)

    cdef bint call(self, real *w, real *g, Py_ssize_t n, double learning_rate) noexcept nogil:
        """Let a Python optimizer update the parameters from a finite gradient; return False if it raised."""
        with gil:
            parameters, gradient = np.asarray(<real[:n]> w), np.asarray(<real[:n]> g)
            try:
                self.component.update(parameters, gradient, self.state, learning_rate, self.step,
                                      **self.component.parameters)
                if np.isnan(parameters).any():
                    raise ValueError("it made a parameter NaN")
            except BaseException as error:
                self.errors.record(f"optimizer {self.component.name!r}", error)
                return False
            return True

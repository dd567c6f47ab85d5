# An optimizer at work: flat state arrays, a step count, and the way back to the last whole epoch.

cdef class Updater:
    """An optimizer at work: its state, flat arrays like the parameters, and its step count.

    Attributes
    ----------
    state : dict of str to array
    step : int
        Updates made so far.
    memory : list of float
        The numbers that some formulas carry from step to step besides the arrays.
    """

    cdef update_block_t f
    cdef update_scalars_t scalars
    cdef Program rule               # of formulas, in place of f
    cdef double uniforms[2]         # learning_rate and step, for them
    cdef bint python
    cdef double parameters[MAX_OPTIMIZER_PARAMETERS]
    cdef double carried[4]
    cdef double s[8]
    cdef real *arrays[MAX_STATE]
    cdef readonly dict state
    cdef readonly object optimizer
    cdef public long long step
    cdef Failure failure
    # what `keep` kept
    cdef dict kept
    cdef real *kept_arrays[MAX_STATE]
    cdef double kept_carried[4]
    cdef long long kept_step
    cdef Py_ssize_t n

    def __init__(self, optimizer, Engine engine):
        cdef update_row *row
        self.optimizer = optimizer
        self.failure = Failure()
        self.n = engine.n_parameters
        names = optimizer.state
        if optimizer.kernel is not None:
            row = find_update(engine.k, optimizer.kernel)
            self.f = row.f
            self.scalars = row.scalars
            for k in range(row.n_parameters):
                self.parameters[k] = optimizer.parameters.get((<bytes> row.parameters[k]).decode(),
                                                              row.defaults[k])
            names = [(<bytes> row.state[k]).decode() for k in range(row.n_state)]
        elif optimizer.formula is not None:
            self.rule = Program(optimizer.program)
        else:
            self.python = True
        dtype = np.float32 if sizeof(real) == 4 else np.float64
        self.state = {name: np.zeros(self.n, dtype) for name in names}
        self.kept = {name: np.zeros(self.n, dtype) for name in names}
        if not self.python:
            for k, name in enumerate(names):
                self.arrays[k] = start_out(self.state[name])
                self.kept_arrays[k] = start_out(self.kept[name])

    @property
    def memory(self):
        return list(self.carried)

    @memory.setter
    def memory(self, values):
        for k in range(4):
            self.carried[k] = values[k]

    cdef void keep(self) noexcept nogil:
        """Keep everything as it is now."""
        self.copy(self.arrays, self.kept_arrays, False)
        self.kept_step = self.step
        memcpy(self.kept_carried, self.carried, sizeof(self.carried))

    cdef void restore(self) noexcept nogil:
        """Go back to what was kept."""
        self.copy(self.kept_arrays, self.arrays, True)
        self.step = self.kept_step
        memcpy(self.carried, self.kept_carried, sizeof(self.carried))

    cdef void copy(self, real **source, real **target, bint back) noexcept nogil:
        cdef int k
        if self.python:
            with gil:       # a Python optimizer may have replaced its arrays
                for name in self.kept:
                    if back:
                        self.state[name] = self.kept[name].copy()
                    else:
                        self.kept[name] = np.array(self.state[name])
            return
        for k in range(MAX_STATE):
            if source[k] != NULL:
                memcpy(target[k], source[k], self.n * sizeof(real))

    cdef void prepare(self, double learning_rate) noexcept nogil:
        """Count the step and compute its scalars."""
        self.step += 1
        self.uniforms[0] = learning_rate
        self.uniforms[1] = <double> self.step
        if self.scalars != NULL:
            self.scalars(self.parameters, learning_rate, self.step, self.carried, self.s)

    cdef void apply(self, real *w, const real *g, Py_ssize_t first, Py_ssize_t stop) noexcept nogil:
        """Update the parameters first ... stop, whose gradient is g."""
        cdef real *blocks[2 + MAX_STATE]         # g, w, state: all but g are also what comes out
        cdef const real *inputs[2 + MAX_STATE]
        cdef int k
        blocks[0], blocks[1] = <real *> g, w + first
        for k in range(MAX_STATE):
            blocks[2 + k] = self.arrays[k] + first if self.arrays[k] != NULL else NULL
        if stop <= first:
            return
        if self.f != NULL:
            self.f(blocks[1], blocks[0], blocks + 2, stop - first, self.s)
            return
        for k in range(2 + MAX_STATE):
            inputs[k] = blocks[k]
        run_program(&self.rule.p, inputs, blocks + 1, self.uniforms, stop - first)

    cdef bint call(self, real *w, real *g, Py_ssize_t n, double learning_rate) noexcept nogil:
        """Let a Python optimizer update the parameters in place; return whether it could."""
        with gil:
            parameters, gradient = np.asarray(<real[:n]> w), np.asarray(<real[:n]> g)
            try:
                self.optimizer.update(parameters, gradient, self.state, learning_rate, self.step,
                                      **self.optimizer.parameters)
                if np.isnan(parameters).any() and np.isfinite(gradient).all():
                    raise ValueError("it made a parameter NaN")
            except BaseException as error:
                self.failure.keep(f"optimizer {self.optimizer.name!r}", error)
                return False
            return True

# What an epoch of single rows (per_sample.pxi) needs besides the engine: where everything lies.

cdef enum:
    RUN = 256                       # rows between two looks at the clock, and of one call of `train_unit`


# A layer on lines: where its parts stand, in elements.
cdef struct lines:
    bint by_output                  # a row of w per output instead of per input
    Py_ssize_t m, n                 # rows of w, elements of a row
    Py_ssize_t w, b                 # in the parameters; b < 0: none
    Py_ssize_t h, y_hat, out, mask, delta   # in the plan's memory


# What an epoch of single rows needs besides the engine.
cdef struct plan:
    bint fused, unit
    int kind                        # of the unit: UNIT_IDENTITY ...
    double factor                   # of the unit: of the rate
    int n_layers
    lines *layers
    real *memory
    real *w                         # n parameters on lines
    real *g
    real *state[MAX_STATE]
    Py_ssize_t n
    # blocks, in the memory; `rows` are three of n_outputs x WIDTH, a row among zeros
    Py_ssize_t x, y, values, slope, error, one
    real *rows[3]


cdef class Samples:
    """The plan of epochs of single rows, and its memory; `of` says where there is none."""
    cdef plan p
    cdef Memory memory
    cdef Py_ssize_t end

    def __dealloc__(self):
        PyMem_Free(self.p.layers)

    @staticmethod
    cdef Samples of(Engine e, Updater u, bint clipped):
        """Return a plan, or None where the rows must go through chunks."""
        cdef Samples self = Samples()
        cdef Py_ssize_t index
        cdef bint plain = not clipped and u.f == find_update(e.k, "sgd").f
        # what is Python is called with whole batches, and a formula may make numbers out of the padding
        if e.python or u.f == NULL or <real> <double> u.optimizer.parameters.get("epsilon", 1.0) == 0:
            return None
        for index in range(e.n_layers):
            if e.layers[index].n_trained:
                return None
            plain = plain and e.layers[index].l1 == 0 and e.layers[index].l2 == 0
        # momentum, dampening, weight_decay
        self.p.fused = plain and u.parameters[0] == 0 and u.parameters[1] == 0 and u.parameters[3] == 0
        self.p.unit = (self.p.fused and e.n_layers == 1 and e.n_outputs == 1 and e.layers[0].keep == 1
                       and e.layers[0].f != NULL)
        self.place(e, u)
        return self

    cdef Py_ssize_t take(self, Py_ssize_t n):
        """Return where n more elements begin, on a line."""
        self.end += padded(n)
        return self.end - padded(n)

    cdef place(self, Engine e, Updater u):
        cdef plan *p = &self.p
        cdef lines *a
        cdef layer *l
        cdef Py_ssize_t index, widest = max(e.n_inputs, RUN), state[MAX_STATE], w, g, rows
        cdef bint rowwise = False
        cdef int k
        p.n_layers = e.n_layers
        p.layers = <lines *> PyMem_Calloc(e.n_layers, sizeof(lines))
        if p.layers == NULL:
            raise MemoryError()
        if p.unit:
            self.name_unit(e)
        for index in range(e.n_layers):
            l, a = &e.layers[index], &p.layers[index]
            a.by_output = l.n_out * padded(l.n_in) < l.n_in * padded(l.n_out)
            a.m, a.n = (l.n_out, padded(l.n_in)) if a.by_output else (l.n_in, padded(l.n_out))
            a.w = p.n
            p.n += a.m * a.n
            a.b = p.n if l.b >= 0 else -1
            p.n += padded(l.n_out) if l.b >= 0 else 0
            a.h, a.y_hat = self.take(l.n_out), self.take(l.n_out)
            a.out = a.y_hat
            if l.keep < 1:
                a.out, a.mask = self.take(l.n_out), self.take(l.n_out)
            a.delta = self.take(l.n_out)
            widest = max(widest, l.n_out)
            rowwise = rowwise or l.f_rows != NULL
        p.x, p.one = self.take(e.n_inputs), self.take(1)
        p.y, p.values = self.take(max(e.n_outputs, RUN)), self.take(max(e.n_outputs, RUN))
        p.slope, p.error = self.take(widest), self.take(widest)
        rows = self.take(3 * widest * WIDTH) if rowwise else 0
        if p.unit:
            w, g = self.take(4 * RUN), self.take(UNIT_LINES * WIDTH)
        else:
            w, g = self.take(p.n), 0 if p.fused else self.take(p.n)
            for k in range(MAX_STATE):
                state[k] = self.take(p.n) if not p.fused and u.arrays[k] != NULL else 0
        self.memory = Memory(self.end * sizeof(real))
        p.memory = <real *> self.memory.start
        memset(p.memory, 0, self.end * sizeof(real))
        p.memory[p.one] = 1
        p.w, p.g = p.memory + w, p.memory + g
        for k in range(3):
            p.rows[k] = p.memory + rows + k * widest * WIDTH
        if not p.unit:
            for k in range(MAX_STATE):
                p.state[k] = p.memory + state[k] if state[k] else NULL

    cdef name_unit(self, Engine e):
        """Tell the units that the kernels know from those that they must ask about."""
        cdef block_t f = e.layers[0].f
        cdef bint sigmoid = f == find_activation(e.k, "sigmoid").f
        self.p.kind = UNIT_OTHER
        self.p.factor = 1
        if e.joint != NULL:
            if sigmoid:
                self.p.kind = UNIT_LOGISTIC
            return
        for name, factor in (("sse", 1), ("squared_error", 2), ("mse", 2)):
            if e.loss == find_loss(e.k, name).f and (sigmoid or f == find_activation(e.k, "identity").f):
                self.p.kind = UNIT_SIGMOID if sigmoid else UNIT_IDENTITY
                self.p.factor = factor

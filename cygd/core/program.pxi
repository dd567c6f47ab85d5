# Formula programs: what cygd.formula has compiled, run block by block.
#
# A block of 2 KB a register stays in first-level cache while all instructions pass over it, so what an
# instruction costs besides its arithmetic is a call for some hundred elements. Scalars come as cells of WIDTH
# equal numbers, read again and again with a step of 0. Everything is checked when a program is made, so that
# no program can read or write beyond its blocks; a run allocates nothing, and threads may share a program.

from libc.math cimport (
    atan, copysign, cos, cosh, erf, erfc, exp, expm1, fabs, log, log1p, sin, sinh, tan, tanh,
)
from libc.math cimport NAN, sqrt

cdef enum:
    REGISTER_DOUBLES = 256      # 2 KB
    MAX_TEMPORARIES = 32
    MAX_UNIFORMS = 16
    MAX_VARYING = 64            # uniforms and results of the prologue
    MAX_ARRAYS = 24             # inputs and outputs
    MAX_SLOTS = 512

cdef struct instruction:
    op_t f
    int result, other           # slots; other < 0: one result
    int n_operands
    int operands[MAX_OPERANDS]

cdef struct scalar_instruction:
    int op
    int operands[MAX_OPERANDS]

cdef struct program:
    int n_inputs, n_outputs, n_temporaries, n_uniforms, n_constants, n_prologue, n_body
    double *constants
    real *cells                 # the constants, WIDTH times each
    scalar_instruction *prologue
    instruction *body

# what a layer or a loss gives its functions as `data`
cdef struct formula_data:
    const program *forward
    const program *derivative
    const program *both
    const program *gradient
    double uniforms[MAX_UNIFORMS]

SCALAR_OPS = (
    "copy", "neg", "abs", "sign", "sqrt", "inverse", "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "sinh",
    "cosh", "tanh", "arctan", "sigmoid", "softplus", "erf", "erfc", "finite", "settle",
    "add", "sub", "mul", "div", "minimum", "maximum", "fma", "fms", "fnma", "where_lt", "where_le", "where_eq",
)
cdef enum:
    FIRST_OF_TWO = 23
    FIRST_OF_THREE = 29
    FIRST_OF_FOUR = 32


# scalars ------------------------------------------------------------------------------------------

cdef double scalar_of_one(int op, double a) noexcept nogil:
    if op == 0: return a
    if op == 1: return -a
    if op == 2: return fabs(a)
    if op == 3: return copysign(1, a) if a > 0 or a < 0 else a
    if op == 4: return sqrt(a)
    if op == 5: return 1 / a
    if op == 6: return exp(a)
    if op == 7: return expm1(a)
    if op == 8: return log(a)
    if op == 9: return log1p(a)
    if op == 10: return sin(a)
    if op == 11: return cos(a)
    if op == 12: return tan(a)
    if op == 13: return sinh(a)
    if op == 14: return cosh(a)
    if op == 15: return tanh(a)
    if op == 16: return atan(a)
    if op == 17: return 1 / (1 + exp(-a))
    if op == 18: return (a if a > 0 else 0) + log1p(exp(-fabs(a))) if a == a else a
    if op == 19: return erf(a)
    if op == 20: return erfc(a)
    return a                    # finite and settle are for blocks


cdef double scalar_of_two(int op, double a, double b) noexcept nogil:
    if op == FIRST_OF_TWO: return a + b
    if op == FIRST_OF_TWO + 1: return a - b
    if op == FIRST_OF_TWO + 2: return a * b
    if op == FIRST_OF_TWO + 3: return a / b
    if a != a or b != b: return NAN
    if op == FIRST_OF_TWO + 4: return a if a < b else b
    return a if a > b else b


cdef double scalar_choice(int op, double a, double b, double x, double y) noexcept nogil:
    if a != a or b != b: return NAN
    if op == FIRST_OF_FOUR: return x if a < b else y
    if op == FIRST_OF_FOUR + 1: return x if a <= b else y
    return x if a == b else y


cdef void run_prologue(const program *p, double *u) noexcept nogil:
    """Fill u behind the uniforms and constants, one number for each instruction."""
    cdef const scalar_instruction *s
    cdef int k, done = p.n_uniforms + p.n_constants
    for k in range(p.n_prologue):
        s = &p.prologue[k]
        if s.op < FIRST_OF_TWO:
            u[done + k] = scalar_of_one(s.op, u[s.operands[0]])
        elif s.op < FIRST_OF_THREE:
            u[done + k] = scalar_of_two(s.op, u[s.operands[0]], u[s.operands[1]])
        elif s.op == FIRST_OF_THREE:
            u[done + k] = u[s.operands[0]] * u[s.operands[1]] + u[s.operands[2]]
        elif s.op == FIRST_OF_THREE + 1:
            u[done + k] = u[s.operands[0]] * u[s.operands[1]] - u[s.operands[2]]
        elif s.op == FIRST_OF_THREE + 2:
            u[done + k] = u[s.operands[2]] - u[s.operands[0]] * u[s.operands[1]]
        else:
            u[done + k] = scalar_choice(s.op, u[s.operands[0]], u[s.operands[1]], u[s.operands[2]], u[s.operands[3]])


cdef void place_scalars(const program *p, const double *uniforms, operand *slots, real *cells) noexcept nogil:
    """Point the slots of the scalars at cells: the constants' own, and those of this call."""
    cdef double u[MAX_SLOTS]
    cdef int k, c, i, cell = 0
    for k in range(p.n_constants):
        slots[p.n_uniforms + k].p = p.cells + k * WIDTH
        slots[p.n_uniforms + k].step = 0
    if not p.n_uniforms:
        return
    for k in range(p.n_uniforms):
        u[k] = uniforms[k]
    for k in range(p.n_constants):
        u[p.n_uniforms + k] = p.constants[k]
    run_prologue(p, u)
    for k in range(p.n_uniforms + p.n_prologue):
        c = k if k < p.n_uniforms else k + p.n_constants
        for i in range(WIDTH):
            cells[cell * WIDTH + i] = <real> u[c]
        slots[c].p = cells + cell * WIDTH
        slots[c].step = 0
        cell += 1


# blocks -------------------------------------------------------------------------------------------

cdef inline void run_body(const program *p, const operand *slots, Py_ssize_t n) noexcept nogil:
    """Execute all instructions over n elements, a multiple of WIDTH within one register."""
    cdef const instruction *step
    cdef operand x[MAX_OPERANDS + 1]
    cdef int k, i
    for k in range(p.n_body):
        step = &p.body[k]
        for i in range(step.n_operands):
            x[i] = slots[step.operands[i]]
        if step.other >= 0:
            x[step.n_operands] = slots[step.other]
        step.f(x, <real *> slots[step.result].p, n)


cdef void run_program(const program *p, const real **inputs, real **outputs, const double *uniforms,
                      Py_ssize_t n) noexcept nogil:
    """Compute the outputs of n elements; an output may be an input's memory."""
    cdef Py_ssize_t block = REGISTER_DOUBLES * 8 // <Py_ssize_t> sizeof(real)
    cdef double memory[MAX_TEMPORARIES * REGISTER_DOUBLES + 8]
    cdef double cells[(MAX_VARYING + 1) * 8]        # 64 bytes each
    cdef real ends[MAX_ARRAYS * WIDTH]
    cdef operand slots[MAX_SLOTS]
    cdef real *registers = aligned(memory)
    cdef Py_ssize_t start, whole = n // WIDTH * WIDTH
    cdef int k, i, n_arrays = p.n_inputs + p.n_outputs
    for k in range(p.n_temporaries):
        slots[n_arrays + k].p = registers + k * block
        slots[n_arrays + k].step = 1
    place_scalars(p, uniforms, slots + n_arrays + p.n_temporaries, aligned(cells))
    for k in range(n_arrays):
        slots[k].step = 1
    for start from 0 <= start < whole by block:
        for k in range(p.n_inputs):
            slots[k].p = inputs[k] + start
        for k in range(p.n_outputs):
            slots[p.n_inputs + k].p = outputs[k] + start
        run_body(p, slots, min(block, whole - start))
    if whole == n:
        return
    # the last few elements in copies, filled up with the last one
    for k in range(n_arrays):
        slots[k].p = ends + k * WIDTH
    for k in range(p.n_inputs):
        for i in range(WIDTH):
            ends[k * WIDTH + i] = inputs[k][min(whole + i, n - 1)]
    run_body(p, slots, WIDTH)
    for k in range(p.n_outputs):
        for i in range(n - whole):
            outputs[k][whole + i] = ends[(p.n_inputs + k) * WIDTH + i]


cdef inline real *aligned(double *p) noexcept nogil:
    """Return the first multiple of 64 bytes at or behind p."""
    return <real *> ((<size_t> p + 63) // 64 * 64)


# making a program ---------------------------------------------------------------------------------

cdef class Program:
    """A formula's program, checked and bound to the kernels of the CPU level in use.

    Parameters
    ----------
    description : cygd.formula.Program
        What to compute.

    Raises
    ------
    ValueError
        If an instruction is not one, or names what there is not.
    """

    cdef program items
    cdef kernels *k
    cdef readonly object description

    def __cinit__(self, description):
        cdef program *p = &self.items
        self.description = description
        self.k = current()
        p.n_inputs, p.n_outputs = len(description.inputs), len(description.outputs)
        p.n_uniforms, p.n_constants = len(description.uniforms), len(description.constants)
        p.n_temporaries = description.temporaries
        p.n_prologue, p.n_body = len(description.prologue), len(description.body)
        self.check_sizes()
        p.constants = <double *> PyMem_Calloc(max(p.n_constants, 1), sizeof(double))
        p.cells = <real *> PyMem_Calloc(max(p.n_constants, 1), WIDTH * sizeof(real))
        p.prologue = <scalar_instruction *> PyMem_Calloc(max(p.n_prologue, 1), sizeof(scalar_instruction))
        p.body = <instruction *> PyMem_Calloc(max(p.n_body, 1), sizeof(instruction))
        if p.constants == NULL or p.cells == NULL or p.prologue == NULL or p.body == NULL:
            raise MemoryError()
        for index, value in enumerate(description.constants):
            p.constants[index] = value
            for i in range(WIDTH):
                p.cells[index * WIDTH + i] = value
        for index, step in enumerate(description.prologue):
            self.place_scalar(&p.prologue[index], index, step)
        written = set(range(p.n_inputs))
        for index, step in enumerate(description.body):
            self.place(&p.body[index], index, step, written)
        for k in range(p.n_outputs):
            if p.n_inputs + k not in written:
                raise ValueError(f"output {description.outputs[k]!r} is never written")

    def __dealloc__(self):
        PyMem_Free(self.items.constants)
        PyMem_Free(self.items.cells)
        PyMem_Free(self.items.prologue)
        PyMem_Free(self.items.body)

    cdef check_sizes(self):
        cdef program *p = &self.items
        n_scalars = p.n_uniforms + p.n_constants + p.n_prologue
        limits = {
            "temporaries": (p.n_temporaries, MAX_TEMPORARIES),
            "uniforms": (p.n_uniforms, MAX_UNIFORMS),
            "uniforms and instructions of the prologue": (p.n_uniforms + p.n_prologue, MAX_VARYING),
            "inputs and outputs": (p.n_inputs + p.n_outputs, MAX_ARRAYS),
            "values": (p.n_inputs + p.n_outputs + p.n_temporaries + n_scalars, MAX_SLOTS),
        }
        for what, (count, most) in limits.items():
            if not 0 <= count <= most:
                raise ValueError(f"a program with {count} {what}; at most {most} are possible")
        if p.n_prologue and not p.n_uniforms:
            raise ValueError("a prologue without uniforms")

    cdef place_scalar(self, scalar_instruction *s, int index, step):
        cdef int known = self.items.n_uniforms + self.items.n_constants + index
        op, *operands = step
        if op not in SCALAR_OPS:
            raise ValueError(f"prologue[{index}]: unknown instruction {op!r}")
        s.op = SCALAR_OPS.index(op)
        takes = 1 + (s.op >= FIRST_OF_TWO) + (s.op >= FIRST_OF_THREE) + (s.op >= FIRST_OF_FOUR)
        if len(operands) != takes or not all(0 <= operand < known for operand in operands):
            raise ValueError(f"prologue[{index}]: {step} does not fit {known} scalars")
        for k, operand in enumerate(operands):
            s.operands[k] = operand

    cdef place(self, instruction *item, int index, step, written):
        cdef program *p = &self.items
        cdef const op_row *row = NULL
        cdef int k
        op, *slots = step
        for k in range(self.k.n_ops):
            if self.k.ops[k].name == op.encode():
                row = &self.k.ops[k]
        if row == NULL:
            raise ValueError(f"body[{index}]: unknown instruction {op!r}")
        if len(slots) != row.outputs + row.operands:
            raise ValueError(f"body[{index}]: {op} takes {row.outputs + row.operands} slots, found {step}")
        first = p.n_inputs + p.n_outputs + p.n_temporaries
        n_slots = first + p.n_uniforms + p.n_constants + p.n_prologue
        results, operands = slots[:row.outputs], slots[row.outputs:]
        for operand in operands:
            if not 0 <= operand < n_slots or (operand < first and operand not in written):
                raise ValueError(f"body[{index}]: {step} reads slot {operand}, which holds nothing")
        for result in results:
            if not p.n_inputs <= result < first:
                raise ValueError(f"body[{index}]: {step} cannot write slot {result}")
            written.add(result)
        if len(set(results)) < len(results) or (len(results) > 1 and set(results) & set(operands)):
            raise ValueError(f"body[{index}]: {step} needs slots of its own")
        item.f = row.f
        item.result, item.other = results[0], results[1] if len(results) > 1 else -1
        item.n_operands = row.operands
        for k, operand in enumerate(operands):
            item.operands[k] = operand

    def run(self, inputs, outputs, uniforms=()):
        """Fill the outputs from the inputs: arrays of one dimension, one length and this dtype."""
        cdef const real[::1] given
        cdef real[::1] wanted
        cdef const real *from_[MAX_ARRAYS]
        cdef real *to[MAX_ARRAYS]
        cdef double values[MAX_UNIFORMS]
        cdef Py_ssize_t n
        cdef program *p = &self.items
        if (len(inputs), len(outputs), len(uniforms)) != (p.n_inputs, p.n_outputs, p.n_uniforms):
            raise ValueError(f"expected {p.n_inputs} inputs, {p.n_outputs} outputs and {p.n_uniforms} uniforms")
        n = len(outputs[0]) if p.n_outputs else 0
        if not all(len(array) == n for array in (*inputs, *outputs)):
            raise ValueError("the arrays have different lengths")
        if not n:
            return
        for k, array in enumerate(inputs):
            given = array
            from_[k] = &given[0]
        for k, array in enumerate(outputs):
            wanted = array
            to[k] = &wanted[0]
        for k, value in enumerate(uniforms):
            values[k] = value
        with nogil:
            run_program(p, from_, to, values, n)


cdef class Formula:
    """The programs of an activation or a loss, as the data of its functions."""

    cdef formula_data data
    cdef tuple programs

    def __cinit__(self, forward, derivative, both=None, gradient=None):
        cdef Program p
        self.programs = tuple(None if item is None else Program(item) for item in (forward, derivative, both, gradient))
        p = self.programs[0]
        self.data.forward = &p.items
        p = self.programs[1]
        self.data.derivative = &p.items
        if both is not None:
            p = self.programs[2]
            self.data.both = &p.items
        if gradient is not None:
            p = self.programs[3]
            self.data.gradient = &p.items


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


cdef void formula_loss_prime(const real *y, const real *y_hat, real *out, Py_ssize_t n, void *data) noexcept nogil:
    cdef const real *inputs[2]
    inputs[0], inputs[1] = y, y_hat
    run_program((<formula_data *> data).derivative, inputs, &out, (<formula_data *> data).uniforms, n)

# The interpreter of formula programs: straight-line code over blocks that stay in the L1 cache.
#
# The slots of a program are its inputs, outputs, temporaries and scalars, in this order. Each temporary is a
# register of REGISTER_BYTES on the stack, so any number of threads may run one program; a scalar is a cell of
# WIDTH equal numbers. A program is validated when it is built, so running it needs no checks: no slot is read
# before it is written, and only outputs and temporaries are written.
#
# A register is 2 KB. With 1 KB the overhead of the instruction calls costs up to 14 % more; 4 KB gain
# nothing, and fewer registers fit in the cache.

from libc.string cimport memcpy

from cpython.mem cimport PyMem_Calloc, PyMem_Free

include "scalar_prologue.pxi"

cdef extern from "simd/vec.h" nogil:
    enum:
        WIDTH                           # elements of 64 bytes; the rows of a block are a multiple of it

cdef enum:
    REGISTER_WIDTHS = 32                # of 64 bytes each
    REGISTER_BYTES = 2048
    LINE_BYTES = 64
    MAX_INPUTS = 8
    MAX_OUTPUTS = 8
    MAX_TEMPORARIES = 32
    MAX_SCALARS = 128
    MAX_SLOTS = 176                     # the sum of the four


cdef struct instruction_t:
    op_t f
    int out                             # slot
    int operands[MAX_OPERANDS]          # slots; a second output follows the operands
    Py_ssize_t steps[MAX_OPERANDS]      # 1 for blocks, 0 for scalars


cdef struct scalar_instruction_t:
    int op
    int operands[MAX_OPERANDS]


cdef struct program_t:
    int n_inputs, n_outputs, n_temporaries, n_uniforms, n_constants
    Py_ssize_t n_prologue, n_body
    const double *constants
    const scalar_instruction_t *prologue
    const instruction_t *body
    const real *cells                   # the scalars, computed once if there are no uniforms; else NULL


cdef inline real *align_line(char *memory) noexcept nogil:
    """Round an address up to a multiple of 64 bytes."""
    return <real *> ((<size_t> memory + LINE_BYTES - 1) & ~(<size_t> LINE_BYTES - 1))


cdef void fill_cells(const program_t *p, const double *uniforms, real *cells) noexcept nogil:
    """Compute the scalars, WIDTH copies of each: uniforms, constants, and the results of the prologue."""
    cdef double u[MAX_SCALARS]
    cdef const scalar_instruction_t *s
    cdef int first = p.n_uniforms + p.n_constants, n = first + <int> p.n_prologue, k, lane
    for k in range(p.n_uniforms):
        u[k] = uniforms[k]
    for k in range(p.n_constants):
        u[p.n_uniforms + k] = p.constants[k]
    for k in range(<int> p.n_prologue):
        s = &p.prologue[k]
        u[first + k] = run_scalar(s.op, u[s.operands[0]], u[s.operands[1]], u[s.operands[2]],
                                  u[s.operands[3]])
    for k in range(n):
        for lane in range(WIDTH):
            cells[k * WIDTH + lane] = <real> u[k]


cdef inline void run_block(const program_t *p, real **slots, Py_ssize_t n) noexcept nogil:
    """Run all instructions over one block; n is a multiple of WIDTH."""
    cdef operand x[MAX_OPERANDS]
    cdef const instruction_t *instruction
    cdef Py_ssize_t k
    cdef int j
    for k in range(p.n_body):
        instruction = &p.body[k]
        for j in range(MAX_OPERANDS):
            x[j].p = slots[instruction.operands[j]]
            x[j].step = instruction.steps[j]
        instruction.f(x, slots[instruction.out], n)


cdef void run_program(const program_t *p, const real **inputs, real **outputs, const double *uniforms,
                      Py_ssize_t n) noexcept nogil:
    """Compute outputs = program(inputs), n elements each; an output may be an input, but not overlap one.

    The elements after the last multiple of WIDTH go through padded copies, which repeat the last element.
    """
    cdef char registers[MAX_TEMPORARIES * REGISTER_BYTES + LINE_BYTES]
    cdef char cells[MAX_SCALARS * LINE_BYTES + LINE_BYTES]
    cdef char tails[(MAX_INPUTS + MAX_OUTPUTS) * LINE_BYTES + LINE_BYTES]
    cdef real *slots[MAX_SLOTS]
    cdef real *cell = <real *> p.cells
    cdef real *start
    cdef int blocks = p.n_inputs + p.n_outputs
    cdef int n_scalars = p.n_uniforms + p.n_constants + <int> p.n_prologue, k, j
    cdef Py_ssize_t size = REGISTER_WIDTHS * WIDTH, n_full = n - n % WIDTH, i = 0, m
    if n <= 0:
        return
    if cell == NULL:
        cell = align_line(cells)
        fill_cells(p, uniforms, cell)
    start = align_line(registers)
    for k in range(p.n_temporaries):
        slots[blocks + k] = start + k * size
    for k in range(n_scalars):
        slots[blocks + p.n_temporaries + k] = cell + k * WIDTH
    while i < n_full:
        m = min(size, n_full - i)
        for k in range(p.n_inputs):
            slots[k] = <real *> inputs[k] + i
        for k in range(p.n_outputs):
            slots[p.n_inputs + k] = outputs[k] + i
        run_block(p, slots, m)
        i += m
    m = n - n_full
    if m == 0:
        return
    start = align_line(tails)
    for k in range(blocks):
        slots[k] = start + k * WIDTH
    for k in range(p.n_inputs):
        for j in range(WIDTH):
            slots[k][j] = inputs[k][n_full + min(j, m - 1)]
    run_block(p, slots, WIDTH)
    for k in range(p.n_outputs):
        memcpy(outputs[k] + n_full, slots[p.n_inputs + k], m * sizeof(real))


cdef class Program:
    """A formula program, validated and bound to the kernels of the CPU level in use.

    Parameters
    ----------
    description : object
        Its attributes are inputs, outputs and uniforms (names), constants, temporaries (their number),
        prologue and body (tuples of instructions: the operation's name, then slots; in the body, outputs
        first).
    """
    cdef program_t p
    cdef void *memory                   # of all its parts
    cdef readonly tuple inputs, outputs, uniforms

    def __cinit__(self, description):
        cdef Py_ssize_t n_body, n_prologue, n_constants, n_scalars, size
        cdef char *start
        self.inputs = check_names("inputs", description.inputs, MAX_INPUTS)
        self.outputs = check_names("outputs", description.outputs, MAX_OUTPUTS)
        self.uniforms = check_names("uniforms", description.uniforms, MAX_SCALARS)
        if not self.outputs:
            raise ValueError("expected at least one output, got none")
        constants = tuple(float(value) for value in description.constants)
        prologue, body = tuple(description.prologue), tuple(description.body)
        temporaries = check_integer("temporaries", description.temporaries)
        if not 0 <= temporaries <= MAX_TEMPORARIES:
            raise ValueError(f"expected 0 to {MAX_TEMPORARIES} temporaries, got {temporaries}")
        n_body, n_prologue, n_constants = len(body), len(prologue), len(constants)
        n_scalars = len(self.uniforms) + n_constants + n_prologue
        if n_scalars > MAX_SCALARS:
            raise ValueError(f"expected at most {MAX_SCALARS} scalars (uniforms, constants, prologue), "
                             f"got {n_scalars}")
        size = LINE_BYTES + n_scalars * LINE_BYTES + n_constants * sizeof(double)
        size += n_body * sizeof(instruction_t) + n_prologue * sizeof(scalar_instruction_t)
        self.memory = PyMem_Calloc(size, 1)
        if self.memory == NULL:
            raise MemoryError()
        # cells first: they need whole cache lines; the sizes of the other parts are multiples of 8, except
        # the last
        cells = <size_t> align_line(<char *> self.memory)
        start = <char *> <size_t> cells + n_scalars * LINE_BYTES
        self.p.constants = <double *> start
        self.p.body = <instruction_t *> (start + n_constants * sizeof(double))
        self.p.prologue = <scalar_instruction_t *> (<char *> self.p.body + n_body * sizeof(instruction_t))
        self.p.n_inputs, self.p.n_outputs = <int> len(self.inputs), <int> len(self.outputs)
        self.p.n_temporaries = temporaries
        self.p.n_uniforms, self.p.n_constants = <int> len(self.uniforms), <int> n_constants
        self.p.n_prologue, self.p.n_body = n_prologue, n_body
        for k, value in enumerate(constants):
            (<double *> self.p.constants)[<Py_ssize_t> k] = value
        for k, line in enumerate(prologue):
            self.add_scalar(k, line)
        written = set(range(len(self.inputs)))
        for k, line in enumerate(body):
            self.add_instruction(k, line, written)
        for k, name in enumerate(self.outputs):
            if len(self.inputs) + k not in written:
                raise ValueError(f"output {name!r} is never written")
        if not self.uniforms:
            fill_cells(&self.p, NULL, <real *> <size_t> cells)
            self.p.cells = <real *> <size_t> cells

    def __dealloc__(self):
        PyMem_Free(self.memory)

    cdef add_scalar(self, Py_ssize_t k, line):
        """Validate and store instruction k of the prologue."""
        cdef scalar_instruction_t *s = <scalar_instruction_t *> &self.p.prologue[k]
        cdef int j
        where = f"prologue instruction {k} {line!r}"
        name, operands = split_instruction(where, line)
        if name not in SCALAR_OPS:
            raise ValueError(f"{where}: unknown operation {name!r}")
        s.op = <int> SCALAR_OPS.index(name)
        check_count(where, operands, scalar_operands(s.op))
        known = self.p.n_uniforms + self.p.n_constants + k
        for j, index in enumerate(operands):
            if not 0 <= index < known:
                raise ValueError(f"{where}: expected operands among the first {known} scalars, got {index}")
            s.operands[j] = <int> index

    cdef add_instruction(self, Py_ssize_t k, line, set written):
        """Validate and store instruction k of the body; `written` are the slots written so far."""
        cdef instruction_t *instruction = <instruction_t *> &self.p.body[k]
        cdef op_entry *entry
        cdef int blocks = self.p.n_inputs + self.p.n_outputs + self.p.n_temporaries, j
        cdef int slots = blocks + self.p.n_uniforms + self.p.n_constants + <int> self.p.n_prologue
        where = f"body instruction {k} {line!r}"
        name, numbers = split_instruction(where, line)
        entry = find_op(current(), name)
        if entry == NULL:
            raise ValueError(f"{where}: unknown operation {name!r}")
        check_count(where, numbers, entry.outputs + entry.operands)
        results, operands = numbers[:entry.outputs], numbers[entry.outputs:]
        for slot in operands:
            if not 0 <= slot < slots:
                raise ValueError(f"{where}: expected a slot from 0 to {slots - 1}, got {slot}")
            if slot < blocks and slot not in written:
                raise ValueError(f"{where}: reads slot {slot} before it is written")
        for slot in results:
            if not self.p.n_inputs <= slot < blocks:
                raise ValueError(f"{where}: cannot write slot {slot}; outputs and temporaries are "
                                 f"{self.p.n_inputs} to {blocks - 1}")
            written.add(slot)
        if len(set(results)) < len(results):
            raise ValueError(f"{where}: expected distinct output slots")
        instruction.f = entry.f
        instruction.out = <int> results[0]
        # operands that the operation does not take refer to a slot that always exists
        for j in range(MAX_OPERANDS):
            instruction.operands[j] = instruction.out
        for j, slot in enumerate(operands + results[1:]):
            instruction.operands[j] = <int> slot
            instruction.steps[j] = 1 if slot < blocks else 0

    def run(self, inputs, outputs, uniforms=()):
        """Run the program over one-dimensional arrays.

        An output may be the memory of an input, if the program allows it; other overlaps are rejected.

        Parameters
        ----------
        inputs, outputs : sequences of arrays of this dtype and of one length
        uniforms : sequence of float
        """
        cdef const real *sources[MAX_INPUTS]
        cdef real *targets[MAX_OUTPUTS]
        cdef double values[MAX_SCALARS]
        cdef Py_ssize_t n = -1, k
        cdef const real[::1] source
        cdef real[::1] target
        seen = []                       # (name, address, memoryview): the views keep the memory alive
        for kind, names, arrays in (("input", self.inputs, inputs), ("output", self.outputs, outputs),
                                    ("uniform", self.uniforms, uniforms)):
            if len(arrays) != len(names):
                raise ValueError(f"expected {len(names)} {kind}s ({', '.join(names)}), got {len(arrays)}")
        for k, array in enumerate(inputs):
            source = check_array(f"input {self.inputs[k]!r}", array, False)
            n = check_length(n, source.shape[0], self.inputs[k])
            sources[k] = &source[0] if n else NULL
            seen.append((self.inputs[k], <size_t> sources[k], source))
        for k, array in enumerate(outputs):
            target = check_array(f"output {self.outputs[k]!r}", array, True)
            n = check_length(n, target.shape[0], self.outputs[k])
            targets[k] = &target[0] if n else NULL
            for j, (name, start, _) in enumerate(seen):
                distance = abs(<Py_ssize_t> <size_t> start - <Py_ssize_t> targets[k])
                if n and distance < n * <Py_ssize_t> sizeof(real) and (distance or j >= len(self.inputs)):
                    raise ValueError(f"output {self.outputs[k]!r} overlaps {name!r}: pass separate memory")
            seen.append((self.outputs[k], <size_t> targets[k], target))
        for k, value in enumerate(uniforms):
            values[k] = value
        with nogil:
            run_program(&self.p, sources, targets, values, n)


cdef object check_array(str where, array, bint writable):
    """Return the array; raise an error that names it if it is not a contiguous array of this dtype."""
    cdef const real[::1] source
    cdef real[::1] target
    try:
        if writable:
            target = array
            if target is None:
                raise TypeError("got None")
        else:
            source = array
            if source is None:
                raise TypeError("got None")
    except (TypeError, ValueError, BufferError) as error:
        dtype = "float32" if sizeof(real) == 4 else "float64"
        raise type(error)(f"{where}: expected a contiguous {'writable ' if writable else ''}array of one "
                          f"dimension of {dtype}: {error}") from None
    return array


cdef Py_ssize_t check_length(Py_ssize_t n, Py_ssize_t length, name) except -1:
    """Return the length of an array; n is that of the arrays before it, or -1."""
    if n >= 0 and length != n:
        raise ValueError(f"{name!r}: expected {n} elements like the arrays before it, got {length}")
    return length


cdef op_entry *find_op(kernels *t, name) noexcept:
    """Return the table entry of an operation, or NULL."""
    cdef int k
    for k in range(t.n_ops):
        if (<bytes> t.ops[k].name).decode() == name:
            return &t.ops[k]
    return NULL


cdef tuple check_names(str what, names, int most):
    """Return the names as a tuple, after checking that they are distinct and at most `most`."""
    result = tuple(names)
    if not all(isinstance(name, str) for name in result) or len(set(result)) < len(result):
        raise ValueError(f"{what}: expected distinct names, got {result!r}")
    if len(result) > most:
        raise ValueError(f"expected at most {most} {what}, got {len(result)}")
    return result


cdef object check_integer(where, value):
    """Return an int; reject bools and all other types."""
    if type(value) is not int:
        raise ValueError(f"{where}: expected a whole number, got {value!r}")
    return value


cdef tuple split_instruction(where, line):
    """Return the name and the numbers of an instruction."""
    if not isinstance(line, tuple) or not line or not isinstance(line[0], str):
        raise ValueError(f"{where}: expected a tuple of a name and numbers")
    return line[0], tuple(check_integer(where, value) for value in line[1:])


cdef check_count(where, numbers, int n):
    if len(numbers) != n:
        raise ValueError(f"{where}: expected {n} numbers after the name, got {len(numbers)}")

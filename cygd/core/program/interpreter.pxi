# Formula programs: straight-line code over blocks that stay in first-level cache.
#
# The slots of a program are its inputs, its outputs, its temporaries and its scalars, in this order. A
# block of REGISTER_BYTES per temporary lies on the stack, so any number of threads may run one program; a
# scalar is a cell of WIDTH equal numbers. Everything is checked when the program is built, so that running
# it needs no check: no slot is read before it is written, and none but outputs and temporaries is.
#
# A register is 2 KB: at 1 KB the calls of the instructions cost up to 14 % more, and 4 KB gain nothing, while
# fewer of them stay in the cache.

from libc.string cimport memcpy

from cpython.mem cimport PyMem_Calloc, PyMem_Free

include "scalar_prologue.pxi"

cdef extern from "simd/vec.h" nogil:
    enum:
        WIDTH                           # elements of 64 bytes; rows of a block are a multiple of it

cdef enum:
    REGISTER_WIDTHS = 32                # of 64 bytes each
    REGISTER_BYTES = 2048
    LINE_BYTES = 64
    MAX_INPUTS = 8
    MAX_OUTPUTS = 8
    MAX_TEMPORARIES = 32
    MAX_SCALARS = 128
    MAX_SLOTS = 176                     # the sum of the four


cdef struct instruction:
    op_t f
    int out                             # slot
    int operands[MAX_OPERANDS]          # slots; a second output stands behind the operands
    Py_ssize_t steps[MAX_OPERANDS]


cdef struct scalar_instruction:
    int op
    int operands[MAX_OPERANDS]


cdef struct program:
    int n_inputs, n_outputs, n_temporaries, n_uniforms, n_constants
    Py_ssize_t n_prologue, n_body
    const double *constants
    const scalar_instruction *prologue
    const instruction *body
    const real *cells                   # the scalars where none is a uniform, else NULL


cdef inline real *on_line(char *memory) noexcept nogil:
    """Return the first line of 64 bytes that begins in memory."""
    return <real *> ((<size_t> memory + LINE_BYTES - 1) & ~(<size_t> LINE_BYTES - 1))


cdef void fill_cells(const program *p, const double *uniforms, real *cells) noexcept nogil:
    """The scalars, WIDTH copies of each: uniforms, constants, and what the prologue computes."""
    cdef double u[MAX_SCALARS]
    cdef const scalar_instruction *s
    cdef int first = p.n_uniforms + p.n_constants, n = first + <int> p.n_prologue, k, lane
    for k in range(p.n_uniforms):
        u[k] = uniforms[k]
    for k in range(p.n_constants):
        u[p.n_uniforms + k] = p.constants[k]
    for k in range(<int> p.n_prologue):
        s = &p.prologue[k]
        u[first + k] = scalar_of(s.op, u[s.operands[0]], u[s.operands[1]], u[s.operands[2]],
                                 u[s.operands[3]])
    for k in range(n):
        for lane in range(WIDTH):
            cells[k * WIDTH + lane] = <real> u[k]


cdef inline void run_block(const program *p, real **slots, Py_ssize_t n) noexcept nogil:
    """All instructions over one block; n is a multiple of WIDTH."""
    cdef operand x[MAX_OPERANDS]
    cdef const instruction *q
    cdef Py_ssize_t k
    cdef int j
    for k in range(p.n_body):
        q = &p.body[k]
        for j in range(MAX_OPERANDS):
            x[j].p = slots[q.operands[j]]
            x[j].step = q.steps[j]
        q.f(x, slots[q.out], n)


cdef void run_program(const program *p, const real **inputs, real **outputs, const double *uniforms,
                      Py_ssize_t n) noexcept nogil:
    """outputs = the program of inputs, n elements each; an output may be an input, not a part of one.

    What is left behind the last multiple of WIDTH goes through copies, which repeat the last element.
    """
    cdef char registers[MAX_TEMPORARIES * REGISTER_BYTES + LINE_BYTES]
    cdef char cells[MAX_SCALARS * LINE_BYTES + LINE_BYTES]
    cdef char ends[(MAX_INPUTS + MAX_OUTPUTS) * LINE_BYTES + LINE_BYTES]
    cdef real *slots[MAX_SLOTS]
    cdef real *cell = <real *> p.cells
    cdef real *end
    cdef int blocks = p.n_inputs + p.n_outputs
    cdef int n_scalars = p.n_uniforms + p.n_constants + <int> p.n_prologue, k, j
    cdef Py_ssize_t size = REGISTER_WIDTHS * WIDTH, whole = n - n % WIDTH, i = 0, m
    if n <= 0:
        return
    if cell == NULL:
        cell = on_line(cells)
        fill_cells(p, uniforms, cell)
    end = on_line(registers)
    for k in range(p.n_temporaries):
        slots[blocks + k] = end + k * size
    for k in range(n_scalars):
        slots[blocks + p.n_temporaries + k] = cell + k * WIDTH
    while i < whole:
        m = min(size, whole - i)
        for k in range(p.n_inputs):
            slots[k] = <real *> inputs[k] + i
        for k in range(p.n_outputs):
            slots[p.n_inputs + k] = outputs[k] + i
        run_block(p, slots, m)
        i += m
    m = n - whole
    if m == 0:
        return
    end = on_line(ends)
    for k in range(blocks):
        slots[k] = end + k * WIDTH
    for k in range(p.n_inputs):
        for j in range(WIDTH):
            slots[k][j] = inputs[k][whole + min(j, m - 1)]
    run_block(p, slots, WIDTH)
    for k in range(p.n_outputs):
        memcpy(outputs[k] + whole, slots[p.n_inputs + k], m * sizeof(real))


cdef class Program:
    """A formula program, checked and bound to the kernels of the CPU level in use."""
    cdef program p
    cdef void *memory                   # of all its parts
    cdef readonly tuple inputs, outputs, uniforms

    def __cinit__(self, description):
        cdef Py_ssize_t n_body, n_prologue, n_constants, n_scalars, size
        cdef char *start
        self.inputs = names_of("inputs", description.inputs, MAX_INPUTS)
        self.outputs = names_of("outputs", description.outputs, MAX_OUTPUTS)
        self.uniforms = names_of("uniforms", description.uniforms, MAX_SCALARS)
        if not self.outputs:
            raise ValueError("a program needs an output")
        constants = tuple(float(value) for value in description.constants)
        prologue, body = tuple(description.prologue), tuple(description.body)
        temporaries = integer("temporaries", description.temporaries)
        if not 0 <= temporaries <= MAX_TEMPORARIES:
            raise ValueError(f"{temporaries} temporaries: at most {MAX_TEMPORARIES} are possible")
        n_body, n_prologue, n_constants = len(body), len(prologue), len(constants)
        n_scalars = len(self.uniforms) + n_constants + n_prologue
        if n_scalars > MAX_SCALARS:
            raise ValueError(f"{n_scalars} scalars (uniforms, constants, prologue): at most {MAX_SCALARS} "
                             "are possible")
        size = LINE_BYTES + n_scalars * LINE_BYTES + n_constants * sizeof(double)
        size += n_body * sizeof(instruction) + n_prologue * sizeof(scalar_instruction)
        self.memory = PyMem_Calloc(size, 1)
        if self.memory == NULL:
            raise MemoryError()
        # cells first: they want whole lines; the sizes of the others are multiples of 8 but for the last
        cells = <size_t> on_line(<char *> self.memory)
        start = <char *> <size_t> cells + n_scalars * LINE_BYTES
        self.p.constants = <double *> start
        self.p.body = <instruction *> (start + n_constants * sizeof(double))
        self.p.prologue = <scalar_instruction *> (<char *> self.p.body + n_body * sizeof(instruction))
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
            self.add(k, line, written)
        for k, name in enumerate(self.outputs):
            if len(self.inputs) + k not in written:
                raise ValueError(f"output {name!r} is never written")
        if not self.uniforms:
            fill_cells(&self.p, NULL, <real *> <size_t> cells)
            self.p.cells = <real *> <size_t> cells

    def __dealloc__(self):
        PyMem_Free(self.memory)

    cdef add_scalar(self, Py_ssize_t k, line):
        """Check and keep an instruction of the prologue."""
        cdef scalar_instruction *s = <scalar_instruction *> &self.p.prologue[k]
        cdef int j
        where = f"prologue instruction {k} {line!r}"
        name, operands = parts_of(where, line)
        if name not in SCALAR_OPS:
            raise ValueError(f"{where}: unknown operation {name!r}")
        s.op = <int> SCALAR_OPS.index(name)
        expect(where, operands, scalar_operands(s.op))
        known = self.p.n_uniforms + self.p.n_constants + k
        for j, index in enumerate(operands):
            if not 0 <= index < known:
                raise ValueError(f"{where}: reads scalar {index}, but only {known} are known here")
            s.operands[j] = <int> index

    cdef add(self, Py_ssize_t k, line, set written):
        """Check and keep an instruction of the body; `written` are the slots that hold something."""
        cdef instruction *q = <instruction *> &self.p.body[k]
        cdef op_row *row
        cdef int blocks = self.p.n_inputs + self.p.n_outputs + self.p.n_temporaries, j
        cdef int slots = blocks + self.p.n_uniforms + self.p.n_constants + <int> self.p.n_prologue
        where = f"body instruction {k} {line!r}"
        name, numbers = parts_of(where, line)
        row = find_op(current(), name)
        if row == NULL:
            raise ValueError(f"{where}: unknown operation {name!r}")
        expect(where, numbers, row.outputs + row.operands)
        results, operands = numbers[:row.outputs], numbers[row.outputs:]
        for slot in operands:
            if not 0 <= slot < slots:
                raise ValueError(f"{where}: there is no slot {slot}, only 0 to {slots - 1}")
            if slot < blocks and slot not in written:
                raise ValueError(f"{where}: reads slot {slot} before it is written")
        for slot in results:
            if not self.p.n_inputs <= slot < blocks:
                raise ValueError(f"{where}: cannot write slot {slot}, only outputs and temporaries "
                                 f"({self.p.n_inputs} to {blocks - 1})")
            written.add(slot)
        if len(set(results)) < len(results):
            raise ValueError(f"{where}: its outputs must be different slots")
        q.f = row.f
        q.out = <int> results[0]
        # a slot that is always there stands for operands that the operation does not take
        for j in range(MAX_OPERANDS):
            q.operands[j] = q.out
        for j, slot in enumerate(operands + results[1:]):
            q.operands[j] = <int> slot
            q.steps[j] = 1 if slot < blocks else 0

    def run(self, inputs, outputs, uniforms=()):
        """Run the program over arrays of one dimension.

        An output may be an input itself, if the program allows it, and overlap nothing else.
        """
        cdef const real *sources[MAX_INPUTS]
        cdef real *targets[MAX_OUTPUTS]
        cdef double values[MAX_SCALARS]
        cdef Py_ssize_t n = -1, k
        cdef const real[::1] source
        cdef real[::1] target
        given = []                      # name, start, length; holds the buffers
        for what, names, arrays in (("input", self.inputs, inputs), ("output", self.outputs, outputs),
                                    ("uniform", self.uniforms, uniforms)):
            if len(arrays) != len(names):
                raise ValueError(f"expected {len(names)} {what}s ({', '.join(names)}), got {len(arrays)}")
        for k, array in enumerate(inputs):
            source = viewed(f"input {self.inputs[k]!r}", array, False)
            n = same_length(n, source.shape[0], self.inputs[k])
            sources[k] = &source[0] if n else NULL
            given.append((self.inputs[k], <size_t> sources[k], source))
        for k, array in enumerate(outputs):
            target = viewed(f"output {self.outputs[k]!r}", array, True)
            n = same_length(n, target.shape[0], self.outputs[k])
            targets[k] = &target[0] if n else NULL
            for j, (name, start, _) in enumerate(given):
                apart = abs(<Py_ssize_t> <size_t> start - <Py_ssize_t> targets[k])
                if n and apart < n * <Py_ssize_t> sizeof(real) and (apart or j >= len(self.inputs)):
                    raise ValueError(f"output {self.outputs[k]!r} overlaps {name!r}: "
                                     "give it memory of its own")
            given.append((self.outputs[k], <size_t> targets[k], target))
        for k, value in enumerate(uniforms):
            values[k] = value
        with nogil:
            run_program(&self.p, sources, targets, values, n)


cdef object viewed(str where, array, bint written):
    """Return an array as it is, or one error that names it."""
    cdef const real[::1] source
    cdef real[::1] target
    try:
        if written:
            target = array
            if target is None:
                raise TypeError("got None")
        else:
            source = array
            if source is None:
                raise TypeError("got None")
    except (TypeError, ValueError, BufferError) as error:
        kind = "float32" if sizeof(real) == 4 else "float64"
        raise type(error)(f"{where}: expected a contiguous {'writable ' if written else ''}array of one "
                          f"dimension of {kind}: {error}") from None
    return array


cdef Py_ssize_t same_length(Py_ssize_t n, Py_ssize_t found, name) except -1:
    if n >= 0 and found != n:
        raise ValueError(f"{name!r} has {found} elements, expected {n} like those before it")
    return found


cdef op_row *find_op(kernels *t, name) noexcept:
    """Return the row of an operation, or NULL."""
    cdef int k
    for k in range(t.n_ops):
        if (<bytes> t.ops[k].name).decode() == name:
            return &t.ops[k]
    return NULL


cdef tuple names_of(str what, names, int most):
    """Return distinct names, at most so many."""
    found = tuple(names)
    if not all(isinstance(name, str) for name in found) or len(set(found)) < len(found):
        raise ValueError(f"{what}: expected different names, got {found!r}")
    if len(found) > most:
        raise ValueError(f"{len(found)} {what}: at most {most} are possible")
    return found


cdef object integer(where, value):
    """Return a whole number, which True is not."""
    if type(value) is not int:
        raise ValueError(f"{where}: expected a whole number, got {value!r}")
    return value


cdef tuple parts_of(where, line):
    """Return the name and the numbers of an instruction."""
    if not isinstance(line, tuple) or not line or not isinstance(line[0], str):
        raise ValueError(f"{where}: expected a tuple of a name and numbers")
    return line[0], tuple(integer(where, value) for value in line[1:])


cdef expect(where, numbers, int n):
    if len(numbers) != n:
        raise ValueError(f"{where}: expected {n} numbers behind the name, got {len(numbers)}")

# The scalar prologue of a formula program: what does not depend on the block, computed once per call, in
# float64.

from libc cimport math

cdef tuple SCALAR_OPS = (
    "copy", "neg", "abs", "sign", "sqrt", "inverse", "exp", "expm1", "log", "log1p", "sin", "cos", "tan",
    "sinh", "cosh", "tanh", "arctan", "sigmoid", "softplus", "erf", "erfc", "finite",
    "flush_subnormal", "add", "sub", "mul", "div", "minimum", "maximum", "fma", "fms", "fnma",
    "where_lt", "where_le", "where_eq",
)

cdef enum:                              # in the order of SCALAR_OPS
    COPY, NEG, ABS, SIGN, SQRT, INVERSE, EXP, EXPM1, LOG, LOG1P, SIN, COS, TAN
    SINH, COSH, TANH, ARCTAN, SIGMOID, SOFTPLUS, ERF, ERFC, FINITE
    FLUSH_SUBNORMAL, ADD, SUB, MUL, DIV, MINIMUM, MAXIMUM, FMA, FMS, FNMA, WHERE_LT, WHERE_LE, WHERE_EQ
    FIRST_BINARY = ADD                  # operations are sorted by their number of operands
    FIRST_TERNARY = FMA
    FIRST_QUATERNARY = WHERE_LT


cdef int scalar_operands(int op) noexcept nogil:
    """Return the number of operands of an operation."""
    return 1 if op < FIRST_BINARY else 2 if op < FIRST_TERNARY else 3 if op < FIRST_QUATERNARY else 4


cdef double scalar_function(int op, double a) noexcept nogil:
    """Return f(a); NaN and the sign of zero propagate as in the block operations."""
    cdef double e, limit
    if op == COPY:
        return a
    elif op == NEG:
        return -a
    elif op == ABS:
        return math.fabs(a)
    elif op == SIGN:
        return 1 if a > 0 else -1 if a < 0 else a
    elif op == SQRT:
        return math.sqrt(a)
    elif op == INVERSE:
        return 1 / a
    elif op == EXP:
        return math.exp(a)
    elif op == EXPM1:
        return math.expm1(a)
    elif op == LOG:
        return math.log(a)
    elif op == LOG1P:
        return math.log1p(a)
    elif op == SIN:
        return math.sin(a)
    elif op == COS:
        return math.cos(a)
    elif op == TAN:
        return math.tan(a)
    elif op == SINH:
        return math.sinh(a)
    elif op == COSH:
        return math.cosh(a)
    elif op == TANH:
        return math.tanh(a)
    elif op == ARCTAN:
        return math.atan(a)
    elif op == FINITE:
        limit = 3.4028234663852886e38 if sizeof(real) == 4 else 1.7976931348623157e308
        return limit if a > limit else -limit if a < -limit else a
    elif op == FLUSH_SUBNORMAL:
        return a                        # it only matters for blocks
    elif op == ERF:
        return math.erf(a)
    elif op == ERFC:
        return math.erfc(a)
    e = math.exp(-math.fabs(a))
    if op == SIGMOID:
        return e / (1 + e) if a < 0 else 1 / (1 + e)
    return (a if a > 0 else 0) + math.log1p(e)              # softplus; e is NaN where a is


cdef double run_scalar(int op, double a, double b, double c, double d) noexcept nogil:
    """Return the result of one instruction; operands that it does not take are ignored."""
    if op < FIRST_BINARY:
        return scalar_function(op, a)
    if op == FMA:
        return math.fma(a, b, c)
    elif op == FMS:
        return math.fma(a, b, -c)
    elif op == FNMA:
        return math.fma(-a, b, c)
    elif op == ADD:
        return a + b
    elif op == SUB:
        return a - b
    elif op == MUL:
        return a * b
    elif op == DIV:
        return a / b
    if a != a or b != b:
        return math.NAN
    if op == MINIMUM:
        return a if a < b else b
    elif op == MAXIMUM:
        return b if a < b else a
    elif op == WHERE_LT:
        return c if a < b else d
    elif op == WHERE_LE:
        return c if a <= b else d
    return c if a == b else d

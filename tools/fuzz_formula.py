"""Fuzz the formula compiler: any text compiles to a valid program or raises a FormulaError, within seconds.

This needs atheris, whose mutations are guided by the code that each input reaches:

    pip install atheris && python tools/fuzz_formula.py -max_total_time=600 -max_len=4100 -timeout=5
"""

import sys
import time
import warnings
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["cygd.components.formula"]):
    from cygd.components.formula import FUNCTIONS, Program, compile_activation, compile_loss
    from cygd.components.formula.compiler import _compile_activation, _compile_loss
    from cygd.errors import FormulaError

LIMIT = 2.0  # seconds; instrumented code is slower
# tokens of formulas: a byte below 192 becomes one of them, any other byte a character
TOKENS = [*FUNCTIONS, "h", "y", "y_hat", "beta", "pi", "e", "0", "1", "2", "0.5", "1e300", "1e-300", "9"]
TOKENS += [*"()+-*/,<>", "**", "==", "<=", " and ", " or ", "not ", " if ", " else ", "lambda ", "(h", "h)"]


def decode(data: bytes) -> str:
    """Return bytes as a text, decoded (one input of four) or spelled in tokens of formulas."""
    if not data or data[0] % 4 == 0:
        return data[1:].decode("utf-8", errors="replace")
    return "".join(TOKENS[byte % len(TOKENS)] if byte < 192 else chr(byte - 128) for byte in data[1:])


def check(program: Program) -> None:
    """Raise an AssertionError for a program with an invalid operand or slot."""
    first = len(program.inputs) + len(program.outputs)
    scalars = len(program.uniforms) + len(program.constants)
    end = first + program.temporaries + scalars + len(program.prologue)
    assert program.temporaries <= 32
    for at, (_, *operands) in enumerate(program.prologue):
        assert all(0 <= operand < scalars + at for operand in operands), program
    for op, *slots in program.body:
        results = 2 if op in ("logistic", "tanh_log1p_value_and_derivative") else 1
        assert all(len(program.inputs) <= slot < first + program.temporaries for slot in slots[:results])
        assert all(0 <= slot < end for slot in slots), program


def test_one_input(data: bytes) -> None:
    """Compile one text as an activation and as a loss."""
    text = decode(data)
    start = time.perf_counter()
    with suppress(FormulaError):
        check(compile_activation(text).value_and_derivative)
    with suppress(FormulaError):
        check(compile_loss(text, {"beta": 0.5} if "beta" in text else {}).derivative)
    assert time.perf_counter() - start < LIMIT, text
    _compile_activation.cache_clear()
    _compile_loss.cache_clear()


if __name__ == "__main__":
    warnings.simplefilter("error")
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()

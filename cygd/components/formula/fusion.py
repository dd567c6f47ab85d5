"""Instructions that follow one another, as one: each pass over a block that is saved is a load and a store.

Two are joined where only the second reads what the first gives. They round as before, so that a program
gives the same bits either way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

__all__ = ["Instruction", "Value", "fuse"]

# ("block", number of an input or of an instruction's result) or ("scalar", index into the scalars)
Value = tuple[str, int]
Instruction = tuple[str, tuple[Value, ...], tuple[Value, ...]]  # operation, results, operands

# (second, first) -> both, which takes the operands of the first and then what else the second reads
_BOTH = {
    ("mul", "mul"): "mul3",  # a b c
    ("mul", "add"): "add_mul",  # (a + b) c
    ("mul", "fma"): "fma_mul",  # (a b + c) d
    ("mul", "finite"): "finite_mul",
    ("inverse", "add"): "add_inverse",
    ("add", "div"): "div_add",  # a / b + c
    ("mul", "div_add"): "div_add_mul",  # (a / b + c) d
    ("fma", "mul"): "mul_fma",  # a b c + d
    ("fma", "mul3"): "mul3_fma",  # a b c d + e
    ("sqrt", "fma"): "fma_sqrt",
    ("finite", "fma"): "fma_finite",
    ("exp", "mul"): "mul_exp",
    ("finite", "exp"): "exp_finite",
    ("finite", "mul_exp"): "mul_exp_finite",
}
_FACTORS = 2  # of mul and fma: the first goes into one of these, not into what is added


def fuse(body: Sequence[Instruction], outputs: Iterable[Value]) -> list[Instruction]:
    """Return instructions that compute the same with fewer passes.

    Examples
    --------
    >>> h, total, result = ("block", 0), ("block", 1), ("block", 2)
    >>> fuse([("add", (total,), (h, h)), ("mul", (result,), (total, h))], [result])
    [('add_mul', (('block', 2),), (('block', 0), ('block', 0), ('block', 0)))]
    """
    uses = Counter(operand for _, _, operands in body for operand in operands)
    uses.update(outputs)
    made: dict[Value, Instruction] = {}  # by their last result
    for instruction in body:
        fused = _with_an_operand(instruction, made, uses)
        made[fused[1][-1]] = fused
    return list(made.values())


def _with_an_operand(
    second: Instruction, made: dict[Value, Instruction], uses: Counter[Value]
) -> Instruction:
    """Return an instruction joined with the one that made an operand, which is taken away, if it can be."""
    op, results, operands = second
    for place, operand in enumerate(operands[:_FACTORS]):
        first = made.get(operand)
        both = _BOTH.get((op, first[0])) if first is not None else None
        if first is not None and both is not None and uses[operand] == 1:
            del made[operand]
            return both, results, (*first[2], *operands[:place], *operands[place + 1 :])
    return second

"""Fusion: combine two instructions into one, which saves a load and a store of a whole block.

A peephole pass over the body after lowering. An instruction is fused into the one that reads its result if
nothing else reads it. Fused instructions round like separate ones, so the bits do not change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from cygd.components.formula.lowering import Instruction
from cygd.components.formula.protocols import Value

# (consumer, producer) -> fused; its operands are the producer's, then the other operands of the consumer
_FUSED = {
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
_N_FACTORS = 2  # a producer replaces one of the first two operands: a factor of fma, not its addend


def fuse(body: Sequence[Instruction], outputs: Iterable[Value]) -> list[Instruction]:
    """Return instructions that compute the same values in fewer passes.

    Examples
    --------
    >>> h, total, result = ("block", 0), ("block", 1), ("block", 2)
    >>> fuse([("add", (total,), (h, h)), ("mul", (result,), (total, h))], [result])
    [('add_mul', (('block', 2),), (('block', 0), ('block', 0), ('block', 0)))]
    """
    uses = Counter(operand for _, _, operands in body for operand in operands)
    uses.update(outputs)
    producers: dict[Value, Instruction] = {}  # last result -> instruction
    for instruction in body:
        fused = _fuse_with_producer(instruction, producers, uses)
        producers[fused[1][-1]] = fused
    return list(producers.values())


def _fuse_with_producer(
    consumer: Instruction, producers: dict[Value, Instruction], uses: Counter[Value]
) -> Instruction:
    """Return an instruction fused with a producer of its operands, which is removed, or as it is."""
    op, results, operands = consumer
    for position, operand in enumerate(operands[:_N_FACTORS]):
        producer = producers.get(operand)
        fused = _FUSED.get((op, producer[0])) if producer is not None else None
        if producer is not None and fused is not None and uses[operand] == 1:
            del producers[operand]
            return fused, results, (*producer[2], *operands[:position], *operands[position + 1 :])
    return consumer

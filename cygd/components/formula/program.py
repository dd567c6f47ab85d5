"""Programs: instructions over registers, which the interpreter of the core runs.

The last stages of compilation: lower the outputs, fuse instructions, assign a register to each value, and
encode values as slot numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from cygd.components.formula.exponential_scaling import Scaling
from cygd.components.formula.fusion import fuse
from cygd.components.formula.graph import Graph
from cygd.components.formula.lowering import Lowering
from cygd.components.formula.nodes import Node, too_large
from cygd.components.formula.protocols import Value

MAX_TEMPORARIES = 32  # registers of the core
MAX_SCALARS = 128  # uniforms, constants and results of the prologue together

EncodedInstruction = tuple[str | int, ...]


class Program(NamedTuple):
    """A compiled formula: a prologue over scalars, run once per call, and a body over blocks.

    Scalars are numbered: uniforms, then constants, then results of the prologue. The body addresses slots:
    inputs, outputs, temporaries, then scalars.
    """

    inputs: tuple[str, ...]  # blocks
    uniforms: tuple[str, ...]  # scalars passed with each call
    outputs: tuple[str, ...]  # blocks
    constants: tuple[float, ...]
    prologue: tuple[EncodedInstruction, ...]  # (op, scalar operand, ...); each result is the next scalar
    body: tuple[EncodedInstruction, ...]  # (op, result slot, operand slot, ...); `logistic` has two results
    temporaries: int  # registers besides inputs and outputs


def build_program(
    graph: Graph,
    inputs: Sequence[str],
    uniforms: Sequence[str],
    outputs: Sequence[tuple[str, Node]],
    *,
    companions: Sequence[Node] = (),  # outputs of another program, in which `outputs` have the same bits
    known: Mapping[Node, Node] = {},  # node -> the node of an input that it follows from: f(h) = y_hat
    noalias: Collection[str] = (),  # outputs that share no memory with inputs: written before all are read
) -> Program:
    """Return the program that computes outputs from inputs, or raise a FormulaError if it is too large."""
    scaling = Scaling(graph)
    outputs = [(name, scaling.of(node)) for name, node in outputs]
    companions = [scaling.of(node) for node in companions]
    lowering = Lowering(
        graph, [graph.variable(name) for name in inputs], [graph.variable(name) for name in uniforms]
    )
    for node, replacement in known.items():
        lowering.bind(scaling.of(node), replacement)
    values = lowering.lower([node for _, node in outputs], companions)
    # an output that equals an input is copied before another output can overwrite that input
    values = [
        lowering.emit("copy", value) if value[0] == "block" and value[1] < len(inputs) else value
        for value in values
    ]
    lowering.body = fuse(lowering.body, values)
    if len(uniforms) + len(lowering.constants) + len(lowering.prologue) > MAX_SCALARS:
        raise too_large(f"the formula needs more than {MAX_SCALARS} different numbers")
    allocation = _RegisterAllocation(
        lowering, len(inputs), len(uniforms), values, [name in noalias for name, _ in outputs]
    )
    return Program(
        tuple(inputs),
        tuple(uniforms),
        tuple(name for name, _ in outputs),
        tuple(lowering.constants),
        tuple(allocation.prologue),
        tuple(allocation.body),
        allocation.temporaries,
    )


class _RegisterAllocation:
    """The slot of each value: the first free register, in the order of the instructions.

    A value is computed directly into its output if possible. An output that may share memory with an input is
    written only after the last read of an input.
    """

    def __init__(
        self,
        lowering: Lowering,
        n_inputs: int,
        n_uniforms: int,
        outputs: Sequence[Value],
        noalias: Sequence[bool],
    ) -> None:
        self.n_inputs, self.n_outputs = n_inputs, len(outputs)
        n_constants = len(lowering.constants)
        self.scalar_offsets = {"uniform": 0, "constant": n_uniforms, "prologue": n_uniforms + n_constants}
        self.last_use: dict[Value, int] = {}
        for at, (_, results, operands) in enumerate(lowering.body):
            for value in results + operands:
                self.last_use[value] = at
        self.last_input_use = max([self.last_use.get(("block", k), -1) for k in range(n_inputs)], default=-1)
        self.slots: dict[Value, int] = {("block", k): k for k in range(n_inputs)}
        self.output_of = self._choose_outputs(lowering, outputs, noalias)
        for value in outputs:
            if value not in self.output_of:
                self.last_use[value] = len(lowering.body)
        self.prologue: list[EncodedInstruction] = []
        for op, _, operands in lowering.prologue:
            self.prologue.append((op, *[self._scalar(operand) for operand in operands]))
        self.temporaries = 0
        self.free: list[int] = []
        body = [self._allocate(at, *instruction) for at, instruction in enumerate(lowering.body)]
        for k, value in enumerate(outputs):
            if self.output_of.get(value) != k:
                body.append(("copy", (n_inputs + k, self._slot(value))))
        first_scalar = n_inputs + self.n_outputs + self.temporaries
        self.body: list[EncodedInstruction] = [
            (op, *[slot if slot >= 0 else first_scalar - 1 - slot for slot in slots]) for op, slots in body
        ]

    def _choose_outputs(
        self, lowering: Lowering, outputs: Sequence[Value], noalias: Sequence[bool]
    ) -> dict[Value, int]:
        """Return the output that each value is computed into; an output of another value is a copy."""
        # of two results the second would overwrite the operand, which is read at the same time
        written = {
            value: at - (len(results) > 1)
            for at, (_, results, _) in enumerate(lowering.body)
            for value in results
        }
        output_of: dict[Value, int] = {}
        for k, (value, is_separate) in enumerate(zip(outputs, noalias, strict=True)):
            if value in written and (is_separate or written[value] >= self.last_input_use):
                output_of.setdefault(value, k)
        return output_of

    def _allocate(
        self, at: int, op: str, results: tuple[Value, ...], operands: tuple[Value, ...]
    ) -> tuple[str, tuple[int, ...]]:
        """Return an instruction with its slots, in which scalars are negative."""
        operand_slots = [self._slot(operand) for operand in operands]
        # operands are free for the result, but an instruction with two results must not overwrite its operand
        dead = [operand for operand in dict.fromkeys(operands) if self.last_use.get(operand) == at]
        if len(results) == 1:
            self._release(dead)
        result_slots = []
        for value in results:
            if value in self.output_of:
                slot = self.n_inputs + self.output_of[value]
            elif self.free:
                slot = self.free.pop()
            else:
                slot = self.n_inputs + self.n_outputs + self.temporaries
                self.temporaries += 1
                if self.temporaries > MAX_TEMPORARIES:
                    raise too_large(
                        f"the formula needs more than {MAX_TEMPORARIES} intermediate values at the same time"
                    )
            self.slots[value] = slot
            result_slots.append(slot)
        if len(results) > 1:
            self._release(dead)
        self._release(
            [value for value in results if self.last_use[value] == at and value not in self.output_of]
        )
        return op, (*result_slots, *operand_slots)

    def _release(self, values: Sequence[Value]) -> None:
        """Free the registers of values, but not inputs and outputs."""
        for value in values:
            slot = self.slots.get(value, -1)
            if slot >= self.n_inputs + self.n_outputs:
                self.free.append(slot)

    def _scalar(self, value: Value) -> int:
        """Return the number of a scalar."""
        kind, index = value
        return self.scalar_offsets[kind] + index

    def _slot(self, value: Value) -> int:
        """Return the slot of a value; a scalar, whose slot follows the temporaries, as -1 - number."""
        return self.slots[value] if value[0] == "block" else -1 - self._scalar(value)

"""Programs: instructions over registers, ready for the interpreter of the core."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from cygd.components.formula.fusion import Value, fuse
from cygd.components.formula.graph import Graph
from cygd.components.formula.lowering import Lowering
from cygd.components.formula.nodes import Node
from cygd.errors import FormulaError

__all__ = ["Program", "assemble"]

MAX_TEMPORARIES = 32  # registers of the core
MAX_SCALARS = 128  # uniforms, constants and results of the prologue together


Instruction = tuple[str | int, ...]


class Program(NamedTuple):
    """What the core runs: a prologue over scalars, once a call, and a body over blocks.

    The scalars are numbered: the uniforms, then the constants, then the results of the prologue. The slots
    of the body: inputs, outputs, temporaries, scalars.

    Attributes
    ----------
    inputs, uniforms, outputs : tuple of str
        The blocks that come in, the scalars given at each call, the blocks that go out.
    constants : tuple of float
    prologue : tuple of (op, operand, ...)
        Scalars by their numbers; each result is the next scalar.
    body : tuple of (op, result, operand, ...)
        Slots; `logistic` has two results.
    temporaries : int
        Registers besides inputs and outputs.
    """

    inputs: tuple[str, ...]
    uniforms: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: tuple[float, ...]
    prologue: tuple[Instruction, ...]
    body: tuple[Instruction, ...]
    temporaries: int


def assemble(
    graph: Graph,
    inputs: Sequence[str],
    uniforms: Sequence[str],
    outputs: Sequence[tuple[str, Node]],
    *,
    beside: Sequence[Node] = (),
    given: Mapping[Node, Node] | None = None,
    apart: Collection[str] = (),
) -> Program:
    """Return the program that computes outputs from inputs.

    Parameters
    ----------
    graph : Graph
        Where the nodes are from; a name stands for its variable.
    inputs, uniforms : sequence of str
    outputs : sequence of (str, Node)
    beside : sequence of Node, optional
        What another program computes too: the outputs of this one get the same bits as there.
    given : mapping of Node to Node, optional
        Nodes that need not be computed, because an input holds them.
    apart : collection of str
        Outputs that never lie in the memory of an input, so that they may be written at once.

    Raises
    ------
    FormulaError
        If it takes more registers or scalars than there are.
    """
    lowering = Lowering(
        graph, [graph.variable(name) for name in inputs], [graph.variable(name) for name in uniforms]
    )
    for node, other in (given or {}).items():
        lowering.give(node, other)
    values = lowering.lower([node for _, node in outputs], beside)
    # an input that goes out is read before any output may have taken its place
    values = [
        lowering.emit("copy", value) if value[0] == "block" and value[1] < len(inputs) else value
        for value in values
    ]
    lowering.body = fuse(lowering.body, values)
    if len(uniforms) + len(lowering.constants) + len(lowering.prologue) > MAX_SCALARS:
        raise FormulaError(
            "the formula holds too many different numbers", hint="write it as a function in a plugin"
        )
    allocation = _Allocation(lowering, inputs, uniforms, values, [name in apart for name, _ in outputs])
    return Program(
        tuple(inputs),
        tuple(uniforms),
        tuple(name for name, _ in outputs),
        tuple(lowering.constants),
        tuple(allocation.prologue),
        tuple(allocation.body),
        allocation.temporaries,
    )


class _Allocation:
    """Which register every value lives in: the first that is free, in the order of the instructions.

    An output that may lie in the memory of an input is written only when no input is read any more.
    """

    def __init__(
        self,
        lowering: Lowering,
        inputs: Sequence[str],
        uniforms: Sequence[str],
        outputs: Sequence[Value],
        apart: Sequence[bool],
    ) -> None:
        self.n_inputs, self.n_outputs, self.n_uniforms = len(inputs), len(outputs), len(uniforms)
        self.n_constants = len(lowering.constants)
        self.last: dict[Value, int] = {}
        for at, (_, results, operands) in enumerate(lowering.body):
            for value in results + operands:
                self.last[value] = at
        end = len(lowering.body)
        self.inputs_end = max([self.last.get(("block", k), -1) for k in range(self.n_inputs)], default=-1)
        self.places: dict[Value, int] = {("block", k): k for k in range(self.n_inputs)}
        self.home = self._homes(lowering, outputs, apart)
        for value in outputs:
            if value not in self.home:
                self.last[value] = end
        self.prologue: list[Instruction] = []
        for op, _, operands in lowering.prologue:
            self.prologue.append((op, *[self.scalar(operand) for operand in operands]))
        self.temporaries = 0
        self.free: list[int] = []
        raw = [self._place(at, *instruction) for at, instruction in enumerate(lowering.body)]
        for k, value in enumerate(outputs):
            if self.home.get(value) != k:
                raw.append(("copy", (self.n_inputs + k, self._slot(value))))
        first = self.n_inputs + self.n_outputs + self.temporaries
        self.body: list[Instruction] = [
            (op, *[slot if slot >= 0 else first - 1 - slot for slot in slots]) for op, slots in raw
        ]

    def _homes(self, lowering: Lowering, outputs: Sequence[Value], apart: Sequence[bool]) -> dict[Value, int]:
        """Return the output that a value may be computed into."""
        # the second result of two would overwrite what is read at the same time
        made = {
            value: at - (len(results) > 1)
            for at, (_, results, _) in enumerate(lowering.body)
            for value in results
        }
        homes: dict[Value, int] = {}
        for k, (value, own) in enumerate(zip(outputs, apart, strict=True)):
            if value in made and value not in homes and (own or made[value] >= self.inputs_end):
                homes[value] = k
        return homes

    def _place(
        self, at: int, op: str, results: tuple[Value, ...], operands: tuple[Value, ...]
    ) -> tuple[str, tuple[int, ...]]:
        slots = [self._slot(operand) for operand in operands]
        # an instruction with two results must not write one of them over its operand
        released = [operand for operand in dict.fromkeys(operands) if self.last.get(operand) == at]
        if len(results) == 1:
            self._release(released)
        into = []
        for value in results:
            if value in self.home:
                slot = self.n_inputs + self.home[value]
            elif self.free:
                slot = self.free.pop()
            else:
                slot = self.n_inputs + self.n_outputs + self.temporaries
                self.temporaries += 1
                if self.temporaries > MAX_TEMPORARIES:
                    raise FormulaError(
                        "the formula needs too many values at the same time",
                        hint="write it as a function in a plugin",
                    )
            self.places[value] = slot
            into.append(slot)
        if len(results) > 1:
            self._release(released)
        self._release([value for value in results if self.last[value] == at and value not in self.home])
        return op, (*into, *slots)

    def _release(self, values: Sequence[Value]) -> None:
        for value in values:
            place = self.places.get(value, -1)
            if place >= self.n_inputs + self.n_outputs:
                self.free.append(place)

    def scalar(self, value: Value) -> int:
        """Return the number of a scalar."""
        kind, index = value
        return (
            index
            + {
                "uniform": 0,
                "constant": self.n_uniforms,
                "prologue": self.n_uniforms + self.n_constants,
            }[kind]
        )

    def _slot(self, value: Value) -> int:
        """Return the slot of a value; scalars, which stand behind the temporaries, as -1 - number."""
        return self.places[value] if value[0] == "block" else -1 - self.scalar(value)

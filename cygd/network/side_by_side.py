"""Trainings side by side: which of them can go together, and all of them in lockstep to the end of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple, TypeVar

from cygd.components import Component
from cygd.network.compiled import CompiledNetwork
from cygd.network.evaluation import Part
from cygd.network.fit_options import FitOptions
from cygd.network.training import TrainingLoop

VECTOR_BYTES = 64  # of the core, at every CPU level
# of the blocks of networks side by side:
L1_BYTES = 48 * 1024  # more networks than that do not go together,
SMALL_BYTES = 96 * 1024  # half a vector of networks is faster than each alone up to here,
MOST_BYTES = 320 * 1024  # and three quarters of a vector up to here
MOST_NETWORKS = 128

Returned = TypeVar("Returned")


class Limits(NamedTuple):
    """How many trainings of one form go side by side; a vector that is not full takes as long."""

    width: int  # networks of a vector
    least: int
    most: int


def form(network: CompiledNetwork, data: Part, options: FitOptions) -> tuple[object, ...] | None:
    """Return what trainings that go side by side have in common; None if a training must go alone."""
    layers = network.layers
    functions = [_function(part) for part in (*(layer.activation for layer in layers), network.loss_function)]
    optimizer = network._kernels.optimizer_form(options.optimizer)
    if options.clip is not None or optimizer is None or None in functions:
        return None
    shapes = tuple((layer.units, layer.has_bias, layer.dropout > 0) for layer in layers)
    arrays = tuple(map(_address, (data.x, data.y, data.sample_weight, data.rows)))
    batches = (options.rows_per_batch(len(data.x)), options.shuffle)
    # a schedule that watches the loss must see each epoch, for which the others would wait
    watches = options.schedule.watcher is not None
    return (network.dtype, network.n_inputs, shapes, *functions, optimizer, arrays, batches, watches)


def limits(network: CompiledNetwork, data: Part, options: FitOptions) -> Limits:
    """Return how many trainings of a form go side by side, at least and at most."""
    width = VECTOR_BYTES // network.dtype.itemsize
    n_rows = len(data.x if data.rows is None else data.rows)
    batch_size = options.rows_per_batch(len(data.x))
    each = int(network._kernels.many_bytes(network._engine, n_rows, batch_size))
    if not 0 < each * width <= MOST_BYTES:
        return Limits(width, 1, 1)
    least = width // 2 if each * width <= SMALL_BYTES else width * 3 // 4
    return Limits(width, least, max(width, min(L1_BYTES // each // width * width, MOST_NETWORKS)))


def blocks(loops: Sequence[TrainingLoop], threads: int = 1) -> Iterator[list[TrainingLoop]]:
    """Yield the trainings that go side by side, if possible a block for each thread, and the others alone."""
    groups: dict[object, list[TrainingLoop]] = {}
    for loop in loops:
        groups.setdefault(form(loop.network, loop.data, loop.options) or loop.network, []).append(loop)
    for group in groups.values():
        width, least, most = limits(group[0].network, group[0].data, group[0].options)
        # blocks of about equal size, in whole vectors
        count = max(-(-len(group) // most), min(threads, len(group) // width))
        size = min(most, -(-len(group) // (count * width)) * width)
        for start in range(0, len(group), size):
            block = group[start : start + size]
            if len(block) >= least:
                yield block
            else:
                yield from ([loop] for loop in block)


def _function(part: Component) -> tuple[object, ...] | None:
    """Return what decides which function an activation or a loss is; None if it is not the core's own."""
    kernel, formula = getattr(part, "kernel", None), getattr(part, "formula", None)
    if kernel is None and formula is None:
        return None
    return kernel, formula, getattr(part, "reduction", None), tuple(sorted(part.parameters.items()))


def _address(array: Any) -> tuple[int, int] | None:
    """Return where an array is and how many rows it has: trainings side by side read the same rows."""
    return None if array is None else (array.__array_interface__["data"][0], len(array))


# in lockstep --------------------------------------------------------------------------------------


class Member:
    """A training among others. A subclass follows its end, and may keep its errors from the others."""

    def __init__(self, loop: TrainingLoop) -> None:
        self.loop = loop

    def call(self, step: Callable[..., Returned], *arguments: object) -> Returned:
        """Call a step of this training, in which functions of the user may run."""
        return step(*arguments)

    def ended(self) -> None:
        """Follow the end of the training, as soon as it is complete."""

    def failed(self, error: BaseException) -> None:
        """Follow an error of this training; the others continue unless this raises."""
        raise error


class _Block:
    """Trainings of one form."""

    def __init__(self, running: Sequence[Member]) -> None:
        self.running = list(running)
        self.kernels: Any = running[0].loop.network._kernels
        self.trainer: Any = self.kernels.ManyTrainer([member.loop.trainer for member in running])
        self.indices = {id(member): index for index, member in enumerate(running)}


def train(blocks: Sequence[Sequence[Member]], threads: int = 1) -> None:
    """Run trainings in lockstep, to the end of each; those of a block have one form.

    An exception of the engine, or an interrupt, ends all of them.
    """
    with ExitStack() as stack:
        for members in blocks:
            for member in members:
                stack.enter_context(member.loop.exclusive())
        started = [
            [member for member in members if _continues(member, member.loop.start_training)]
            for members in blocks
        ]
        running = [_Block(members) for members in started if members]
        while running:
            _advance(running, threads)
            running = [block for block in running if block.running]


def _continues(member: Member, step: Callable[..., bool], *arguments: object) -> bool:
    """Take a step of a training and return whether it continues; complete it if not."""
    try:
        if member.call(step, *arguments):
            return True
        member.call(member.loop.finish)
    except (Exception, SystemExit) as error:
        member.failed(error)
        return False
    member.ended()
    return False


def _advance(blocks: Sequence[_Block], threads: int) -> None:
    """Run the next epochs of the running trainings in one call; keep those that continue."""
    rates: dict[int, list[float]] = {}  # by the id of a member, like what follows
    for block in blocks:
        for member in block.running:
            try:
                rates[id(member)] = member.call(member.loop.next_rates)
            except (Exception, SystemExit) as error:
                member.failed(error)
        block.running = [member for member in block.running if id(member) in rates]
    diverged: dict[int, bool] = {}
    try:
        for kernels in {id(block.kernels): block.kernels for block in blocks}.values():  # float32, float64
            own = [block for block in blocks if block.kernels is kernels and block.running]
            diverged |= _run_epochs(own, rates, threads)
    finally:
        for member in _running(blocks):
            member.loop.sync()
    for block in blocks:
        block.running = [
            member
            for member in block.running
            if _continues(member, member.loop.end_call, diverged[id(member)])
        ]


def _run_epochs(blocks: Sequence[_Block], rates: Mapping[int, list[float]], threads: int) -> dict[int, bool]:
    """Call the engine; return which trainings diverged."""
    members = _running(blocks)
    if not members:
        return {}
    # all of them end the call where Python must see one of them
    count = min(
        min(len(rates[id(member)]), member.loop.recording.capacity - member.loop.recording.recorder.n_rows)
        for member in members
    )
    calls = [
        (
            [block.indices[id(member)] for member in block.running],
            [rates[id(member)][:count] for member in block.running],
            [member.loop.recording.recorder for member in block.running],
        )
        for block in blocks
    ]
    trainers = [block.trainer for block in blocks]
    network = members[0].loop.network
    results = network._call_engine(blocks[0].kernels.run_many, trainers, calls, threads)
    ends = [diverged for block_results in results for diverged in block_results]
    return {id(member): diverged for member, diverged in zip(members, ends, strict=True)}


def _running(blocks: Sequence[_Block]) -> list[Member]:
    return [member for block in blocks for member in block.running]

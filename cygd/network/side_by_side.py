"""Trainings side by side: which of them can go together, and all of them in lockstep to the end of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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


def blocks(loops: Sequence[TrainingLoop]) -> Iterator[list[TrainingLoop]]:
    """Yield the trainings that go side by side, and the others one by one."""
    groups: dict[object, list[TrainingLoop]] = {}
    for loop in loops:
        groups.setdefault(form(loop.network, loop.data, loop.options) or loop.network, []).append(loop)
    for group in groups.values():
        width, least, most = limits(group[0].network, group[0].data, group[0].options)
        # blocks of about equal size, in whole vectors
        count = -(-len(group) // most)
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


def train(members: Sequence[Member]) -> None:
    """Run trainings of one form in lockstep, to the end of each.

    An exception of the engine, or an interrupt, ends all of them.
    """
    with ExitStack() as stack:
        for member in members:
            stack.enter_context(member.loop.exclusive())
        running = [member for member in members if _continues(member, member.loop.start_training)]
        if running:
            loops = [member.loop for member in running]
            trainer = loops[0].network._kernels.ManyTrainer([loop.trainer for loop in loops])
            indices = {id(member): index for index, member in enumerate(running)}
        while running:
            running = _advance(trainer, indices, running)


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


def _advance(trainer: Any, indices: dict[int, int], running: Sequence[Member]) -> list[Member]:
    """Run the next epochs of the running trainings in one call; return those that continue."""
    rates: list[list[float]] = []
    active: list[Member] = []
    for member in running:
        try:
            rates.append(member.call(member.loop.next_rates))
            active.append(member)
        except (Exception, SystemExit) as error:
            member.failed(error)
    if not active:
        return []
    recorders = [member.loop.recording.recorder for member in active]
    # all of them end the call where Python must see one of them
    count = min(
        min(len(each), member.loop.recording.capacity - recorder.n_rows)
        for member, each, recorder in zip(active, rates, recorders, strict=True)
    )
    arguments = [indices[id(member)] for member in active], [each[:count] for each in rates], recorders
    try:
        diverged = active[0].loop.network._call_engine(trainer.run, *arguments)
    finally:
        for member in active:
            member.loop.sync()
    return [
        member
        for member, each in zip(active, diverged, strict=True)
        if _continues(member, member.loop.end_call, each)
    ]

"""Many networks trained in one call: those of one architecture side by side, with the bits of each alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cygd.components import Component, Metric, Optimizer, Schedule
from cygd.network import checks
from cygd.network.early_stopping import EarlyStopping
from cygd.network.fit_options import FitOptions
from cygd.network.history import History
from cygd.network.network import Network
from cygd.network.training import OnEpoch, TrainingLoop

VECTOR_BYTES = 64  # of the core, at every CPU level
# of the blocks of networks side by side:
L1_BYTES = 48 * 1024  # more networks than that do not go together,
SMALL_BYTES = 96 * 1024  # half a vector of networks is faster than each alone up to here,
MOST_BYTES = 320 * 1024  # and three quarters of a vector up to here
MOST_NETWORKS = 128

OptimizerSpec = str | Mapping[str, object] | Optimizer


def fit_many(
    networks: Sequence[Network],
    x: ArrayLike,
    y: ArrayLike,
    optimizer: OptimizerSpec | Sequence[OptimizerSpec] = "sgd",
    learning_rate: float | Sequence[float | None] | None = None,
    epochs: int = 10,
    batch_size: int | str = 32,
    shuffle: bool = True,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    sample_weight: ArrayLike | None = None,
    schedule: str | Mapping[str, object] | Schedule | None = None,
    clip: Mapping[str, float] | None = None,
    stop: Mapping[str, Any] | EarlyStopping | None = None,
    callback: OnEpoch | Sequence[OnEpoch | None] | None = None,
    evaluate_every: int = 0,
    threads: int | None = None,
    metrics: Sequence[str | Mapping[str, object] | Metric] = (),
    check_finite: bool = True,
) -> list[History]:
    """Train many networks on the same rows; each gets the bits of its own `Network.fit`.

    Small networks of one architecture are trained side by side, which is several times faster than one after
    the other. They may differ in their seeds, weights, penalties and dropout rates, and in the numbers of
    their optimizers. Each has its own shuffles and dropout masks, stops early by itself, and affects no other
    one, even if it diverges.

    Parameters
    ----------
    networks : sequence of Network
    x : array of shape (n_samples, n_inputs)
    y : array of shape (n_samples, n_outputs)
    optimizer : str, mapping or Optimizer, or a sequence of them
        One for all networks, or one for each.
    learning_rate : float, optional, or a sequence of floats
        One for all networks, or one for each; None is the optimizer's own.
    callback : callable, optional, or a sequence of callables
        One for all networks, or one for each.
    epochs, batch_size, shuffle, validation, sample_weight, schedule, clip, stop, evaluate_every, threads, \
metrics, check_finite
        The parameters of `Network.fit`, for all networks.

    Returns
    -------
    list of History
        What `fit` returns for each network.

    Raises
    ------
    ValueError, PluginError, RuntimeError
        As `fit`. Arguments are checked before any network is trained. If a component fails or the call is
        interrupted, the weights of each network are those after its last completed epoch.

    Notes
    -----
    Side by side go networks with the same numbers of units, biases, activations, loss and dtype, if they are
    small enough for it to pay. One after the other, with the same results, go networks with one layer and
    one output or with trainable activation parameters, components in Python or C, optimizers given as
    formulas, batches of one row, and clipped gradients.

    Examples
    --------
    >>> x, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    >>> networks = [Network(2, [(4, "tanh"), (1, "sigmoid")], seed=seed) for seed in range(3)]
    >>> histories = fit_many(networks, x, y, learning_rate=[0.5, 1, 2], epochs=500)
    >>> alone = Network(2, [(4, "tanh"), (1, "sigmoid")], seed=2)
    >>> alone.fit(x, y, learning_rate=2, epochs=500)["loss"] == histories[2]["loss"]
    True
    """
    networks = _checked_networks(networks)
    loops = _training_loops(
        networks,
        x,
        y,
        _one_each("optimizer", optimizer, len(networks)),
        _one_each("learning_rate", learning_rate, len(networks)),
        _one_each("callback", callback, len(networks)),
        validation=validation,
        sample_weight=sample_weight,
        check_finite=check_finite,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=shuffle,
        schedule=schedule,
        clip=clip,
        stop=stop,
        evaluate_every=evaluate_every,
        threads=threads,
        metrics=metrics,
    )
    for block in _blocks(loops):
        if len(block) == 1:
            block[0].run()
        else:
            _run_side_by_side(block)
    return [loop.history for loop in loops]


# arguments ----------------------------------------------------------------------------------------


def _checked_networks(networks: Iterable[Network]) -> list[Network]:
    """Return the networks as a list of different ones with finite parameters."""
    if isinstance(networks, Network):
        raise TypeError("networks: expected a sequence of networks, got one; train it with its fit")
    if not isinstance(networks, Iterable):
        raise TypeError(f"networks: expected a sequence of networks, got {networks!r}")
    networks = list(networks)
    places: dict[int, int] = {}
    for k, network in enumerate(networks):
        if not isinstance(network, Network):
            raise TypeError(f"networks[{k}]: expected a Network, got {network!r}")
        if places.setdefault(id(network), k) != k:
            raise ValueError(
                f"networks[{k}] is networks[{places[id(network)]}]; train each once, or a copy.copy of it"
            )
        hint = "; assign finite ones before training"
        checks.check_finite(f"networks[{k}].parameters", network.parameters, hint=hint)
    return networks


def _one_each(name: str, value: Any, count: int) -> list[Any]:
    """Return a value for each network, from one for all or a sequence of one for each."""
    array = isinstance(value, np.ndarray) and value.ndim > 0
    if not array and (isinstance(value, str | bytes) or not isinstance(value, Sequence)):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{name}: expected one for all networks, or one for each of {count} networks, got {len(value)}"
        )
    return value.tolist() if array else list(value)


def _training_loops(
    networks: Sequence[Network],
    x: ArrayLike,
    y: ArrayLike,
    optimizers: Sequence[Any],
    learning_rates: Sequence[float | None],
    callbacks: Sequence[OnEpoch | None],
    *,
    validation: tuple[ArrayLike, ArrayLike] | None,
    sample_weight: ArrayLike | None,
    check_finite: bool,
    **options: Any,
) -> list[TrainingLoop]:
    """Return the training of each network; networks of one dtype and shape share the arrays."""
    loops: list[TrainingLoop] = []
    converted: dict[object, TrainingLoop] = {}
    for network, optimizer, rate, callback in zip(
        networks, optimizers, learning_rates, callbacks, strict=True
    ):
        built = FitOptions.build(optimizer=optimizer, learning_rate=rate, **options)
        key = (network.dtype, network.n_inputs, network.n_outputs)
        first = converted.get(key)
        if first is None:
            loop = network._training_loop(x, y, built, validation, sample_weight, callback, check_finite)
            converted[key] = loop
        else:  # checked already, except by this network's loss
            data, measured = first.data, first.validation
            pair = None if measured is None else (measured.x, measured.y)
            loop = network._training_loop(
                data.x, data.y, built, pair, data.sample_weight, callback, check_finite=False
            )
        loops.append(loop)
    return loops


# side by side -------------------------------------------------------------------------------------


def _blocks(loops: Sequence[TrainingLoop]) -> Iterator[list[TrainingLoop]]:
    """Yield the trainings that go side by side, and the others one by one."""
    groups: dict[object, list[TrainingLoop]] = {}
    for loop in loops:
        groups.setdefault(_shared(loop) or loop.network, []).append(loop)
    for group in groups.values():
        width = VECTOR_BYTES // group[0].network.dtype.itemsize
        least, most = _limits(group[0], width)
        # blocks of about equal size, in whole vectors
        count = -(-len(group) // most)
        size = min(most, -(-len(group) // (count * width)) * width)
        for start in range(0, len(group), size):
            block = group[start : start + size]
            if len(block) >= least:
                yield block
            else:
                yield from ([loop] for loop in block)


def _limits(loop: TrainingLoop, width: int) -> tuple[int, int]:
    """Return how many trainings like this one go side by side, at least and at most.

    A vector has `width` networks; one that is not full takes as long.
    """
    network, n_rows = loop.network, len(loop.data.x)
    batch_size = loop.options.rows_per_batch(n_rows)
    each = int(network._kernels.many_bytes(network._engine, n_rows, batch_size))
    if not 0 < each * width <= MOST_BYTES:
        return 1, 1
    least = width // 2 if each * width <= SMALL_BYTES else width * 3 // 4
    return least, max(width, min(L1_BYTES // each // width * width, MOST_NETWORKS))


def _shared(loop: TrainingLoop) -> tuple[object, ...] | None:
    """Return what trainings that go side by side have in common; None if a training must go alone."""
    network, options = loop.network, loop.options
    layers = network.layers
    functions = [_function(part) for part in (*(layer.activation for layer in layers), network.loss_function)]
    form = network._kernels.optimizer_form(options.optimizer)
    if options.clip is not None or form is None or None in functions:
        return None
    shapes = tuple((layer.units, layer.has_bias, layer.dropout > 0) for layer in layers)
    return (network.dtype, network.n_inputs, shapes, *functions, form)


def _function(part: Component) -> tuple[object, ...] | None:
    """Return what decides which function an activation or a loss is; None if it is not the core's own."""
    kernel, formula = getattr(part, "kernel", None), getattr(part, "formula", None)
    if kernel is None and formula is None:
        return None
    return kernel, formula, getattr(part, "reduction", None), tuple(sorted(part.parameters.items()))


def _run_side_by_side(loops: Sequence[TrainingLoop]) -> None:
    """Run trainings in lockstep, to the end of each."""
    with ExitStack() as stack:
        for loop in loops:
            stack.enter_context(loop.exclusive())
        running = [k for k, loop in enumerate(loops) if loop.start_training()]
        if running:
            trainer = loops[0].network._kernels.ManyTrainer([loop.trainer for loop in loops])
        while running:
            running = _advance(trainer.run, loops, running)
        for loop in loops:
            loop.finish()


def _advance(run: Callable[..., Any], loops: Sequence[TrainingLoop], running: list[int]) -> list[int]:
    """Run the next epochs of the running trainings in one call; return those that continue."""
    active = [loops[k] for k in running]
    rates = [loop.next_rates() for loop in active]
    recorders = [loop.recording.recorder for loop in active]
    # all of them end the call where Python must see one of them
    count = min(
        min(len(each), loop.recording.capacity - recorder.n_rows)
        for loop, each, recorder in zip(active, rates, recorders, strict=True)
    )
    rates = [each[:count] for each in rates]
    try:
        diverged = active[0].network._call_engine(run, running, rates, recorders)
    except BaseException:
        for loop in active:
            loop.flush()
        raise
    finally:
        for loop in active:
            loop.sync()
    return [k for k, each in zip(running, diverged, strict=True) if loops[k].end_call(each)]

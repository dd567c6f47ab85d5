"""Many networks trained in one call: those of one architecture side by side, with the bits of each alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cygd.components import Metric, Optimizer, Schedule
from cygd.network import checks, side_by_side
from cygd.network.early_stopping import EarlyStopping
from cygd.network.evaluation import counted_targets
from cygd.network.fit_options import FitOptions
from cygd.network.history import History
from cygd.network.network import Network
from cygd.network.training import CallbackListener, OnEpoch, TrainingLoop

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
    epochs, batch_size, shuffle, validation, sample_weight, schedule, clip, stop, evaluate_every, metrics, \
check_finite
        The parameters of `Network.fit`, for all networks.
    threads : int, optional
        The maximum; each thread trains networks of its own. Never changes the results.

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
    n_threads = loops[0].options.threads or 1 if loops else 1
    together: list[list[side_by_side.Member]] = []
    for block in side_by_side.blocks(loops, n_threads):
        if len(block) == 1:
            block[0].run()
        else:
            together.append([side_by_side.Member(loop) for loop in block])
    if n_threads > 1 and len(together) > 1:
        side_by_side.train(together, n_threads)
    else:
        for members in together:  # one after the other, each in cache
            side_by_side.train([members])
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
        key = (network.dtype, network.n_inputs, network.n_outputs, network.loss_function.name)
        first = converted.get(key)
        if first is None:
            loop = network._training_loop(x, y, built, validation, sample_weight, callback, check_finite)
            converted[key] = loop
        else:
            loop = _loop_on_the_rows_of(first, network, built, callback)
        loops.append(loop)
    return loops


def _loop_on_the_rows_of(
    first: TrainingLoop, network: Network, options: FitOptions, callback: OnEpoch | None
) -> TrainingLoop:
    """Return the training of a network on the rows of another one of its shape, dtype and kind of loss."""
    if network.loss_function is not first.network.loss_function:
        for part in filter(None, (first.data, first.validation)):
            network.loss_function.check_targets(counted_targets(part, None)[0])
    listener = CallbackListener.of(callback)
    return TrainingLoop(network, first.data, options, first.validation, listener=listener)

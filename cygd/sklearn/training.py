"""Fitting an estimator: its network, the training, and what is known afterwards."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from cygd.components import Optimizer, resolve
from cygd.network import Network
from cygd.network.checks import check_count
from cygd.network.early_stopping import EarlyStopping
from cygd.network.epoch_rows import EpochRows
from cygd.network.evaluation import Rows
from cygd.network.fit_options import FitOptions
from cygd.network.history import History
from cygd.network.last_optimizer import computes_same_updates
from cygd.network.training import TrainingLoop
from cygd.sklearn.parameters import LARGEST_BATCH, layer_specs, rows_per_batch
from cygd.sklearn.threads import count_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cygd.sklearn.base import EncodedTargets, EstimatorBase

    Array = NDArray[Any]

MAX_SEED = 2**32 - 1  # the largest of NumPy


def fit(
    estimator: EstimatorBase,
    x: Array,
    targets: EncodedTargets,
    sample_weight: Array | None,
    *,
    continues: bool,
    incremental: bool,
) -> None:
    """Train the network of an estimator, a new one unless it continues, and set its fitted attributes.

    A training that fails leaves an estimator as it was, except for the weights of a network that continues.
    """
    seed, rng = _seed(estimator.random_state)
    if targets.factors is not None:
        sample_weight = targets.factors if sample_weight is None else sample_weight * targets.factors
        sample_weight = np.asarray(sample_weight, x.dtype)
    data = Rows(x, targets.y, sample_weight)
    validation = None
    if estimator.early_stopping:
        data, validation = _split(estimator, data, targets.stratify, rng)
    network = estimator.network_ if continues else _network(estimator, data, targets, seed)
    n_rows = len(data.x)
    network.loss_function.check_targets(targets.y if sample_weight is None else targets.y[sample_weight > 0])
    if network.dtype == np.float32 and rows_per_batch(estimator, n_rows) == n_rows <= LARGEST_BATCH:
        data = merge_repeated(network, data)
    options = _fit_options(estimator, network, n_rows, incremental=incremental)
    past = estimator.loss_curve_ if continues else []
    listener = None
    if not (incremental or estimator.early_stopping or estimator.tol is None):
        listener = ToleranceListener(
            estimator.tol, int(estimator.n_iter_no_change), min(past, default=math.inf)
        )
    loop = TrainingLoop(network=network, data=data, options=options, validation=validation, listener=listener)
    history = loop.run()
    if history.status == "diverged":
        raise ValueError(
            "the training diverged: its loss or its weights are not finite; scale X (StandardScaler) or "
            "decrease learning_rate_init"
        )
    for name, value in {"network_": network, **targets.fitted}.items():
        setattr(estimator, name, value)
    _record(estimator, history, past)


def _seed(random_state: Any) -> tuple[int, Any]:
    """Return the seed of the network, which is `random_state` if that is a number, and of the split."""
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        return check_count("random_state", random_state, 0, MAX_SEED), int(random_state)
    rng = check_random_state(random_state)
    return int(rng.randint(2**31 - 1)), rng


def _network(estimator: EstimatorBase, data: Rows, targets: EncodedTargets, seed: int) -> Network:
    """Return the untrained network for some rows."""
    n_rows, n_inputs = data.x.shape
    # as in scikit-learn, alpha is divided by the sum of the weights in a batch
    weight = n_rows if data.sample_weight is None else float(data.sample_weight.sum(dtype=np.float64))
    l2 = float(estimator.alpha) / (rows_per_batch(estimator, n_rows) / n_rows * weight)
    layers = layer_specs(estimator, targets.y.shape[1], targets.output_activation, l2)
    return Network(n_inputs, layers, loss=targets.loss, dtype=data.x.dtype, seed=seed)


def _fit_options(estimator: EstimatorBase, network: Network, n_rows: int, *, incremental: bool) -> FitOptions:
    """Return the options of the training; partial_fit is one epoch at a constant learning rate."""
    optimizer: Any = estimator.optimizer
    if isinstance(optimizer, Optimizer):
        optimizer = optimizer.configured({})  # another object, so that its state is fresh
    last = network.optimizer
    if incremental and last is not None:
        given = resolve("optimizer", optimizer)
        assert isinstance(given, Optimizer)
        if computes_same_updates(last, given):
            optimizer = last  # this object, so that the network continues with its state
    stop: EarlyStopping | None = None
    if estimator.early_stopping:
        stop = EarlyStopping(
            monitor=f"validation_{estimator._score_metric}",
            patience=int(estimator.n_iter_no_change) + 1,
            min_delta=float(estimator.tol or 0.0),
        )
    return FitOptions.build(
        optimizer=optimizer,
        learning_rate=estimator.learning_rate_init,
        epochs=1 if incremental else int(estimator.max_iter),
        batch_size=rows_per_batch(estimator, n_rows),
        shuffle=bool(estimator.shuffle),
        schedule=None if incremental else estimator.schedule,
        clip=estimator.clip,
        stop=stop,
        metrics=[estimator._score_metric] if stop else [],
        threads=count_threads(estimator.n_jobs),
    )


def _split(estimator: EstimatorBase, data: Rows, stratify: Array | None, rng: Any) -> tuple[Rows, Rows]:
    """Return the rows for training and those for early stopping, of all labels if they are given."""
    from sklearn.model_selection import train_test_split  # imported here: few fits need it

    indices = train_test_split(
        np.arange(len(data.x)), test_size=estimator.validation_fraction, random_state=rng, stratify=stratify
    )
    if len(indices[1]) < 2:
        raise ValueError(
            f"early_stopping needs at least two validation rows, got {len(indices[1])}; increase "
            "validation_fraction or give more rows"
        )
    train, validation = (
        Rows(data.x[rows], data.y[rows], None if data.sample_weight is None else data.sample_weight[rows])
        for rows in indices
    )
    return train, validation


def merge_repeated(network: Network, data: Rows) -> Rows:
    """Return the rows of a full batch with equal ones as one row of their weight, in an order of their own.

    In a full batch a row of weight 2 is the row twice. Without this the two are added in other orders, and
    in float32 the rounding errors grow over the epochs until they show in the predictions. Rows that are
    neither weighted nor repeated keep their order.
    """
    if any(layer.dropout for layer in network.layers):
        return data  # each row has a mask of its own
    if data.sample_weight is None and len(np.unique(data.x[:, 0])) == len(data.x):
        return data  # found sooner than below
    rows_as_numbers = np.hstack([data.x, data.y])
    keys = rows_as_numbers.view(f"V{rows_as_numbers.strides[0]}").ravel()
    if data.sample_weight is None and len(set(keys.tolist())) == len(keys):
        return data
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    weight = np.bincount(inverse.ravel(), data.sample_weight).astype(data.x.dtype)
    rows = first[weight > 0]
    return Rows(data.x[rows], data.y[rows], weight[weight > 0])


class ToleranceListener:
    """Stops a training when its running loss has not improved by `tol` for more than some epochs.

    The rule is that of scikit-learn. It can end a training only after so many epochs without an improvement,
    so the engine runs all of these in one call.
    """

    every_epoch = False
    milliseconds = math.inf
    reads_hashes = False

    def __init__(self, tol: float, n_iter_no_change: int, best: float) -> None:
        self.tol, self.patience, self.best = tol, n_iter_no_change, best
        self.epoch = 0  # the last one that was seen
        self.wait = 0
        self.stopped = False

    def next_pause(self, epoch: int) -> int:
        """Return the next epoch that can be the last."""
        return max(epoch + 1, self.epoch + self.patience + 1 - self.wait)

    def on_epoch(self, epoch: int, values: dict[str, float]) -> bool:
        """Return False: the rows show all epochs."""
        return False

    def on_rows(self, rows: EpochRows) -> bool:
        """Follow the running losses; return True to stop."""
        self.epoch = rows.last
        if "running_loss" not in rows.names:  # before the first update
            return False
        for loss in rows.values[:, rows.names.index("running_loss")].tolist():
            self.wait = self.wait + 1 if loss > self.best - self.tol else 0
            self.best = min(self.best, loss)
        self.stopped = self.wait > self.patience
        return self.stopped


def _record(estimator: EstimatorBase, history: History, past: Sequence[float]) -> None:
    """Set the fitted attributes, and warn of a training that has not converged."""
    estimator.n_iter_ = history.epochs
    estimator.loss_curve_ = [*past, *history["running_loss"]]
    estimator.best_loss_ = None if estimator.early_stopping else min(estimator.loss_curve_)
    scores = history.get(f"validation_{estimator._score_metric}") if estimator.early_stopping else None
    estimator.validation_scores_ = None if scores is None else list(scores[1:])
    estimator.best_validation_score_ = None if scores is None else max(scores)
    watched = estimator.early_stopping or estimator.tol is not None
    if watched and history.status == "completed" and history.epochs == estimator.max_iter > 1:
        warnings.warn(
            f"Maximum iterations ({estimator.max_iter}) reached and the optimization has not converged yet: "
            "increase max_iter, or set tol=None to train for max_iter epochs.",
            ConvergenceWarning,
            stacklevel=5,
        )

"""The parameters and the fitted attributes of the estimators, which the modules of this folder share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sklearn.base import BaseEstimator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cygd.components import Activation, Loss, Optimizer, Schedule
    from cygd.network import Network
    from cygd.sklearn.labels import Labels

    Array = NDArray[Any]


class EncodedTargets(NamedTuple):
    """The targets of a fit as the network learns them."""

    y: Array  # (n_samples, n_outputs), C-contiguous and of the network's dtype
    loss: Loss
    output_activation: str  # of the last layer, unless `layers` names one
    factors: Array | None = None  # on the sample weights: those of the classes
    stratify: Array | None = None  # the labels by which validation rows are drawn
    fitted: Mapping[str, Any] = {}  # attributes to set once the training has succeeded


class EstimatorBase(BaseEstimator):  # type: ignore[misc]
    """What a fit reads and sets. Both estimators document their parameters."""

    classes_: Array  # of a classifier
    _labels: Labels
    network_: Network
    n_iter_: int
    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None

    _score_metric: str  # of early stopping

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Mapping[str, object] | Activation = "relu",
        *,
        layers: Sequence[object] | None = None,
        loss: str | Mapping[str, object] | Loss | None = None,
        optimizer: str | Mapping[str, object] | Optimizer = "adam",
        learning_rate_init: float | None = None,
        schedule: str | Mapping[str, object] | Schedule | None = None,
        alpha: float = 0.0001,
        l1: float = 0.0,
        dropout: float = 0.0,
        clip: Mapping[str, float] | None = None,
        batch_size: int | str = "auto",
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float | None = 1e-4,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        dtype: str | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.layers = layers
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.alpha = alpha
        self.l1 = l1
        self.dropout = dropout
        self.clip = clip
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.dtype = dtype
        self.n_jobs = n_jobs

"""The regressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import column_or_1d

from cygd.sklearn.base import EncodedTargets
from cygd.sklearn.estimator import NetworkEstimator, cast_finite

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from cygd.components import Loss

    Array = NDArray[Any]

# 1/2 (y - y_hat)^2, averaged over samples and outputs
DEFAULT_LOSS = {"name": "sse", "reduction": "mean"}
# of the last layer, by the domain of the targets of the loss
OUTPUT_ACTIVATIONS = {"nonnegative": "softplus", "unit": "sigmoid", "signs": "tanh"}


class NetworkRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """A network that predicts numbers, of one or several outputs.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Units of the hidden layers.
    activation : str, mapping or Activation
        Of the hidden layers: a name, a mapping such as ``{"formula": "h * sigmoid(beta * h)", "beta": 1.0}``,
        or an `Activation`.
    layers : sequence, optional
        Instead of `hidden_layer_sizes`: all layers as `Network` takes them, with their own activations,
        initializers, dropout and penalties; the last one is the output and may leave out its units.
    loss : str, mapping or Loss, optional
        By default 1/2 (y - y_hat)^2, averaged over samples and outputs.
    optimizer : str, mapping or Optimizer
        A name, or a mapping with its options, such as ``{"name": "sgd", "momentum": 0.9}``.
    learning_rate_init : float, optional
        The learning rate; the optimizer's own by default, 0.001 for adam.
    schedule : str, mapping or Schedule, optional
        Factors on the learning rate by epoch; `partial_fit` ignores it.
    alpha, l1 : float
        Penalties on the weights, as in `MLPRegressor`: alpha is divided by the rows of a batch. l1 is not.
    dropout : float
        The share of the outputs of each hidden layer that an update drops.
    clip : mapping, optional
        ``{"norm": limit}`` or ``{"value": limit}`` on the gradient.
    batch_size : int, "auto" or "full"
        "auto" is 200 rows, or all of them if there are fewer.
    max_iter : int
        Epochs.
    shuffle : bool
        Whether to draw a new order of the rows every epoch.
    random_state : int, RandomState or None
        For initial weights, shuffles, dropout and validation rows; None draws a new seed for each fit.
    tol, n_iter_no_change : float or None, int
        Stop when the running loss has not improved by `tol` for more than `n_iter_no_change` epochs; None
        trains for `max_iter` epochs.
    warm_start : bool
        Whether `fit` continues with the weights of the last one.
    early_stopping : bool
        Whether to stop by the score (R^2) on validation rows instead, and to keep the best weights.
    validation_fraction : float
        The share of the rows for validation.
    dtype : {None, "float32", "float64"}
        Of the network; None: float32 for X of this type, else float64.
    n_jobs : int, optional
        Threads, which never change the result: 1 by default, -1 for all.

    Attributes
    ----------
    network_ : Network
        The trained network.
    n_features_in_, feature_names_in_ : int, array of str
    coefs_, intercepts_ : list of arrays
        Views of the network's weights and biases.
    n_iter_ : int
        Epochs of the last fit.
    loss_curve_ : list of float
        The running loss of each epoch, without penalties.
    best_loss_ : float or None
        The smallest of them; None with early stopping.
    validation_scores_, best_validation_score_ : list of float, float; or None
        The scores of the validation rows after each epoch, and the best.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> model = NetworkRegressor((16,), "tanh", learning_rate_init=0.05, tol=None, random_state=0)
    >>> round(model.fit(X, X.ravel() ** 2).score(X, X.ravel() ** 2), 1)
    1.0
    """

    _score_metric = "r2"

    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch on some rows, with the state of the optimizer from the calls before.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : array of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array of shape (n_samples,), optional

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: ArrayLike) -> Array:
        """Return the predictions, (n_samples,) or (n_samples, n_outputs)."""
        y_hat = self._outputs(X)
        preprocessing = getattr(self, "preprocessing_", None)
        if preprocessing is not None:
            y_hat = np.asarray(preprocessing.inverse_targets(y_hat))
        return y_hat.ravel() if y_hat.shape[1] == 1 else y_hat

    def _y_checks(self) -> dict[str, Any]:
        return {"y_numeric": True}

    def _encode(
        self, y: Array, dtype: np.dtype[Any], *, continues: bool, classes: Array | None
    ) -> EncodedTargets:
        y = column_or_1d(y, warn=True)[:, None] if y.ndim == 1 or y.shape[1] == 1 else y
        n_outputs = self.network_.n_outputs if continues else y.shape[1]
        if y.shape[1] != n_outputs:
            raise ValueError(f"y has {y.shape[1]} columns, but the estimator was fitted on {n_outputs}")
        targets, loss = cast_finite("y", y, dtype), self._loss()
        return EncodedTargets(targets, loss, OUTPUT_ACTIVATIONS.get(loss.targets, "identity"))

    def _loss(self) -> Loss:
        from cygd.components import Loss, resolve

        loss = resolve("loss", DEFAULT_LOSS if self.loss is None else self.loss)
        assert isinstance(loss, Loss)
        return loss

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

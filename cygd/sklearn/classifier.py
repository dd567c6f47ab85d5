"""The classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import unique_labels

from cygd.sklearn.base import EncodedTargets
from cygd.sklearn.estimator import NetworkEstimator
from cygd.sklearn.labels import Labels, read_labels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from cygd.components import Activation, Loss, Optimizer, Schedule

    Array = NDArray[Any]


def _gives_probabilities(estimator: NetworkClassifier) -> bool:
    from cygd.sklearn.output_layer import check_probabilities

    return check_probabilities(estimator)


class NetworkClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """A network that predicts classes: two, several, or any number of labels for each row.

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
        By default the cross entropy, with one sigmoid unit for two classes, a softmax for more, and sigmoid
        units for labels of which a row may have several. A loss of -1 and 1, such as the hinge, gets linear
        outputs.
    optimizer : str, mapping or Optimizer
        A name, or a mapping with its options, such as ``{"name": "sgd", "momentum": 0.9}``.
    learning_rate_init : float, optional
        The learning rate; the optimizer's own by default, 0.001 for adam.
    schedule : str, mapping or Schedule, optional
        Factors on the learning rate by epoch; `partial_fit` ignores it.
    alpha, l1 : float
        Penalties on the weights, as in `MLPClassifier`: alpha is divided by the rows of a batch. l1 is not.
    dropout : float
        The share of the outputs of each hidden layer that an update drops.
    clip : mapping, optional
        ``{"norm": limit}`` or ``{"value": limit}`` on the gradient.
    class_weight : dict, list of dict, "balanced" or None
        Factors on the loss of the rows of each class, as scikit-learn computes them.
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
        Whether to stop by the accuracy on validation rows instead, and to keep the best weights.
    validation_fraction : float
        The share of the rows for validation.
    dtype : {None, "float32", "float64"}
        Of the network; None: float32 for X of this type, else float64.
    n_jobs : int, optional
        Threads, which never change the result: 1 by default, -1 for all.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
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
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], ["no", "yes", "yes", "no"]
    >>> model = NetworkClassifier((16,), learning_rate_init=0.1, tol=None, random_state=0).fit(X, y)
    >>> model.predict([[0, 1], [1, 1]]).tolist()
    ['yes', 'no']
    """

    _score_metric = "accuracy"

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
        class_weight: Any = None,
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
        super().__init__(
            hidden_layer_sizes,
            activation,
            layers=layers,
            loss=loss,
            optimizer=optimizer,
            learning_rate_init=learning_rate_init,
            schedule=schedule,
            alpha=alpha,
            l1=l1,
            dropout=dropout,
            clip=clip,
            batch_size=batch_size,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            warm_start=warm_start,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            dtype=dtype,
            n_jobs=n_jobs,
        )
        self.class_weight = class_weight

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on some rows, with the state of the optimizer from the calls before.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : array of shape (n_samples,) or (n_samples, n_labels)
        classes : array, optional
            All classes; required in the first call, because its rows may lack some.
        sample_weight : array of shape (n_samples,), optional

        Returns
        -------
        self
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} is not supported by partial_fit, which sees a part of "
                "the rows; compute a dict with sklearn.utils.class_weight.compute_class_weight"
            )
        return self._fit(X, y, sample_weight, incremental=True, classes=self._declare_classes(classes))

    def _declare_classes(self, classes: ArrayLike | None) -> Array:
        """Return the classes of the first call of partial_fit; later ones must name the same, or none."""
        fitted = hasattr(self, "network_")
        if classes is None:
            if not fitted:
                raise ValueError("classes must be passed on the first call to partial_fit")
            return self.classes_
        found = np.asarray(unique_labels(classes))
        if fitted and not np.array_equal(found, self.classes_):
            raise ValueError(
                f"classes={found.tolist()} is not the same as on the last call to partial_fit, "
                f"{self.classes_.tolist()}"
            )
        return found

    def predict(self, X: ArrayLike) -> Array:
        """Return the classes of rows, (n_samples,), or their labels as 0 and 1, (n_samples, n_labels)."""
        y_hat = self._outputs(X)
        return self._labels.decode(y_hat)

    @available_if(_gives_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: ArrayLike) -> Array:
        """Return the probabilities of the classes, (n_samples, n_classes)."""
        y_hat = self._outputs(X)
        is_softmax = self.network_.layers[-1].activation.kernel == "softmax"
        return self._labels.probabilities(y_hat, normalized=is_softmax)

    @available_if(_gives_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: ArrayLike) -> Array:
        """Return the logarithms of the probabilities of the classes, (n_samples, n_classes)."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def decision_function(self, X: ArrayLike) -> Array:
        """Return the net inputs of sigmoid or softmax outputs, else the outputs.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
            Of two classes the second is predicted where it is above 0; of more, the largest one.
        """
        from cygd.sklearn.decision import decision_values

        x, dtype = self._inputs(X)
        values, threshold = decision_values(self.network_, x, self._labels.threshold)
        values = values.astype(dtype, copy=False)
        if self._labels.multilabel or self._labels.n_outputs > 2:
            return values - threshold if self._labels.multilabel else values
        return values[:, 0] - threshold if self._labels.binary else values[:, 1] - values[:, 0]

    def _encode(
        self, y: Array, dtype: np.dtype[Any], *, continues: bool, classes: Array | None
    ) -> EncodedTargets:
        from cygd.sklearn.output_layer import output_layer

        y, multilabel = read_labels(y)
        codes: Array | None = None
        if classes is None and multilabel:
            classes = np.arange(y.shape[1])
        elif classes is None:
            classes, codes = np.unique(y, return_inverse=True)
        if continues and not self._labels.matches(classes, multilabel):
            kind = "labels of which a row may have several" if self._labels.multilabel else "classes"
            raise ValueError(
                f"y: expected the {kind} of the last fit, {self.classes_.tolist()}, got {classes.tolist()}"
            )
        if len(classes) < 2 and not multilabel:
            raise ValueError(f"y: expected at least two classes, got 1 class: {classes.tolist()[0]!r}")
        output = output_layer(self, len(classes), multilabel)
        labels = (
            self._labels
            if continues
            else Labels(classes, multilabel, output.n_outputs, signs=output.loss.targets == "signs")
        )
        targets, codes = labels.encode(y, dtype, codes)
        factors = None
        if self.class_weight is not None:
            factors = compute_sample_weight(self.class_weight, y)
        fitted = {"classes_": labels.classes, "_labels": labels}
        return EncodedTargets(targets, output.loss, output.activation, factors, codes, fitted)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

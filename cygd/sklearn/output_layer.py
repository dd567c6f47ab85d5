"""The output layer of a classifier: its loss, units and activation, by the classes and the parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cygd.components import Activation, Loss, resolve
from cygd.sklearn.parameters import as_list, as_mapping

if TYPE_CHECKING:
    from cygd.sklearn.base import EstimatorBase

CROSS_ENTROPIES = ("cross_entropy", "binary_cross_entropy")
PROBABILITIES = ("softmax", "sigmoid", "hard_sigmoid")  # activations with outputs from 0 to 1


class OutputLayer(NamedTuple):
    """What the output layer of a classifier is, unless `layers` says more."""

    loss: Loss
    n_outputs: int
    activation: str


def given_loss(estimator: EstimatorBase) -> Loss | None:
    """Return the loss that the user chose, if any."""
    if estimator.loss is None:
        return None
    loss = resolve("loss", estimator.loss)
    assert isinstance(loss, Loss)
    return loss


def _last_layer(estimator: EstimatorBase) -> dict[str, Any]:
    """Return what `layers` says of the output layer."""
    return {} if estimator.layers is None else as_mapping(as_list(estimator.layers)[-1])


def _given_activation(last: dict[str, Any]) -> Activation | None:
    if "activation" not in last:
        return None
    activation = resolve("activation", last["activation"])
    assert isinstance(activation, Activation)
    return activation


def output_layer(estimator: EstimatorBase, n_labels: int, multilabel: bool) -> OutputLayer:
    """Return the output layer for some classes, or for some labels of which a row may have several.

    Two classes are one output, unless the softmax, the cross entropy or two units are asked for.
    """
    loss, last = given_loss(estimator), _last_layer(estimator)
    activation = _given_activation(last)
    kernel = None if activation is None else activation.kernel
    is_softmax = kernel == "softmax" or (loss is not None and loss.kernel == "cross_entropy")
    single = n_labels == 2 and not multilabel and not is_softmax and last.get("units") != 2
    n_outputs = 1 if single else n_labels
    separate = single or multilabel or kernel == "sigmoid"  # each output is a class of its own
    if loss is None:
        default = resolve("loss", "binary_cross_entropy" if separate else "cross_entropy")
        assert isinstance(default, Loss)
        loss = default
    if loss.targets == "signs":
        return OutputLayer(loss, n_outputs, "identity")
    separate = separate or loss.kernel == "binary_cross_entropy"
    return OutputLayer(loss, n_outputs, "sigmoid" if separate else "softmax")


def check_probabilities(estimator: EstimatorBase) -> bool:
    """Return True if the outputs are probabilities, or raise an AttributeError that says why not."""
    loss, activation = given_loss(estimator), _given_activation(_last_layer(estimator))
    if loss is None or loss.kernel in CROSS_ENTROPIES:
        return True
    in_range = activation is None or activation.kernel in PROBABILITIES
    if loss.targets == "signs" or not in_range:
        outputs = f"{loss}" if activation is None else f"{loss} with {activation}"
        raise AttributeError(
            f"predict_proba needs outputs that are probabilities, not those of {outputs}; wrap the "
            "estimator in CalibratedClassifierCV"
        )
    return True

"""What the estimators predict: classes, labels, probabilities, decisions and numbers."""

import numpy as np
import pytest
from scipy.special import expit, logit, softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from cygd import Loss
from cygd.sklearn import NetworkClassifier, NetworkRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
CODES = (X[:, 0] > 0.2).astype(int) + (X[:, 1] > 0)
NAMES = np.array(["ant", "bee", "cat"])[CODES]
INDICATOR = np.column_stack([X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 0.5, X.sum(axis=1) > 0]).astype(int)


def fitted(y, **options):
    defaults = {"hidden_layer_sizes": (10,), "learning_rate_init": 0.05, "max_iter": 60}
    return NetworkClassifier(**{**defaults, **options}, random_state=0, tol=None).fit(X, y)


@pytest.mark.parametrize(
    "y",
    [CODES, NAMES, NAMES.astype(object), CODES * 2.0 - 1, CODES > 0, np.where(CODES > 0, "yes", "no"),
     np.int8(CODES), CODES[:, None].ravel()],
    ids=["int", "str", "object", "float", "bool", "two names", "int8", "ravel"],
)  # fmt: skip
def test_labels_come_back_as_they_were_given(y):
    model = fitted(y)
    assert model.classes_.tolist() == sorted(set(y.tolist()))
    predicted = model.predict(X)
    assert predicted.dtype == np.asarray(y).dtype
    assert model.score(X, y) > 0.95
    proba = model.predict_proba(X)
    np.testing.assert_array_equal(model.classes_[proba.argmax(axis=1)], predicted)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(proba))


def test_two_classes_are_one_sigmoid_unit():
    model = fitted(CODES > 0)
    net = model.network_
    assert (net.n_outputs, net.layers[-1].activation.name, net.loss_function.name) == (
        1,
        "sigmoid",
        "binary_cross_entropy",
    )
    positive = net.predict(X).ravel()
    np.testing.assert_array_equal(model.predict_proba(X), np.column_stack([1 - positive, positive]))
    decision = model.decision_function(X)
    np.testing.assert_allclose(decision, logit(positive), rtol=1e-5, atol=1e-9)
    np.testing.assert_array_equal(decision > 0, model.predict(X))


@pytest.mark.parametrize(
    "options",
    [{"loss": "cross_entropy"}, {"layers": [10, {"activation": "softmax"}]}, {"layers": [10, {"units": 2}]}],
    ids=str,
)
def test_two_classes_may_be_a_softmax(options):
    model = fitted(CODES > 0, **options)
    assert (model.network_.n_outputs, model.network_.layers[-1].activation.name) == (2, "softmax")
    proba = model.predict_proba(X)
    np.testing.assert_array_equal(proba, model.network_.predict(X))
    np.testing.assert_allclose(expit(model.decision_function(X)), proba[:, 1], atol=1e-12)
    assert model.score(X, CODES > 0) > 0.95


def test_decision_function_of_several_classes_is_the_net_input():
    model = fitted(NAMES, activation={"formula": "h * sigmoid(b * h)", "b": 2.0, "trainable": ["b"]})
    assert model.network_.trainable_values[0].tolist() != [2.0]
    decision = model.decision_function(X)
    np.testing.assert_allclose(softmax(decision, axis=1), model.predict_proba(X), atol=1e-12)


def test_saturated_probabilities_still_have_an_order():
    model = fitted(CODES > 0, max_iter=3)
    model.coefs_[-1][...] *= 1e4
    far = X[:20] * 100
    decision, proba = model.decision_function(far), model.predict_proba(far)[:, 1]
    assert len(np.unique(proba)) < len(np.unique(decision)) == 20


def test_multilabel_targets():
    model = fitted(INDICATOR)
    assert (model.network_.layers[-1].activation.name, model.network_.n_outputs) == ("sigmoid", 4)
    assert model.classes_.tolist() == [0, 1, 2, 3]
    predicted, proba = model.predict(X), model.predict_proba(X)
    assert predicted.shape == proba.shape == (200, 4)
    assert set(predicted.ravel().tolist()) == {0, 1}
    np.testing.assert_array_equal(predicted, proba > 0.5)
    np.testing.assert_array_equal(predicted, model.decision_function(X) > 0)
    np.testing.assert_array_equal(proba, model.network_.predict(X))
    assert model.score(X, INDICATOR) > 0.8
    from scipy import sparse

    again = clone(model).fit(X, sparse.csr_matrix(INDICATOR))
    np.testing.assert_array_equal(again.network_.parameters, model.network_.parameters)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("y", [CODES > 0, NAMES, INDICATOR], ids=["binary", "classes", "labels"])
def test_losses_of_signs_have_linear_outputs_and_no_probabilities(loss, y):
    model = fitted(y, loss=loss)
    assert model.network_.layers[-1].activation.name == "identity"
    assert model.score(X, y) > 0.8
    outputs = model.network_.predict(X)
    np.testing.assert_array_equal(
        model.decision_function(X), outputs.ravel() if outputs.shape[1] == 1 else outputs
    )
    assert not hasattr(model, "predict_proba")
    with pytest.raises(AttributeError, match="has no attribute 'predict_proba'") as caught:
        model.predict_proba(X)
    assert f"not those of loss '{loss}'; wrap the estimator in CalibratedClassifierCV" in str(
        caught.value.__cause__
    )


@pytest.mark.parametrize(
    "loss", ["mse", {"name": "huber", "delta": 0.5}, Loss("mine", formula="(y - y_hat)**2")]
)
@pytest.mark.parametrize("y", [CODES > 0, NAMES, INDICATOR], ids=["binary", "classes", "labels"])
def test_other_losses_have_outputs_from_0_to_1(loss, y):
    model = fitted(y, loss=loss)
    assert model.score(X, y) > 0.8
    proba = model.predict_proba(X)
    assert proba.min() >= 0
    assert proba.max() <= 1


def test_one_sigmoid_for_each_class_is_normalized():
    model = fitted(NAMES, layers=[10, {"activation": "sigmoid"}])
    assert model.network_.loss_function.name == "binary_cross_entropy"
    outputs, proba = model.network_.predict(X), model.predict_proba(X)
    np.testing.assert_allclose(proba, outputs / outputs.sum(axis=1, keepdims=True), rtol=1e-12)


# -- numbers ---------------------------------------------------------------------------------------


def test_several_outputs():
    y = np.column_stack([X[:, 0] ** 2, X[:, 1] + X[:, 2]])
    model = NetworkRegressor((20,), learning_rate_init=0.02, random_state=0, max_iter=500, tol=None).fit(X, y)
    assert model.predict(X).shape == (200, 2)
    assert model.score(X, y) > 0.95
    column = NetworkRegressor((20,), random_state=0, max_iter=3, tol=None)
    with pytest.warns(UserWarning, match="A column-vector y was passed"):
        assert column.fit(X, y[:, :1]).predict(X).shape == (200,)


@pytest.mark.parametrize(
    ("loss", "activation"),
    [(None, "identity"), ("huber", "identity"), ("poisson", "softplus"), ("binary_cross_entropy", "sigmoid")],
)
def test_output_activation_follows_the_domain_of_the_loss(loss, activation):
    y = expit(X[:, 0])
    model = NetworkRegressor((5,), loss=loss, random_state=0, max_iter=2, tol=None).fit(X, y)
    assert model.network_.layers[-1].activation.name == activation


def test_targets_outside_the_domain_are_an_error():
    with pytest.raises(ValueError, match=r"loss 'poisson': expected targets of 0 or more, got y\[0, 0\] = "):
        NetworkRegressor((5,), loss="poisson").fit(X, X[:, 0] - 100)


# -- dtypes and attributes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "dtype", "network", "predicted"),
    [
        ("float32", None, "float32", "float32"),
        ("float64", None, "float64", "float64"),
        ("int64", None, "float64", "float64"),
        ("float16", None, "float64", "float64"),
        ("float32", "float64", "float64", "float64"),
        ("float64", "float32", "float32", "float64"),
        ("float32", "float32", "float32", "float32"),
    ],
)
def test_float32_stays_float32(given, dtype, network, predicted):
    x = (10 * X).astype(given)
    model = NetworkRegressor((4,), dtype=dtype, random_state=0, max_iter=2, tol=None).fit(x, X[:, 0])
    assert model.network_.dtype == network
    assert model.predict(x).dtype == predicted
    classifier = NetworkClassifier((4,), dtype=dtype, random_state=0, max_iter=2, tol=None).fit(x, NAMES)
    for values in (classifier.predict_proba(x), classifier.decision_function(x)):
        assert values.dtype == predicted


def test_coefficients_are_views_of_the_network():
    model = fitted(NAMES)
    assert [w.shape for w in model.coefs_] == [(3, 10), (10, 3)]
    assert [b.shape for b in model.intercepts_] == [(10,), (3,)]
    model.coefs_[1][...] = 0
    model.intercepts_[1][...] = 0
    np.testing.assert_allclose(model.predict_proba(X), 1 / 3)
    no_bias = fitted(NAMES, layers=[{"units": 4, "bias": False}, {"bias": False}])
    assert [b.tolist() for b in no_bias.intercepts_] == [[0.0] * 4, [0.0] * 3]


@pytest.mark.parametrize("name", ["coefs_", "intercepts_", "network_"])
def test_attributes_of_an_unfitted_estimator_are_missing(name):
    assert not hasattr(NetworkClassifier(), name)
    with pytest.raises(AttributeError):
        getattr(NetworkRegressor(), name)


def test_predictions_of_an_unfitted_estimator_are_an_error():
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(NotFittedError, match="This NetworkClassifier instance is not fitted yet"):
            getattr(NetworkClassifier(), method)(X)
    with pytest.raises(NotFittedError, match="This NetworkRegressor instance is not fitted yet"):
        NetworkRegressor().predict(X)


def test_tags_say_what_the_estimators_do():
    from sklearn.utils import get_tags

    tags = get_tags(NetworkClassifier())
    assert (tags.classifier_tags.multi_label, tags.classifier_tags.multi_class) == (True, True)
    assert (tags.target_tags.multi_output, tags.target_tags.required) == (False, True)
    assert (tags.input_tags.sparse, tags.input_tags.allow_nan, tags.non_deterministic) == (
        False,
        False,
        False,
    )
    tags = get_tags(NetworkRegressor())
    assert tags.target_tags.multi_output
    assert not tags.regressor_tags.poor_score

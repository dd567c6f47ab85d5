"""What a fit trains: the same as `Network.fit`, stopped by scikit-learn's rules."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from cygd import Activation, Network
from cygd.sklearn import NetworkClassifier, NetworkRegressor
from tests.helpers.network_cases import swish, swish_derivative

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
Y = np.sin(X[:, 0]) + 0.1 * RNG.normal(size=300)
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def regressor(**options):
    return NetworkRegressor(**{"hidden_layer_sizes": (8,), "random_state": 0, "tol": None, **options})


def classifier(**options):
    return NetworkClassifier(**{"hidden_layer_sizes": (8,), "random_state": 0, "tol": None, **options})


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_regression_has_the_bits_of_the_network(dtype):
    layers = [
        {"units": 8, "activation": "tanh", "l2": 0.5 / 50, "l1": 1e-3},
        {"units": 1, "l2": 0.01, "l1": 1e-3},
    ]
    net = Network(4, layers, loss={"name": "sse", "reduction": "mean"}, dtype=dtype, seed=7)
    history = net.fit(X, Y, "adam", 0.01, epochs=5, batch_size=50)
    model = regressor(
        activation="tanh", alpha=0.5, l1=1e-3, batch_size=50, learning_rate_init=0.01, max_iter=5,
        random_state=7, dtype=dtype,
    ).fit(X, Y)  # fmt: skip
    np.testing.assert_array_equal(model.network_.parameters, net.parameters)
    assert model.loss_curve_ == history["running_loss"]
    assert (model.n_iter_, model.best_loss_) == (5, min(history["running_loss"]))
    np.testing.assert_array_equal(model.predict(X), net.predict(X).ravel())


def test_classification_has_the_bits_of_the_network():
    layers = [{"units": 8, "activation": "relu", "dropout": 0.2}, {"units": 3, "activation": "softmax"}]
    net = Network(4, layers, loss="cross_entropy", seed=3)
    net.fit(X, np.eye(3)[LABELS], {"name": "sgd", "momentum": 0.9}, 0.1, epochs=4, schedule="cosine",
            clip={"norm": 0.5})  # fmt: skip
    model = classifier(
        alpha=0, dropout=0.2, optimizer={"name": "sgd", "momentum": 0.9}, learning_rate_init=0.1, max_iter=4,
        batch_size=32, schedule="cosine", clip={"norm": 0.5}, random_state=3,
    ).fit(X, LABELS)  # fmt: skip
    np.testing.assert_array_equal(model.network_.parameters, net.parameters)
    np.testing.assert_array_equal(model.predict_proba(X), net.predict(X))


def test_threads_do_not_change_the_bits():
    x, y = RNG.normal(size=(3000, 20)), RNG.integers(0, 3, 3000)
    one, two = (
        classifier(hidden_layer_sizes=(128,), n_jobs=n_jobs, max_iter=2).fit(x, y) for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(one.network_.parameters, two.network_.parameters)


@pytest.mark.parametrize(
    "activation",
    ["logistic", "gelu", {"name": "leaky_relu", "slope": 0.3}, {"formula": "h * sigmoid(b * h)", "b": 1.0,
     "trainable": ["b"]}, Activation("mine", swish, swish_derivative)],
    ids=str,
)  # fmt: skip
def test_every_kind_of_activation_trains(activation):
    model = regressor(activation=activation, max_iter=3).fit(X, Y)
    expected = "sigmoid" if activation == "logistic" else activation
    net = Network(4, [(8, expected), 1], loss={"name": "sse", "reduction": "mean"}, seed=0)
    assert model.network_.layers[0].activation.name == net.layers[0].activation.name
    assert not np.array_equal(model.network_.parameters, net.parameters)


def test_layers_replace_the_sizes_and_complete_the_output():
    model = regressor(
        layers=[(5, "sin"), 3, {"units": 2, "activation": "tanh", "l2": 0.5}, {"activation": "softplus"}],
        hidden_layer_sizes=(99,), alpha=0, activation="relu", max_iter=2,
    ).fit(X, Y)  # fmt: skip
    found = [(layer.units, layer.activation.name, layer.l2) for layer in model.network_.layers]
    assert found == [(5, "sin", 0), (3, "relu", 0), (2, "tanh", 0.5), (1, "softplus", 0)]
    again = regressor(layers=list(model.network_.layers), max_iter=1).fit(X, Y)
    assert [layer.units for layer in again.network_.layers] == [5, 3, 2, 1]


def test_no_hidden_layer_is_linear_regression():
    model = regressor(
        hidden_layer_sizes=(), alpha=0, batch_size="full", learning_rate_init=0.1, max_iter=3000
    ).fit(X, 3 * X[:, 0] - X[:, 2] + 0.5)
    np.testing.assert_allclose(model.coefs_[0].ravel(), [3, 0, -1, 0], atol=1e-6)
    np.testing.assert_allclose(model.intercepts_[0], [0.5], atol=1e-6)


# -- the end of training ---------------------------------------------------------------------------


def epochs_by_the_rule(losses, tol, n_iter_no_change):
    """Return when scikit-learn's loop ends, as its documentation says."""
    best, wait = np.inf, 0
    for epoch, loss in enumerate(losses, 1):
        wait = wait + 1 if loss > best - tol else 0
        best = min(best, loss)
        if wait > n_iter_no_change:
            return epoch
    return None


@pytest.mark.parametrize("n_iter_no_change", [1, 3, 10])
@pytest.mark.parametrize("tol", [0.0, 1e-4, 1e-2])
def test_tolerance_stops_as_in_scikit_learn(tol, n_iter_no_change):
    options = {"batch_size": 30, "learning_rate_init": 0.02, "max_iter": 400}
    endless = regressor(**options).fit(X, Y)
    expected = epochs_by_the_rule(endless.loss_curve_, tol, n_iter_no_change)
    assert expected is not None
    assert 1 < expected < 400
    model = regressor(**options, n_iter_no_change=n_iter_no_change).set_params(tol=tol).fit(X, Y)
    assert model.n_iter_ == expected
    assert model.loss_curve_ == endless.loss_curve_[:expected]
    short = regressor(**options).set_params(max_iter=expected).fit(X, Y)
    np.testing.assert_array_equal(model.network_.parameters, short.network_.parameters)


def test_training_that_has_not_converged_warns_unless_tol_is_none():
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\) reached.*set tol=None"):
        regressor(max_iter=3, tol=1e-4).fit(X, Y)
    assert regressor(max_iter=3).fit(X, Y).n_iter_ == 3


def test_early_stopping_scores_validation_rows_and_keeps_the_best_weights():
    model = classifier(
        early_stopping=True, tol=1e-4, n_iter_no_change=5, max_iter=300, validation_fraction=0.3,
        learning_rate_init=0.05,
    ).fit(X, LABELS)  # fmt: skip
    assert model.best_loss_ is None
    assert len(model.validation_scores_) == len(model.loss_curve_) == model.n_iter_ < 300
    from sklearn.model_selection import train_test_split

    _, held = train_test_split(np.arange(300), test_size=0.3, random_state=0, stratify=LABELS)
    assert model.score(X[held], LABELS[held]) == model.best_validation_score_
    assert model.best_validation_score_ >= max(model.validation_scores_) - 1e-4


def test_early_stopping_of_a_regressor_scores_r2():
    model = regressor(early_stopping=True, tol=1e-3, max_iter=300, learning_rate_init=0.05).fit(X, Y)
    assert 0.8 < model.best_validation_score_ <= 1
    with pytest.raises(ValueError, match="early_stopping needs at least two validation rows, got 1"):
        regressor(early_stopping=True).fit(X[:5], Y[:5])


def test_divergence_is_an_error_with_a_remedy():
    with pytest.raises(ValueError, match=r"the training diverged: .*decrease learning_rate_init"):
        regressor(optimizer="sgd", learning_rate_init=1e9, max_iter=50).fit(X, Y)


# -- continuing ------------------------------------------------------------------------------------


def test_partial_fit_is_an_epoch_with_the_state_of_the_optimizer():
    whole = regressor(max_iter=4, batch_size=50, learning_rate_init=0.01).fit(X, Y)
    model = regressor(batch_size=50, learning_rate_init=0.01)
    for _ in range(4):
        model.partial_fit(X, Y)
    np.testing.assert_array_equal(model.network_.parameters, whole.network_.parameters)
    assert model.loss_curve_ == whole.loss_curve_
    assert model.network_.epochs == 4


def test_partial_fit_with_another_optimizer_begins_a_fresh_state():
    model = regressor().partial_fit(X, Y)
    model.set_params(optimizer={"name": "adam", "beta1": 0.5}).partial_fit(X, Y)
    assert model.network_.optimizer.parameters["beta1"] == 0.5


def test_partial_fit_keeps_the_code_of_the_classes_when_parameters_change():
    model = classifier().partial_fit(X, LABELS > 0, classes=[False, True])
    model.set_params(loss="hinge").partial_fit(X, LABELS > 0)
    expected = classifier().partial_fit(X, LABELS > 0, classes=[False, True]).partial_fit(X, LABELS > 0)
    np.testing.assert_array_equal(model.network_.parameters, expected.network_.parameters)
    with pytest.raises(ValueError, match=r"y: expected the classes of the last fit, \[False, True\]"):
        model.partial_fit(X, np.column_stack([LABELS > 0, LABELS > 1, LABELS > 0]))


def test_partial_fit_of_several_labels():
    several = np.column_stack([LABELS > 0, LABELS > 1]).astype(int)
    model = classifier(learning_rate_init=0.05)
    for _ in range(60):
        model.partial_fit(X, several, classes=[0, 1])
    assert model.predict(X).shape == (300, 2)
    assert model.score(X, several) > 0.9
    one = np.array([[0, 1]])
    model.partial_fit(np.repeat(X[:1], 2, axis=0), np.repeat(one, 2, axis=0))


def test_partial_fit_of_a_classifier_needs_the_classes_once():
    model = classifier()
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        model.partial_fit(X, LABELS)
    model.partial_fit(X[LABELS == 0], LABELS[LABELS == 0], classes=[2, 1, 0])
    model.partial_fit(X, LABELS)
    assert model.classes_.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"classes=\[0, 1\] is not the same as on the last call"):
        model.partial_fit(X, LABELS, classes=[0, 1])
    with pytest.raises(ValueError, match="unknown class 5; the classes are 0, 1, 2"):
        model.partial_fit(X[:2], [0, 5])
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        model.set_params(early_stopping=True).partial_fit(X, LABELS)


def test_warm_start_continues_with_the_weights():
    model = regressor(warm_start=True, max_iter=3).fit(X, Y)
    first = model.network_.parameters.copy()
    network = model.network_
    model.fit(X, Y)
    assert model.network_ is network
    assert (network.epochs, len(model.loss_curve_), model.n_iter_) == (6, 6, 3)
    assert not np.array_equal(first, network.parameters)
    cold = regressor(max_iter=3).fit(X, Y)
    np.testing.assert_array_equal(first, cold.network_.parameters)
    np.testing.assert_array_equal(cold.fit(X, Y).network_.parameters, first)
    with pytest.raises(ValueError, match="X has 3 features, but NetworkRegressor is expecting 4"):
        model.fit(X[:, :3], Y)
    with pytest.raises(ValueError, match="y has 2 columns, but the estimator was fitted on 1"):
        model.fit(X, np.column_stack([Y, Y]))


def test_warm_start_refuses_other_classes():
    model = classifier(warm_start=True, max_iter=2).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"the classes of the last fit, \[0, 1, 2\], got \[0, 1\]"):
        model.fit(X, np.minimum(LABELS, 1))


# -- randomness ------------------------------------------------------------------------------------


def test_random_state_is_scikit_learns():
    fits = {
        name: regressor(random_state=state, max_iter=2).fit(X, Y).network_.parameters.tobytes()
        for name, state in {
            "0": 0, "again 0": 0, "1": 1, "numpy 0": np.int64(0), "state": np.random.RandomState(5),
            "same state": np.random.RandomState(5), "none": None, "again none": None,
        }.items()
    }  # fmt: skip
    assert fits["0"] == fits["again 0"] == fits["numpy 0"] != fits["1"]
    assert fits["state"] == fits["same state"]
    assert fits["none"] != fits["again none"]
    shared = regressor(random_state=np.random.RandomState(5), max_iter=2)
    first = shared.fit(X, Y).network_.parameters.copy()
    assert not np.array_equal(shared.fit(X, Y).network_.parameters, first)  # the state moves on
    np.random.seed(3)  # noqa: NPY002
    one = regressor(random_state=None, max_iter=1).fit(X, Y).network_.seed
    np.random.seed(3)  # noqa: NPY002
    assert regressor(random_state=None, max_iter=1).fit(X, Y).network_.seed == one


# -- weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 0)])
def test_a_weight_of_two_is_the_row_twice_in_a_full_batch(dtype, tolerance):
    x, y, weight = X[:40], Y[:40], np.arange(40) % 4
    weighted = regressor(dtype=dtype, max_iter=100).fit(x, y, sample_weight=weight)
    order = np.random.default_rng(1).permutation(np.repeat(np.arange(40), weight))
    repeated = regressor(dtype=dtype, max_iter=100).fit(x[order], y[order])
    np.testing.assert_allclose(
        weighted.network_.parameters, repeated.network_.parameters, rtol=0, atol=tolerance
    )
    assert not np.allclose(weighted.predict(X), regressor(dtype=dtype, max_iter=100).fit(x, y).predict(X))


def test_sample_weights_in_mini_batches_are_those_of_the_network():
    weight = RNG.uniform(0, 2, 300)
    net = Network(
        4, [{"units": 8, "activation": "relu", "l2": 0}, 1], loss={"name": "sse", "reduction": "mean"}
    )
    net.fit(X, Y, "adam", epochs=3, batch_size=30, sample_weight=weight)
    model = regressor(alpha=0, batch_size=30, max_iter=3).fit(X, Y, sample_weight=weight)
    np.testing.assert_array_equal(model.network_.parameters, net.parameters)


def test_class_weights_are_sample_weights():
    by_class = classifier(class_weight={0: 1, 1: 3, 2: 0.5}, batch_size=30, max_iter=3).fit(X, LABELS)
    factors = np.array([1, 3, 0.5])[LABELS]
    by_row = classifier(batch_size=30, max_iter=3).fit(X, LABELS, sample_weight=factors)
    np.testing.assert_array_equal(by_class.network_.parameters, by_row.network_.parameters)
    balanced = classifier(class_weight="balanced", batch_size=30, max_iter=3).fit(X, LABELS)
    factors = 300 / (3 * np.bincount(LABELS))[LABELS]
    by_row = classifier(batch_size=30, max_iter=3).fit(X, LABELS, sample_weight=factors)
    np.testing.assert_array_equal(balanced.network_.parameters, by_row.network_.parameters)


# -- beside scikit-learn's own networks -------------------------------------------------------------

SAME = {"alpha": 0.3, "batch_size": 60, "learning_rate_init": 0.01, "shuffle": False, "random_state": 0}


def compare_steps(ours, theirs, y, predict, **first):
    """Assert that both make the same updates by plain gradient descent from the same weights."""
    ours.set_params(optimizer="sgd").partial_fit(X, y, **first)
    theirs.set_params(solver="sgd", momentum=0, nesterovs_momentum=False).partial_fit(X, y, **first)
    for mine, other in zip(
        [*theirs.coefs_, *theirs.intercepts_], [*ours.coefs_, *ours.intercepts_], strict=True
    ):
        mine[...] = other
    for _ in range(5):
        ours.partial_fit(X, y)
        theirs.partial_fit(X, y)
    np.testing.assert_allclose(getattr(ours, predict)(X), getattr(theirs, predict)(X), rtol=1e-10)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
def test_gradient_steps_are_those_of_mlp_regressor(activation):
    options = {**SAME, "hidden_layer_sizes": (8, 5), "activation": activation}
    compare_steps(NetworkRegressor(**options), MLPRegressor(**options), Y, "predict")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_gradient_steps_are_those_of_mlp_classifier(n_classes):
    labels = np.minimum(LABELS, n_classes - 1)
    options = {**SAME, "hidden_layer_sizes": (8,)}
    ours, theirs = NetworkClassifier(**options), MLPClassifier(**options)
    compare_steps(ours, theirs, labels, "predict_proba", classes=np.unique(labels))

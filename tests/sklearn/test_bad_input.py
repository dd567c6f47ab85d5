"""What a user gets for data and parameters that do not fit: one error that says what to do."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cygd import Activation
from cygd.sklearn import NetworkClassifier, NetworkRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = X[:, 0] * 2
LABELS = np.where(Y > 0, "up", "down")
BOTH = pytest.mark.parametrize(
    ("estimator", "y"), [(NetworkClassifier, LABELS), (NetworkRegressor, Y)], ids=["classifier", "regressor"]
)


def small(estimator, **options):
    return estimator(**{"hidden_layer_sizes": (4,), "max_iter": 2, "tol": None, "random_state": 0, **options})


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_in_scikit_learns_words(estimator, y, value):
    bad = X.copy()
    bad[3, 1] = value
    words = "Input X contains NaN" if np.isnan(value) else "Input X contains infinity"
    with pytest.raises(ValueError, match=words):
        small(estimator).fit(bad, y)
    model = small(estimator).fit(X, y)
    with pytest.raises(ValueError, match=words):
        model.predict(bad)


@BOTH
def test_an_imputer_in_a_pipeline_fills_what_is_missing(estimator, y):
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    bad = X.copy()
    bad[3, 1] = np.nan
    model = make_pipeline(SimpleImputer(), small(estimator)).fit(bad, y)
    assert len(model.predict(bad)) == 60


@BOTH
def test_wrong_numbers_of_columns_and_rows(estimator, y):
    model = small(estimator).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 3 features as input"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match="Found array with 0 sample"):
        model.predict(X[:0])
    with pytest.raises(ValueError, match="Found array with 0 sample"):
        small(estimator).fit(X[:0], y[:0])
    with pytest.raises(ValueError, match="Found array with 0 feature"):
        small(estimator).fit(X[:, :0], y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        small(estimator).fit(X, y[:-1])


@BOTH
def test_columns_in_another_order_are_refused_by_their_names(estimator, y):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = small(estimator).fit(frame, y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="Feature names must be in the same order as they were in fit"):
        model.predict(frame[["c", "a", "b"]])
    with pytest.raises(ValueError, match="The feature names should match those that were passed during fit"):
        model.predict(frame.rename(columns={"a": "z"}))
    np.testing.assert_array_equal(model.predict(frame), small(estimator).fit(X, y).predict(X))


@BOTH
@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.csc_array])
def test_sparse_x_is_refused_with_the_remedy(estimator, y, make):
    with pytest.raises(TypeError, match=r"Sparse data was passed.*dense data is required.*toarray"):
        small(estimator).fit(make(X), y)


def test_a_single_class_is_an_error():
    with pytest.raises(ValueError, match="y: expected at least two classes, got 1 class: 'up'"):
        small(NetworkClassifier).fit(X, np.full(60, "up"))


def test_numbers_are_no_classes_and_text_is_no_number():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        small(NetworkClassifier).fit(X, Y)
    with pytest.raises(ValueError, match="could not convert string to float"):
        small(NetworkRegressor).fit(X, LABELS)
    for estimator in (NetworkClassifier, NetworkRegressor):
        with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
            small(estimator).fit(X, None)
        with pytest.raises(ValueError, match="contains NaN"):
            small(estimator).fit(X, np.where(Y > 0, np.nan, 1.0))


def test_several_columns_of_classes_are_refused():
    with pytest.raises(ValueError, match=r"y: several columns of classes .*MultiOutputClassifier"):
        small(NetworkClassifier).fit(X, np.column_stack([np.arange(60) % 3, np.arange(60) % 4]))


def test_labels_of_another_kind_are_unknown():
    model = small(NetworkClassifier).partial_fit(X, LABELS, classes=["down", "up"])
    with pytest.raises(ValueError, match="y: unknown class 'sideways'; the classes are 'down', 'up'"):
        model.partial_fit(X[:2], ["up", "sideways"])
    with pytest.raises(ValueError, match="y: unknown class 1; the classes are 'down', 'up'"):
        model.partial_fit(X[:2], [1, 1])
    numbers = small(NetworkClassifier).partial_fit(X, Y > 0, classes=[0, 1])
    with pytest.raises(ValueError, match="y: unknown class 'up'; the classes are 0, 1"):
        numbers.partial_fit(X, LABELS)
    several = small(NetworkClassifier).fit(
        X, np.eye(3, dtype=int)[np.arange(60) % 3] | np.eye(3, dtype=int)[0]
    )
    with pytest.raises(ValueError, match=r"y must have shape \(n_samples, 3\), got \(60, 2\)"):
        several.partial_fit(X, np.ones((60, 2), int) - np.eye(60, 2, dtype=int))


@BOTH
def test_values_too_large_for_float32(estimator, y):
    large = X.copy()
    large[0, 0] = 1e39
    with pytest.raises(ValueError, match="too large for dtype"):
        small(estimator, dtype="float32").fit(large, y)
    model = small(estimator, dtype="float32").fit(X, y)
    with pytest.raises(ValueError, match=r"X contains a value too large for dtype\('float32'\)"):
        model.predict(large)
    with pytest.raises(ValueError, match=r"y contains a value too large for dtype\('float32'\)"):
        small(NetworkRegressor, dtype="float32").fit(X, np.full(60, 1e39))


@BOTH
@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (np.full(60, -1.0), "Negative values in data"),
        (np.zeros(60), "all of them are zero|at least one non-zero number"),
        (np.full(60, np.nan), "contains NaN"),
        (np.ones(59), "sample_weight.shape == "),
    ],
)
def test_sample_weights_that_do_not_fit(estimator, y, weight, words):
    with pytest.raises(ValueError, match=words):
        small(estimator).fit(X, y, sample_weight=weight)


PARAMETERS = [
    ({"hidden_layer_sizes": (4, 0)}, "hidden_layer_sizes must be a whole number of at least 1, got 0"),
    ({"hidden_layer_sizes": "4"}, "hidden_layer_sizes must be numbers, got '4'"),
    ({"hidden_layer_sizes": 2.5}, "hidden_layer_sizes must be a whole number of at least 1, got 2.5"),
    ({"max_iter": 0}, "max_iter must be a whole number of at least 1, got 0"),
    ({"n_iter_no_change": 0}, "n_iter_no_change must be a whole number of at least 1, got 0"),
    ({"batch_size": 0}, 'batch_size must be a whole number of at least 1, "auto" or "full", got 0'),
    ({"batch_size": "all"}, 'batch_size must be a whole number of at least 1, "auto" or "full", got \'all\''),
    ({"alpha": -1}, "alpha must be a finite number of at least 0, got -1"),
    ({"l1": np.nan}, "l1 must be a finite number of at least 0, got nan"),
    ({"dropout": 1}, r"dropout must be a number in [0, 1), got 1"),
    ({"tol": -1e-4}, "tol must be a finite number of at least 0, got -0.0001"),
    ({"validation_fraction": 1.0}, "validation_fraction must be between 0 and 1, got 1.0"),
    ({"dtype": "float16"}, 'dtype must be "float32", "float64" or None for that of X, got \'float16\''),
    ({"activation": "rleu"}, "unknown activation 'rleu'"),
    ({"loss": "msee"}, "unknown loss 'msee'"),
    ({"optimizer": "adamm"}, "unknown optimizer 'adamm'"),
    ({"optimizer": {"name": "adam", "beta": 1}}, "optimizer 'adam' has no option 'beta'"),
    ({"schedule": "cosin"}, "unknown schedule 'cosin'"),
    ({"clip": {"norms": 1}}, 'clip must be {"norm": limit} or {"value": limit}'),
    ({"layers": []}, "layers must be a list of at least one layer, the last of them the output, got []"),
    ({"layers": [3, 7]}, "layers: the last layer has 7 units, but y needs 1; leave them out"),
    (
        {"layers": [{"units": 3, "actvation": "tanh"}, {}]},
        "unknown key 'actvation': did you mean 'activation'?",
    ),
    ({"random_state": -1}, "random_state must be a whole number from 0 to 4294967295, got -1"),
    ({"n_jobs": 0}, "n_jobs must not be 0: give a number of threads, -1 for all of them, or None"),
    ({"n_jobs": 1.5}, "n_jobs must be a whole number or None, got 1.5"),
]


@BOTH
@pytest.mark.parametrize(("options", "words"), PARAMETERS, ids=[str(options) for options, _ in PARAMETERS])
def test_parameters_are_checked_in_fit(estimator, y, options, words):
    model = small(estimator, **options)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        model.fit(X, y)
    assert words in str(caught.value)


@BOTH
def test_flags_and_classes_of_weights(estimator, y):
    with pytest.raises(TypeError, match="shuffle must be true or false, got 'yes'"):
        small(estimator, shuffle="yes").fit(X, y)
    with pytest.raises(ValueError, match="class_weight='balanced' is not supported by partial_fit"):
        small(NetworkClassifier, class_weight="balanced").partial_fit(X, LABELS, classes=["down", "up"])
    with pytest.raises(ValueError, match=r"The classes, \['down', 'up'\], are not in class_weight"):
        small(NetworkClassifier, class_weight={"sideways": 2}).fit(X, LABELS)


def test_a_failing_activation_is_named():
    def fails(h):
        if h.shape[0] > 1:
            raise RuntimeError("out of order")
        return h

    model = small(NetworkRegressor, activation=Activation("fragile", fails, np.ones_like))
    with pytest.raises(Exception, match="activation 'fragile'"):
        model.fit(X, Y)
    assert not hasattr(model, "network_")
    assert not hasattr(model, "loss_curve_")


def test_a_fit_that_fails_leaves_the_model_of_the_fit_before():
    model = small(NetworkClassifier).fit(X, LABELS)
    before = model.predict(X)
    model.set_params(optimizer="sgd", learning_rate_init=1e30, max_iter=50)
    with pytest.raises(ValueError, match="the training diverged"):
        model.fit(X, np.arange(60) % 3)
    np.testing.assert_array_equal(model.predict(X), before)
    assert (model.classes_.tolist(), len(model.loss_curve_)) == (["down", "up"], 2)

"""From a run to an estimator, and from an estimator to an experiment."""

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance

import cygd
from cygd import Activation
from cygd.errors import CheckpointError, DataError
from cygd.sklearn import NetworkClassifier, NetworkRegressor
from tests.helpers.network_cases import swish

RNG = np.random.default_rng(0)
N = 90
FRAME = pd.DataFrame(
    {
        "size": RNG.normal(5, 2, N),
        "color": RNG.choice(["red", "green", "blue"], N),
        "age": RNG.normal(40, 9, N),
    }
)
KIND = np.array(["ant", "bee", "cat"])[(FRAME["size"] > 5).astype(int) + (FRAME["color"] == "red")]
PLUGIN = """
import numpy as np
from cygd import Activation, hookimpl

def bent(h):
    return (np.sqrt(h * h + 1) - 1) / 2 + h

def bent_prime(h):
    return h / (2 * np.sqrt(h * h + 1)) + 1

@hookimpl
def cygd_activations():
    yield Activation("bent_identity", function=bent, derivative=bent_prime)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bent.py").write_text(PLUGIN)
    FRAME.assign(kind=KIND, value=FRAME["age"] * 2).to_csv("data.csv", index=False)
    return tmp_path


def run(targets, layers, loss, **changes):
    data = {"source": "csv", "path": "data.csv", "targets": targets, "scale": "standard", "missing": "mean",
            "inputs": ["size", "color", "age"], **changes.pop("data", {})}  # fmt: skip
    experiment = {
        "data": data, "model": {"layers": layers}, "loss": loss, "train": {"epochs": 15}, "seed": 3,
        **changes,
    }  # fmt: skip
    return cygd.run(experiment, quiet=True)


SOFTMAX = [{"units": 6, "dropout": 0.1}, {"units": 3, "activation": "softmax"}]


def test_classifier_of_a_run_predicts_from_raw_columns():
    result = run(["kind"], SOFTMAX, "cross_entropy", optimizer={"name": "adam", "learning_rate": 0.05})
    model = NetworkClassifier.from_run(result.directory)
    assert model.classes_.tolist() == ["ant", "bee", "cat"]
    assert model.feature_names_in_.tolist() == ["size", "color", "age"]
    assert (model.n_features_in_, model.n_iter_) == (3, 15)
    assert model.loss_curve_ == result.history["running_loss"]
    np.testing.assert_array_equal(model.predict_proba(FRAME), result.model.predict(FRAME))
    shuffled = FRAME.assign(extra=1)[["age", "extra", "color", "size"]]
    np.testing.assert_array_equal(model.predict_proba(shuffled), model.predict_proba(FRAME))
    assert model.score(FRAME, KIND) > 0.8
    np.testing.assert_array_equal(model.predict(FRAME.to_numpy()), model.predict(FRAME))
    decision = model.decision_function(FRAME)
    np.testing.assert_array_equal(model.classes_[decision.argmax(axis=1)], model.predict(FRAME))
    importance = permutation_importance(model, FRAME, KIND, n_repeats=3, random_state=0).importances_mean
    assert importance.argmax() in (0, 1)
    import pickle

    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(FRAME), model.predict(FRAME))


def test_missing_values_are_filled_where_the_run_fills_them():
    gaps = FRAME.copy()
    gaps.loc[3, "size"] = np.nan
    FRAME.assign(kind=KIND).mask(FRAME["size"] == FRAME.loc[5, "size"]).assign(kind=KIND).to_csv(
        "data.csv", index=False
    )
    filling = run(["kind"], SOFTMAX, "cross_entropy")
    predicted = NetworkClassifier.from_run(filling.directory).predict_proba(gaps)
    np.testing.assert_array_equal(predicted, filling.model.predict(gaps))
    assert np.isfinite(predicted).all()
    strict = run(["kind"], SOFTMAX, "cross_entropy", data={"missing": "drop"})
    with pytest.raises(DataError, match="size"):
        NetworkClassifier.from_run(strict.directory).predict(gaps)


def test_regressor_of_a_run_predicts_in_the_units_of_the_targets():
    result = run(["value"], [6, 1], "mse", data={"scale": {"inputs": "standard", "targets": "standard"}})
    model = NetworkRegressor.from_run(result.directory)
    np.testing.assert_array_equal(model.predict(FRAME), result.model.predict(FRAME).ravel())
    assert model.score(FRAME, FRAME["age"] * 2) > 0.5
    with pytest.raises(ValueError, match=r"predicts numbers; use NetworkRegressor\.from_run"):
        NetworkClassifier.from_run(result.directory)


def test_a_run_of_classes_is_no_regressor_and_another_folder_no_run(here):
    result = run(["kind"], SOFTMAX, "cross_entropy")
    with pytest.raises(ValueError, match=r"the classes ant, bee, cat; use NetworkClassifier\.from_run"):
        NetworkRegressor.from_run(result.directory)
    with pytest.raises(CheckpointError, match="is not a run folder"):
        NetworkClassifier.from_run(here)


@pytest.mark.parametrize(
    ("y", "loss", "activation", "classes"),
    [
        ([[0], [1], [1], [0]], "binary_cross_entropy", "sigmoid", [0, 1]),
        ([[-1], [1], [1], [-1]], "hinge", "identity", [-1, 1]),
        ([[1, 0], [0, 1], [0, 1], [1, 0]], "cross_entropy", "softmax", [0, 1]),
        ([[1, 0], [1, 1], [0, 1], [0, 0]], "binary_cross_entropy", "sigmoid", [0, 1]),
    ],
)
def test_runs_of_numbers_that_are_classes(y, loss, activation, classes):
    x = [[0, 0], [0, 1], [1, 0], [1, 1]]
    experiment = {
        "data": {"source": "inline", "x": x, "y": y},
        "model": {"layers": [8, {"units": len(y[0]), "activation": activation}]},
        "loss": loss, "optimizer": {"name": "adam", "learning_rate": 0.1}, "train": {"epochs": 300},
    }  # fmt: skip
    model = NetworkClassifier.from_run(cygd.run(experiment, quiet=True).directory)
    assert model.classes_.tolist() == classes
    expected = np.array(y) if loss == "binary_cross_entropy" and len(y[0]) == 2 else np.array(y)[:, -1]
    np.testing.assert_array_equal(model.predict(np.array(x)), expected)


def test_components_of_a_plugin_come_along():
    layers = [{"units": 4, "activation": "bent_identity"}, {"units": 3, "activation": "softmax"}]
    result = run(["kind"], layers, "cross_entropy", plugins=["bent.py"])
    model = NetworkClassifier.from_run(result.directory)
    assert isinstance(model.layers[0]["activation"], Activation)
    np.testing.assert_array_equal(model.predict_proba(FRAME), result.model.predict(FRAME))
    with pytest.raises(CheckpointError, match="forbidden"):
        NetworkClassifier.from_run(result.directory, plugins=False)


def test_a_clone_is_fitted_without_the_preprocessing():
    result = run(["kind"], SOFTMAX, "cross_entropy", data={"class_weight": {"bee": 2.0}})
    model = NetworkClassifier.from_run(result.directory)
    assert model.class_weight == {"ant": 1.0, "bee": 2.0, "cat": 1.0}
    other = clone(model).fit(FRAME[["size", "age"]], KIND)
    assert (other.n_iter_, other.network_.seed, other.network_.layers[0].dropout) == (15, 3, 0.1)
    with pytest.raises(ValueError, match="cannot continue to train; fit a clone, or resume the run"):
        model.partial_fit(FRAME, KIND)
    model.fit(FRAME[["size", "age"]], KIND)
    np.testing.assert_array_equal(
        model.predict(FRAME[["size", "age"]]), other.predict(FRAME[["size", "age"]])
    )


# -- to an experiment ------------------------------------------------------------------------------


ESTIMATORS = {
    "formula": NetworkClassifier(
        (6,), {"formula": "h * sigmoid(b * h)", "b": 1.0, "trainable": ["b"]}, random_state=5
    ),
    "layers": NetworkClassifier(
        layers=[{"units": 5, "activation": "gelu", "initializer": "he_uniform", "bias": False, "l1": 1e-4},
                {"units": 4, "bias": [0.1, 0.2, 0.3, 0.4]}, {"activation": "softmax"}],
        optimizer={"name": "sgd", "momentum": 0.9, "nesterov": True}, learning_rate_init=0.02,
        clip={"norm": 1},
        schedule={"name": "cosine", "warmup": 2}, alpha=0.3, random_state=1, shuffle=False,
    ),
    "float32": NetworkClassifier((6,), dtype="float32", dropout=0.2, l1=1e-3, batch_size=16, random_state=2),
    "weights": NetworkClassifier((6,), class_weight={0: 1, 1: 2.5, 2: 1}, batch_size=16, random_state=2),
    "hinge": NetworkClassifier((6,), loss="squared_hinge", batch_size=10, random_state=2),
}  # fmt: skip


@pytest.mark.parametrize("name", ESTIMATORS)
def test_experiment_of_a_classifier_trains_to_the_same_bits(name, here):
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    y = y if name != "hinge" else np.where(y == 1, 1, -1)
    model = clone(ESTIMATORS[name]).set_params(max_iter=6, tol=None).fit(X, y)
    np.savez("iris.npz", x=X, y=y)
    data = {"source": "npz", "path": "iris.npz", **({} if name == "hinge" else {"classes": True})}
    (here / "it.yaml").write_text(model.to_experiment(data, name="it"))
    result = cygd.run("it.yaml", quiet=True)
    np.testing.assert_array_equal(result.model.network.parameters, model.network_.parameters)
    again = NetworkClassifier.from_run(result.directory)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_experiment_of_a_regressor_trains_to_the_same_bits(here):
    X, y = FRAME[["size", "age"]], FRAME["age"] * 2 + 1
    model = NetworkRegressor(
        (6,), "tanh", loss="huber", batch_size="full", max_iter=5, tol=None, random_state=9
    )
    text = model.fit(X, y).to_experiment()
    assert yaml.safe_load(text)["data"] == {
        "source": "csv", "path": "data.csv", "inputs": ["size", "age"], "targets": ["y"],
    }  # fmt: skip
    X.assign(y=y).to_csv("data.csv", index=False)
    (here / "it.yaml").write_text(text)
    result = cygd.run("it.yaml", quiet=True)
    np.testing.assert_array_equal(result.model.network.parameters, model.network_.parameters)


@pytest.mark.filterwarnings("ignore:Maximum iterations")
@pytest.mark.parametrize("early_stopping", [True, False])
def test_stopping_becomes_the_experiments(here, early_stopping):
    from sklearn.datasets import load_iris

    model = NetworkClassifier((6,), max_iter=100, early_stopping=early_stopping, random_state=0, tol=0.01)
    model.fit(*load_iris(return_X_y=True))
    text = model.to_experiment({"source": "sklearn", "name": "iris"})
    content = yaml.safe_load(text)
    monitor = "validation_accuracy" if early_stopping else "loss"
    assert content["stop"] == {
        "monitor": monitor, "patience": 11, "min_delta": 0.01, "restore_best": early_stopping,
    }  # fmt: skip
    assert content["data"].get("split") == ({"validation": 0.1, "stratify": True} if early_stopping else None)
    (here / "it.yaml").write_text(text)
    assert cygd.run("it.yaml", quiet=True).status in ("stopped", "completed")


def test_components_that_no_experiment_can_name_are_an_error(here):
    X, y = FRAME[["size", "age"]], FRAME["age"]
    model = NetworkRegressor((4,), Activation("mine", swish), max_iter=2, tol=None).fit(X, y)
    with pytest.raises(ValueError, match=r"activation 'mine' cannot be written into .* a plugin file"):
        model.to_experiment()
    with pytest.raises(NotFittedError):
        NetworkRegressor().to_experiment()
    layers = [{"units": 4, "activation": "bent_identity"}, 1]
    data = {"inputs": ["size", "age"], "scale": "none"}
    result = run(["value"], layers, "mse", plugins=["bent.py"], optimizer="adam", data=data)
    text = (
        clone(NetworkRegressor.from_run(result.directory))
        .fit(X, y)
        .to_experiment(
            {"source": "csv", "path": str(here / "data.csv"), "inputs": ["size", "age"], "targets": ["value"]}
        )
    )
    (here / "it.yaml").write_text(text)
    assert yaml.safe_load(text)["plugins"][0].endswith("bent.py")
    assert cygd.run("it.yaml", quiet=True).status == "completed"

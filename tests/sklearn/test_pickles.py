"""Estimators travel between processes, and their threads do not multiply there."""

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from cygd import Activation
from cygd.components.pickling import ComponentPickleError
from cygd.sklearn import NetworkClassifier, NetworkRegressor
from cygd.sklearn.threads import count_threads

X = np.random.default_rng(0).normal(size=(50, 3))
Y = X[:, 0] * X[:, 1]
ACTIVATIONS = {
    "built-in": "tanh",
    "formula": {"formula": "h * sigmoid(b * h)", "b": 1.0, "trainable": ["b"]},
    "function": Activation("sine", np.sin, np.cos),
}
COPIES = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    **{
        f"pickle {protocol}": lambda model, protocol=protocol: pickle.loads(pickle.dumps(model, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.fixture(autouse=True)
def outside(tmp_path, monkeypatch):
    """Run outside the checkout: new processes would import the sources instead of the installed package."""
    monkeypatch.chdir(tmp_path)


def fitted(activation="tanh", estimator=NetworkRegressor, **options):
    model = estimator((5,), activation, max_iter=3, tol=None, random_state=0, **options)
    return model.fit(X, Y if estimator is NetworkRegressor else Y > 0)


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_copies_predict_the_same_and_train_on(make, activation):
    model = fitted(activation)
    again = make(model)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert (again.loss_curve_, again.n_iter_) == (model.loss_curve_, 3)
    if make is not copy.copy:  # a shallow copy shares the network, as of any estimator
        model.partial_fit(X, Y)
        again.partial_fit(X, Y)
        np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_a_classifier_keeps_its_classes_and_a_clone_is_unfitted():
    model = fitted(estimator=NetworkClassifier)
    again = pickle.loads(pickle.dumps(model))
    assert again.classes_.tolist() == [False, True]
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert not hasattr(clone(model), "network_")


def test_joblib_dump_and_memory_maps(tmp_path):
    model = fitted()
    joblib.dump(model, tmp_path / "model.joblib")
    again = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    again.partial_fit(X, Y)


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_processes(method):
    models = [fitted(activation) for activation in ACTIVATIONS.values()]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        found = [pool.submit(model.predict, X) for model in models]
        refitted = [pool.submit(clone(model).fit, X, Y) for model in models]
        for model, prediction, other in zip(models, found, refitted, strict=True):
            np.testing.assert_array_equal(prediction.result(100), model.predict(X))
            np.testing.assert_array_equal(other.result(100).predict(X), model.predict(X))


@pytest.mark.parametrize("place", ["parameter", "network"])
def test_a_function_without_a_name_is_an_error_that_names_the_component(place):
    model = fitted(Activation("nameless", lambda h: h, np.ones_like))
    if place == "network":
        model.set_params(activation="tanh")
    with pytest.raises(
        ComponentPickleError, match="activation 'nameless' cannot be pickled: function: "
    ) as caught:
        pickle.dumps(model)
    assert "define it at the top level of a module" in str(caught.value)
    np.testing.assert_array_equal(copy.deepcopy(model).predict(X), model.predict(X))


# -- threads ---------------------------------------------------------------------------------------


@pytest.fixture
def no_variables(monkeypatch):
    for name in ("OMP_NUM_THREADS", "CYGD_THREADS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_variables")
def test_n_jobs_has_scikit_learns_meaning():
    assert count_threads(None) == 1
    assert count_threads(3) == 3
    assert count_threads(-1) >= 1
    assert count_threads(-1000) == 1
    assert count_threads(10**6) == 1024
    with joblib.parallel_config(n_jobs=3):
        assert (count_threads(None), count_threads(2)) == (3, 2)


@pytest.mark.usefixtures("no_variables")
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
@pytest.mark.parametrize("n_jobs", [None, 2, 16, -1])
def test_threads_do_not_multiply_in_workers_of_joblib(backend, n_jobs):
    found = joblib.Parallel(n_jobs=2, backend=backend)(
        joblib.delayed(count_threads)(n_jobs) for _ in range(4)
    )
    share = max(1, joblib.cpu_count() // 2) if backend == "loky" else 1
    assert max(found) <= share


def test_the_variable_of_joblib_limits_a_worker(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(multiprocessing.current_process(), "_name", "LokyProcess-1")
    with joblib.parallel_config(joblib.parallel.SequentialBackend(nesting_level=1)):
        assert [count_threads(n_jobs) for n_jobs in (None, 2, 16)] == [1, 1, 1]
    with joblib.parallel_config(joblib.parallel.ThreadingBackend(nesting_level=1)):
        assert [count_threads(n_jobs) for n_jobs in (2, 16, -1)] == [2, 3, 3]
        monkeypatch.setenv("OMP_NUM_THREADS", "many")
        assert count_threads(16) == 1

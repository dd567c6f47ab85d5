"""Runs in processes: results, models, runs and errors travel between them, with the components of plugins."""

import copy
import math
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest

import cygd
from cygd.components.options import OptionError
from cygd.components.pickling import ComponentPickleError
from cygd.components.registry import UnknownComponentError
from cygd.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    FormulaError,
    PluginError,
    Problem,
    RunError,
    RunInterrupted,
)
from cygd.network.threads import choose_threads
from tests.helpers.resume_cases import PLUGIN

X = np.linspace(-1, 1, 10).reshape(5, 2)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugin.py").write_text(PLUGIN)
    return tmp_path


def experiment(activation="tanh", **changes):
    return {
        "name": "moons",
        "data": {
            "source": "synthetic",
            "kind": "moons",
            "samples": 40,
            "scale": "standard",
            "split": {"validation": 0.25},
        },
        "model": {"layers": [{"units": 3, "activation": activation}, {"units": 1, "activation": "sigmoid"}]},
        "loss": "binary_cross_entropy",
        "train": {"epochs": 2},
        **changes,
    }


ACTIVATIONS = {
    "built-in": "tanh",
    "formula": {"formula": "h * sigmoid(beta * h)", "beta": 1.0, "trainable": ["beta"]},
    "plugin file": "bent_identity",
}


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_results_of_a_process_pool_travel(here, method):
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        futures = {
            kind: pool.submit(cygd.run, experiment(activation), plugins=["plugin.py"], out=f"pool-{kind}")
            for kind, activation in ACTIVATIONS.items()
        }
        results = {kind: future.result(timeout=100) for kind, future in futures.items()}
    for kind, result in results.items():
        expected = cygd.run(experiment(ACTIVATIONS[kind]), plugins=["plugin.py"], out=f"here-{kind}")
        assert (result.status, result.metrics, result.epochs) == ("completed", expected.metrics, 2)
        assert result.history["loss"] == expected.history["loss"]
        assert result.directory == here / f"pool-{kind}"
        np.testing.assert_array_equal(result.model.predict(X), expected.model.predict(X))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_networks_models_and_results_travel_through_joblib(here, monkeypatch, backend):
    for name in ("OMP_NUM_THREADS", "CYGD_THREADS"):
        monkeypatch.delenv(name, raising=False)
    result = cygd.run(experiment("bent_identity"), plugins=["plugin.py"])
    before = result.model.predict(X)
    net, x, y = result.model.network, np.ones((8, 2)), np.ones((8, 1))

    def trained(net, x, y):  # travels by value: workers cannot import this module
        net.fit(x, y, epochs=2)
        return net, choose_threads(None, "auto")

    with joblib.Parallel(n_jobs=2, backend=backend) as parallel:
        made = parallel(joblib.delayed(trained)(copy.copy(net), x, y) for _ in range(2))
        predicted = parallel(joblib.delayed(result.model.predict)(X) for _ in range(2))
        again = parallel(joblib.delayed(copy.copy)(result) for _ in range(2))
    net.fit(x, y, epochs=2)
    for other, threads in made:
        np.testing.assert_array_equal(other.parameters, net.parameters)
        assert backend == "threading" or threads == max(1, joblib.cpu_count() // 2)
    for found, other in zip(predicted, again, strict=True):
        np.testing.assert_array_equal(found, before)
        assert (other.metrics, other.directory) == (result.metrics, result.directory)


def test_models_and_errors_travel_to_and_from_a_process(here):
    model = cygd.run(experiment("bent_identity"), plugins=["plugin.py"]).model
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        np.testing.assert_array_equal(pool.submit(model.predict, X).result(timeout=100), model.predict(X))
        with pytest.raises(ConfigError, match="unknown activation 'tanhh'") as caught:
            pool.submit(cygd.run, experiment("tanhh")).result(timeout=100)
    assert caught.value.problems[0].hint == "did you mean 'tanh'?"


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_of_results_are_independent(activation, copied):
    result = cygd.run(experiment(activation), plugins=["plugin.py"])
    cygd.run(experiment(activation), plugins=["plugin.py"])  # executes the plugin file again
    before = result.model.predict(X)
    other = copied(result)
    np.testing.assert_array_equal(other.model.predict(X), before)
    assert (other.metrics, dict(other.history)) == (result.metrics, dict(result.history))
    other.model.network.parameters[...] = 0
    other.metrics["loss"] = math.inf
    np.testing.assert_array_equal(result.model.predict(X), before)
    assert result.metrics["loss"] < math.inf
    assert copied(result.model).inputs == result.model.inputs


def test_run_of_the_hooks_can_be_pickled(here):
    (here / "plugin.py").write_text(
        "import pickle\nfrom cygd import hookimpl\n"
        "@hookimpl\ndef cygd_run_start(run):\n"
        "    again = pickle.loads(pickle.dumps(run))\n"
        "    assert (again.network.parameters == run.network.parameters).all()\n"
        "    assert (again.dataset.train.x == run.dataset.train.x).all()\n"
        "    (run.directory / 'pickled').touch()\n"
    )
    assert (cygd.run(experiment(), plugins=["plugin.py"]).directory / "pickled").exists()


def test_component_of_a_changed_plugin_file_is_not_loaded(here, monkeypatch):
    model = cygd.run(experiment("bent_identity"), plugins=["plugin.py"]).model
    pickled = pickle.dumps(model)
    import sys

    for name in [name for name in sys.modules if name.startswith("cygd_plugin_plugin")]:
        monkeypatch.delitem(sys.modules, name)
    (here / "plugin.py").write_text(PLUGIN.replace("+ h", "- h"))
    with pytest.raises(ComponentPickleError, match=r"the plugin file .*plugin\.py has changed"):
        pickle.loads(pickled)
    (here / "plugin.py").unlink()
    with pytest.raises(ComponentPickleError, match="no such plugin file"):
        pickle.loads(pickled)


ERRORS = [
    ConfigError([Problem("a.yaml:1:2", "seed", "wrong", "mend it"), Problem("", "", "two")]),
    ConfigError("alone", hint="help"),
    DataError("no such file", hint="help"),
    RunError("failed", {"status": "failed"}, hint="help"),
    UnknownComponentError("activation", "thn", ["tanh"]),
    OptionError("wrong", "beta"),
    *(error("text", hint="help") for error in (FormulaError, PluginError, CheckpointError)),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("copied", [copy.copy, lambda value: pickle.loads(pickle.dumps(value))])
def test_errors_keep_their_attributes(error, copied):
    again = copied(error)
    assert type(again) is type(error)
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))


def test_interrupts_keep_their_folder():
    again = pickle.loads(pickle.dumps(RunInterrupted(Path("runs/mine"))))
    assert (again.directory, again.resume) == (Path("runs/mine"), "cygd run --resume")

"""Networks: parallel calls, and calls after a fork."""

import copy
import os
import pickle
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from cygd import Activation, Network, PluginError
from tests.helpers.network_cases import swish, swish_derivative


def run_all(jobs):
    """Run functions in parallel threads; return their results or exceptions."""
    results = [None] * len(jobs)
    start = threading.Barrier(len(jobs))

    def run(index):
        start.wait(60)
        try:
            results[index] = jobs[index]()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("activation", ["tanh", Activation("swish", swish, swish_derivative)])
def test_parallel_calls_on_one_network(activation, threads):
    net = Network(6, [(40, activation), (3, "identity")], seed=4)
    rng = np.random.default_rng(4)
    parts = [(rng.normal(size=(n, 6)), rng.normal(size=(n, 3))) for n in (900, 1, 300, 2000)]
    alone = [(net.predict(x), net.loss(x, y), net.gradient(x, y)[1]) for x, y in parts]

    def job(x, y):
        return lambda: [
            (net.predict(x, threads=threads), net.loss(x, y, threads=threads), net.gradient(x, y)[1])
            for _ in range(10)
        ]

    for expected, found in zip(alone, run_all([job(x, y) for x, y in parts]), strict=True):
        for round_ in found:
            for a, b in zip(expected, round_, strict=True):
                np.testing.assert_array_equal(a, b)


def test_calls_during_a_fit_are_right_and_a_second_fit_is_refused(eager_switches):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 4)), rng.random((200, 2))
    net, alone = (Network(4, [(16, "tanh"), (2, "sigmoid")], seed=1) for _ in range(2))
    running, calls = threading.Event(), []

    def callback(epoch, values):
        running.set()
        if epoch == 20:
            while len(calls) < 70:  # of the others, which need the fit to be running
                time.sleep(0.001)

    def fit():
        return net.fit(x, y, "adam", epochs=40, evaluate_every=1, callback=callback)

    def use():
        running.wait(60)
        for _ in range(10):
            assert np.isfinite(net.predict(x)).all()
            assert np.isfinite(net.gradient(x, y)[0])
            made = pickle.loads(pickle.dumps(copy.copy(net)))
            assert np.isfinite(made.loss(x, y))
            with pytest.raises(RuntimeError, match="another fit of this network is running"):
                net.fit(x, y)
            calls.append(made)

    history, *others = run_all([fit, *[use] * 7])
    assert others == [None] * 7
    expected = alone.fit(x, y, "adam", epochs=40, evaluate_every=1)
    assert history["loss"] == expected["loss"]
    np.testing.assert_array_equal(net.parameters, alone.parameters)


def test_networks_in_eight_threads_have_the_bits_of_one(eager_switches):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)), rng.random((60, 1))

    def job(seed):
        net = Network(4, [(5, {"formula": "h * sigmoid(b * h)", "b": 1.5, "trainable": ["b"]}), 1], seed=seed)
        net.fit(x, y, "adam", epochs=5, metrics=["r2"], evaluate_every=1)
        return net.parameters

    alone = [job(seed) for seed in range(8)]
    for expected, found in zip(alone, run_all([lambda seed=s: job(seed) for s in range(8)]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_failing_call_leaves_parallel_calls_alone():
    failed, other_is_done = threading.Event(), threading.Event()

    def picky(h):
        if h.min() < 0:
            raise ValueError("negative")
        return h

    def waiting(h):
        """Keep the failing call running until the other one is done."""
        if not h.any():
            failed.set()
            other_is_done.wait(60)
        return h

    layers = [
        {"units": 1, "activation": Activation("picky", picky, np.ones_like), "weights": [[1.0]]},
        {"units": 1, "activation": Activation("waiting", waiting, np.ones_like), "weights": [[1.0]]},
    ]
    net = Network(1, layers)

    def good():
        failed.wait(60)
        try:
            return net.predict([[2.0]])
        finally:
            other_is_done.set()

    bad_result, good_result = run_all([lambda: net.predict([[-1.0]]), good])
    assert isinstance(bad_result, PluginError)
    assert isinstance(good_result, np.ndarray), good_result
    assert good_result.tolist() == [[2.0]]


FORK = """
import os, numpy as np, cygd
rng = np.random.default_rng(0)
x, y = rng.normal(size=(4000, 8)), rng.normal(size=(4000, 2))
def train():
    net = cygd.Network(8, [(64, "tanh"), (2, "identity")], loss="mse", seed=1)
    net._engine.force_parallel = True
    net.fit(x, y, epochs=2, batch_size=1000, threads=2)
    return net
before = train()
assert len(before._engine.chunks_per_thread) == 2
child = os.fork()
if child == 0:
    after = train()
    same = np.array_equal(after.parameters, before.parameters)
    os._exit(0 if same and len(after._engine.chunks_per_thread) == 1 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_trains_on_one_thread_with_the_same_bits():
    subprocess.run([sys.executable, "-P", "-c", FORK], check=True, timeout=120)

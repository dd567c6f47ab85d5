"""Networks: parallel calls, and calls after a fork."""

import os
import subprocess
import sys
import threading

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

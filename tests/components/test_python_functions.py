"""Components as Python functions in a network: arguments, results and number of calls."""

import gc
import threading

import numpy as np
import pytest

from cygd import Activation, Loss, Network
from cygd.errors import PluginError

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(70, 3)), rng.normal(size=(70, 2))


def network(function, derivative=None, dtype="float64", **options):
    activation = Activation("own", function, derivative or (lambda h: np.ones_like(h)), **options)
    return Network(3, [(5, activation), (2, "identity")], dtype=dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_array_kept_by_a_function_stays_readable(dtype):
    kept = []

    def keep(h):
        kept.append(h)
        return h * 1

    net = network(keep, dtype=dtype)
    net.gradient(X, Y)
    copies = [h.copy() for h in kept]
    del net
    gc.collect()
    np.zeros(1 << 20)  # overwrites freed memory
    for h, copy in zip(kept, copies, strict=True):
        assert h.dtype == dtype
        assert not h.flags.writeable
        np.testing.assert_array_equal(h, copy)
        with pytest.raises(ValueError, match="WRITEABLE"):
            h.flags.writeable = True


def test_function_is_called_once_per_block():
    calls = []

    def count(h):
        calls.append(h.size)
        return np.tanh(h)

    network(count).predict(X)
    assert len(calls) == 1
    assert calls[0] >= 70 * 5  # with the rows that fill the last vector up


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: y,
        lambda y: y.astype(np.float32),
        lambda y: y.astype(">f8"),
        lambda y: np.repeat(y, 2)[::2],
        lambda y: y.tolist(),
        lambda y: y.view(type("Own", (np.ndarray,), {})),
        lambda y: np.ma.masked_array(y),
    ],
)
def test_results_of_any_layout_and_dtype(wrap):
    plain = Network(3, [(5, Activation("f", lambda h: h * 0.5, lambda h: h * 0 + 0.5)), (2, "identity")])
    own = network(lambda h: wrap(h * 0.5))
    np.testing.assert_allclose(own.predict(X), plain.predict(X), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda h: None, "it returned None"),
        (lambda h: h[:-1], r"it returned shape \(\d+,\) for input of shape"),
        (lambda h: h[:, None], "it returned shape"),
        (lambda h: h + 0j, "it returned dtype complex128"),
        (lambda h: np.full(h.shape, "a"), "it returned dtype <U1"),
        (lambda h: np.where(h > -np.inf, np.nan, h), "it returned NaN for finite input"),
        (lambda h: np.float64(1.0), r"it returned shape \(\)"),
        (lambda h: h.__setitem__(0, 1.0), "read-only"),
        (lambda h: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_invalid_function_raises(function, message):
    with pytest.raises(PluginError, match=message) as caught:
        network(function).predict(X)
    assert "activation 'own' of layer 0" in str(caught.value)


def test_nan_and_inf_inputs_may_give_nan_and_inf():
    x = X.copy()
    x[0, 0], x[1, 1] = np.nan, np.inf
    with np.errstate(all="ignore"):
        out = network(lambda h: h * 2).predict(x)
    assert np.isnan(out[0]).all()
    assert np.isfinite(out[2:]).all()


def test_loss_gets_read_only_arrays():
    seen = []

    def own(y, y_hat):
        seen.append((y.flags.writeable, y_hat.flags.writeable))
        return (y - y_hat) ** 2

    net = Network(3, [(2, "identity")], loss=Loss("own", own, lambda y, y_hat: 2 * (y_hat - y)))
    net.gradient(X, Y)
    assert set(seen) == {(False, False)}


def test_concurrent_calls_use_separate_blocks():
    net = network(np.tanh, lambda h, y_hat: 1 - y_hat**2)
    inputs = [rng.normal(size=(50 + k, 3)) for k in range(8)]
    expected = [net.predict(x) for x in inputs]
    found = [None] * len(inputs)

    def work(k):
        for _ in range(20):
            found[k] = net.predict(inputs[k])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)

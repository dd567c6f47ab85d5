"""Gradients that are huge or not finite: clipped to the limit, or the run diverges, never silence."""

import numpy as np
import pytest

from cygd import Network, Optimizer

BIG = {"float32": 1e20, "float64": 1e160}
MAX = {"float32": 3e38, "float64": 1.7e308}
SUM = {"name": "mae", "reduction": "sum"}


def slopes(dtype, *slopes, loss=SUM):
    """Return a network of one unit and rows whose losses have these slopes."""
    x = np.array(slopes, dtype).reshape(len(slopes), -1)
    layers = [{"units": 1, "bias": False, "weights": np.zeros((x.shape[1], 1))}]
    return Network(x.shape[1], layers, loss=loss, dtype=dtype), x, -np.ones((len(x), 1))


def forget_nan(w, g, state, learning_rate, step):
    w -= learning_rate * np.sign(np.nan_to_num(g))


SIGNS = {
    "lion": "lion",
    "lion without memory": {"name": "lion", "beta1": 0.0, "beta2": 0.0},
    "function": Optimizer("forget_nan", forget_nan),
    "formula": Optimizer("signs", formula={"w": "w - where(g > 0, learning_rate, -learning_rate)"}),
    "limited": Optimizer("limited", formula={"w": "w - learning_rate * clip(g, -1, 1)"}),
}


@pytest.mark.parametrize("dtype", BIG)
@pytest.mark.parametrize("batch_size", [1, "full"])
@pytest.mark.parametrize("scale", [1e-3, 1, 1e10])
def test_a_norm_whose_squares_overflow_is_clipped(scale, batch_size, dtype):
    big = BIG[dtype] * scale
    net, x, y = slopes(dtype, [3 * big, -4 * big, 1.0])
    history = net.fit(x, y, epochs=1, batch_size=batch_size, learning_rate=0.5, clip={"norm": 2.0})
    assert history.status == "completed"
    np.testing.assert_allclose(net.weights[0][:2, 0], [-0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("dtype", BIG)
def test_many_huge_elements_are_clipped(dtype):
    net, x, y = slopes(dtype, np.full(5000, MAX[dtype]))
    net.fit(x, y, epochs=1, batch_size="full", learning_rate=1.0, clip={"norm": 1e-3})
    np.testing.assert_allclose(net.weights[0], -1e-3 / np.sqrt(5000), rtol=1e-5)


@pytest.mark.parametrize("dtype", BIG)
def test_a_limit_above_the_norm_leaves_a_huge_gradient(dtype):
    for clip in ({"norm": 100 * BIG[dtype]}, None):
        net, x, y = slopes(dtype, [BIG[dtype], 1.0, 1e-3])
        net.fit(x, y, epochs=1, batch_size="full", learning_rate=1.0, clip=clip)
        np.testing.assert_allclose(net.weights[0][:, 0], [-BIG[dtype], -1.0, -1e-3], rtol=1e-6)


@pytest.mark.parametrize("dtype", MAX)
@pytest.mark.parametrize("clip", [{"norm": 1.0}, {"value": 1.0}, None])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", *SIGNS.values()], ids=["sgd", "adam", *SIGNS])
def test_a_gradient_that_is_not_finite_is_divergence(optimizer, clip, dtype):
    # two rows whose losses are finite, but not the sum of their slopes; or 0 times infinity
    infinite = slopes(dtype, [MAX[dtype], 1.0], [MAX[dtype], 1.0])
    undefined = slopes(dtype, [0.0, 1.0], loss={"formula": "sqrt(y_hat - y)", "reduction": "sum"})
    for (net, x, y), target in ((infinite, -1.0), (undefined, 0.0)):
        assert np.isfinite(net.loss(x, y * -target))
        for batch_size in (2, "full"):
            history = net.fit(
                x, y * -target, optimizer, epochs=3, batch_size=batch_size, learning_rate=0.1, clip=clip
            )
            assert (history.status, history.epochs) == ("diverged", 0)
            np.testing.assert_array_equal(net.parameters, 0)


@pytest.mark.parametrize("optimizer", ["adam", "adagrad", "rmsprop", "adadelta", "nadam", "adamw"])
def test_a_square_that_overflows_in_the_state_is_divergence(optimizer):
    net, x, y = slopes("float32", [1e22, 1.0])
    assert net.fit(x, y, optimizer, epochs=2, batch_size="full").status == "diverged"


@pytest.mark.parametrize("batch_size", [1, "full"])
@pytest.mark.parametrize("clip", [{"norm": 1.0}, None])
def test_a_row_by_row_gradient_that_is_not_finite_is_divergence(clip, batch_size):
    net, x, y = slopes("float64", [0.0, 1.0], loss={"formula": "sqrt(y_hat - y)", "reduction": "sum"})
    history = net.fit(x, y * 0, "lion", epochs=2, batch_size=batch_size, clip=clip)
    assert (history.status, history.epochs) == ("diverged", 0)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rows", [1, 2, 5, 16, 17, 63, 64, 65, 300])
@pytest.mark.parametrize("layers", [[(1, "identity")], [(3, "tanh"), (1, "identity")], [(2, "identity")]])
def test_an_infinite_loss_in_the_last_row_is_infinite(layers, rows, dtype):
    net = Network(2, layers, loss="sse", dtype=dtype, seed=1)
    y = np.zeros((rows, net.n_outputs))
    y[-1] = MAX[dtype]  # its square overflows
    x = np.ones((rows, 2))
    assert net.loss(x, y) == np.inf
    assert net.loss(x, y, sample_weight=np.arange(rows) + 1.0) == np.inf
    loss, gradient = net.gradient(x, y)
    assert loss == np.inf
    assert np.isfinite(gradient).all()

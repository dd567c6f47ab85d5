"""Optimizers: every formula with every option, on one table of problems, against NumPy and PyTorch."""

import numpy as np
import pytest

from cygd import Network
from cygd.components import resolve
from cygd.components.optimizers import OPTIMIZERS

STEPS = 25

# the formulas -------------------------------------------------------------------------------------
# A step is step(w, g, s, t, eta, **options) in place: s is the state, zeros at first; t counts from 1.


def sgd(w, g, s, t, eta, momentum=0, dampening=0, nesterov=False, weight_decay=0):
    g = g + weight_decay * w
    if momentum:
        s["m"] = g if t == 1 else momentum * s["m"] + (1 - dampening) * g
        g = g + momentum * s["m"] if nesterov else s["m"]
    w -= eta * g


def adagrad(w, g, s, t, eta, learning_rate_decay=0, initial_accumulator=0, epsilon=1e-10, weight_decay=0):
    g = g + weight_decay * w
    s["v"] = (initial_accumulator if t == 1 else s["v"]) + g**2
    w -= eta / (1 + (t - 1) * learning_rate_decay) * g / (np.sqrt(s["v"]) + epsilon)


def adadelta(w, g, s, t, eta, rho=0.9, epsilon=1e-6, weight_decay=0):
    g = g + weight_decay * w
    s["v"] = rho * s["v"] + (1 - rho) * g**2
    step = np.sqrt(s["a"] + epsilon) / np.sqrt(s["v"] + epsilon) * g
    s["a"] = rho * s["a"] + (1 - rho) * step**2
    w -= eta * step


def rmsprop(w, g, s, t, eta, alpha=0.99, epsilon=1e-8, momentum=0, centered=False, weight_decay=0):
    g = g + weight_decay * w
    s["v"] = alpha * s["v"] + (1 - alpha) * g**2
    v = s["v"]
    if centered:
        s["a"] = alpha * s["a"] + (1 - alpha) * g
        v = v - s["a"] ** 2
    s["m"] = momentum * s["m"] + g / (np.sqrt(v) + epsilon)
    w -= eta * s["m"]


def adam(w, g, s, t, eta, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0, amsgrad=False):
    g = g + weight_decay * w
    s["m"] = beta1 * s["m"] + (1 - beta1) * g
    s["v"] = beta2 * s["v"] + (1 - beta2) * g**2
    s["v_max"] = np.maximum(s["v_max"], s["v"])
    m_hat = s["m"] / (1 - beta1**t)
    v_hat = (s["v_max"] if amsgrad else s["v"]) / (1 - beta2**t)
    w -= eta * m_hat / (np.sqrt(v_hat) + epsilon)


def adamw(w, g, s, t, eta, weight_decay=0.01, **options):
    w *= 1 - eta * weight_decay
    adam(w, g, s, t, eta, **options)


def nadam(w, g, s, t, eta, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0, momentum_decay=4e-3):
    g = g + weight_decay * w
    mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in (t, t + 1))
    s["product"] = mu if t == 1 else s["product"] * mu
    s["m"] = beta1 * s["m"] + (1 - beta1) * g
    s["v"] = beta2 * s["v"] + (1 - beta2) * g**2
    root = np.sqrt(s["v"] / (1 - beta2**t)) + epsilon
    w -= eta * (1 - mu) / (1 - s["product"]) * g / root
    w -= eta * mu_next / (1 - s["product"] * mu_next) * s["m"] / root


def lion(w, g, s, t, eta, beta1=0.9, beta2=0.99, weight_decay=0):
    w *= 1 - eta * weight_decay
    w -= eta * np.sign(beta1 * s["m"] + (1 - beta1) * g)
    s["m"] = beta2 * s["m"] + (1 - beta2) * g


FORMULAS = {f.__name__: f for f in (sgd, adagrad, adadelta, rmsprop, adam, adamw, nadam, lion)}

# every option of every optimizer, by itself and in company
SETTINGS = [
    ("sgd", {}),
    ("sgd", {"weight_decay": 0.1}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "dampening": 0.3}),
    ("sgd", {"momentum": 0.8, "nesterov": True}),
    ("sgd", {"momentum": 0.8, "nesterov": True, "weight_decay": 0.05, "learning_rate": 0.02}),
    ("adagrad", {}),
    ("adagrad", {"learning_rate_decay": 0.1, "initial_accumulator": 0.5}),
    ("adagrad", {"epsilon": 0.1, "weight_decay": 0.2, "learning_rate": 0.1}),
    ("adadelta", {}),
    ("adadelta", {"rho": 0.5, "epsilon": 1e-3, "weight_decay": 0.1, "learning_rate": 0.5}),
    ("rmsprop", {}),
    ("rmsprop", {"alpha": 0.7, "epsilon": 1e-4, "momentum": 0.5}),
    ("rmsprop", {"centered": True, "epsilon": 1e-3}),
    ("rmsprop", {"centered": True, "alpha": 0.8, "epsilon": 1e-2, "momentum": 0.9, "weight_decay": 0.1}),
    ("adam", {}),
    ("adam", {"beta1": 0.5, "beta2": 0.8, "epsilon": 1e-3}),
    ("adam", {"amsgrad": True, "beta2": 0.5}),
    ("adam", {"weight_decay": 0.1, "amsgrad": True, "learning_rate": 0.02}),
    ("adamw", {}),
    ("adamw", {"weight_decay": 0.5, "amsgrad": True, "learning_rate": 0.02}),
    ("adamw", {"beta1": 0.5, "beta2": 0.8, "epsilon": 1e-3}),
    ("nadam", {}),
    ("nadam", {"beta1": 0.7, "beta2": 0.9, "momentum_decay": 0.5, "weight_decay": 0.1, "epsilon": 1e-4}),
    ("lion", {}),
    ("lion", {"beta1": 0.5, "beta2": 0.7, "weight_decay": 0.3, "learning_rate": 0.01}),
]
settings = pytest.mark.parametrize(
    ("name", "options"), SETTINGS, ids=[f"{name} {' '.join(options)}".strip() for name, options in SETTINGS]
)


# the problems -------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)


def parabola(dtype):
    """E = 1/2 |w - y|^2, three weights."""
    net = Network(1, [{"units": 3, "bias": False, "weights": [[1.0, -2.0, 0.5]]}], dtype=dtype)
    return net, np.ones((1, 1)), np.array([[0.3, 1.0, -1.0]])


def ravine(dtype):
    """Least squares whose curvature differs a hundredfold between directions."""
    net = Network(4, [(2, "identity")], loss="mse", dtype=dtype, seed=1)
    return net, RNG.normal(size=(9, 4)) * [1, 0.3, 0.1, 0.03], RNG.normal(size=(9, 2))


def perceptron(dtype):
    """A network of two layers whose parameters fill more than one thread's range, and a tail."""
    net = Network(30, [(41, "tanh"), (3, "identity")], loss="mse", dtype=dtype, seed=2)
    return net, RNG.normal(size=(64, 30)), RNG.normal(size=(64, 3))


problems = pytest.mark.parametrize("problem", [parabola, ravine, perceptron])


def descend(net, x, y, step, steps=STEPS):
    """Take steps with the gradients of a network; return the parameters after each."""
    w, path = net.parameters, []
    for t in range(1, steps + 1):
        step(w, net.gradient(x, y)[1].astype(np.float64), t)
        path.append(w.copy())
    return path


def fitted(net, x, y, optimizer, steps=STEPS, threads=1):
    """Return the parameters after each step of `fit` over the full batch."""
    path = []
    for _ in range(steps):
        net.fit(x, y, optimizer, epochs=1, batch_size="full", shuffle=False, threads=threads)
        path.append(net.parameters.copy())
    return path


def assert_same_path(found, expected, dtype, tolerance):
    tolerance = max(tolerance, {"float64": 0, "float32": 2e-4}[dtype])
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@problems
@settings
def test_every_step_is_the_formulas(name, options, problem, dtype, level):
    optimizer = resolve("optimizer", {"name": name, **options})
    state = dict.fromkeys(("m", "v", "a", "v_max", "product"), 0.0)
    own = {option: value for option, value in options.items() if option != "learning_rate"}

    def step(w, g, t):
        exact = w.astype(np.float64)
        FORMULAS[name](exact, g, state, t, optimizer.learning_rate, **own)
        w[...] = exact

    net, x, y = problem(dtype)
    begin = net.parameters.copy()
    expected = descend(net, x, y, step)
    net.parameters[...] = begin
    assert_same_path(fitted(net, x, y, optimizer), expected, dtype, 1e-10)


def test_every_optimizer_and_every_option_is_tried():
    assert {name for name, _ in SETTINGS} == {row.name for row in OPTIMIZERS} == set(FORMULAS)
    for row in OPTIMIZERS:
        tried = set().union(*(options for name, options in SETTINGS if name == row.name))
        assert tried >= set(row.parameters)


@settings
def test_every_optimizer_descends(name, options):
    net, x, y = parabola("float64")
    begin = net.loss(x, y)
    net.fit(x, y, {"name": name, **options}, epochs=100, batch_size="full")
    assert net.loss(x, y) < begin


@settings
def test_threads_share_the_parameters_and_change_no_bit(name, options):
    paths = []
    for threads in (1, 2, 3):
        x, y = np.random.default_rng(3).normal(size=(2, 600, 30))
        net, _, _ = perceptron("float64")
        net._engine.force_parallel = True
        optimizer = resolve("optimizer", {"name": name, **options})
        paths.append(fitted(net, x, y[:, :3], optimizer, 4, threads))
        assert len(net._engine.chunks_per_thread) == threads
    for path in paths[1:]:
        np.testing.assert_array_equal(path, paths[0])


def test_a_gradient_of_zero_moves_nothing_where_nothing_decays():
    for row in OPTIMIZERS:
        net = Network(2, [{"units": 2, "weights": np.eye(2)}])
        net.fit(np.eye(2), np.eye(2), row.configured({"weight_decay": 0}), epochs=5)
        np.testing.assert_array_equal(net.weights[0], np.eye(2))


# PyTorch ------------------------------------------------------------------------------------------

TORCH_NAMES = {
    "epsilon": "eps",
    "learning_rate_decay": "lr_decay",
    "initial_accumulator": "initial_accumulator_value",
}
CLASSES = {
    "sgd": "SGD",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "adamw": "AdamW",
    "nadam": "NAdam",
}


def torch_optimizer(torch, name, options, rate, w):
    """Return PyTorch's optimizer of the same name and options over one tensor."""
    given = {TORCH_NAMES.get(option, option): value for option, value in options.items()}
    given["lr"] = rate
    given.pop("learning_rate", None)
    if {"beta1", "beta2"} & set(given):
        given["betas"] = given.pop("beta1", 0.9), given.pop("beta2", 0.999)
    return getattr(torch.optim, CLASSES[name])([w], **given)


@problems
@pytest.mark.parametrize(("name", "options"), [row for row in SETTINGS if row[0] in CLASSES])
def test_every_step_is_pytorchs(name, options, problem):
    torch = pytest.importorskip("torch")
    optimizer = resolve("optimizer", {"name": name, **options})
    net, x, y = problem("float64")
    begin = net.parameters.copy()
    tensor = torch.from_numpy(net.parameters).requires_grad_()
    theirs = torch_optimizer(torch, name, options, optimizer.learning_rate, tensor)

    def step(w, g, t):
        tensor.grad = torch.from_numpy(g)
        theirs.step()

    expected = descend(net, x, y, step)
    net.parameters[...] = begin
    # PyTorch keeps the product of nadam's momenta in single precision
    tolerance = 1e-8 if name == "nadam" else 1e-10
    assert_same_path(fitted(net, x, y, optimizer), expected, "float64", tolerance)

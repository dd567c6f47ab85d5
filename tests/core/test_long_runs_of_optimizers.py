"""Optimizers over 3000 steps, in both dtypes and at the limits of their parameters, as PyTorch's kernels."""

import numpy as np
import pytest

from cygd import Loss, Network, core
from cygd.components.optimizers import OPTIMIZERS
from tests.core.test_optimizers import torch_optimizer
from tests.helpers import pytorch_optimizers

N_STEPS, N_WEIGHTS, RATE = 3000, 32, 0.01
SETTINGS = [
    ("sgd", {}),
    ("sgd", {"dampening": 0.5}),
    ("sgd", {"dampening": 1.0, "weight_decay": 0.01}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.99, "dampening": 0.5}),
    ("sgd", {"momentum": 0.9, "dampening": 1.0}),
    ("sgd", {"momentum": 1.0}),
    ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("adagrad", {}),
    ("adagrad", {"learning_rate_decay": 0.1, "initial_accumulator": 0.5}),
    ("adagrad", {"epsilon": 1.0, "weight_decay": 0.1}),
    ("adadelta", {}),
    ("adadelta", {"rho": 0.0}),
    ("adadelta", {"rho": 1.0}),
    ("adadelta", {"rho": 0.99, "weight_decay": 0.1}),
    ("rmsprop", {}),
    ("rmsprop", {"alpha": 0.0}),
    ("rmsprop", {"alpha": 1.0, "epsilon": 1e-3}),
    ("rmsprop", {"momentum": 0.9}),
    ("rmsprop", {"centered": True}),
    ("rmsprop", {"centered": True, "momentum": 0.9}),
    ("rmsprop", {"centered": True, "alpha": 0.9, "weight_decay": 0.01}),
    ("adam", {}),
    ("adam", {"beta1": 0.0}),
    ("adam", {"beta2": 0.0}),
    ("adam", {"beta1": 0.99, "beta2": 0.9999, "weight_decay": 0.1}),
    ("adam", {"amsgrad": True, "beta2": 0.9}),
    ("adamw", {}),
    ("adamw", {"weight_decay": 0.0}),
    ("adamw", {"weight_decay": 0.5, "amsgrad": True}),
    ("nadam", {}),
    ("nadam", {"momentum_decay": 0.0}),
    ("nadam", {"momentum_decay": 1.0, "beta1": 0.0}),
    ("nadam", {"weight_decay": 0.1}),
]
settings = pytest.mark.parametrize(
    ("name", "options"), SETTINGS, ids=[f"{name} {options}" for name, options in SETTINGS]
)


def skip_without_fused_operations(options):
    """Skip variances of equal gradients: what is left of them is the rounding of a fused multiply-add."""
    if options.get("centered") and core.info()["level"] == "base":
        pytest.skip("the base level has no fused multiply-add")


def gradients(dtype):
    """Return the gradients of each step: equal ones, nearly equal ones, noise, and mostly zeros."""
    rng = np.random.default_rng(0)
    slopes = np.linspace(0.1, 3, 8) * np.where(np.arange(8) % 2, 1, -1)
    noise = rng.normal(size=(3, N_STEPS, 8))
    parts = [
        np.tile(slopes, (N_STEPS, 1)),
        slopes + 0.01 * noise[0],
        noise[1],
        noise[2] * (rng.random((N_STEPS, 8)) < 0.05),
    ]
    return np.concatenate(parts, axis=1).astype(dtype)


def descend(name, rows, **options):
    """Return the weights after a step with each row as the gradient: the loss is the net input."""
    layers = [{"units": 1, "bias": False, "weights": np.ones((N_WEIGHTS, 1))}]
    loss = Loss("output", formula="y_hat - y", reduction="sum")
    net = Network(N_WEIGHTS, layers, loss=loss, dtype=rows.dtype)
    net.fit(
        rows,
        np.zeros((N_STEPS, 1)),
        {"name": name, **options},
        learning_rate=RATE,
        epochs=1,
        batch_size=1,
        shuffle=False,
    )
    return net.parameters


def assert_same_way(found, expected):
    """Compare the ways from the start, 1, with what rounding may add up to in 3000 steps."""
    tolerance = 2e-3 if found.dtype == np.float32 else 1e-9
    for part in np.split(np.arange(N_WEIGHTS), 4):
        way = np.abs(expected[part] - 1).max()
        np.testing.assert_allclose(found[part] - 1, expected[part] - 1, rtol=tolerance, atol=tolerance * way)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings
def test_the_way_is_that_of_pytorchs_operations(name, options, dtype):
    skip_without_fused_operations(options)
    rows = gradients(dtype)
    found = descend(name, rows, **options)
    assert_same_way(found, pytorch_optimizers.run(name, rows, RATE, **options))


def test_a_negative_variance_counts_as_zero():
    rows = gradients("float64")
    found = descend("rmsprop", rows, centered=True, alpha=0.0)
    assert np.isfinite(found).all()  # nan in PyTorch
    assert (np.sign(found[:8]) == -np.sign(rows[0, :8])).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings
def test_the_way_is_pytorchs(name, options, dtype):
    torch = pytest.importorskip("torch")
    skip_without_fused_operations(options)
    rows = gradients(dtype)
    tensor = torch.ones(N_WEIGHTS, dtype=getattr(torch, dtype), requires_grad=True)
    theirs = torch_optimizer(torch, name, options, RATE, tensor)
    for row in rows:
        tensor.grad = torch.from_numpy(row)
        theirs.step()
    expected = tensor.detach().numpy()
    found = descend(name, rows, **options)
    if name == "nadam":  # PyTorch keeps the product of the momenta in single precision
        np.testing.assert_allclose(found, expected, rtol=1e-4 if dtype == "float32" else 1e-7)
    else:
        assert_same_way(found, expected)


def test_every_optimizer_of_pytorch_is_compared():
    assert {name for name, _ in SETTINGS} == {row.name for row in OPTIMIZERS} - {"lion"}

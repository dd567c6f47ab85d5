"""The synthetic source: small problems drawn from a seed, with the same bits on every machine.

The core computes the sines, and products are summed in a fixed order, because the last bits of NumPy's
results depend on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cygd import core
from cygd.core.random import Stream
from cygd.data.dataset import Array, Dataset
from cygd.errors import DataError


def load_synthetic(
    folder: Path,
    *,
    kind: str,
    samples: int = 500,
    noise: float = 0.1,  # standard deviation: on the targets of linear and sine, else on the inputs
    seed: int = 0,  # of the problem, independent of the experiment's seed
    inputs: int = 1,  # columns of x of the linear problem; the other problems have a fixed number
) -> Dataset:
    """Draw one of the problems in `SYNTHETIC_KINDS`; the row of `DATA_SOURCES` holds the ranges."""
    if inputs != 1 and kind != "linear":
        raise DataError(f"inputs: expected kind: linear with this option, got kind: {kind}")
    return SYNTHETIC_KINDS[kind](Stream(seed, purpose="data"), samples, noise, inputs)


def linear(stream: Stream, samples: int, noise: float, inputs: int) -> Dataset:
    """Targets y = x w + b + noise, where w and b are standard normal."""
    w, b = stream.standard_normal(inputs), stream.standard_normal()
    x = stream.standard_normal((samples, inputs))
    y = b + noise * stream.standard_normal(samples)
    for i in range(inputs):
        y = y + w[i] * x[:, i]
    return Dataset(x, y)


def sine(stream: Stream, samples: int, noise: float, inputs: int) -> Dataset:
    """Targets y = sin(x) + noise, x uniform in [-pi, pi)."""
    x = stream.uniform(-np.pi, np.pi, (samples, 1))
    return Dataset(x, _sin(x[:, 0]) + noise * stream.standard_normal(samples))


def xor(stream: Stream, samples: int, noise: float, inputs: int) -> Dataset:
    """The corners of the unit square in turn; class 1 if exactly one coordinate is 1."""
    corner = np.arange(samples) % 4
    x = np.stack([corner // 2, corner % 2], axis=1).astype(np.float64)
    return make_classes(stream, x, (corner // 2) ^ (corner % 2), noise)


def moons(stream: Stream, samples: int, noise: float, inputs: int) -> Dataset:
    """Two interleaved half circles."""
    arm = np.arange(samples) % 2
    angle = stream.uniform(0, np.pi, samples)
    x = np.where(arm, 1 - _cos(angle), _cos(angle))
    y = np.where(arm, 0.5 - _sin(angle), _sin(angle))
    return make_classes(stream, np.stack([x, y], axis=1), arm, noise)


def circles(stream: Stream, samples: int, noise: float, inputs: int) -> Dataset:
    """A circle of radius 1 (class 0) around one of radius 1/2 (class 1)."""
    ring = np.arange(samples) % 2
    angle = stream.uniform(0, 2 * np.pi, samples)
    radius = np.where(ring, 0.5, 1.0)
    return make_classes(stream, np.stack([radius * _cos(angle), radius * _sin(angle)], axis=1), ring, noise)


def spirals(stream: Stream, samples: int, noise: float, inputs: int) -> Dataset:
    """Two interleaved arms of one and a half turns, out to radius 3, with uniform density."""
    arm = np.arange(samples) % 2
    position = np.sqrt(stream.random(samples))  # area grows with the square of the radius
    angle = 3 * np.pi * position + np.pi * arm
    x = np.stack([3 * position * _cos(angle), 3 * position * _sin(angle)], axis=1)
    return make_classes(stream, x, arm, noise)


def make_classes(stream: Stream, x: Array, y: Array, noise: float) -> Dataset:
    """Return a dataset of two classes with noise on its inputs."""
    return Dataset(x + noise * stream.standard_normal(x.shape), y, classes=(0, 1))


def _sin(angle: Array) -> Array:
    return np.asarray(core.activate(angle, "sin"))


def _cos(angle: Array) -> Array:
    return _sin(angle + np.pi / 2)


# all problems take the same arguments, so that `load_synthetic` can call any of them
SYNTHETIC_KINDS: dict[str, Callable[[Stream, int, float, int], Dataset]] = {
    "linear": linear,
    "sine": sine,
    "xor": xor,
    "moons": moons,
    "circles": circles,
    "spirals": spirals,
}

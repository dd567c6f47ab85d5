"""What the engine records of an epoch: hashes and measurements, refused if they do not fit."""

import zlib

import numpy as np
import pytest

from cygd import Network
from cygd.core.metrics import Scorer

OPTIONS = {"penalty": -1, "n_columns": 4, "every": 1, "epochs": 3, "capacity": 4}


def recorder(net, columns=((0,),), **options):
    x, y = np.zeros((2, net.n_inputs), net.dtype), np.zeros((2, net.n_outputs), net.dtype)
    evaluation = net._kernels.Evaluation(net._engine, net._dataset(x, y), 1)
    columns = [list(each) for each in columns]
    return net._kernels.Recorder(
        net._engine, net.parameters, [evaluation] * len(columns), columns, **{**OPTIONS, **options}
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("units", [*range(1, 20), 1000])
def test_hash_is_the_crc32_of_the_parameters(units, dtype):
    net = Network(1, [{"units": units, "bias": False}], dtype=dtype, seed=units)
    _, crc = recorder(net).current(False)
    assert crc == zlib.crc32(net.parameters.tobytes())


@pytest.mark.parametrize("columns", [[(0, 1)], [(1,)], [(0,), (1,)]])
def test_columns_that_do_not_fit_are_refused(columns):
    with pytest.raises(ValueError, match="expected 1 columns below 1"):
        recorder(Network(1, [1]), columns)


@pytest.mark.parametrize("n", [0, 3])
def test_numbers_of_evaluations_are_checked(n):
    with pytest.raises(ValueError, match="expected 1 to 2 evaluations"):
        recorder(Network(1, [1]), [(0,)] * n)


@pytest.mark.parametrize("shape", [(3, 1), (2, 2)])
def test_targets_of_another_shape_are_refused(shape):
    net = Network(1, [1])
    dataset = net._dataset(np.zeros((2, 1)), np.zeros((2, 1)))
    with pytest.raises(ValueError, match=r"expected metrics of targets of shape \(2, 1\)"):
        net._kernels.Evaluation(net._engine, dataset, 1, scorer=Scorer(["mae"], np.zeros(shape)))


def test_predictions_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"expected y_hat of shape \(2, 1\), got \(1, 2\)"):
        Scorer(["mae"], np.zeros((2, 1)))(np.zeros((1, 2)))

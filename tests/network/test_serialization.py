"""Networks: save and load."""

import json

import numpy as np
import pytest

from cygd import Activation, CheckpointError, Network
from cygd.components import UnknownComponentError
from tests.helpers.network_cases import LAYERS_WITH_EVERYTHING, X, small


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_save_and_load(tmp_path, dtype):
    layers = [*LAYERS_WITH_EVERYTHING[:2], (2, {"name": "leaky_relu", "slope": 0.3})]
    net = Network(3, layers, loss={"name": "huber", "delta": 2.0, "reduction": "sum"}, dtype=dtype, seed=6)
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    net.fit(x, y, epochs=2, learning_rate=0.01)
    net.save(tmp_path / "net.npz")
    again = Network.load(tmp_path / "net.npz")
    assert repr(again) == repr(net)
    assert (again.epochs, again.updates) == (net.epochs, net.updates) == (2, 2)
    np.testing.assert_array_equal(again.parameters, net.parameters)
    np.testing.assert_array_equal(again.predict(x), net.predict(x))
    assert again.gradient(x, y)[0] == net.gradient(x, y)[0]
    for one in (net, again):
        one.fit(x, y, epochs=2, learning_rate=0.01)
    np.testing.assert_array_equal(again.parameters, net.parameters)


def test_a_saved_network_is_plain_arrays(tmp_path):
    small().save(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz", allow_pickle=False) as file:
        assert sorted(file.files) == ["b0", "b1", "network", "w0", "w1"]
        assert file["w0"].shape == (2, 3)
        assert json.loads(str(file["network"]))["loss"]["name"] == "sse"


def test_loading_a_network_of_a_plugin_needs_the_plugin(tmp_path):
    mine = Activation("mine", np.tanh, lambda h, y_hat: 1 - y_hat**2)
    net = Network(2, [(2, mine)])
    net.save(tmp_path / "net.npz")
    with pytest.raises(UnknownComponentError, match="unknown activation 'mine'"):
        Network.load(tmp_path / "net.npz")

    class Known:
        def get(self, kind, name):
            from cygd.components import BuiltInComponents

            return mine if name == "mine" else BuiltInComponents().get(kind, name)

    np.testing.assert_array_equal(Network.load(tmp_path / "net.npz", Known()).predict(X), net.predict(X))


def test_a_truncated_file_is_an_error(tmp_path):
    small().save(tmp_path / "net.npz")
    whole = (tmp_path / "net.npz").read_bytes()
    for length in range(0, len(whole), 29):
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"cut\.npz is not a saved network"):
            Network.load(tmp_path / "cut.npz")


def test_a_changed_byte_is_an_error_or_harmless(tmp_path):
    small().save(tmp_path / "net.npz")
    whole = (tmp_path / "net.npz").read_bytes()
    rejected = 0
    for place in range(0, len(whole), 11):
        changed = bytearray(whole)
        changed[place] ^= 0x55
        (tmp_path / "changed.npz").write_bytes(changed)
        try:
            found = Network.load(tmp_path / "changed.npz")
            np.testing.assert_array_equal(found.parameters, small().parameters)
        except CheckpointError:
            rejected += 1
    assert rejected > len(whole) // 22


def rewritten(path, **changes):
    small().save(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def description(**changes):
    layers = [{"units": 3, "activation": {"name": "tanh"}}, {"units": 2}]
    whole = {"n_inputs": 2, "layers": layers, "loss": "sse", "dtype": "float64", "seed": 0}
    return np.array(json.dumps(whole | {"epochs": 0, "updates": 0} | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"w0": None},
        {"w0": np.zeros((5, 5))},
        {"w0": np.full((2, 3), np.nan)},
        {"w0": np.array([["a"] * 3] * 2)},
        {"b1": np.zeros(7)},
        {"network": None},
        {"network": np.array("{")},
        {"network": np.array("[1, 2]")},
        {"network": np.array("null")},
        {"network": description(n_inputs=-1)},
        {"network": description(layers=7)},
        {"network": description(layers=[])},
        {"network": description(dtype="float16")},
        {"network": description(dtype="nonsense")},
        {"network": description(seed="x")},
        {"network": description(epochs="many")},
        {"network": description(loss=3)},
    ],
)
def test_an_invalid_description_is_an_error(tmp_path, changes):
    path = tmp_path / "net.npz"
    rewritten(path, **changes)
    with pytest.raises(CheckpointError, match=r"net\.npz is not a saved network"):
        Network.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"weights", b"\x93NUMPY", b"PK\x03\x04" + bytes(100), b"\x80\x04N."]
)
def test_another_kind_of_file_is_an_error(tmp_path, content):
    (tmp_path / "net.npz").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"net\.npz is not a saved network"):
        Network.load(tmp_path / "net.npz")


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Network.load(tmp_path / "net.npz")

"""Networks: save and load."""

import errno
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

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


def test_a_pickled_network_is_an_error_in_our_own_words(tmp_path):
    np.save(tmp_path / "net.npy", np.array(small(), dtype=object), allow_pickle=True)
    (tmp_path / "net.pickle").write_bytes(pickle.dumps(small()))
    np.savez(tmp_path / "net.npz", network=np.array(small(), dtype=object))
    for name, message in [
        ("net.npy", "it is an .npy file of one array or of pickled objects"),
        ("net.pickle", "it is a pickle, which could run any code when it is loaded"),
        ("net.npz", "network.npy: expected an array of numbers, got Python objects"),
    ]:
        with pytest.raises(CheckpointError) as raised:
            Network.load(tmp_path / name)
        assert str(raised.value) == f"{tmp_path / name} is not a saved network: {message}"


def test_a_file_that_unpacks_to_much_more_than_its_size_is_not_unpacked(tmp_path):
    path = tmp_path / "net.npz"
    np.savez_compressed(path, network=description(), w0=np.zeros((2000, 5000)), b0=np.zeros(3))
    with pytest.raises(CheckpointError, match=r"expected arrays that fit its \d+ bytes, got 8\d{7} bytes"):
        Network.load(path)


def test_an_array_that_claims_a_huge_shape_is_an_error(tmp_path):
    path = tmp_path / "net.npz"
    small().save(path)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content["w0.npy"] = content["w0.npy"].replace(b"(2, 3), }" + b" " * 14, b"(2000000, 300000000), }")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    with pytest.raises(CheckpointError, match=r"expected 4800000000000000 bytes for the shape"):
        Network.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w0": None}, "the array w0 is missing"),
        ({"w0": np.zeros((5, 5))}, r"w0: expected shape \(2, 3\), got \(5, 5\)"),
        ({"w0": np.zeros((2, 3), np.float32)}, "w0: expected float64, got float32"),
        ({"w7": np.zeros(2)}, "unexpected arrays w7"),
        ({"network": None}, "expected an entry 'network'; weights.npz of a run is loaded with its folder"),
        ({"network": description(format=3)}, "it has format 3, but this version of cygd reads up to 2"),
        ({"network": description(epochs=-1)}, "epochs must be a whole number of at least 0, got -1"),
        ({"network": description(updates=1.5)}, "updates must be a whole number of at least 0, got 1.5"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, changes, message):
    rewritten(tmp_path / "net.npz", **changes)
    with pytest.raises(CheckpointError, match=rf"net\.npz is not a saved network: {message}"):
        Network.load(tmp_path / "net.npz")


def test_a_folder_or_a_pipe_is_an_error_that_names_it(tmp_path):
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        Network.load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="pipe is not a saved network: expected a regular file"):
        Network.load(tmp_path / "pipe")


# saving whole files -------------------------------------------------------------------------------


def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "net.npz"
    small().save(path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*net\.npz"):
        Network(2, [5]).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["net.npz"]


def test_a_network_that_could_not_be_loaded_is_not_saved(tmp_path):
    net = small()
    net.save(tmp_path / "net.npz")
    before = (tmp_path / "net.npz").read_bytes()
    net.weights[0][1, 2] = np.nan
    with pytest.raises(ValueError, match=r"parameters: expected finite numbers, got parameters\[5\] = nan"):
        net.save(tmp_path / "net.npz")
    assert (tmp_path / "net.npz").read_bytes() == before


def test_a_missing_folder_is_not_created(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing/net\.npz"):
        small().save(tmp_path / "missing" / "net.npz")
    assert list(tmp_path.iterdir()) == []


SAVE_FOR_EVER = """
import cygd, sys
net = cygd.Network(300, [(300, "tanh"), (1, "identity")])
print("ready", flush=True)
while True:
    net.save(sys.argv[1])
"""


def test_a_killed_save_keeps_the_old_or_the_new_file(tmp_path):
    path = tmp_path / "net.npz"
    small().save(path)
    for _ in range(3):
        code = [sys.executable, "-P", "-c", SAVE_FOR_EVER, str(path)]
        with subprocess.Popen(code, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            process.kill()
        Network.load(path)


def test_saving_keeps_the_mode_and_follows_a_link(tmp_path):
    path, link = tmp_path / "net.npz", tmp_path / "link.npz"
    small().save(path)
    path.chmod(0o640)
    link.symlink_to(path)
    net = Network(2, [5])
    net.save(link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    np.testing.assert_array_equal(Network.load(path).parameters, net.parameters)
    net.save(os.devnull)
    assert not Path(os.devnull).is_file()


# the state of the optimizer -----------------------------------------------------------------------

ROWS = np.random.default_rng(0).normal(size=(20, 2))
TARGETS = ROWS**2
FORMULA = {"name": "mine", "formula": {"m": "0.9 * m + g", "w": "w - learning_rate * m"}, "state": ["m"]}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", ["adam", {"name": "sgd", "momentum": 0.9}, "nadam", "rmsprop", FORMULA])
def test_training_goes_on_after_saving_with_the_optimizer(tmp_path, dtype, optimizer):
    def network():
        return Network(2, [(3, "tanh"), (2, "identity")], dtype=dtype, seed=1)

    whole, first, without = network(), network(), network()
    whole.fit(ROWS, TARGETS, optimizer, epochs=6, learning_rate=0.01)
    first.fit(ROWS, TARGETS, optimizer, epochs=3, learning_rate=0.01)
    first.save(tmp_path / "net.npz", optimizer=True)
    first.save(tmp_path / "without.npz")
    for continued in (Network.load(tmp_path / "net.npz"), Network.load(tmp_path / "net.npz")):
        continued.fit(ROWS, TARGETS, optimizer, epochs=3, learning_rate=0.01)
        np.testing.assert_array_equal(continued.parameters, whole.parameters)
    continued = Network.load(tmp_path / "net.npz")
    continued.save(tmp_path / "again.npz", optimizer=True)
    continued = Network.load(tmp_path / "again.npz")
    continued.fit(ROWS, TARGETS, continued.optimizer, epochs=3)
    np.testing.assert_array_equal(continued.parameters, whole.parameters)
    without = Network.load(tmp_path / "without.npz")
    assert without.optimizer is None
    without.fit(ROWS, TARGETS, optimizer, epochs=3, learning_rate=0.01)
    assert not np.array_equal(without.parameters, whole.parameters)


def test_the_optimizer_of_the_last_fit_continues():
    whole, parts = small(), small()
    whole.fit(ROWS, TARGETS, "adam", epochs=6)
    parts.fit(ROWS, TARGETS, "adam", epochs=3)
    parts.fit(ROWS, TARGETS, parts.optimizer, epochs=3)
    np.testing.assert_array_equal(parts.parameters, whole.parameters)


def test_another_optimizer_than_the_saved_one_starts_afresh_and_says_so(tmp_path, caplog):
    net = small()
    net.fit(ROWS, TARGETS, "adam", epochs=3)
    net.save(tmp_path / "net.npz", optimizer=True)
    again = Network.load(tmp_path / "net.npz")
    for one in (net, again):
        one.fit(ROWS, TARGETS, {"name": "adam", "beta1": 0.5}, epochs=3)
    np.testing.assert_array_equal(again.parameters, net.parameters)
    assert caplog.messages == ["the state of optimizer 'adam' that was saved with the network is not used"]


@pytest.mark.parametrize(
    "changes",
    [{"optimizer0": None}, {"optimizer1": np.zeros(3)}, {"optimizer7": np.zeros(17)}],
    ids=["missing", "shape", "unknown"],
)
def test_a_damaged_optimizer_state_is_an_error(tmp_path, changes):
    path, net = tmp_path / "net.npz", small()
    net.fit(ROWS, TARGETS, "adam", epochs=3)
    net.save(path, optimizer=True)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(CheckpointError, match=r"net\.npz is not a saved network: .*optimizer"):
        Network.load(path)

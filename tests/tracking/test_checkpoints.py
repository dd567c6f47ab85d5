"""Checkpoint files: written atomically, read back to the bit, skipped if damaged."""

import hashlib
import io
import json
import math
import zipfile

import numpy as np
import pytest

from cygd.errors import CheckpointError
from cygd.files import npz_bytes
from cygd.network.early_stopping import EarlyStoppingState
from cygd.network.training_state import TrainingState
from cygd.tracking import checkpoints
from cygd.tracking.checkpoints import Checkpoint, CheckpointWriter, latest, read
from cygd.tracking.directory import RunDirectory
from cygd.tracking.metrics_file import Extent

HEAD = b"epoch,loss,running_loss,learning_rate,seconds\n"
LINES = [b"0,1.5,,,0.1\n", b"1,,0.75,0.1,0.2\n", b"2,nan,inf,0.1,0.3\n", b"3,0.25,0.5,0.1,0.4\n"]


def state(epoch=3, **options):
    given = {
        "epoch": epoch,
        "updates": 7 * epoch,
        "parameters": np.array([1 / 3, -0.0, 5e-324]),
        "optimizer": {"m": np.array([1.0, 2.0, 3.0], np.float32), "any/name": np.zeros(())},
        "step": 7 * epoch,
        "scalars": [1 / 3, 0.0, math.inf, 0.0],
        "last": {"running_loss": 0.5, "learning_rate": 0.1},
        "seconds": 0.4,
        "early_stopping": EarlyStoppingState(math.inf, None, 3, None),
    }
    return TrainingState(**{**given, **options})


def extent(epoch):
    return Extent().extend(HEAD + b"".join(LINES[:epoch]))


def checkpoint(epoch=3, **options):
    return Checkpoint(state(epoch, **options), extent(epoch), {"seed": 0}, None)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "metrics.csv").write_bytes(HEAD + b"".join(LINES) + b"4,0.1,0.1,0.")
    (tmp_path / "checkpoints").mkdir()
    return tmp_path


@pytest.fixture
def file(folder):
    path = folder / "checkpoints" / "000003.npz"
    path.write_bytes(checkpoint().to_bytes())
    return path


def checkpoint_writer(folder, **options):
    given = {"every": 1, "seconds": None, "keep": 2, "config": {"seed": 0}, "data_hash": lambda: None}
    return CheckpointWriter(RunDirectory(folder), **{**given, **options})


# -- one file ---------------------------------------------------------------------------------------


def test_checkpoint_round_trips(file):
    found = read(file)
    assert found.config == {"seed": 0}
    assert found.extent == extent(3)
    given = state()
    assert found.state.parameters.tobytes() == given.parameters.tobytes()
    assert list(found.state.optimizer) == ["m", "any/name"]
    for name, values in given.optimizer.items():
        assert found.state.optimizer[name].dtype == values.dtype
        np.testing.assert_array_equal(found.state.optimizer[name], values)
    for name in ("epoch", "updates", "step", "scalars", "last", "seconds", "early_stopping"):
        assert getattr(found.state, name) == getattr(given, name), name


def test_checkpoint_restores_the_rows_before_it(file):
    rows = read(file).state.rows
    assert rows[:2] == [
        {"loss": 1.5, "seconds": 0.1},
        {"running_loss": 0.75, "learning_rate": 0.1, "seconds": 0.2},
    ]
    assert math.isnan(rows[2]["loss"])
    assert rows[2]["running_loss"] == math.inf
    assert len(rows) == 3


def test_checkpoint_restores_the_best_weights(file):
    best = np.array([7.0, 8.0, 9.0])
    file.write_bytes(checkpoint(early_stopping=EarlyStoppingState(np.float64(-0.9), 2, 1, best)).to_bytes())
    found = read(file).state.early_stopping
    assert found[:3] == (-0.9, 2, 1)
    np.testing.assert_array_equal(found.best_parameters, best)


def test_keys_of_the_file_are_stable(file):
    early_stopping = EarlyStoppingState(-0.9, 2, 1, None)
    file.write_bytes(checkpoint(early_stopping=early_stopping).to_bytes())
    with np.load(file) as archive:
        description = json.loads(archive["state"].tobytes())
    assert set(description) == {
        *("epoch", "updates", "step", "memory", "last", "seconds"),
        *("standing", "optimizer", "metrics", "config", "data"),
    }
    assert description["standing"] == {"best": -0.9, "best_epoch": 2, "waited": 1}


def test_checkpoint_is_a_plain_npz_file(file):
    with np.load(file, allow_pickle=False) as archive:
        assert set(archive.files) == {"state", "parameters", "optimizer0", "optimizer1"}
        assert json.loads(archive["state"].tobytes())["epoch"] == 3
    with zipfile.ZipFile(file) as archive:
        assert archive.comment.startswith(b"cygd checkpoint 1 sha256 ")
        assert archive.testzip() is None


def test_equal_states_are_equal_bytes():
    assert checkpoint().to_bytes() == checkpoint().to_bytes()


def test_non_numeric_optimizer_state_is_rejected_by_name():
    with pytest.raises(
        CheckpointError, match="cannot hold the optimizer's state 'info': expected a numeric array"
    ):
        checkpoint(optimizer={"info": {"a": 1}}).to_bytes()


# -- damage -----------------------------------------------------------------------------------------


def test_every_changed_byte_is_detected(file):
    data = file.read_bytes()
    for place in range(0, len(data), max(1, len(data) // 400)):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(CheckpointError, match=r"000003.npz (is damaged|is unusable)"):
            read(file)


def test_every_other_length_is_detected(file):
    data = file.read_bytes()
    for length in [*range(0, len(data), 97), len(data) - 1]:
        file.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match="is damaged"):
            read(file)
    file.write_bytes(data + b"\n")
    with pytest.raises(CheckpointError, match="is damaged"):
        read(file)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (HEAD + b"".join(LINES[:2]), "does not begin with the rows that the run wrote"),
        (HEAD + b"".join(LINES).replace(b"1.5", b"1.6"), "does not begin with the rows"),
        (None, "cannot read .*metrics\\.csv: No such file or directory"),
    ],
)
def test_checkpoint_without_its_rows_is_unusable(file, rows, message):
    table = file.parents[1] / "metrics.csv"
    table.unlink()
    if rows is not None:
        table.write_bytes(rows)
    with pytest.raises(CheckpointError, match=message):
        read(file)


def test_previous_checkpoint_is_used_with_a_warning(folder, file, caplog):
    (folder / "checkpoints" / "000002.npz").write_bytes(checkpoint(2).to_bytes())
    file.write_bytes(file.read_bytes()[:-300])
    assert latest(folder).state.epoch == 2
    assert caplog.messages == [
        f"{file} is damaged: its SHA-256 does not match; using the previous checkpoint"
    ]


def test_error_if_every_checkpoint_is_damaged(folder, file):
    file.write_bytes(b"")
    with pytest.raises(
        CheckpointError, match=r"every checkpoint is damaged: .*000003\.npz is damaged"
    ) as caught:
        latest(folder)
    assert caught.value.hint == f"remove {folder / 'checkpoints'} to train from the beginning"


def test_other_format_version_is_an_error(folder, file, monkeypatch):
    (folder / "checkpoints" / "000002.npz").write_bytes(checkpoint(2).to_bytes())
    monkeypatch.setattr(checkpoints, "VERSION", 2)
    file.write_bytes(checkpoint().to_bytes())
    monkeypatch.undo()
    with pytest.raises(
        CheckpointError, match="has format 2, but this version of cygd reads format 1"
    ) as caught:
        latest(folder)
    assert "environment.json" in caught.value.hint


def test_latest_is_none_without_checkpoints(tmp_path):
    assert latest(tmp_path) is None
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / ".000001.npz.abcd1234.part").write_bytes(b"half")
    (tmp_path / "checkpoints" / "mine.npz").write_bytes(b"")
    assert latest(tmp_path) is None


# -- which ones are kept ----------------------------------------------------------------------------


def names(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def test_newest_checkpoints_are_kept(folder):
    writer = checkpoint_writer(folder)
    for epoch in range(4):
        writer.write(state(epoch), extent(epoch))
    assert names(folder) == ["000002.npz", "000003.npz"]


def test_checkpoints_are_ordered_by_number_beyond_a_million(folder):
    writer = checkpoint_writer(folder)
    for epoch in (999_999, 1_000_000):
        writer.write(state(epoch), extent(3))
    assert latest(folder).state.epoch == 1_000_000


def test_damaged_checkpoint_does_not_evict_a_good_one(folder, file):
    (folder / "checkpoints" / "000001.npz").write_bytes(checkpoint(1).to_bytes())
    file.write_bytes(b"")
    checkpoint_writer(folder).write(state(2), extent(2))
    assert names(folder) == ["000001.npz", "000002.npz"]


def test_failed_removal_of_an_old_checkpoint_only_warns(folder, monkeypatch, caplog):
    writer = checkpoint_writer(folder, keep=1)
    writer.write(state(1), extent(1))
    monkeypatch.setattr(
        "pathlib.Path.unlink", lambda self, **options: (_ for _ in ()).throw(OSError(30, "Read-only"))
    )
    writer.write(state(2), extent(2))
    assert "000001.npz: Read-only" in caplog.messages[0]


def test_failed_write_keeps_existing_checkpoints(folder, monkeypatch):
    writer = checkpoint_writer(folder, keep=1)
    writer.write(state(1), extent(1))
    before = (folder / "checkpoints" / "000001.npz").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        writer.write(state(2), extent(2))
    assert caught.value.filename == str(folder / "checkpoints" / "000002.npz")
    assert names(folder) == ["000001.npz"]
    assert (folder / "checkpoints" / "000001.npz").read_bytes() == before


def test_data_hash_is_computed_once(folder):
    asked = []
    writer = checkpoint_writer(folder, data_hash=lambda: asked.append(1) or "abc")
    for epoch in (1, 2):
        writer.write(state(epoch), extent(epoch))
    assert asked == [1]
    assert latest(folder).data_hash == "abc"


# -- a right SHA-256 over content that cygd does not write ----------------------------------------------


def forged(description=None, **arrays):
    """Return a checkpoint with other values in its description, or other arrays; None removes one."""
    with np.load(io.BytesIO(checkpoint().to_bytes())) as archive:
        entries = dict(archive)
    content = json.loads(entries["state"].tobytes()) | (description or {})
    entries["state"] = np.frombuffer(json.dumps(content).encode(), np.uint8)
    entries = {name: array for name, array in (entries | arrays).items() if array is not None}
    body = npz_bytes(entries, comment=b"cygd checkpoint 1 sha256 " + b"0" * 64)[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"metrics": None}, "metrics: expected a list, got None"),
        ({"metrics": [1, 2, 3]}, r"metrics: expected a size and a CRC-32, got \[1, 2, 3\]"),
        ({"metrics": [1, "2"]}, r"metrics\[1\]: expected a whole number of at least 0, got '2'"),
        ({"optimizer": [["m"], "v"]}, r"optimizer\[0\]: expected a text, got \['m'\]"),
        ({"optimizer": ["m", "m"]}, "optimizer: expected distinct names"),
        (
            {"optimizer": ["m"]},
            "expected the arrays optimizer0, parameters, state, got optimizer0, optimizer1",
        ),
        ({"epoch": 4}, "epoch: expected 3 as in its name, got 4"),
        ({"epoch": 3.0}, "epoch: expected a whole number of at least 0, got 3.0"),
        ({"updates": -1}, "updates: expected a whole number of at least 0, got -1"),
        ({"step": 10**19}, "step: expected a whole number"),
        ({"memory": {"a": 1}}, "memory: expected a list"),
        ({"last": {}}, "last: expected running_loss and learning_rate"),
        ({"last": {"running_loss": None}}, "last.running_loss: expected a number, got None"),
        ({"standing": {"best": 1}}, "standing: the key 'best_epoch' is missing"),
        ({"standing": 5}, "standing: expected an object, got 5"),
        ({"seconds": "1"}, "seconds: expected a number"),
        ({"config": []}, "config: expected an object"),
        ({"data": 5}, "data: expected a text or null"),
    ],
)
def test_forged_description_is_refused(file, description, message):
    file.write_bytes(forged(description))
    with pytest.raises(CheckpointError, match=f"000003.npz is damaged: .*{message}"):
        read(file)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"parameters": None},
            "expected the arrays optimizer0, optimizer1, parameters, state, got optimizer0",
        ),
        ({"parameters": np.zeros((3, 1))}, "parameters: expected a vector of floats"),
        ({"parameters": np.zeros(3, int)}, "parameters: expected a vector of floats, got int64"),
        ({"best": np.zeros(3, np.float32)}, "best: expected an array like parameters, got float32"),
        ({"state": np.zeros(3)}, "expected an array 'state' of bytes"),
        ({"state": np.frombuffer(b"[" * 99_999, np.uint8)}, "recursion"),
        ({"more": np.zeros(3)}, "expected the arrays"),
        ({"optimizer1": np.array(["text"])}, "optimizer1.npy: expected an array of numbers"),
    ],
)
def test_forged_arrays_are_refused(file, arrays, message):
    file.write_bytes(forged(**arrays))
    with pytest.raises(CheckpointError, match=f"000003.npz is damaged: .*{message}"):
        read(file)


@pytest.mark.parametrize("content", [b"", b"PK\5\6" + bytes(18)])
def test_forged_archive_is_refused(file, content):
    body = content + b"cygd checkpoint 1 sha256 "
    file.write_bytes(body + hashlib.sha256(body).hexdigest().encode())
    with pytest.raises(CheckpointError, match=r"000003.npz is damaged"):
        read(file)

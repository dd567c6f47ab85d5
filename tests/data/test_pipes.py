"""Data that can be read only once: standard input, named pipes and process substitution."""

import gzip
import hashlib
import io
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from cygd.data.sources import pipes
from cygd.data.sources.arrays import load_npy, load_npz
from cygd.data.sources.csv import load_csv
from cygd.data.sources.svmlight import load_svmlight
from cygd.errors import DataError

ROWS = 20_000


@pytest.fixture(autouse=True)
def no_copies():
    yield
    pipes.forget_pipes()


@pytest.fixture
def stdin(monkeypatch):
    """Return a function that sets what standard input holds."""

    def provide(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return provide


@pytest.fixture
def feed(tmp_path):
    """Return a function that starts to write into a named pipe, and returns the name of the pipe."""
    threads = []

    def start(content, name="pipe"):
        if not (tmp_path / name).exists():
            os.mkfifo(tmp_path / name)
        threads.append(threading.Thread(target=(tmp_path / name).write_bytes, args=(content,)))
        threads[-1].start()
        return name

    yield start
    for thread in threads:
        thread.join(10)


def test_every_row_of_a_pipe_is_read_once(tmp_path, feed):
    content = "".join(f"{i}\n" for i in range(ROWS)).encode()
    table = load_csv(tmp_path, path=feed(content), header=False)
    assert table.columns["c0"].numbers.tolist() == list(range(ROWS))
    assert table.location(ROWS - 1, "c0").endswith(f"pipe:{ROWS}: row {ROWS}, column 'c0'")


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_stdin(tmp_path, stdin, name, compress):
    stdin(compress(b"a,b\n1,x\n2,y\n"))
    table = load_csv(tmp_path, path=name)
    assert table.columns["a"].numbers.tolist() == [1, 2]
    assert table.columns["b"].strings == ("x", "y")
    assert load_csv(tmp_path, path=name).where == "/dev/stdin"  # the copy is read again


def test_text_in_place_of_stdin(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\n1\n"))
    assert len(load_csv(tmp_path, path="-")) == 1


def test_pipe_is_read_anew_after_a_run(tmp_path, feed):
    for value in (1, 2):
        with pipes.pipe_copies():
            name = feed(f"a\n{value}\n".encode())
            with pipes.pipe_copies():
                pass
            assert load_csv(tmp_path, path=name).columns["a"].numbers.tolist() == [value]
            copy = pipes.content_of(tmp_path / name)
            assert copy.exists()
        assert not copy.exists()


def test_arrays_and_sparse_rows(tmp_path, feed):
    x = np.arange(6.0).reshape(3, 2)
    np.savez(tmp_path / "a.npz", x=x, y=x[:, 0])
    assert np.array_equal(load_npz(tmp_path, path=feed((tmp_path / "a.npz").read_bytes(), "z")).x, x)
    np.save(tmp_path / "x.npy", x)
    content = (tmp_path / "x.npy").read_bytes()
    data = load_npy(tmp_path, x=feed(content, "x"), y=feed(content, "y"))
    assert np.array_equal(data.y, x)
    assert load_svmlight(tmp_path, path=feed(b"1 1:2\n", "s")).x.tolist() == [[2]]


def test_parquet(tmp_path, feed):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    from cygd.data.sources.parquet import load_parquet

    parquet.write_table(pyarrow.table({"a": [1, 2]}), tmp_path / "t.parquet")
    table = load_parquet(tmp_path, path=feed((tmp_path / "t.parquet").read_bytes()))
    assert table.columns["a"].numbers.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("-", b"", "/dev/stdin is empty\nhint: a pipe is read once: pipe the data again, or save them"),
        ("/dev/null", None, "/dev/null: expected a file or a pipe, got a device or a socket"),
        ("/dev/fd/987", None, "/dev/fd/987: the pipe of an earlier command no longer exists\nhint: pipe the"),
    ],
)
def test_pipe_that_cannot_be_read(tmp_path, stdin, path, content, message):
    if content is not None:
        stdin(content)
    with pytest.raises(DataError) as caught:
        load_csv(tmp_path, path=path)
    assert str(caught.value).startswith(message)


def test_terminal_is_not_waited_for(tmp_path, stdin, monkeypatch):
    stdin(b"a\n1\n")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    with pytest.raises(DataError, match="standard input: expected a file or a pipe, got the terminal"):
        load_csv(tmp_path, path="-")


def test_hash_is_that_of_what_was_read(tmp_path, section, stdin, feed):
    from cygd import data

    stdin(b"a\n1\n")
    hashes = data.fingerprint(section(tmp_path, path="-"), tmp_path)
    assert hashes == {"/dev/stdin": hashlib.sha256(b"a\n1\n").hexdigest()}
    name = feed(b"a\n2\n")
    hashes = data.fingerprint(section(tmp_path, path=name), tmp_path)
    assert hashes == {str(tmp_path / name): hashlib.sha256(b"a\n2\n").hexdigest()}


def test_a_pipe_under_two_names_is_read_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("p")
    writer = threading.Thread(target=lambda: Path("p").write_text("a,y\n1,2\n"))
    writer.start()
    try:
        relative = pipes.content_of(Path("p"))
        assert pipes.content_of(Path("p").absolute()) == relative
        assert relative.read_text() == "a,y\n1,2\n"
    finally:
        writer.join()
        pipes.forget_pipes()

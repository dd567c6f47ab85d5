"""Files that unpack to more than the memory are one clear error, before the memory is taken."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cygd.data import memory
from cygd.data.source import DataSource
from cygd.data.sources import text_io
from cygd.data.sources.csv import load_csv
from cygd.data.sources.svmlight import load_svmlight
from cygd.errors import DataError

UNDER_A_LIMIT = """
import resource, sys
from pathlib import Path
from cygd.data.source import DATA_SOURCES
from cygd.errors import DataError
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]), -1))
csv = next(source for source in DATA_SOURCES if source.name == "csv")
try:
    csv.configured({"path": sys.argv[1]}).read(Path())
except DataError as error:
    print(error.message)
"""


@pytest.fixture
def small(monkeypatch):
    """Make a machine of 100 KB."""
    monkeypatch.setattr(memory, "CHECK_FROM", 0)
    monkeypatch.setattr(memory, "physical_memory", lambda: 100_000)
    monkeypatch.setattr(memory, "available_memory", lambda: None)


@pytest.mark.parametrize("row", [b"1,2\n", b'1,"2"\n', b"1,x\n"])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_numbers_beyond_the_memory(tmp_path, small, name, row):
    text = b"a,b\n" + row * 20_000
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    message = rf"{name}: the table does not fit into the 0.0 GB of memory .*: the first 8192 rows take"
    with pytest.raises(DataError, match=message + r" .*\nhint: divide the file"):
        load_csv(tmp_path, path=name)


def test_strings_beyond_the_memory(tmp_path, small):
    rows = "".join(f"{i:0>40},1\n".replace("0", "x") for i in range(5000))
    (tmp_path / "t.csv").write_text("a,b\n" + rows)
    with pytest.raises(DataError, match=r"does not fit into .*: the first 4096 rows"):
        load_csv(tmp_path, path="t.csv")


def test_sparse_rows_beyond_the_memory(tmp_path, small):
    (tmp_path / "t.svm.gz").write_bytes(gzip.compress(b"1 1:2 2:3\n" * 5000))
    with pytest.raises(DataError, match=r"t\.svm\.gz: the table does not fit into .*: the first 4096 rows"):
        load_svmlight(tmp_path, path="t.svm.gz")


def test_a_table_leaves_some_memory_to_others(monkeypatch):
    monkeypatch.setattr(memory, "physical_memory", lambda: 10**10)
    monkeypatch.setattr(memory, "available_memory", lambda: 10**9)
    memory.check_table_size(9 * 10**9, "t", 1)
    monkeypatch.setattr(memory, "available_memory", lambda: 10**8)
    memory.check_table_size(10**7, "t", 1)
    with pytest.raises(DataError, match=r"into the 10\.0 GB .*: the first 5 rows take 9\.0 GB"):
        memory.check_table_size(9 * 10**9, "t", 5)


def test_the_memory_that_the_system_reports(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   2 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    assert memory.available_memory() == 2048
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "absent")
    assert memory.available_memory() is None


def test_a_packed_line_without_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(text_io, "MAX_LINE", 1 << 20)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1," * (1 << 20)))
    with pytest.raises(DataError, match=r"t\.csv\.gz: expected a text file, got a line of more than 1048576"):
        load_csv(tmp_path, path="t.csv.gz")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\r" + b"1,2\r" * (1 << 19)))
    assert load_csv(tmp_path, path="t.csv.gz").columns["a"].numbers.sum() == 1 << 19


def test_memory_that_the_system_refuses(tmp_path):
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs the size of the process")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 10_000_000, 1))
    command = [sys.executable, "-c", UNDER_A_LIMIT, "t.csv.gz", str(60 << 20)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert (done.stdout, done.stderr) == ("t.csv.gz: the data do not fit into memory\n", "")


def test_a_source_without_memory(tmp_path):
    def load(folder):
        return np.empty(10**18)

    with pytest.raises(DataError, match=r"^huge data: the data do not fit into memory"):
        DataSource("huge", load).read(tmp_path)

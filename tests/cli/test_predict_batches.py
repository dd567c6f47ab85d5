"""`cygd predict --batch`: files larger than memory, formats of the output, and commands that are killed."""

import csv
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.cli.main import main

SECTION = {"targets": ["y"], "missing": "mean", "scale": "standard"}
REST = {"train": {"epochs": 2}, "optimizer": {"name": "sgd", "learning_rate": 0.01}}
COLUMNS = {
    "a": [1.0, 2.0, None, 4.0, 5.0, 6.5],
    "b": ["u", "v", "u", None, "v", "w"],
    "flag": [True, False, True, True, None, False],
    "y": ["no", "yes", "no", "yes", "no", "yes"],
}
# words of pandas' list, booleans beside other texts, numbers among texts: other rows decide about them
ROWS = """a,b,flag,more
1,u,True,x
N/A,v,False,
2.5,01,True,y
text,u,False,
inf,w,True,
,?,,
3,1,maybe,
"NA","NA",False,
-1e300,w,TRUE,z
4,"u",,
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def trained(here):
    last = {"units": 1, "activation": "sigmoid"}
    content = {"name": "mine", "data": SECTION, "model": {"layers": [3, last]}, **REST}
    return cygd.run(content, data=COLUMNS, out=here / "r")


@pytest.fixture
def predict(capsysbinary):
    def run(*arguments):
        code = main(["predict", "r", *map(str, arguments)])
        out, err = capsysbinary.readouterr()
        return code, out, err.decode()

    return run


@pytest.mark.parametrize("text", [ROWS, ROWS.replace("maybe", "True").replace("text", "7")])
@pytest.mark.parametrize("options", [[], ["--proba"], ["-o", "-"], ["--format", "jsonl"]])
def test_batches_change_nothing(trained, predict, here, text, options):
    (here / "n.csv").write_text(text)
    whole = predict("n.csv", *options)
    assert whole[0] == 0
    for size in (1, 2, 3, 100):
        assert predict("n.csv", *options, "--batch", size) == whole


def test_batches_of_parquet_files(trained, predict, here):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.table({**COLUMNS, "a": [1.0, None, np.inf, 2.0, 3.0, 4.0], "other": [[1]] * 6})
    parquet.write_table(table, here / "n.parquet", row_group_size=2)
    whole = predict("n.parquet")
    for size in (1, 4, 100):
        assert predict("n.parquet", "--batch", size) == whole
    assert len(whole[1].splitlines()) == 7
    assert "1 of 6 rows cannot be predicted" in whole[2]
    assert predict("n.parquet", "--batch", 2, "--strict")[0] == 2


@pytest.mark.parametrize("batch", [[], ["--batch", "2"]])
def test_formats_of_the_output(trained, predict, here, batch):
    (here / "n.csv").write_text(ROWS)
    printed = list(csv.reader(io.StringIO(predict("n.csv")[1].decode())))
    for arguments in (["--format", "jsonl"], ["--format", "jsonl", "-o", "lines.txt"]):
        code, out, _ = predict("n.csv", *batch, *arguments)
        text = out.decode() or (here / "lines.txt").read_text()
        records = [json.loads(line) for line in text.splitlines()]
        assert code == 0
        assert [str(record["y=yes"] or "") for record in records] == [row[1] for row in printed[1:]]
    parquet = pytest.importorskip("pyarrow.parquet")
    code, out, _ = predict("n.csv", *batch, "--format", "parquet")
    assert code == 0
    assert parquet.read_table(io.BytesIO(out)).to_pylist() == records
    assert predict("n.csv", *batch, "--format", "parquet", "-o", "without_suffix")[0] == 0
    assert parquet.read_table(here / "without_suffix").to_pylist() == records
    code, out, err = predict("n.csv", "--format", "xlsx")
    assert (code, out) == (2, b"")
    assert "invalid choice: 'xlsx'" in err


def test_small_batches_share_a_row_group(trained, predict, here):
    parquet = pytest.importorskip("pyarrow.parquet")
    (here / "n.csv").write_text("a,b,flag\n" + "1,u,True\n" * 300)
    assert predict("n.csv", "--batch", 7, "-o", "p.parquet")[0] == 0
    assert parquet.ParquetFile(here / "p.parquet").metadata.num_row_groups == 1


@pytest.mark.parametrize("batch", ["1", "3", "100"])
def test_batches_of_standard_input(trained, predict, here, monkeypatch, batch):
    (here / "n.csv").write_text(ROWS)
    whole = predict("n.csv")
    command = [sys.executable, "-m", "cygd", "predict", "r", "-", "--batch", batch]
    for arguments in (command, command[:-2]):
        done = subprocess.run(arguments, input=ROWS, capture_output=True, text=True, cwd=here, check=False)
        assert (done.returncode, done.stdout) == (0, whole[1].decode())
        first, *others = whole[2].splitlines()
        places = [line.replace("n.csv", "/dev/stdin") for line in others]
        assert done.stderr.splitlines() == [first.replace("n.csv", "-"), *places]


@pytest.mark.parametrize("batch", [[], ["--batch", "1"]])
def test_errors_come_before_the_first_row(trained, predict, here, batch):
    for text, message in (
        ("a,b,flag\n1,u,True\n2,v\n", "n.csv:3: expected 3 cells as in the header, got 2"),
        ("a,c,flag\n1,u,True\n", "unknown column 'b'"),
        ("a\n1\n", "missing columns 'b', 'flag'"),
        ("", "n.csv is empty"),
    ):
        (here / "n.csv").write_text(text)
        code, out, err = predict("n.csv", *batch)
        assert (code, out) == (2, b"")
        assert message in err
        assert "data." not in err
    (here / "n.csv").write_text(ROWS.replace("maybe", "False").replace("01", "u"))
    code, out, err = predict("n.csv", "--strict", *batch)
    assert (code, out) == (2, b"")
    assert "n.csv:5: row 4, column 'a': expected a number, got 'text'" in err


@pytest.mark.parametrize("batch", [[], ["--batch", "1"], ["--batch", "4"]])
def test_files_without_header(here, predict, batch):
    (here / "t.csv").write_text("1,u,no\n2,v,yes\n3,u,yes\n")
    data = {"source": "csv", "path": "t.csv", "header": False, "targets": ["c2"]}
    layers = [{"units": 1, "activation": "sigmoid"}]
    cygd.run({"data": data, "model": {"layers": layers}, **REST}, out=here / "r")
    code, out, err = predict("t.csv", *batch)
    assert (code, len(out.splitlines())) == (0, 4)
    assert err == "t.csv: column 3 of 3 is taken for the target 'c2', not used\n"
    (here / "n.csv").write_text("1,u,no\n2,v,other\n")
    code, out, err = predict("n.csv", *batch)
    assert (code, out) == (2, b"")
    assert "unknown label 'other'" in err


MEASURED = """
import sys
from cygd.cli.main import main
code = main(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
sys.exit(code)
"""


def peak_memory(here, *arguments):
    """Return the kilobytes that a command took."""
    command = [sys.executable, "-c", MEASURED, "predict", "r", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=here, check=True)
    return int(done.stderr.split("VmHWM:")[1].split()[0])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_memory_does_not_grow_with_the_file(trained, here):
    rows = "".join(f"{i % 977}.5,{'uvw'[i % 3]},True,unique text {i}\n" for i in range(150_000))
    (here / "large.csv").write_text("a,b,flag,more\n" + rows)
    (here / "small.csv").write_text("a,b,flag,more\n" + rows[: rows.index("\n", 30_000) + 1])
    base = peak_memory(here, "small.csv", "--batch", "1000", "-o", "small.jsonl")
    whole = peak_memory(here, "large.csv", "-o", "whole.jsonl")
    batched = peak_memory(here, "large.csv", "--batch", "1000", "-o", "batched.jsonl")
    assert (here / "batched.jsonl").read_bytes() == (here / "whole.jsonl").read_bytes()
    assert batched - base < 4_000
    assert whole - base > 20_000


SLOW = """
import signal, sys, time
import cygd.cli.commands.predict as predict
from cygd.cli.main import main
from cygd.cli.predictions import csv_writer

def slow(file, names):
    write = csv_writer(file, names)
    def write_slowly(rows):
        write(rows)
        print("written", flush=True)
        time.sleep(60)
    return write_slowly

# whoever runs the tests may ignore them, as nohup does
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
predict.csv_writer = slow
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGHUP, 130), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_command_that_is_stopped_leaves_no_file(trained, here, number, code):
    (here / "n.csv").write_text(ROWS)
    before = sorted(path.name for path in here.iterdir())
    command = [sys.executable, "-c", SLOW, "predict", "r", "n.csv", "--batch", "1", "-o", "p.csv"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=here
    ) as done:
        assert done.stdout.readline() == "written\n"
        time.sleep(0.05)
        done.send_signal(number)
        _, err = done.communicate(timeout=30)
    assert done.returncode == code
    assert err == ("interrupted\n" if code == 130 else "")
    assert sorted(path.name for path in here.iterdir()) == before


def test_file_that_appears_meanwhile_is_kept(trained, predict, here, monkeypatch):
    (here / "n.csv").write_text(ROWS)
    from cygd.data import prediction

    transform = prediction.transform_usable_rows

    def appear(*arguments):
        (here / "p.csv").write_text("mine")
        return transform(*arguments)

    monkeypatch.setattr(prediction, "transform_usable_rows", appear)
    code, _, err = predict("n.csv", "-o", "p.csv")
    assert code == 2
    assert "cannot write" in err
    assert "File exists" in err
    assert (here / "p.csv").read_text() == "mine"


def test_permissions_of_the_file_are_those_of_the_user(trained, predict, here):
    (here / "n.csv").write_text(ROWS)
    before = os.umask(0o027)
    try:
        assert predict("n.csv", "-o", "p.csv")[0] == 0
    finally:
        os.umask(before)
    assert (here / "p.csv").stat().st_mode & 0o777 == 0o640


def test_systems_without_unnamed_files(trained, predict, here, monkeypatch):
    (here / "n.csv").write_text(ROWS)
    monkeypatch.delattr(os, "O_TMPFILE")
    assert predict("n.csv", "-o", "p.csv")[0] == 0
    assert (here / "p.csv").read_bytes() == predict("n.csv")[1]


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY, reason="a limit")
def test_full_disk_leaves_nothing(trained, here):
    (here / "n.csv").write_text("a,b,flag\n" + "1,u,True\n" * 20_000)
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))\n"
        "from cygd.cli.main import main\nsys.exit(main(sys.argv[1:]))\n"
    )
    for batch in ([], ["--batch", "100"]):
        command = [sys.executable, "-c", code, "predict", "r", "n.csv", *batch, "-o", "p.csv"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=here, check=False)
        assert done.returncode == 2
        assert "cannot write" in done.stderr
        assert "File too large" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (here / "p.csv").exists()
        assert not [path for path in here.iterdir() if path.suffix == ".part"]

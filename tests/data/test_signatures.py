"""Files that are no text are an error that names their format and what to do, whatever their suffix."""

import bz2
import io
import lzma
import re
import zipfile

import numpy as np
import pytest

from cygd.data.sources.csv import load_csv
from cygd.data.sources.svmlight import load_svmlight
from cygd.errors import DataError

CSV = b"a,y\n1,4\n2,5\n" * 99


def archive(*names):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name in names:
            file.writestr(name, CSV)
    return content.getvalue()


def npz():
    content = io.BytesIO()
    np.savez(content, x=[1])
    return content.getvalue()


def npy():
    content = io.BytesIO()
    np.save(content, [1])
    return content.getvalue()


FILES = {
    "xlsx": (
        archive("[Content_Types].xml", "xl/workbook.xml"),
        "an Excel workbook (.xlsx)",
        "save the sheet as",
    ),
    "ods": (archive("mimetype", "content.xml"), "an OpenDocument file (.ods)", "save the sheet as CSV"),
    "xls": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99),
        "an Excel workbook (.xls)",
        "save the sheet as CSV",
    ),
    "zip": (archive("a.csv"), "a zip archive", "extract the data file first"),
    "cut.zip": (archive("a.csv")[:60], "a damaged zip archive", "download or copy it again"),
    "bz2": (bz2.compress(CSV), "a bzip2 file", "bunzip2"),
    "xz": (lzma.compress(CSV), "an xz file", "unxz"),
    "zst": (b"\x28\xb5\x2f\xfd\x24\x03" + CSV[:9], "a Zstandard file", "unzstd"),
    "npz": (npz(), "a NumPy archive (.npz)", "use source: npz"),
    "npy": (npy(), "a NumPy array", "use source: npy"),
    "parquet": (b"PAR1\x15\x04\x15", "a Parquet file", "use source: parquet"),
    "pkl": (b"\x80\x04\x95\x10\0\0", "a Python pickle", "save the table as CSV"),
    "html": (b"\n<!DOCTYPE html><html>", "an HTML page", "download the data file itself"),
    "sqlite": (b"SQLite format 3\0" + bytes(30), "an SQLite database", "export the table"),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("suffix", ["csv", None])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_format_is_named(tmp_path, kind, suffix, encoding):
    content, name, hint = FILES[kind]
    (tmp_path / f"t.{suffix or kind}").write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_csv(tmp_path, path=f"t.{suffix or kind}", encoding=encoding)
    assert caught.value.message.endswith(f"t.{suffix or kind}: expected a text file, got {name}")
    assert hint in caught.value.hint


def test_format_is_named_for_sparse_rows(tmp_path):
    (tmp_path / "t.svm").write_bytes(bz2.compress(CSV))
    with pytest.raises(DataError, match="expected a text file, got a bzip2 file"):
        load_svmlight(tmp_path, path="t.svm")


@pytest.mark.parametrize("name", ["BZh", "PAR1", "<b>"])
def test_column_may_be_named_like_a_format(tmp_path, name):
    (tmp_path / "t.csv").write_text(f"{name},y\n1,2\n")
    assert list(load_csv(tmp_path, path="t.csv").columns) == [name, "y"]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_gzip_file_without_its_suffix(tmp_path, encoding):
    import gzip

    (tmp_path / "t.csv").write_bytes(gzip.compress(CSV))
    message = (
        "t.csv: not UTF-8 text, but a gzip file\nhint: the file is gzip-compressed: rename it to end in .gz"
    )
    with pytest.raises(DataError, match=re.escape(message)):
        load_csv(tmp_path, path="t.csv", encoding=encoding)

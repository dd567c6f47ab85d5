"""Formats of files that are not text, recognized by their first bytes, and what to do about each."""

from __future__ import annotations

from pathlib import Path

from cygd.errors import DataError

GZIP = b"\x1f\x8b"
SIGNATURE_BYTES = 64  # enough for every signature below
SAVE_AS_CSV = "save the sheet as CSV (UTF-8)"
# signature: the format, and the remedy
SIGNATURES: dict[bytes, tuple[str, str]] = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("an Excel workbook (.xls)", SAVE_AS_CSV),
    b"BZh": ("a bzip2 file", "decompress it first: bunzip2 FILE"),
    b"\xfd7zXZ\x00": ("an xz file", "decompress it first: unxz FILE"),
    b"\x28\xb5\x2f\xfd": ("a Zstandard file", "decompress it first: unzstd FILE"),
    b"\x04\x22\x4d\x18": ("an LZ4 file", "decompress it first: unlz4 FILE"),
    b"\x1f\x9d": ("a compress file (.Z)", "decompress it first: uncompress FILE"),
    b"7z\xbc\xaf\x27\x1c": ("a 7-Zip archive", "extract the data file first"),
    b"Rar!\x1a\x07": ("a RAR archive", "extract the data file first"),
    b"PAR1": ("a Parquet file", "use source: parquet"),
    b"ARROW1\x00\x00": ("an Arrow file", "save it as Parquet, and use source: parquet"),
    b"FEA1": ("a Feather file", "save it as Parquet, and use source: parquet"),
    b"\x93NUMPY": ("a NumPy array", "use source: npy with x and y"),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", "save the table as CSV or Parquet"),
    b"CDF\x01": ("a NetCDF file", "save the table as CSV or Parquet"),
    b"SQLite format 3\x00": ("an SQLite database", "export the table as CSV"),
    b"<stata_dta>": ("a Stata file", "save the table as CSV"),
    b"$FL2": ("an SPSS file", "save the table as CSV"),
    b"MATLAB 5.0 MAT-file": ("a MATLAB file", "save the table as CSV"),
    b"%PDF-": ("a PDF document", "save the table as CSV"),
    b"\x80\x04\x95": ("a Python pickle", "save the table as CSV or Parquet; cygd reads no pickles"),
    b"\x80\x05\x95": ("a Python pickle", "save the table as CSV or Parquet; cygd reads no pickles"),
}
TEXT_SIGNATURES = (b"<!doctype html", b"<html")
WITH_TEXT_ONLY = (b"<stata_dta>", b"%PDF-", b"MATLAB 5.0 MAT-file")


def check_is_text(file: Path, content: Path, start: bytes) -> None:
    """Raise an error that names the format if the first bytes of a file are those of another than text.

    `content` is the file to open, `file` its name in messages.
    """
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        kind, hint = describe_zip(content)
    elif start.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith(TEXT_SIGNATURES):
        kind, hint = (
            "an HTML page",
            "download the data file itself; a page may be an error message",
        )
    else:
        signature = next((known for known in SIGNATURES if start.startswith(known)), None)
        if signature is None or (is_text(start) and signature not in WITH_TEXT_ONLY):
            return
        kind, hint = SIGNATURES[signature]
    raise DataError(f"{file}: expected a text file, got {kind}", hint=hint)


def is_text(start: bytes) -> bool:
    """Return True if bytes have no control characters, such as those of a column named BZh or PAR1."""
    return not any(byte < 9 or 13 < byte < 32 for byte in start)


def describe_zip(content: Path) -> tuple[str, str]:
    """Return the format of a zip archive, and the remedy."""
    import zipfile  # imported here: only this error needs it

    try:
        with zipfile.ZipFile(content) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "a damaged zip archive", "download or copy it again"
    if any(name.startswith("xl/") for name in names):
        return "an Excel workbook (.xlsx)", SAVE_AS_CSV
    if "content.xml" in names:
        return "an OpenDocument file (.ods)", SAVE_AS_CSV
    if names and all(name.endswith(".npy") for name in names):
        return "a NumPy archive (.npz)", "use source: npz"
    return "a zip archive", "extract the data file first: unzip FILE"

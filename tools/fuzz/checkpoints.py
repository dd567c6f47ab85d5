"""Checkpoints whose SHA-256 is right but whose content cygd does not write: read, and resumed if accepted.

An input is the file without its footer.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import zipfile
from pathlib import Path

from cygd.tracking.checkpoints import HASH_SIZE, read
from tools.fuzz.mutations import mutate_bytes, mutate_json
from tools.fuzz.runs import run_command, template

FOOTER = b"cygd checkpoint 1 sha256 " + b"0" * HASH_SIZE


def seeds() -> list[bytes]:
    """Return a checkpoint of a run."""
    [*_, file] = sorted((template() / "runs" / "moons" / "checkpoints").glob("*.npz"))
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    return [_join(entries)]


def mutate(data: bytes, draw: random.Random) -> bytes:
    """Change the description, an array, or a byte of the archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    kind = draw.randrange(6)
    if kind < 3:
        header, start = entries["state.npy"], len(entries["state.npy"]) - _length(entries["state.npy"])
        content = header[start:]
        content = mutate_json(content, draw) if draw.random() < 0.9 else mutate_bytes(content, draw)
        entries["state.npy"] = _npy(content)
    elif kind == 3:
        name = draw.choice(list(entries))
        entries[name] = mutate_bytes(entries[name][:128], draw) + entries[name][128:]
    elif kind == 4:
        name = draw.choice(list(entries))
        if draw.random() < 0.5:
            del entries[name]
        else:
            entries[draw.choice(["x", "best", "optimizer0", "optimizer9"]) + ".npy"] = entries[name]
    else:
        return mutate_bytes(data, draw)
    return _join(entries, draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))


def check(data: bytes, folder: Path) -> bool:
    """Read a checkpoint and resume from it."""
    shutil.copytree(template(), folder, dirs_exist_ok=True)
    run = folder / "runs" / "moons"
    [older, file] = sorted((run / "checkpoints").glob("*.npz"))
    older.unlink()
    body = (
        data + FOOTER[:-HASH_SIZE]
        if data[-2:] != b"\0\0"
        else data[:-2] + _comment_size() + FOOTER[:-HASH_SIZE]
    )
    file.write_bytes(body + hashlib.sha256(body).hexdigest().encode())
    read(file)
    os.chdir(folder)
    return not run_command("run", "--resume", "runs/moons", "train.epochs=3", "--quiet")


def _comment_size() -> bytes:
    return len(FOOTER).to_bytes(2, "little")


def _length(npy: bytes) -> int:
    """Return the number of bytes after the header of an .npy file."""
    return len(npy) - 10 - int.from_bytes(npy[8:10], "little")


def _npy(content: bytes) -> bytes:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({len(content)},), }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


def _join(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()

"""Files that are no experiments: one error in bounded time, that names the file."""

import time
from itertools import pairwise

import pytest

from cygd.config import document, read
from cygd.config.document import MAX_BYTES
from cygd.errors import ConfigError
from cygd.runner.assembly import assemble

TEXT = "data: {source: csv, path: a.csv}\n"
LISTS = "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode("utf-16"), "got byte 0xFF\n  hint: it is UTF-16: save the file as UTF-8"),
        (TEXT.encode("utf-16-le"), "expected UTF-8 text, got UTF-16\n"),
        (TEXT.encode("utf-16-be"), "expected UTF-8 text, got UTF-16\n"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "hint: it is UTF-16: save the file as UTF-8"),
        ("name: Zürich\n".encode("latin-1"), "expected UTF-8 text, got byte 0xFC\n"),
        (b"\x1f\x8b\x08\x00\xff", "expected UTF-8 text, got byte 0x8B\n"),
        (b"\0" * 100, "the character U+0000 is not allowed in YAML\n"),
        (b"a: \0", "the character U+0000 is not allowed in YAML\n"),
        (b"a: \x1b[2J", "the character U+001B is not allowed in YAML\n"),
        (b"", "the file is empty\n"),
        (b"# x\n", "the file is empty\n"),
        (b"PK\x03\x04", "the character U+0003 is not allowed in YAML\n"),
        (b"[" * 100_000, "nested more than 64 levels deep"),
        (b"- " * 50_000, "nested more than 64 levels deep"),
        (("a: &a [" + "x, " * 9 + "]\n" + LISTS).encode(), "aliases repeat more than 100000 values"),
        (b"a: &a [*a]", "the alias '*a' contains itself"),
        (b"a: &a\n  <<: *a\n", "the alias '*a' contains itself"),
        (b"a: 1\n" * 300, "duplicate key 'a'"),
        (b'a: "\\UFFFFFFFF"', "an escape or a directive is out of range"),
        (b"a: 1" + b"0" * 1000, "a number of 1001 digits is too large"),
    ],
)
def test_odd_file_is_one_clear_error(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read("e.yaml")
    assert str(error.value).startswith("e.yaml")
    assert message in f"{error.value}\n"
    assert len(error.value.problems) <= 102


def test_huge_file_is_refused_before_it_is_parsed(tmp_path):
    with (tmp_path / "e.yaml").open("wb") as file:
        file.truncate(MAX_BYTES * 5)
    with pytest.raises(ConfigError, match="expected at most 16 MB, got a larger file\n  hint: put the data"):
        read(tmp_path / "e.yaml")
    (tmp_path / "e.yaml").rename(tmp_path / "config.yaml")
    with pytest.raises(ConfigError, match="expected at most 64 MB"):
        read(tmp_path / "config.yaml")


def test_too_many_values_are_refused_at_their_place(tmp_path, monkeypatch):
    monkeypatch.setattr(document, "MAX_VALUES", 100)
    text = "x: [" + "1, " * 90 + "1]\ny: 2\nz: {\n" + "".join(f"  a{n}: 1,\n" for n in range(20)) + "}\n"
    (tmp_path / "e.yaml").write_text(text)
    place = "e.yaml:9:7: expected at most 100 values, got more\n  hint: put the data in a file of its own"
    with pytest.raises(ConfigError, match=place):
        read(tmp_path / "e.yaml")
    # the defaults that a config.yaml holds make no difference
    (tmp_path / "e.yaml").rename(tmp_path / "config.yaml")
    assert len(read(tmp_path / "config.yaml").root.value["x"].value) == 91


def test_reading_stops_at_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(document, "MAX_VALUES", 10_000)
    (tmp_path / "e.yaml").write_text("x: [" + "1," * 4_000_000 + "]")
    began = time.process_time()
    with pytest.raises(ConfigError, match="expected at most 10000 values"):
        read(tmp_path / "e.yaml")
    assert time.process_time() - began < 10  # about 0.3 s; all values take a minute


def test_many_unknown_keys_are_counted(command, tmp_path):
    (tmp_path / "e.yaml").write_text("".join(f"key{n}: 1\n" for n in range(400)))
    code, _, err = command("check", tmp_path / "e.yaml")
    assert code == 2
    assert err.count("error: ") == 50
    assert err.splitlines()[-1].startswith("... and ")
    with pytest.raises(ConfigError, match="300 more unknown keys"):
        assemble(tmp_path / "e.yaml", (), ())

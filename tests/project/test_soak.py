"""A short soak: nothing grows over some hundred networks and some runs, and threads get equal bits."""

import sys

import pytest

from tools import soak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_nothing_grows(tmp_path, monkeypatch, unset, capsys):
    monkeypatch.chdir(tmp_path)
    assert soak.soak("networks", 200, soak.network_step(tmp_path)) == []
    assert soak.soak("runs", 20, soak.run_step(tmp_path)) == []
    assert "200 networks in" in capsys.readouterr().out


def test_threads_get_equal_bits():
    assert soak.bits_of_threads(8, 1) == 0


def test_growth_is_found(tmp_path, capsys):
    files, blocks = [], []

    def leak(number):
        files.append((tmp_path / f"{number}").open("w"))
        blocks.append(b"x" * 10_000_000)  # written, so that it is in memory

    try:
        assert soak.soak("leaks", 10, leak) == ["memory of leaks", "descriptors of leaks"]
    finally:
        for file in files:
            file.close()

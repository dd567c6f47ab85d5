import hashlib
import json
import logging

import pytest

from cygd import environment
from cygd.environment import available_threads, choose_threads, hashes, versions, warn_if_changed
from cygd.errors import ConfigError


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    monkeypatch.delenv("CYGD_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(environment, "available_threads", lambda: 7)


@pytest.mark.parametrize(
    ("asked", "own", "configured", "openmp", "expected"),
    [
        (1, "2", 3, "4", 1),
        (None, "2", 3, "4", 2),
        (None, None, 3, "4", 3),
        (None, None, "auto", "4", 4),
        (None, "", "auto", "4,2", 4),
        (None, None, "auto", "many", 7),
        (None, None, "auto", None, 7),
    ],
)
def test_threads_are_taken_in_order(monkeypatch, asked, own, configured, openmp, expected):
    if own is not None:
        monkeypatch.setenv("CYGD_THREADS", own)
    if openmp is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", openmp)
    assert choose_threads(asked, configured) == expected


@pytest.mark.parametrize("asked", [0, -1, True, 1.5, "2"])
def test_threads_that_are_no_number_are_refused(asked):
    with pytest.raises(ConfigError, match=f"threads must be a whole number from 1 up, found {asked!r}"):
        choose_threads(asked, "auto")


@pytest.mark.parametrize("own", ["0", "-2", "two", "1.5"])
def test_cygd_threads_is_checked(monkeypatch, own):
    monkeypatch.setenv("CYGD_THREADS", own)
    with pytest.raises(ConfigError, match=f"CYGD_THREADS must be a whole number from 1 up, found '{own}'"):
        choose_threads(None, 3)


@pytest.mark.parametrize(
    ("limit", "parent", "expected"),
    [("max 100000", None, 8), ("250000 100000", None, 2), ("50000 100000", None, 1), ("max 100000", "300000 100000", 3)],
)
def test_the_quota_of_the_cgroup_and_of_those_above_it_limits_threads(
    tmp_path, monkeypatch, limit, parent, expected
):
    group = tmp_path / "users" / "me"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text(limit + "\n")
    if parent:
        (group.parent / "cpu.max").write_text(parent + "\n")
    monkeypatch.setattr(environment, "CGROUPS", tmp_path)
    monkeypatch.setattr(environment, "OWN_CGROUP", tmp_path / "cgroup")
    (tmp_path / "cgroup").write_text("0::/users/me\n")
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert available_threads() == expected


def test_the_quota_of_the_older_cgroups_limits_threads(tmp_path, monkeypatch):
    folder = tmp_path / "cpu,cpuacct" / "me"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("200000\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    monkeypatch.setattr(environment, "CGROUPS", tmp_path)
    monkeypatch.setattr(environment, "OWN_CGROUP", tmp_path / "cgroup")
    (tmp_path / "cgroup").write_text("3:memory:/me\n2:cpu,cpuacct:/me\n")
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert available_threads() == 2


def test_versions_name_what_matters():
    found = versions()
    assert list(found) == ["python", "cygd", "numpy", "pyyaml", "pluggy", "pydantic"]
    assert all(found.values())


def test_hashes_name_files_relative_to_their_base(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "a.py").write_bytes(b"x")
    path = tmp_path / "plugins" / "a.py"
    digest = hashlib.sha256(b"x").hexdigest()
    assert hashes([path], tmp_path) == {"plugins/a.py": digest}
    assert hashes([path]) == {str(path): digest}


def test_a_changed_file_is_warned_of(tmp_path, caplog):
    then = {"sha256": {"data": {"/a.csv": "1", "/b.csv": "1"}, "plugins": {"plugins/a.py": "1"}}}
    (tmp_path / "environment.json").write_text(json.dumps(then))
    with caplog.at_level(logging.WARNING, "cygd"):
        warn_if_changed(tmp_path, {"/a.csv": "2", "/b.csv": "1", "/new.csv": "1"}, {"plugins/a.py": "2"})
    assert [record.getMessage() for record in caplog.records] == [
        f"data file /a.csv has changed since the run in {tmp_path}: the result will not be the same",
        f"plugin file plugins/a.py has changed since the run in {tmp_path}: the result will not be the same",
    ]


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"sha256": {"data": {}}}'])
def test_where_there_was_no_run_nothing_is_said(tmp_path, caplog, content):
    if content is not None:
        (tmp_path / "environment.json").write_text(content)
    warn_if_changed(tmp_path, {"/a.csv": "2"}, {})
    assert not caplog.records

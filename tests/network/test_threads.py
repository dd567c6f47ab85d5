import pytest

from cygd.errors import ConfigError
from cygd.network import threads
from cygd.network.threads import available_threads, choose_threads


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    monkeypatch.delenv("CYGD_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "available_threads", lambda: 7)


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
        (None, None, "auto", "9" * 5000, 1024),
        (None, "0" * 5000 + "3", "auto", None, 3),
    ],
)
def test_precedence_of_thread_settings(monkeypatch, asked, own, configured, openmp, expected):
    if own is not None:
        monkeypatch.setenv("CYGD_THREADS", own)
    if openmp is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", openmp)
    assert choose_threads(asked, configured) == expected


@pytest.mark.parametrize("asked", [0, -1, True, 1.5, "2"])
def test_invalid_threads_are_an_error(asked):
    with pytest.raises(ConfigError, match=f"threads must be a whole number of at least 1, got {asked!r}"):
        choose_threads(asked, "auto")


def test_more_threads_than_an_experiment_may_have_are_an_error(monkeypatch):
    with pytest.raises(ConfigError, match="threads must be at most 1024, got 1025"):
        choose_threads(1025, "auto")
    monkeypatch.setenv("CYGD_THREADS", "9" * 5000)
    with pytest.raises(ConfigError, match="CYGD_THREADS must be at most 1024, got 9"):
        choose_threads(None, "auto")


@pytest.mark.parametrize("own", ["0", "-2", "two", "1.5", "\u0663"])
def test_invalid_cygd_threads_is_an_error(monkeypatch, own):
    monkeypatch.setenv("CYGD_THREADS", own)
    with pytest.raises(ConfigError, match=f"CYGD_THREADS must be a whole number of at least 1, got '{own}'"):
        choose_threads(None, 3)


@pytest.mark.parametrize(
    ("limit", "parent", "expected"),
    [
        ("max 100000", None, 8),
        ("250000 100000", None, 2),
        ("50000 100000", None, 1),
        ("max 100000", "300000 100000", 3),
    ],
)
def test_quotas_of_cgroups_version_2_limit_threads(tmp_path, monkeypatch, limit, parent, expected):
    group = tmp_path / "users" / "me"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text(limit + "\n")
    if parent:
        (group.parent / "cpu.max").write_text(parent + "\n")
    monkeypatch.setattr(threads, "CGROUPS", tmp_path)
    monkeypatch.setattr(threads, "OWN_CGROUP", tmp_path / "cgroup")
    (tmp_path / "cgroup").write_text("0::/users/me\n")
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert available_threads() == expected


def test_quotas_of_cgroups_version_1_limit_threads(tmp_path, monkeypatch):
    folder = tmp_path / "cpu,cpuacct" / "me"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("200000\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    monkeypatch.setattr(threads, "CGROUPS", tmp_path)
    monkeypatch.setattr(threads, "OWN_CGROUP", tmp_path / "cgroup")
    (tmp_path / "cgroup").write_text("3:memory:/me\n2:cpu,cpuacct:/me\n")
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert available_threads() == 2

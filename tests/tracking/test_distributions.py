import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cygd.tracking import distributions
from cygd.tracking.distributions import may_have_entry_points, version


@pytest.fixture(autouse=True)
def forget_versions():
    """Forget the versions of earlier tests, and afterwards those of this one."""
    version.cache_clear()
    yield
    version.cache_clear()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return an empty folder that Python searches first."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def distribution(site, name, metadata, entry_points=None):
    """Write the metadata of a distribution; return the path of its metadata file."""
    info = site / name
    info.mkdir()
    file = info / ("METADATA" if name.endswith(".dist-info") else "PKG-INFO")
    file.write_text(metadata)
    if entry_points is not None:
        (info / "entry_points.txt").write_text(entry_points)
    return file


@pytest.fixture
def no_fallback(monkeypatch):
    """Let importlib.metadata fail, so that an answer is one of cygd's own."""
    monkeypatch.setattr(importlib.metadata, "version", None)


@pytest.mark.parametrize("package", ["cygd", "numpy", "pyyaml", "PyYAML", "pluggy"])
def test_version_is_that_of_importlib_metadata(package):
    expected = importlib.metadata.version(package)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.metadata, "version", None)
        assert version(package) == expected


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("my_thing-2.0.dist-info", "my-thing"),
        ("My.Thing-2.0.dist-info", "my_thing"),
        ("my_thing-2.0-py3.11.egg-info", "my-thing"),
        ("my_thing.egg-info", "my-thing"),
    ],
)
def test_version_is_read_from_the_metadata_of_either_kind(site, no_fallback, folder, name):
    distribution(
        site, folder, "Metadata-Version: 2.1\nName: my-thing\nVersion: 2.0.post1+local\n\nVersion: 3\n"
    )
    assert version(name) == "2.0.post1+local"


def test_version_of_the_first_of_two_distributions(site, tmp_path, monkeypatch, no_fallback):
    distribution(site, "thing-1.0.dist-info", "Name: thing\nVersion: 1.0\n")
    first = tmp_path / "first"
    first.mkdir()
    distribution(first, "thing-2.0.dist-info", "Name: thing\nVersion: 2.0\n")
    monkeypatch.syspath_prepend(first)
    assert version("thing") == "2.0"


def test_version_with_windows_line_ends(site, no_fallback):
    distribution(site, "thing-1.0.dist-info", "")
    (site / "thing-1.0.dist-info" / "METADATA").write_bytes(b"Name: thing\r\nVersion: 1.0\r\n\r\ntext\r\n")
    assert version("thing") == "1.0"


def test_version_of_a_package_that_is_not_installed():
    assert version("no-such-package") is None


def test_version_in_a_zip_file(tmp_path, monkeypatch):
    path = tmp_path / "packages.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("zipped-1.5.dist-info/METADATA", "Name: zipped\nVersion: 1.5\n")
    monkeypatch.syspath_prepend(path)
    assert version("zipped") == "1.5"


def test_every_group_of_installed_entry_points_is_found():
    found = [point for each in importlib.metadata.distributions() for point in each.entry_points]
    groups = {point.group for point in found}
    assert "console_scripts" in groups
    assert {group for group in groups if may_have_entry_points(group)} == groups


def test_no_distribution_has_entry_points_of_an_unknown_group(site):
    distribution(
        site, "thing-1.0.dist-info", "Name: thing\n", "[others]\na = thing\n[others.more]\nb = thing\n"
    )
    assert not may_have_entry_points("other")
    assert may_have_entry_points("others")


@pytest.mark.parametrize(
    "text", ["[mine]\na = thing\n", "[x]\n  [mine]  \na=thing", "[[mine]]\r\na=thing\r\n"]
)
@pytest.mark.parametrize("folder", ["thing-1.0.dist-info", "thing.egg-info", "Thing-1.0.DIST-INFO"])
def test_entry_points_are_found_wherever_importlib_metadata_finds_them(site, folder, text):
    distribution(site, folder, "Name: thing\n", text)
    assert [point.name for point in importlib.metadata.entry_points(group="mine")] == ["a"]
    assert may_have_entry_points("mine")


def test_a_zip_file_may_have_entry_points(tmp_path, monkeypatch):
    path = tmp_path / "packages.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("zipped-1.5.dist-info/METADATA", "Name: zipped\n")
    monkeypatch.syspath_prepend(path)
    assert may_have_entry_points("no.such.group")


def test_an_egg_may_have_entry_points(site):
    (site / "EGG-INFO").mkdir()
    assert may_have_entry_points("no.such.group")


def test_another_finder_may_have_entry_points(monkeypatch):
    class Finder(importlib.metadata.DistributionFinder):
        def find_distributions(self, context=None):
            return []

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert may_have_entry_points("no.such.group")


def test_a_metadata_file_that_cannot_be_read_is_left_to_importlib(site, monkeypatch):
    distribution(site, "thing-1.0.dist-info", "Name: thing\nVersion: 1.0\n", "")

    def fail(path, mode):
        raise PermissionError(path)

    monkeypatch.setattr(distributions, "open", fail, raising=False)
    assert may_have_entry_points("no.such.group")


def test_a_run_without_plugins_does_not_import_importlib_metadata(tmp_path):
    code = (
        "import sys, cygd\n"
        "data = {'source': 'inline', 'x': [[0.0], [1.0]], 'y': [[1.0], [3.0]]}\n"
        "cygd.run({'data': data, 'model': {'layers': [1]}, 'train': {'epochs': 1}}, out='run')\n"
        "print('importlib.metadata' in sys.modules, 'email' in sys.modules)\n"
    )
    environment = {"PYTHONPATH": str(Path(distributions.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert done.stdout.split() == ["False", "False"], done.stderr

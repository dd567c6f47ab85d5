import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from cygd.errors import PluginError, describe_exception, hint_of
from cygd.plugins.discovery import Request, environment_requests, installed_entry_points, load
from cygd.runner.assembly import assemble


@pytest.fixture
def folder(tmp_path):
    return tmp_path.resolve()


def write(path, text="value = 1\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def error_of(request):
    with pytest.raises(PluginError) as caught:
        load(request)
    return caught.value


# -- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["swish.py", "./swish.py", "../here/swish.py"])
def test_path_starts_from_the_folder_of_the_request(folder, text):
    here = folder / "here"
    here.mkdir()
    assert Request(text, "xor.yaml:4:11", here).path == here / "swish.py"


def test_path_without_a_folder_starts_from_the_current_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert Request("a/swish.py", "-p").path == folder / "a" / "swish.py"


def test_path_expands_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert Request("~/swish.py", "-p", Path("/elsewhere")).path == folder / "swish.py"


def test_module_name_has_no_path():
    assert Request("package.module", "-p").path is None


def test_environment_is_split_at_commas():
    requests = environment_requests({"CYGD_PLUGINS": " a.b, swish.py,,no:c ,"})
    assert [(r.name_or_path, r.source) for r in requests] == [
        ("a.b", "CYGD_PLUGINS"),
        ("swish.py", "CYGD_PLUGINS"),
        ("no:c", "CYGD_PLUGINS"),
    ]
    assert environment_requests({}) == []


# -- files ----------------------------------------------------------------------------------------


def test_loading_a_file_leaves_no_trace(folder):
    path = write(folder / "swish.py", "import sys\nvalue = 1\nname = __name__\nfile = __file__\n")
    before = list(sys.path), Path.cwd()
    found = load(Request("swish.py", "-p", folder))
    assert (found.name, found.origin, found.source) == ("swish", str(path), "-p")
    assert found.plugin.value == 1
    assert found.plugin.file == str(path)
    assert sys.modules[found.plugin.name] is found.plugin
    assert "swish" not in sys.modules
    assert (list(sys.path), Path.cwd()) == before
    assert list(folder.iterdir()) == [path]  # no __pycache__


def test_files_with_the_same_stem_are_separate_modules(folder):
    write(folder / "a" / "swish.py", "value = 'a'\n")
    write(folder / "b" / "swish.py", "value = 'b'\n")
    first, second = (load(Request(f"{name}/swish.py", "-p", folder)).plugin for name in "ab")
    assert (first.value, second.value) == ("a", "b")
    assert first.__name__ != second.__name__


def test_edited_file_is_read_again(folder):
    request = Request(str(write(folder / "swish.py", "value = 1\n")), "-p")
    assert load(request).plugin.value == 1
    write(folder / "swish.py", "value = 2\n")  # as long, and within the same second
    assert load(request).plugin.value == 2


def test_classes_of_a_file_can_be_dataclasses(folder):
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass A:\n    a: int\n"
    )
    found = load(Request(str(write(folder / "classes.py", text)), "-p"))
    assert found.plugin.A(3).a == 3


def test_missing_file_suggests_the_closest(folder):
    write(folder / "swish.py")
    error = error_of(Request("swich.py", "xor.yaml:4:11", folder))
    assert error.message == f"xor.yaml:4:11: plugin 'swich.py': no such file: {folder / 'swich.py'}"
    assert error.hint == "did you mean 'swish.py'?"


def test_folder_is_rejected(folder):
    (folder / "package").mkdir()
    error = error_of(Request("./package", "-p", folder))
    assert error.message == f"-p: plugin './package': expected a .py file, got {folder / 'package'}"
    assert error.hint == "name a package as a module: a.b"


FAILURES = {
    "raise RuntimeError('no such thing')": "RuntimeError: no such thing ({file}, line 2)",
    "import sys; sys.exit(3)": "SystemExit: 3 ({file}, line 2)",
    "raise SystemExit": "SystemExit ({file}, line 2)",
    "import torsh": "ModuleNotFoundError: No module named 'torsh' ({file}, line 2)",
    "from math import sinus": "ImportError: cannot import name 'sinus' from 'math'",
    "def f(:": "SyntaxError: invalid syntax ({file}, line 2)",
    "undefined": "NameError: name 'undefined' is not defined ({file}, line 2)",
}


@pytest.mark.parametrize("text", FAILURES)
def test_failing_file_is_reported_with_cause_and_line(folder, text):
    path = write(folder / "bad.py", f"# a plugin\n{text}\n")
    before = set(sys.modules)
    error = error_of(Request("bad.py", "-p", folder))
    what = FAILURES[text].format(file="bad.py")
    assert error.message.startswith(f"-p: plugin 'bad' ({path}): import failed: {what}")
    assert error.__cause__ is not None
    assert not {name for name in set(sys.modules) - before if name.startswith("cygd_plugin")}


def test_failing_file_keeps_the_previous_module(folder):
    request = Request(str(write(folder / "swish.py")), "-p")
    found = load(request)
    write(folder / "swish.py", "raise ValueError\n")
    error_of(request)
    assert sys.modules[found.plugin.__name__] is found.plugin


def test_binary_file_is_an_error(folder):
    (folder / "bad.py").write_bytes(b"\xff\xfe\n")
    assert "import failed: SyntaxError" in error_of(Request("bad.py", "-p", folder)).message


def test_keyboard_interrupt_propagates(folder):
    write(folder / "slow.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load(Request("slow.py", "-p", folder))


def test_import_of_a_sibling_file_hints_at_a_package(folder):
    write(folder / "helper_beside.py")
    write(folder / "swish.py", "import helper_beside\n")
    error = error_of(Request("swish.py", "-p", folder))
    assert "No module named 'helper_beside'" in error.message
    assert error.hint.startswith("a plugin file cannot import files beside it")


# -- modules --------------------------------------------------------------------------------------


def test_module_is_found_on_the_path(folder, monkeypatch):
    write(folder / "plugin_on_path" / "part.py")
    monkeypatch.syspath_prepend(folder)
    found = load(Request("plugin_on_path.part", "-p"))
    assert (found.name, found.origin) == ("plugin_on_path.part", "module plugin_on_path.part")
    assert found.plugin.value == 1


def test_missing_module(folder):
    error = error_of(Request("no_such_plugin", "xor.yaml:4:11", folder))
    assert error.message == "xor.yaml:4:11: plugin 'no_such_plugin': no such module or entry point"


@pytest.mark.parametrize("name", ["json.nothing", "nothing_at_all.part"])
def test_missing_parent_or_submodule(name):
    assert "no such module or entry point" in error_of(Request(name, "-p")).message


def test_missing_module_hints_at_the_file(folder):
    write(folder / "beside_it.py")
    assert error_of(Request("beside_it", "-p", folder)).hint == "for the file write 'beside_it.py'"


@pytest.mark.parametrize("file", [f"compiled_here{EXTENSION_SUFFIXES[0]}", "compiled_here/__init__.py"])
@pytest.mark.parametrize("name", ["compiled_here", "compiled_here.part"])
def test_module_outside_the_search_path_hints_at_the_path(folder, monkeypatch, file, name):
    write(folder / file, "raise AssertionError('loaded')\n")
    error = error_of(Request(name, "-p", folder))
    assert error.message == f"-p: plugin {name!r}: no such module or entry point"
    said = f"{file} exists, but Python does not search its folder: "
    assert error.hint == f"{said}set PYTHONPATH={folder}, or install it"
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(folder))])
    how = "run `python -m cygd` instead of `cygd`, or set PYTHONPATH=., or install it"
    assert error_of(Request(name, "-p")).hint == said + how


def test_folder_without_a_package_gives_no_hint(folder):
    (folder / "compiled_here").mkdir()
    assert "not searched" not in str(error_of(Request("compiled_here", "-p", folder)).hint)


@pytest.mark.parametrize("text", ["fast.so", "./fast.so", f"fast{EXTENSION_SUFFIXES[0]}", "{folder}/fast.so"])
def test_compiled_module_file_hints_at_its_module_name(folder, text):
    text = text.format(folder=folder)
    write(folder / Path(text).name)
    error = error_of(Request(text, "-p", folder))
    assert error.message == f"-p: plugin {text!r}: compiled modules are requested by name"
    assert error.hint == f"write 'fast', and set PYTHONPATH={folder}, or install it"


def test_current_folder_is_not_searched_for_modules(folder, monkeypatch):
    write(folder / "lying_around.py", "raise AssertionError('loaded')\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(folder))])
    assert "no such module" in error_of(Request("lying_around", "-p")).message


def test_failing_import_inside_a_module_is_reported(folder, monkeypatch):
    write(folder / "plugin_needing.py", "import torsh\n")
    monkeypatch.syspath_prepend(folder)
    error = error_of(Request("plugin_needing", "-p"))
    assert error.message == (
        "-p: plugin 'plugin_needing': import failed: ModuleNotFoundError: No module named 'torsh'"
    )


@pytest.mark.parametrize("name", ["a-b", ".relative", "a..b", "a b", "1a"])
def test_invalid_module_name(name):
    error = error_of(Request(name, "-p"))
    assert error.message == f"-p: plugin {name!r}: invalid module name"


# -- entry points ---------------------------------------------------------------------------------


@pytest.fixture
def install(folder, monkeypatch):
    """Return a function that installs a distribution with one entry point."""
    monkeypatch.syspath_prepend(folder)

    def install(distribution, point, text, version="1.2"):
        module = distribution.replace("-", "_")
        write(folder / f"{module}.py", text)
        info = folder / f"{module}-{version}.dist-info"
        write(info / "METADATA", f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        write(info / "entry_points.txt", f"[cygd]\n{point} = {module}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install


def ours(points, *names):
    return [point for point in points if point.name in names]


def test_entry_points_are_sorted_by_name(install):
    install("cygd-zebra", "zebra", "")
    install("cygd-ant", "ant", "")
    assert [point.name for point in ours(installed_entry_points(), "zebra", "ant")] == ["ant", "zebra"]


def test_entry_point_names_its_distribution(install):
    install("cygd-ant", "ant", "value = 1\n")
    [point] = ours(installed_entry_points(), "ant")
    found = load(point)
    assert found.plugin.value == 1
    assert str(found) == "plugin 'ant' (cygd-ant 1.2, entry point cygd_ant)"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import torsh", "ModuleNotFoundError: No module named 'torsh'"),
        ("raise SystemExit(2)", "SystemExit: 2"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_failing_entry_point_is_reported(install, text, what):
    install("cygd-ant", "ant", text)
    [point] = ours(installed_entry_points(), "ant")
    message = error_of(point).message
    assert message == f"plugin 'ant' (cygd-ant 1.2, entry point cygd_ant): import failed: {what}"


def test_entry_point_without_a_distribution():
    error = error_of(EntryPoint("ant", "no_such_module_at_all", "cygd"))
    assert error.message.startswith(
        "plugin 'ant' (an unknown distribution, entry point no_such_module_at_all): import failed"
    )


def test_request_may_name_an_entry_point(install):
    install("cygd-ant", "ant", "value = 1\n")
    points = {point.name: point for point in installed_entry_points()}
    found = load(Request("ant", "-p"), points)
    assert found.plugin.value == 1
    assert found.source == "-p"


def test_unknown_name_suggests_an_entry_point(install):
    install("cygd-antelope", "antelope", "")
    assert error_of(Request("antilope", "-p")).hint == "did you mean 'antelope'?"


# -- describe_exception ---------------------------------------------------------------------------


def test_describe_exception_names_the_last_line_of_the_file():
    def deeper():
        raise ValueError("too short")

    with pytest.raises(ValueError) as caught:  # noqa: PT011 - it is our own
        deeper()
    line = deeper.__code__.co_firstlineno + 1
    assert (
        describe_exception(caught.value, __file__)
        == f"ValueError: too short (test_discovery.py, line {line})"
    )
    assert describe_exception(caught.value, "another.py") == "ValueError: too short"


def test_describe_exception_of_a_formula_keeps_the_carets_without_the_hint(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        'from cygd import Activation\nActivation("a", formula="h * bta", parameters={"beta": 1.0})\n'
    )
    error = error_of(Request(str(path), "-p"))
    assert error.message.partition("import failed: ")[2].splitlines() == [
        "FormulaError: activation 'a': unknown name 'bta' (mine.py, line 2)",
        "  h * bta",
        "      ^^^",
    ]
    assert error.hint == "did you mean 'beta'?"
    assert hint_of(ValueError("too short")) is None


@pytest.mark.parametrize("name", ["x" * 300, "./" + "x" * 300 + ".py", "x" * 300 + ".py"])
def test_plugin_name_that_is_too_long_for_a_file_is_an_error(name):
    experiment = {"data": {"source": "inline", "x": [[1]], "y": [1]}, "model": {"layers": [1]}}
    with pytest.raises(PluginError, match="no such"):
        assemble({**experiment, "plugins": [name]}, (), ())

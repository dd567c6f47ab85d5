"""The plugin manager: loading, blocking, broken plugins, and components by name."""

import sys

import pytest

from cygd.components import UnknownComponentError
from cygd.errors import PluginError
from cygd.plugins.discovery import Request
from cygd.plugins.manager import Plugins
from cygd.runner.assembly import read
from tests.helpers import plugin_cases
from tests.helpers.plugin_cases import ALONE, TEXT, load, write

folder = plugin_cases.folder  # a fixture


def error_of(function, *arguments, **named):
    with pytest.raises(PluginError) as caught:
        function(*arguments, **named)
    return caught.value


@pytest.fixture
def install(folder, monkeypatch):
    """Return a function that installs a distribution with one entry point."""
    monkeypatch.syspath_prepend(folder / "site")

    def install(point, text=TEXT, name="square"):
        module = f"installed_{point}"
        write(folder / "site" / f"{module}.py", text, name)
        info = folder / "site" / f"{module}-2.0.dist-info"
        write(info / "METADATA", f"Metadata-Version: 2.1\nName: cygd-{point}\nVersion: 2.0\n")
        write(info / "entry_points.txt", f"[cygd]\n{point} = {module}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)
        return f"cygd-{point} 2.0, entry point {module}"

    return install


# -- loading --------------------------------------------------------------------------------------


def test_built_ins_are_registered_through_hooks():
    plugins = load()
    assert {(entry.plugin, entry.origin) for entry in plugins.entries} == {("cygd", "built-in")}
    assert str(plugins.get("activation", "tanh")) == "activation 'tanh'"
    assert "sse" in plugins.names("loss")
    assert (plugins.files, plugins.modules, plugins.blocked, plugins.broken) == ([], [], [], [])


def test_requested_file(folder):
    path = write(folder / "a" / "mine.py")
    plugins = load("a/mine.py", folder=folder)
    assert plugins.get("activation", "square").summary == str(path)
    assert plugins.files == [path]
    assert (plugins.entries[-1].plugin, plugins.entries[-1].origin) == ("mine", str(path))
    assert plugins.names("activation")[-1] == "square"


def test_requested_module(folder, monkeypatch):
    write(folder / "module_asked_for.py")
    monkeypatch.syspath_prepend(folder)
    plugins = load("module_asked_for", "module_asked_for")
    assert plugins.modules == ["module_asked_for"]
    assert plugins.entries[-1].origin == "module module_asked_for"
    assert len(plugins.names("activation")) == len(load().names("activation")) + 1


def test_environment_names_plugins(folder, monkeypatch):
    write(folder / "one.py", name="one")
    write(folder / "two.py", name="two")
    monkeypatch.chdir(folder)
    plugins = load(environment={**ALONE, "CYGD_PLUGINS": "one.py, two.py"})
    assert plugins.names("activation")[-2:] == ["one", "two"]
    monkeypatch.setenv("CYGD_PLUGINS", "two.py")
    assert [path.stem for path in Plugins.load().files] == ["two"]


def test_installed_plugin_is_loaded(install):
    origin = install("ant")
    plugins = load(environment={})
    [entry] = [entry for entry in plugins.entries if entry.plugin == "ant"]
    assert entry.origin == origin
    assert plugins.modules == []


@pytest.mark.parametrize(("value", "loaded"), [("1", False), ("yes", False), ("", True), ("0", True)])
def test_autoload_can_be_turned_off(install, value, loaded):
    install("ant")
    plugins = load(environment={"CYGD_DISABLE_PLUGIN_AUTOLOAD": value})
    assert ("ant" in {entry.plugin for entry in plugins.entries}) is loaded


def test_installed_plugin_can_be_requested_by_name(install):
    install("ant")
    plugins = load("ant")
    assert plugins.entries[-1].plugin == "ant"
    assert plugins.modules == ["ant"]


def test_requested_installed_plugin_is_loaded_once(install):
    install("ant")
    for name in ("ant", "installed_ant"):
        plugins = load(name, environment={})
        assert [entry.plugin for entry in plugins.entries].count("ant") == 1


def test_files_of_the_current_folder_are_not_loaded(folder, monkeypatch):
    write(folder / "conftest.py", "raise AssertionError('loaded')")
    write(folder / "cygd_plugin.py", "raise AssertionError('loaded')")
    monkeypatch.chdir(folder)
    load()


def test_load_order(folder, install, monkeypatch):
    install("ant", name="a")
    write(folder / "b.py", name="b")
    write(folder / "c.py", name="c")
    monkeypatch.chdir(folder)
    plugins = load("c.py", environment={"CYGD_PLUGINS": "b.py"})
    order = list(dict.fromkeys(entry.plugin for entry in plugins.entries))
    assert [name for name in order if name in ("cygd", "ant", "b", "c")] == ["cygd", "ant", "b", "c"]


def test_file_requested_twice_is_loaded_once(folder):
    path = write(folder / "mine.py")
    plugins = load("mine.py", "../" + folder.name + "/mine.py", str(path), folder=folder)
    assert plugins.files == [path]
    assert plugins.get("activation", "square")


def test_files_with_the_same_stem_are_both_loaded(folder):
    first = write(folder / "a" / "mine.py", name="a")
    second = write(folder / "b" / "mine.py", name="b")
    plugins = load("a/mine.py", "b/mine.py", folder=folder)
    assert plugins.files == [first, second]
    assert [entry.plugin for entry in plugins.entries[-2:]] == ["mine", "mine-2"]
    assert plugins.get("activation", "mine-2:b").summary == str(second)


# -- blocked plugins ------------------------------------------------------------------------------


@pytest.mark.parametrize("block", ["no:mine", "no:mine.py", "no:./mine.py", "no:{folder}/mine.py"])
def test_no_blocks_a_file_from_any_source(folder, block):
    write(folder / "mine.py", "raise AssertionError('loaded')")
    text = block.format(folder=folder)
    for names in ([text, "mine.py"], ["mine.py", text]):
        plugins = load(*names, folder=folder)
        assert plugins.files == []
        assert plugins.blocked == [text.removeprefix("no:")]


def test_no_blocks_an_installed_plugin(install):
    install("ant", "raise AssertionError('loaded')")
    plugins = load("no:ant", environment={})
    assert plugins.broken == []
    assert "ant" not in {entry.plugin for entry in plugins.entries}


@pytest.mark.parametrize("name", ["ant", "installed_ant", "cygd-ant", "cygd_ant", "Cygd.Ant"])
@pytest.mark.parametrize("asked", [[], ["ant"], ["installed_ant"]])
def test_no_accepts_every_name_of_an_installed_plugin(install, caplog, name, asked):
    install("ant", "raise AssertionError('loaded')")
    plugins = load(f"no:{name}", *asked, environment={})
    assert plugins.broken == []
    assert plugins.modules == []
    assert "ant" not in {entry.plugin for entry in plugins.entries}
    assert caplog.messages == []


def test_no_distribution_does_not_block_a_file_of_the_same_name(install, folder):
    install("ant")
    path = write(folder / "ant.py")
    plugins = load("ant.py", "no:cygd-ant", folder=folder, environment={})
    assert plugins.get("activation", "square").summary == str(path)
    with pytest.raises(PluginError, match="is registered by 2 plugins"):
        load("ant.py", folder=folder, environment={}).get("activation", "square")


@pytest.mark.parametrize("name", ["ant", "installed_ant", "cygd-ant"])
def test_resolved_experiment_blocks_an_installed_plugin(install, name):
    install("ant")
    experiment = {
        "plugins": [f"no:{name}"],
        "data": {"source": "inline", "x": [[0]], "y": [[0]]},
        "model": {"layers": [1]},
    }
    assert read(experiment).resolved()["plugins"] == [f"no:{name}"]


def test_no_for_another_file_of_the_name_is_warned_about(folder, caplog):
    path = write(folder / "mine.py")
    assert load("mine.py", "no:a/mine.py", folder=folder).files == [path]
    assert caplog.messages == ["-p: no:a/mine.py blocks nothing: no plugin is named 'a/mine.py'"]


def test_no_blocks_a_module_of_the_environment():
    plugins = load("no:no_such_module", environment={**ALONE, "CYGD_PLUGINS": "no_such_module"})
    assert plugins.modules == []


def test_no_in_the_environment(folder, monkeypatch):
    write(folder / "mine.py")
    assert load("mine.py", folder=folder, environment={**ALONE, "CYGD_PLUGINS": "no:mine"}).files == []


def test_no_without_effect_is_warned_about(caplog):
    load("no:missing")
    assert caplog.messages == ["-p: no:missing blocks nothing: no plugin is named 'missing'"]


def test_no_for_the_built_ins_is_rejected():
    message = error_of(load, "no:cygd").message
    assert message == "-p: 'no:cygd': the built-ins cannot be blocked"


@pytest.mark.parametrize("text", ["", " ", "no:"])
def test_empty_request_is_rejected(text):
    assert error_of(load, text).message == f"-p: expected the name of a plugin, got {text!r}"


# -- broken plugins -------------------------------------------------------------------------------


def test_broken_installed_plugin_is_left_out_with_a_warning(install, caplog):
    origin = install("ant", "import torsh")
    install("bee", name="b")
    plugins = load(environment={})
    assert "b" in plugins.names("activation")
    message = f"plugin 'ant' ({origin}): import failed: ModuleNotFoundError: No module named 'torsh'"
    assert f"{message}; the plugin is left out" in caplog.messages
    assert [(broken.plugin, broken.error.message) for broken in plugins.broken] == [("ant", message)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raise SystemExit(1)", "import failed: SystemExit: 1"),
        ("def cygd_activations(): ...", "function 'cygd_activations' has no @hookimpl"),
        (
            "from cygd import hookimpl\n@hookimpl\ndef cygd_losses(): ...",
            "hook cygd_losses: expected a Loss, got None",
        ),
        ("", "registers nothing"),
    ],
)
def test_broken_installed_plugins(install, caplog, text, words):
    install("ant", text)
    plugins = load(environment={})
    assert [broken.plugin for broken in plugins.broken] == ["ant"]
    assert words in plugins.broken[0].error.message


def test_requested_broken_installed_plugin_is_an_error(install, caplog):
    install("ant", "import torsh")
    assert error_of(load, "ant", environment={}).message.startswith("-p: plugin 'ant' (cygd-ant 2.0")


def test_unknown_component_hints_at_a_broken_plugin(install, caplog):
    install("ant", "import torsh")
    plugins = load(environment={})
    with pytest.raises(UnknownComponentError) as caught:
        plugins.get("activation", "square")
    assert caught.value.hint.endswith("; plugins that failed to load: ant")
    message = error_of(plugins.get, "activation", "ant:square").message
    assert message.startswith("'ant:square' cannot be used: plugin 'ant' (cygd-ant 2.0")


def test_requested_plugin_must_load(folder):
    path = write(folder / "mine.py", "def cygd_activations(): ...")
    request = Request("mine.py", "xor.yaml:4:11", folder)
    error = error_of(Plugins.load, [request], environment=ALONE)
    assert error.message.startswith(
        f"xor.yaml:4:11: plugin 'mine' ({path}): function 'cygd_activations' has no"
    )


def test_plugin_of_the_environment_must_load():
    message = error_of(load, environment={**ALONE, "CYGD_PLUGINS": "no_such_module"}).message
    assert message == "CYGD_PLUGINS: plugin 'no_such_module': no such module or entry point"


# -- components by name -----------------------------------------------------------------------------


def test_unknown_component():
    with pytest.raises(UnknownComponentError) as caught:
        load().get("activation", "rleu")
    assert caught.value.message == "unknown activation 'rleu'"
    assert caught.value.hint == "did you mean 'relu'?"


def test_name_registered_by_two_plugins(folder):
    first, second = write(folder / "a.py"), write(folder / "b.py")
    plugins = load("a.py", "b.py", folder=folder)  # no error as long as the name is unused
    assert plugins.names("activation").count("square") == 1
    error = error_of(plugins.get, "activation", "square")
    assert error.message == (
        f"activation 'square' is registered by 2 plugins: plugin 'a' ({first}) and plugin 'b' ({second})"
    )
    assert error.hint == "write 'a:square' or 'b:square'"
    assert plugins.get("activation", "a:square").summary == str(first)
    assert plugins.get("activation", "b:square").summary == str(second)


def test_plugin_that_registers_the_name_of_a_built_in(folder):
    path = write(folder / "mine.py", name="tanh")
    plugins = load("mine.py", folder=folder)
    message = error_of(plugins.get, "activation", "tanh").message
    origins = f"plugin 'cygd' (built-in) and plugin 'mine' ({path})"
    assert message == f"activation 'tanh' is registered by 2 plugins: {origins}"
    assert plugins.get("activation", "mine:tanh").summary == str(path)
    assert plugins.get("activation", "cygd:tanh").kernel == "tanh"


def test_unknown_plugin_of_a_qualified_name(folder):
    write(folder / "mine.py")
    plugins = load("mine.py", folder=folder)
    error = error_of(plugins.get, "activation", "mien:square")
    assert (error.message, error.hint) == ("'mien:square': unknown plugin 'mien'", "did you mean 'mine'?")
    with pytest.raises(UnknownComponentError) as caught:
        plugins.get("activation", "mine:sqare")
    assert caught.value.hint == "did you mean 'square'?"


def test_kinds_have_separate_namespaces(folder):
    write(folder / "mine.py", name="mse")  # an activation of the name of a loss
    plugins = load("mine.py", folder=folder)
    assert plugins.get("activation", "mse").kind == "activation"
    assert plugins.get("loss", "mse").kind == "loss"


# -- every kind of component --------------------------------------------------------------------------

ALL_KINDS = """
import numpy as np
import cygd
from cygd import hookimpl

@hookimpl
def cygd_activations():
    yield cygd.Activation("a", np.sin, np.cos)

@hookimpl
def cygd_losses():
    yield cygd.Loss("b", lambda y, y_hat: y - y_hat, lambda y, y_hat: -np.ones_like(y_hat))

@hookimpl
def cygd_optimizers():
    def descend(w, g, state, learning_rate, step):
        w -= learning_rate * g
    yield cygd.Optimizer("c", descend)

@hookimpl
def cygd_schedules():
    yield cygd.Schedule("d", lambda epoch, epochs: 1 - epoch / epochs)

@hookimpl
def cygd_initializers():
    yield cygd.Initializer("e", lambda rng, n_inputs, n_outputs: np.ones((n_inputs, n_outputs)))

@hookimpl
def cygd_metrics():
    yield cygd.Metric("f", lambda y, y_hat: abs(y - y_hat).max(), greater_is_better=False)

@hookimpl
def cygd_data_sources():
    yield cygd.DataSource("g", lambda folder: cygd.Dataset(np.ones((2, 1)), np.ones((2, 1))))

@hookimpl
def cygd_loggers():
    class Quiet:
        def cygd_run_start(self, run): ...
    yield cygd.Logger("h", Quiet)
"""


def test_plugin_may_register_every_kind(folder):
    write(folder / "many.py", ALL_KINDS)
    plugins = load("many.py", folder=folder)
    given = [
        (entry.component.kind, entry.component.name) for entry in plugins.entries if entry.plugin == "many"
    ]
    kinds = ["activation", "loss", "optimizer", "schedule", "initializer", "metric", "data_source", "logger"]
    assert given == list(zip(kinds, "abcdefgh", strict=True))
    assert {entry.component.tier for entry in plugins.entries if entry.plugin == "many"} == {"numpy"}

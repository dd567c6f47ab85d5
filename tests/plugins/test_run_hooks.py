"""Run hooks of plugins and logger objects: calls, results and failures."""

import logging
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from cygd.errors import PluginError
from tests.helpers import plugin_cases
from tests.helpers.plugin_cases import load, write

LISTENER = """
from cygd import hookimpl

@hookimpl
def cygd_epoch_end(run, epoch, metrics):
    return run.heard(__name__, epoch, metrics)
"""

folder = plugin_cases.folder  # a fixture


# -- calls ----------------------------------------------------------------------------------------


class Recorder:
    """A run and a listener that writes down what it hears."""

    def __init__(self, answer=None):
        self.answer = answer
        self.calls = []

    def heard(self, *what):
        self.calls.append(what)
        return self.answer

    def cygd_run_start(self, run):
        self.calls.append(("start", run))

    def cygd_epoch_end(self, run, epoch, metrics):
        return self.heard("epoch", epoch, metrics)

    def cygd_run_end(self, result):
        self.calls.append(("end", result))

    def cygd_run_error(self, run, error):
        self.calls.append(("error", error))


def test_objects_get_all_hooks_of_a_run():
    plugins, listener, run, error = load(), Recorder(), object(), ValueError()
    with plugins.with_objects(listener) as same:
        assert same is plugins
        plugins.run_start(run)
        assert plugins.epoch_end(run, 3, {"loss": 0.5}) is False
        plugins.run_end(run, "result")
        plugins.run_error(run, error)
    assert listener.calls == [
        ("start", run),
        ("epoch", 3, {"loss": 0.5}),
        ("end", "result"),
        ("error", error),
    ]


def test_objects_are_not_called_after_the_block():
    plugins, listener = load(), Recorder()
    assert not plugins.listens
    with plugins.with_objects(listener):
        assert plugins.listens
    assert not plugins.listens
    plugins.run_start("run")
    assert listener.calls == []


def test_hook_with_variadic_arguments_gets_all_of_them():
    class Variadic:
        def cygd_epoch_end(self, **arguments):
            self.arguments = arguments

    plugins, listener = load(), Variadic()
    with plugins.with_objects(listener):
        plugins.epoch_end("run", 3, {"loss": 0.5})
    assert listener.arguments == {"run": "run", "epoch": 3, "metrics": {"loss": 0.5}}


def test_objects_are_unregistered_when_the_run_fails():
    plugins = load()
    with pytest.raises(MemoryError), plugins.with_objects(Recorder()):
        raise MemoryError
    assert not plugins.listens


def test_modules_get_the_hooks_of_a_run(folder):
    write(folder / "mine.py", LISTENER)
    plugins, run = load("mine.py", folder=folder), Recorder()
    assert plugins.listens
    plugins.epoch_end(run, 1, {"loss": 0.5})
    assert [call[1:] for call in run.calls] == [(1, {"loss": 0.5})]


def test_call_order(folder):
    first = LISTENER.replace("@hookimpl", "@hookimpl(tryfirst=True)")
    last = LISTENER.replace("@hookimpl", "@hookimpl(trylast=True)")
    for name, text in (("last", last), ("one", LISTENER), ("two", LISTENER), ("first", first)):
        write(folder / f"{name}.py", text)
    plugins, run = load("last.py", "one.py", "two.py", "first.py", folder=folder), Recorder()
    plugins.epoch_end(run, 0, {})
    assert [call[0].split("_")[2] for call in run.calls] == ["first", "one", "two", "last"]


def test_one_stop_stops_the_run():
    plugins = load()
    with plugins.with_objects(Recorder(), Recorder("stop"), Recorder()):
        assert plugins.epoch_end("run", 0, {}) is True


def test_equal_or_unhashable_listeners_are_both_called():
    @dataclass
    class Same:
        number: int = 1

        def cygd_run_start(self, run):
            run.append(self.number)

    plugins, run = load(), []
    with plugins.with_objects(Same(), Same()):
        plugins.run_start(run)
    assert run == [1, 1]


def test_listener_cannot_change_the_metrics_of_others():
    class Vandal:
        def cygd_epoch_end(self, metrics):
            metrics.clear()

    plugins, listener, metrics = load(), Recorder(), {"loss": 0.5}
    with plugins.with_objects(Vandal(), listener):
        plugins.epoch_end("run", 0, metrics)
    assert listener.calls == [("epoch", 0, {"loss": 0.5})]
    assert metrics == {"loss": 0.5}


class Failing:
    def __init__(self, error):
        self.error = error
        self.calls = 0

    def cygd_epoch_end(self, run, epoch):
        self.calls += 1
        raise self.error

    def cygd_run_end(self, run):
        self.calls += 1


@pytest.mark.parametrize("error", [ValueError("no disk"), SystemExit(3), AssertionError("no disk")])
def test_failing_listener_is_reported_once_and_disabled(caplog, error):
    plugins, failing, listener = load(), Failing(error), Recorder()
    line = Failing.cygd_epoch_end.__code__.co_firstlineno + 2
    with plugins.with_objects(failing, listener):
        for epoch in range(3):
            assert plugins.epoch_end("run", epoch, {}) is False
        plugins.run_end("run", "result")
    assert failing.calls == 1
    assert [call[0] for call in listener.calls] == ["epoch", "epoch", "epoch", "end"]
    what = f"{type(error).__name__}: {error}"
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        f"logger 'Failing' ({__file__}), hook cygd_epoch_end failed: {what} "
        f"(test_run_hooks.py, line {line}); it is disabled, the run continues"
    ]


def test_listens_is_false_when_all_are_disabled(caplog):
    plugins = load()
    with plugins.with_objects(Failing(ValueError())):
        plugins.epoch_end("run", 0, {})
        assert not plugins.listens


def test_disabled_module_is_enabled_in_the_next_run(folder, caplog):
    write(folder / "mine.py", LISTENER)
    plugins, run = load("mine.py", folder=folder), Recorder()
    with plugins.with_objects():
        plugins.epoch_end(SimpleNamespace(), 0, {})
        plugins.epoch_end(run, 1, {})
    assert run.calls == []
    with plugins.with_objects():
        plugins.epoch_end(run, 0, {})
    assert len(run.calls) == 1
    [message] = caplog.messages
    assert message.startswith(
        f"plugin 'mine' ({folder / 'mine.py'}), hook cygd_epoch_end failed: AttributeError: "
    )
    assert "(mine.py, line 6)" in message


def test_traceback_of_a_failure_is_logged(caplog):
    caplog.set_level(logging.DEBUG, "cygd")
    plugins = load()
    with plugins.with_objects(Failing(ValueError("no disk"))):
        plugins.epoch_end("run", 0, {})
    assert "ValueError: no disk" in caplog.text
    assert "Traceback" in caplog.text


def test_keyboard_interrupt_of_a_listener_propagates():
    plugins = load()
    with plugins.with_objects(Failing(KeyboardInterrupt())), pytest.raises(KeyboardInterrupt):
        plugins.epoch_end("run", 0, {})


@pytest.mark.parametrize("answer", ["halt", True, 0, "STOP"])
def test_invalid_result_is_warned_about_once(caplog, answer):
    plugins = load()
    with plugins.with_objects(Recorder(answer)):
        assert plugins.epoch_end("run", 0, {}) is False
        assert plugins.epoch_end("run", 1, {}) is False
    assert caplog.messages == [
        f"logger 'Recorder' ({__file__}), hook cygd_epoch_end: expected None or \"stop\", "
        f"got {answer!r}; it is ignored"
    ]


def test_ignored_result_is_warned_about(caplog):
    class Talkative:
        def cygd_run_start(self):
            return "stop"

    plugins = load()
    with plugins.with_objects(Talkative()):
        plugins.run_start("run")
    assert caplog.messages[0].endswith("hook cygd_run_start: expected None, got 'stop'; it is ignored")


def test_generator_hook_is_warned_about(caplog):
    class Lazy:
        def cygd_epoch_end(self, run):
            yield

    plugins = load()
    with plugins.with_objects(Lazy()):
        plugins.epoch_end("run", 0, {})
    assert "got <generator object" in caplog.text


def test_object_with_a_misspelled_hook_is_an_error():
    class Mine:
        def cygd_epoch_ended(self): ...

    plugins = load()
    with (
        pytest.raises(PluginError, match="unknown run hook 'cygd_epoch_ended'"),
        plugins.with_objects(Mine()),
    ):
        pass
    with plugins.with_objects(Recorder()):  # nothing is left of it
        assert plugins.listens

"""The suites for plugin authors: loggers, and the loading of a plugin."""

import sys

import pytest

from cygd import Logger, PluginError, hookimpl
from cygd.testing import check_logger, load_plugin
from tests.helpers.testing_cases import fails

# -- loggers ----------------------------------------------------------------------------------------


class Notes:
    """A good logger."""

    def __init__(self, path="notes.txt"):
        self.path = path

    @hookimpl
    def cygd_run_start(self, run):
        self.file = (run.directory / self.path).open("w")

    def cygd_epoch_end(self, run, epoch, metrics):
        self.file.write(f"{epoch} {metrics.get('loss')}\n")
        return "stop" if epoch > 1 else None

    def cygd_run_end(self, run, result):
        self.file.write(result.status)
        self.file.close()

    def cygd_run_error(self, run, error):
        self.file.close()


@pytest.mark.parametrize("logger", [Notes, Logger("notes", Notes), lambda: Notes("b.txt")])
def test_correct_logger_passes(logger):
    check_logger(logger)


class ForgetsToClose(Notes):
    def cygd_run_error(self, run, error):
        del self.file


class NeedsTheLoss:
    def cygd_epoch_end(self, metrics):
        self.last = metrics["loss"]


class Halts:
    def cygd_epoch_end(self):
        return "halt"


class Vandal:
    def cygd_epoch_end(self, metrics):
        metrics["loss"] = 0


class Reconfigures:
    def cygd_run_start(self, run):
        run.config["train"]["epochs"] = 1


class Trains:
    def cygd_run_end(self, run, result):
        run.network.parameters[0] += 1


class Prints:
    def cygd_run_start(self, run):
        print("hello")


class Moves:
    def cygd_run_start(self, run):
        import os

        os.chdir(run.directory)


class Misspelt:
    def cygd_epoch_ended(self): ...


class ExpectsAnEpoch:
    def cygd_epoch_end(self, epoch):
        self.last = epoch

    def cygd_run_error(self):
        print(self.last, file=sys.stderr)


class NeedsMore:
    def __init__(self):
        raise OSError("no database")


BROKEN_LOGGERS = {
    ForgetsToClose: "leaves a resource open: unclosed file",
    NeedsTheLoss: "cygd_epoch_end failed: KeyError: 'loss'",
    Halts: "cygd_epoch_end: expected None or \"stop\", got 'halt'",
    Vandal: "cygd_epoch_end changes the metrics",
    Reconfigures: "cygd_run_start changes the configuration of the run",
    Trains: "cygd_run_end changes the weights",
    Prints: "cygd_run_start prints hello\n to stdout, which is reserved for data",
    Moves: "cygd_run_start changes the current folder",
    Misspelt: "unknown run hook 'cygd_epoch_ended'\nhint: did you mean 'cygd_epoch_end'?",
    ExpectsAnEpoch: "cygd_run_error failed: AttributeError: 'ExpectsAnEpoch' object has no attribute 'last'",
    NeedsMore: "factory failed: OSError: no database",
    object: "object of type object has no run hook, so it would log nothing",
}


@pytest.mark.parametrize("factory", BROKEN_LOGGERS)
def test_broken_logger_fails(factory):
    message = fails(check_logger, factory)
    assert f"logger {factory.__name__!r}" in message
    assert BROKEN_LOGGERS[factory] in message


def test_current_folder_is_restored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fails(check_logger, Moves)
    assert not list(tmp_path.iterdir())
    assert tmp_path.resolve() == type(tmp_path).cwd().resolve()


# -- loading a plugin for its tests -----------------------------------------------------------------


def test_load_plugin_returns_the_module(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from cygd import Metric, hookimpl\nM = Metric('m', lambda y, y_hat: 0.0)\n"
        "@hookimpl\ndef cygd_metrics():\n    return M\n"
    )
    monkeypatch.chdir(tmp_path)
    assert load_plugin("mine.py").M.name == "m"


def test_load_plugin_registers_it(tmp_path):
    path = tmp_path.resolve() / "mine.py"
    path.write_text("def cygd_metrics(): ...\n")
    with pytest.raises(PluginError, match="function 'cygd_metrics' has no @hookimpl"):
        load_plugin(path)

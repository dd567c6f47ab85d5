from types import SimpleNamespace

import numpy as np
import pytest

from cygd import Activation, Loss, Optimizer, hookimpl
from cygd.errors import PluginError
from cygd.plugins.discovery import LoadedPlugin, Request, load
from cygd.plugins.registration import (
    COMPONENT_HOOKS,
    RUN_HOOKS,
    collect_components,
    collect_hooks,
    collect_run_hooks,
)

HEAD = "import numpy as np\nfrom cygd import Activation, Loss, Metric, hookimpl\n"
SQUARE = "Activation('square', lambda h: h * h, lambda h: 2 * h)"


def plugin(tmp_path, text):
    path = tmp_path.resolve() / "bad.py"
    path.write_text(HEAD + text)
    return load(Request(str(path), "-p"))


def problem(tmp_path, text):
    """Return the error of a plugin file, without the words that say which it is."""
    found = plugin(tmp_path, text)
    with pytest.raises(PluginError) as caught:
        collect_components(found, collect_hooks(found))
    start = f"-p: plugin 'bad' ({tmp_path.resolve() / 'bad.py'}): "
    assert caught.value.message.startswith(start)
    caught.value.message = caught.value.message.removeprefix(start)
    return caught.value


def give(what):
    return f"@hookimpl\ndef cygd_activations():\n    return {what}\n"


# -- valid hooks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        give(SQUARE),
        give(f"[{SQUARE}]"),
        give(f"({SQUARE},)"),
        f"@hookimpl\ndef cygd_activations():\n    yield {SQUARE}\n",
        f"@hookimpl(specname='cygd_activations')\ndef mine():\n    return {SQUARE}\n",
        f"@hookimpl(tryfirst=True)\ndef cygd_activations():\n    return {SQUARE}\n",
    ],
)
def test_one_component_or_an_iterable(tmp_path, text):
    found = plugin(tmp_path, text)
    [component] = collect_components(found, collect_hooks(found))
    assert str(component) == "activation 'square'"


def test_object_as_plugin():
    class Plugin:
        @property
        def cygd_activations_of_old(self):
            raise AssertionError("a property was read")

        @hookimpl
        def cygd_activations(self):
            return Activation("square", lambda h: h * h, lambda h: 2 * h)

        @staticmethod
        @hookimpl
        def cygd_losses():
            return Loss("fourth", lambda y, y_hat: (y - y_hat) ** 4, lambda y, y_hat: 4 * (y_hat - y) ** 3)

    found = LoadedPlugin("mine", "a test", Plugin())
    assert [str(component) for component in collect_components(found, collect_hooks(found))] == [
        "activation 'square'",
        "loss 'fourth'",
    ]


def test_hook_may_omit_arguments(tmp_path):
    text = (
        "@hookimpl\ndef cygd_epoch_end(epoch): ...\n"
        "@hookimpl\ndef cygd_run_end(run, more=1, *args, **kwargs): ...\n"
    )
    found = plugin(tmp_path, text)
    assert list(collect_hooks(found)) == ["cygd_epoch_end", "cygd_run_end"]
    assert collect_components(found, collect_hooks(found)) == []


# -- invalid hooks --------------------------------------------------------------------------------


def test_function_without_hookimpl(tmp_path):
    error = problem(tmp_path, f"def cygd_activations():\n    return {SQUARE}\n")
    assert error.message == "function 'cygd_activations' has no @hookimpl, so it would never be called"
    assert error.hint == "put @hookimpl above it (from cygd import hookimpl), or rename it"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cygd_activation", "did you mean 'cygd_activations'?"),
        ("cygd_epoch_ends", "did you mean 'cygd_epoch_end'?"),
        ("activations", "did you mean 'cygd_activations'?"),
        ("cygd_xyz", "the hooks are cygd_activations, cygd_losses, "),
    ],
)
def test_misspelled_hook(tmp_path, name, hint):
    error = problem(tmp_path, f"@hookimpl\ndef {name}():\n    return {SQUARE}\n")
    assert error.message == f"unknown hook {name!r}"
    assert error.hint.startswith(hint)


def test_plugin_without_hooks(tmp_path):
    error = problem(tmp_path, "def activations():\n    return 1\n")
    assert error.message.startswith("registers nothing: it implements no component hook")
    assert "cygd_activations, cygd_losses" in error.hint


def test_empty_list_registers_nothing(tmp_path):
    assert problem(tmp_path, give("[]")).message.startswith("registers nothing")


@pytest.mark.parametrize("kind", ["wrapper", "hookwrapper"])
def test_wrapper_is_rejected(tmp_path, kind):
    text = f"@hookimpl({kind}=True)\ndef cygd_activations():\n    yield\n"
    words = "hook cygd_activations: wrappers are not supported, hooks are called one by one"
    assert problem(tmp_path, text).message == words


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("cygd_losses(names)", "cygd_losses: unknown argument 'names'; the hook takes no arguments", None),
        (
            "cygd_epoch_end(run, epoc)",
            "cygd_epoch_end: unknown argument 'epoc'; expected run, epoch, metrics",
            "did you mean 'epoch'?",
        ),
        ("cygd_run_end(*, results)", "cygd_run_end: unknown argument 'results'; ", "did you mean 'result'?"),
    ],
)
def test_unknown_argument(tmp_path, text, words, hint):
    error = problem(tmp_path, f"@hookimpl\ndef {text}: ...\n")
    assert error.message.startswith(f"hook {words}")
    assert error.hint == hint


# -- invalid results ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("None", "expected an Activation, got None: is a `return` or `yield` missing?"),
        ("[None]", "expected an Activation, got None"),
        ("'square'", "expected an Activation, got 'square' (str)"),
        ("3", "expected an Activation, got 3 (int)"),
        ("Activation", "expected an Activation, got the class Activation"),
        ("lambda h: h", "expected an Activation, got <function"),
        (f"[{SQUARE}, 7]", "expected an Activation, got 7 (int)"),
        (f"[{SQUARE}, {SQUARE}]", "returned 'square' twice"),
        ("1 / 0", "ZeroDivisionError: division by zero (bad.py, line 5)"),
        ("exit(4)", "SystemExit: 4 (bad.py, line 5)"),
        ("(1 / n for n in range(2))", "ZeroDivisionError: division by zero (bad.py, line 5)"),
    ],
)
def test_wrong_result(tmp_path, what, words):
    assert problem(tmp_path, give(what)).message.startswith(f"hook cygd_activations: {words}")


def test_component_of_another_kind_hints_at_its_hook(tmp_path):
    error = problem(tmp_path, give("Metric('m', lambda y, y_hat: 0.0)"))
    assert error.message.startswith("hook cygd_activations: expected an Activation, got Metric('m') (Metric)")
    assert error.hint == "Metric belongs to the hook cygd_metrics"


def test_article_in_the_type_error():
    found = LoadedPlugin("mine", "a test", SimpleNamespace())
    with pytest.raises(PluginError, match="expected a Loss, got 1 \\(int\\)"):
        collect_components(found, {"cygd_losses": lambda: 1})


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("Activation('a b', lambda h: h, lambda h: h)", "ValueError: activation: invalid name 'a b'"),
        (
            "Activation('a', lambda h, k: h, lambda h: h)",
            "TypeError: activation 'a': function: expected a function of (h)",
        ),
        ("Activation('a', 3)", "TypeError: activation 'a': function: expected a function of (h), got int"),
    ],
)
def test_invalid_component_is_reported(tmp_path, what, words):
    assert problem(tmp_path, give(what)).message.startswith(f"hook cygd_activations: {words}")


def test_faulty_activation_is_reported(tmp_path):
    error = problem(tmp_path, give("Activation('square', lambda h: h * h, lambda h: h)"))
    words = "hook cygd_activations: activation 'square': derivative is not the derivative of function: f'("
    assert error.message.startswith(words)
    assert error.hint == "if it deliberately differs from f', state it: surrogate=True"


def test_faulty_loss_is_reported(tmp_path):
    text = "@hookimpl\ndef cygd_losses():\n    return Loss('l', lambda y, y_hat: None, lambda y, y_hat: y)\n"
    words = "hook cygd_losses: loss 'l': function: expected an array of shape (16, 3) of float64, got None"
    assert problem(tmp_path, text).message.startswith(words)


# -- objects of loggers ---------------------------------------------------------------------------


def of(thing):
    return LoadedPlugin("Mine", "a test", thing, role="logger")


def test_run_hooks_of_an_object_need_no_hookimpl():
    class Mine:
        def cygd_run_start(self, run): ...

        @hookimpl
        def cygd_run_end(self, run, result): ...

        def close(self): ...

    assert sorted(collect_run_hooks(of(Mine()))) == ["cygd_run_end", "cygd_run_start"]


def test_object_with_a_misspelled_hook():
    class Mine:
        def cygd_epoch_ended(self, run): ...

    with pytest.raises(PluginError) as caught:
        collect_run_hooks(of(Mine()))
    assert caught.value.message == "logger 'Mine' (a test): unknown run hook 'cygd_epoch_ended'"
    assert caught.value.hint == "did you mean 'cygd_epoch_end'?"


def test_object_without_hooks():
    with pytest.raises(PluginError, match="object of type object has no run hook, so it"):
        collect_run_hooks(of(object()))


def test_object_with_an_unknown_argument():
    class Mine:
        def cygd_run_end(self, run, outcome): ...

    with pytest.raises(
        PluginError, match="hook cygd_run_end: unknown argument 'outcome'; expected run, result"
    ):
        collect_run_hooks(of(Mine()))


def test_every_kind_of_component_has_a_hook():
    assert {kind.kind for kind in COMPONENT_HOOKS.values()} == {
        *("activation", "loss", "optimizer", "schedule", "initializer", "metric", "data_source", "logger")
    }
    assert RUN_HOOKS["cygd_epoch_end"] == ("run", "epoch", "metrics")


def test_optimizer_is_checked(tmp_path):
    found = LoadedPlugin("mine", "a test", SimpleNamespace())
    lost = Optimizer("lost", lambda w, g, state, learning_rate, step: w - np.sign(g))
    with pytest.raises(
        PluginError, match="hook cygd_optimizers: optimizer 'lost': update: expected a change of w in place"
    ):
        collect_components(found, {"cygd_optimizers": lambda: lost})

"""`cygd plugins`: list, details, plots and test suites; and the custom components that a run prints."""

import json

import numpy as np
import pytest

from cygd import core
from cygd.core import dispatch
from cygd.errors import PluginError
from cygd.plugins.manager import BrokenPlugin, Plugins

PLUGIN = """\
import numpy as np
from cygd import Activation, Loss, Metric, Optimizer, hookimpl

@hookimpl
def cygd_activations():
    yield Activation("swish", formula="h * sigmoid(beta * h)", parameters={"beta": 1.0},
                     bounds={"beta": "[0, inf)"}, trainable=["beta"], summary="h sigmoid(beta h)")
    # f' is correct where plugins are checked on loading, and wrong further out
    yield Activation("bad", lambda h: np.where(np.abs(h) < 10, h, 2 * h), np.ones_like)
    yield Activation("unstable", lambda h: np.log(1 + np.exp(h)), lambda h: np.exp(h) / (1 + np.exp(h)))

@hookimpl
def cygd_losses():
    yield Loss("swish", formula="log(cosh(y_hat - y))")

@hookimpl
def cygd_metrics():
    yield Metric("largest", lambda y, y_hat: float(np.abs(y - y_hat).max()))
"""
XOR = """\
data: {source: inline, x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0]}
model: {activation: swish, layers: [3, {units: 1, activation: {formula: "h / (1 + abs(h))"}}]}
train: {epochs: 2}
plugins: [own.py]
log: []
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    (tmp_path / "own.py").write_text(PLUGIN)
    (tmp_path / "xor.yaml").write_text(XOR)
    return tmp_path


# -- the start of a run -----------------------------------------------------------------------------

LINES = ["activation swish: formula (own.py)", "activation h / (1 + abs(h)): formula"]


def test_run_lists_custom_components_once(command, here):
    code, out, err = command("run", "xor.yaml", "--out", "mine")
    assert (code, out) == (0, f"{here / 'mine'}\n")
    assert err.splitlines() == LINES
    log = (here / "mine" / "log.txt").read_text()
    assert all(log.count(line) == 1 for line in LINES)


def test_quiet_run_lists_custom_components_in_the_log(command, here):
    code, _, err = command("run", "xor.yaml", "--out", "mine", "--quiet")
    assert (code, err) == (0, "")
    assert LINES[0] in (here / "mine" / "log.txt").read_text()


# -- the list ---------------------------------------------------------------------------------------


def broken_registry(requests=(), **options):
    plugins = Plugins()
    plugins.broken.append(
        BrokenPlugin("ant", PluginError("plugin 'ant' (cygd-ant 2.0): no module named 'x'"))
    )
    return plugins


def test_broken_plugins_are_listed(command, monkeypatch):
    monkeypatch.setattr(Plugins, "load", broken_registry)
    code, out, _ = command("plugins")
    assert code == 0
    assert out.splitlines()[-1].split(maxsplit=4) == [
        "-", "-", "broken", "ant", "plugin 'ant' (cygd-ant 2.0): no module named 'x'",
    ]  # fmt: skip
    _, out, _ = command("plugins", "--json")
    assert json.loads(out) == [
        {
            "name": "-",
            "kind": "-",
            "tier": "broken",
            "plugin": "ant",
            "origin": "plugin 'ant' (cygd-ant 2.0): no module named 'x'",
        }
    ]


def test_kind_filters_the_list(command):
    code, out, _ = command("plugins", "--kind", "loss", "-p", "own.py")
    assert code == 0
    assert {line.split()[1] for line in out.splitlines()[1:]} == {"loss"}
    assert out.splitlines()[-1].split()[:4] == ["swish", "loss", "formula", "own"]


# -- details ----------------------------------------------------------------------------------------


def test_details_of_a_name_shared_by_two_kinds(command):
    code, out, err = command("plugins", "swish", "-p", "own.py")
    assert (code, err) == (0, "")
    assert (
        out
        == """\
swish: activation, formula
  plugin      own
  origin      own.py
  summary     h sigmoid(beta h)
  formula     h * sigmoid(beta * h)
  trainable   beta
  parameters  beta = 1.0, in [0, inf)

swish: loss, formula
  plugin      own
  origin      own.py
  formula     log(cosh(y_hat - y))
  targets     any
  parameters  reduction = 'mean', one of sum | mean
"""
    )


def test_details_of_one_kind_with_options(command):
    code, out, _ = command("plugins", "--kind", "activation", "own:swish", "beta=0.25", "-p", "own.py")
    assert code == 0
    assert "beta = 0.25, in [0, inf)" in out
    assert "loss" not in out


def test_options_choose_the_kind(command):
    code, out, _ = command("plugins", "swish", "beta=0.25", "-p", "own.py")
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("swish")] == ["swish: activation, formula"]
    code, _, err = command("plugins", "swish", "gamma=1", "-p", "own.py")
    assert code == 2
    assert err.startswith("error: activation 'swish' has no option 'gamma'\n")


def test_details_mark_required_options(command):
    _, out, _ = command("plugins", "npy")
    assert "parameters  x (required)\n" in out


def test_details_of_a_formula(command):
    code, out, _ = command(
        "plugins", "formula.m=b * m + g", "formula.w=w - learning_rate * m", "state=m", "b=0.5"
    )
    assert code == 0
    assert (
        out
        == """\
formula: optimizer, formula
  formula     m = b * m + g
              w = w - learning_rate * m
  state       m
  parameters  learning_rate = 0.01, in [0, inf)
              b = 0.5
"""
    )
    assert command("plugins", "formula=abs(y - y_hat)")[1].startswith("formula: loss, formula\n")


def test_details_as_json(command, here):
    code, out, _ = command("plugins", "swish", "--kind", "activation", "-p", "own.py", "--json", "beta=2")
    assert code == 0
    assert json.loads(out) == [
        {
            "name": "swish",
            "kind": "activation",
            "tier": "formula",
            "plugin": "own",
            "origin": str(here / "own.py"),
            "summary": "h sigmoid(beta h)",
            "formula": "h * sigmoid(beta * h)",
            "trainable": ["beta"],
            "parameters": {"beta": {"value": 2.0, "bounds": "[0, inf)"}},
        }
    ]


def test_name_given_by_two_plugins_needs_a_prefix(command, here):
    (here / "other.py").write_text(PLUGIN)
    code, out, err = command("plugins", "bad", "-p", "own.py", "-p", "other.py")
    assert (code, out) == (2, "")
    assert err.splitlines()[1] == "hint: write 'own:bad' or 'other:bad'"
    assert command("plugins", "other:bad", "-p", "own.py", "-p", "other.py")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["rleu"], "unknown component 'rleu'", "did you mean 'relu'?"),
        (["cygg:relu"], "'cygg:relu': unknown plugin 'cygg'", "did you mean 'cygd'?"),
        (["cygd:rleu"], "unknown component 'rleu'", "did you mean 'relu'?"),
        (["quite_else"], "unknown component 'quite_else'", "`cygd plugins` lists all of them"),
        (["own"], "unknown component 'own'", "-p own.py loads the plugin own.py"),
        (["relu", "--kind", "loss"], "unknown loss 'relu'", None),
        (["relu", "--kind", "los"], "unknown kind 'los'", "did you mean 'loss'?"),
        (["relu", "slope=1"], "activation 'relu' has no option 'slope'", "it takes no options"),
        (["leaky_relu", "slop=1"], "activation 'leaky_relu' has no option 'slop'", "did you mean 'slope'?"),
        (["huber", "delta=-1"],
         "option 'delta' of loss 'huber': expected a value in (0, inf), got -1", None),
        (["slope=1"], "expected a component name before slope=...", "cygd plugins NAME slope=..."),
        (["relu", "formula=h"], "expected a component name or a formula, got both", "leave out one of them"),
        (["--plot"], "--plot needs a component name", "cygd plugins NAME --plot"),
        (["--check"], "--check needs a component name", "cygd plugins NAME --check"),
        (["relu", "--json", "--plot"], "--json cannot be combined with --plot", None),
        (["relu", "--range", "0", "1"], "--range needs --plot", None),
        (["relu", "--ascii"], "--ascii needs --plot", None),
        (["relu", "--plot", "--range", "1", "-1"], "--range: expected LOW below HIGH, got 1 and -1",
         "--range LOW HIGH, such as --range -6 6"),
        (["relu", "--plot", "--range", "0", "nan"], "--range: expected LOW below HIGH, got 0 and nan",
         "--range LOW HIGH, such as --range -6 6"),
        (["cosine", "--plot", "--range", "-5", "0.5"], "--range: expected epochs, got -5 and 0.5",
         "such as --range 0 200"),
        (["adam", "--plot"], "optimizer 'adam' has no plot", "activations, losses and schedules have one"),
        (["accuracy", "--check"], "metric 'accuracy' has no test suite",
         "suites exist for activation, loss, optimizer, logger"),
        (["formula=2 * b"], "activation 'formula': ", None),
        (["formula=h * foo(h)"], "activation 'formula': unknown function 'foo'", None),
        (["formula=h", "--kind", "metric"], "a metric cannot be given as a formula", None),
        *[([f"formula={text}"], f"expected a formula as text, got {found}",
           'formula="h * sigmoid(h)", or formula.w=... for an update rule')
          for text, found in (("3", "3"), ("[h]", "['h']"), ("", "None"), ("{}", "{}"))],
    ],
)  # fmt: skip
def test_invalid_arguments_print_one_error(command, arguments, message, hint):
    code, out, err = command("plugins", *arguments)
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert lines[0].startswith(f"error: {message}")
    assert hint is None or lines[1:] == [f"hint: {hint}"]
    assert "Traceback" not in err


# -- plots ------------------------------------------------------------------------------------------


def test_plot_of_an_activation(command):
    code, out, err = command("plugins", "leaky_relu", "--plot", "slope=0.5", "--ascii", "--range", "-2", "2")
    assert (code, err) == (0, "")
    assert (
        out
        == """\
activation leaky_relu, slope = 0.5
f(h)
  2 +                                    |                             .....'''
    |                                    |                   .....:'''''
    |                                    |         .....:'''''
  0 +-----------------------------------......:'''''---------------------------
    |               ..........:''''''''''|
    |.....:''''''''''                    |
    `+--------+--------+--------+--------+---------+--------+--------+--------+
    -2      -1.5      -1      -0.5       0        0.5       1       1.5       2

f'(h)
  1 +                                    |'''''''''''''''''''''''''''''''''''''
    |                                    |
0.8 +                                    |
    |                                    |
0.6 +                                    |
    |.....................................
    `+--------+--------+--------+--------+---------+--------+--------+--------+
    -2      -1.5      -1      -0.5       0        0.5       1       1.5       2
"""
    )


@pytest.mark.parametrize("columns", [20, 40, 80, 300])
def test_plot_fits_the_terminal(command, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    for name in ("gelu", "poisson", "cosine", "softmax"):
        code, out, _ = command("plugins", name, "--plot")
        assert code == 0
        plotted = [line for line in out.splitlines() if set(line) & set("│┤└")]
        assert max(map(len, plotted)) <= min(columns, 100)
        assert "\x1b" not in out


def test_plot_of_a_formula_and_of_every_kind_of_a_name(command):
    code, out, _ = command("plugins", "--plot", "formula=h * sigmoid(b * h)", "b=2")
    assert code == 0
    assert out.startswith("activation h * sigmoid(b * h), b = 2.0\nf(h)\n")
    _, out, _ = command("plugins", "swish", "--plot", "-p", "own.py")
    titles = [
        line for line in out.splitlines() if not set(line) & set("│┤└┬") and line.strip("-0123456789. ")
    ]
    assert titles == [
        "activation swish, beta = 1.0", "f(h)", "f'(h)",
        "loss swish", "loss over y_hat, for y = 0", "its derivative by y_hat, for y = 0",
    ]  # fmt: skip


def test_plot_title_says_what_is_cut_off(command):
    _, out, _ = command("plugins", "formula=1 / (1e-6 + h**2)", "--plot", "--range", "-1", "1")
    assert "f(h) (cut off, reaches 1e+06)" in out.splitlines()


def test_plot_of_a_failing_function_names_it(command, here):
    text = PLUGIN.replace("np.where(np.abs(h) < 10, h, 2 * h)", "h if h.size < 500 else 1 / 0")
    (here / "own.py").write_text(text)
    code, out, err = command("plugins", "bad", "--plot", "-p", "own.py")
    assert (code, out) == (2, "")
    assert err == "error: activation 'bad' failed: ZeroDivisionError: division by zero\n"


@pytest.mark.parametrize("span", [("0", "1e-310"), ("0", "inf"), ("1", "1.000001"), ("-1", "1e301")])
def test_range_that_cannot_be_drawn(command, span):
    code, out, err = command("plugins", "relu", "--plot", "--range", *span)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: --range: cannot draw from {float(span[0])} to ")


def test_plot_of_a_schedule_over_a_range_of_epochs(command):
    _, out, _ = command("plugins", "step", "every=10", "--kind", "schedule", "--plot", "--range", "0", "40")
    assert "factor on the learning rate over 40 epochs" in out
    assert out.splitlines()[-1].split() == ["0", "5", "10", "15", "20", "25", "30", "35", "40"]


# -- suites -----------------------------------------------------------------------------------------


def test_check_prints_every_outcome_and_the_speed(command):
    before = dispatch.level()
    code, out, err = command("plugins", "swish", "--kind", "activation", "--check", "-p", "own.py")
    assert (code, err) == (0, "")
    head, *lines = out.splitlines()
    assert head.startswith("activation swish, beta = 1.0: formula, at the CPU levels base")
    outcomes = [line.split("  ")[1] for line in lines if line.endswith(" ok")]
    assert outcomes == [
        "basic checks", "shapes and types", "same bits twice", "layouts in memory", "each unit by itself",
        "NaN stays NaN", "tails", "float32 and float64", "derivative", "kinks", "CPU levels agree",
    ]  # fmt: skip
    speeds = [line.rsplit(maxsplit=3) for line in lines[-4:]]
    assert [name.strip() for name, *_ in speeds] == ["float64", "float64, tanh", "float32", "float32, tanh"]
    assert all(float(number) > 0 for _, *numbers in speeds for number in numbers)
    assert dispatch.level() == before


def test_failed_check_explains_the_difference(command):
    code, out, err = command("plugins", "bad", "--check", "-p", "own.py")
    assert code == 1
    assert err == "error: activation 'bad': 1 of 10 checks failed\n"
    lines = out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.endswith("FAILED"))
    assert lines[at].split() == ["derivative", "FAILED"]
    message = " ".join(line.strip() for line in lines[at + 1 : at + 4])
    assert "derivative is not the derivative of function: f'(" in message
    assert ": expected 2, got 1" in message
    assert "surrogate=True" in message


def test_check_continues_after_a_failure(command):
    code, out, _ = command("plugins", "unstable", "--check", "-p", "own.py")
    assert code == 1
    assert "tails                       FAILED" in out
    assert "float32 and float64         ok" in out


@pytest.mark.parametrize("name", ["softmax", "cross_entropy", "adam", "console"])
def test_check_of_each_kind(command, name):
    code, out, err = command("plugins", name, "--check")
    assert code == 0, err
    assert out.count(" ok\n") >= 1
    assert "FAILED" not in out


def test_check_fits_forty_columns(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    _, out, _ = command("plugins", "bad", "--check", "-p", "own.py")
    assert max(map(len, out.splitlines())) <= 40


def test_check_fails_if_a_cpu_level_differs(command, monkeypatch):
    if len(dispatch.levels()) < 2:
        pytest.skip("this machine has one level")
    activate = core.activate

    def off(*arguments, **options):
        return activate(*arguments, **options) + (dispatch.level() != "base") * np.float32(1e-3)

    monkeypatch.setattr(core, "activate", off)
    code, out, _ = command("plugins", "sigmoid", "--check")
    assert code == 1
    assert "CPU levels agree            FAILED" in out
    assert dispatch.level() == core.info()["level"]


LATE = """\
import ctypes, ctypes.util
import numpy as np
from cygd import Activation, hookimpl

def late(h):
    if h.size > 1000:
        raise ValueError("too many")
    return 2 * h

@hookimpl
def cygd_activations():
    yield Activation("late", late, lambda h: np.full_like(h, 2))
    tanh = ctypes.CDLL(ctypes.util.find_library("m")).tanh
    tanh.argtypes, tanh.restype = [ctypes.c_double], ctypes.c_double
    yield Activation("double", pointer=tanh)
"""


def test_function_that_fails_while_timed_fails_the_check(command, here):
    (here / "late.py").write_text(LATE)
    code, out, err = command("plugins", "late", "--check", "-p", "late.py")
    assert code == 1
    assert err.splitlines()[-1] == "error: activation 'late': 1 of 11 checks failed"
    assert " ".join(out.partition("speed")[2].split()) == (
        "FAILED activation 'late' failed on 4096 elements of float64: ValueError: too many (late.py, line 7)"
    )


def test_check_of_a_pointer_names_its_dtype_once(command, here):
    (here / "late.py").write_text(LATE)
    code, out, _ = command("plugins", "double", "--check", "-p", "late.py")
    assert code == 0
    head = " ".join(out.partition("  basic checks")[0].split())
    assert head.startswith("activation double: pointer, derivative measured, for float64 networks only, at")
    assert "float32" not in out
    assert out.splitlines()[-2].startswith("    float64  ")

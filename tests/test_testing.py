"""The suites for authors: all that is built in passes, and what is broken fails with the right words."""

import sys
from functools import lru_cache

import numpy as np
import pytest

from cygd import Activation, Logger, Loss, Optimizer, PluginError, hookimpl
from cygd.plugins import Plugins
from cygd.testing import check_activation, check_logger, check_loss, check_optimizer, load_plugin
from cygd.trial import Unfit

CHECKS = {
    "activation": check_activation,
    "loss": check_loss,
    "optimizer": check_optimizer,
    "logger": check_logger,
}


@lru_cache
def registry():
    return Plugins.load(environment={"CYGD_DISABLE_PLUGIN_AUTOLOAD": "1"})


def built_in():
    return [
        pytest.param(entry.component, id=f"{entry.component.kind} {entry.component.name}")
        for entry in registry().entries
        if entry.component.kind in CHECKS
    ]


@pytest.mark.parametrize("component", built_in())
def test_built_in_passes(component):
    CHECKS[component.kind](component)


def fails(check, component):
    with pytest.raises(AssertionError) as caught:
        check(component)
    return str(caught.value)


# -- activations ------------------------------------------------------------------------------------


def sigmoid(h):
    return (1 + np.tanh(h / 2)) / 2


def softmax(h):
    e = np.exp(h - h.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_backward(h, y_hat, g):
    return y_hat * (g - (g * y_hat).sum(axis=1, keepdims=True))


GOOD_ACTIVATIONS = [
    Activation("square", lambda h: h * h, lambda h: 2 * h),
    Activation("tanh", np.tanh, lambda h, y_hat: 1 - y_hat * y_hat),
    Activation("relu", lambda h: np.maximum(h, 0), lambda h: h > 0),
    Activation("absolute", np.abs, np.sign),
    Activation("waves", lambda h, k: np.sin(k * h), lambda h, k: k * np.cos(k * h), parameters={"k": 3.0}),
    Activation("knee", lambda h: np.abs(h - 0.7), lambda h: np.sign(h - 0.7), kinks=(0.7,)),
    Activation("own_softmax", softmax, backward=softmax_backward),
    Activation("spike", lambda h: np.heaviside(h, 1), lambda h: 1 / (1 + h * h), surrogate=True),
]


@pytest.mark.parametrize("activation", GOOD_ACTIVATIONS, ids=str)
def test_good_activation_passes(activation):
    check_activation(activation)


def test_activation_without_a_derivative_passes(caplog):
    check_activation(Activation("measured", np.tanh))


def drifting():
    calls = []

    def function(h):
        calls.append(h)
        return h + 1e-9 * len(calls)

    return function


def naive_sigmoid_prime(h):
    e = np.exp(h)
    return e / (1 + e) ** 2


def needs_contiguous(h):
    if not h.flags.c_contiguous:
        raise RuntimeError("cannot work on that")
    return h


def fills_its_buffer(h):
    h = h if h.flags.writeable else h.copy()
    return np.tanh(h, out=h)


def fails_on_no_row(h):
    return h + 0 * h.max()


BROKEN_ACTIVATIONS = {
    "wrong factor": (
        lambda h: h * h,
        lambda h: h,
        "derivative is not the derivative of function: f'(0.944272) is given as 0.944272, measured 1.88854",
    ),
    "wrong far away": (
        lambda h: np.where(np.abs(h) < 10, h, 2 * h),
        np.ones_like,
        "is given as 1, measured 2",
    ),
    "wrong around zero": (
        lambda h: np.where(np.abs(h) < 0.01, 5 * h, h),
        np.ones_like,
        "is given as 1, measured 5",
    ),
    "changes its input": (fills_its_buffer, lambda h: 1 - np.tanh(h) ** 2, "function changes its input"),
    "writes what is there": (
        lambda h: np.multiply(h, 1.0, out=h),
        np.ones_like,
        "function changes its input",
    ),
    "always float64": (
        lambda h: h.astype(np.float64) * 2,
        lambda h: np.full_like(h, 2),
        "function returns float64 for float32",
    ),
    "derivative always float64": (
        lambda h: 2 * h,
        lambda h: 2 * np.ones(h.shape),
        "derivative returns float64 for float32",
    ),
    "hides a NaN": (
        lambda h: np.where(h > 0, h, 0),
        lambda h: h > 0,
        "f(nan) is 0, so a run that went wrong would look well",
    ),
    "NaN in the tails": (sigmoid, naive_sigmoid_prime, "derivative is nan at h = "),
    "no row": (fails_on_no_row, np.ones_like, "zero-size array to reduction operation maximum"),
    "strides": (needs_contiguous, np.ones_like, "function failed on every second row: RuntimeError: cannot"),
    "has a memory": (drifting(), np.ones_like, "the same h gives different outputs"),
}


@pytest.mark.parametrize("name", BROKEN_ACTIVATIONS)
def test_broken_activation_fails(name):
    function, derivative, words = BROKEN_ACTIVATIONS[name]
    message = fails(check_activation, Activation("bad", function, derivative))
    assert "activation 'bad'" in message
    assert words in message


def test_rowwise_activation_that_joins_rows_fails():
    def centred(h):
        return h - h.mean(axis=0)

    bad = Activation("bad", centred, backward=lambda h, y_hat, g: g * (1 - 1 / max(1, len(h))))
    assert "the output of a row depends on other rows" in fails(check_activation, bad)


def test_rowwise_activation_with_a_wrong_backward_fails():
    bad = Activation("bad", softmax, backward=lambda h, y_hat, g: g * y_hat)
    assert "backward is not the derivative of function" in fails(check_activation, bad)


@pytest.mark.parametrize("check", CHECKS.values())
def test_something_else_fails(check):
    assert "7" in fails(check, 7)


# -- losses -----------------------------------------------------------------------------------------


def square(y, y_hat):
    return (y_hat - y) ** 2


def square_prime(y, y_hat):
    return 2 * (y_hat - y)


def spoils(y, y_hat):
    y_hat = y_hat if y_hat.flags.writeable else y_hat.copy()
    y_hat -= y
    return y_hat * y_hat


GOOD_LOSSES = [
    Loss("square", square, square_prime),
    Loss("summed", square, square_prime, reduction="sum"),
    Loss("absolute", lambda y, y_hat: np.abs(y_hat - y), lambda y, y_hat: np.sign(y_hat - y)),
    Loss(
        "rate",
        lambda y, y_hat: y_hat - y * np.log(y_hat),
        lambda y, y_hat: 1 - y / y_hat,
        targets="nonnegative",
    ),
    Loss(
        "margin",
        lambda y, y_hat, at: np.maximum(0, at - y * y_hat),
        lambda y, y_hat, at: np.where(y * y_hat < at, -y, 0),
        parameters={"at": 1.0},
        targets="signs",
    ),
]


@pytest.mark.parametrize("loss", GOOD_LOSSES, ids=str)
def test_good_loss_passes(loss):
    check_loss(loss)


BROKEN_LOSSES = {
    "sign": (square, lambda y, y_hat: 2 * (y - y_hat), "derivative is not dE/dy_hat: at y = "),
    "changes its input": (spoils, square_prime, "function changes its input"),
    "reduced": (lambda y, y_hat: square(y, y_hat).mean(), square_prime, "function returned shape ()"),
    "joins elements": (
        lambda y, y_hat: square(y, y_hat) + 1e-3 * y.sum(),
        square_prime,
        "function of one element depends on other elements",
    ),
    "hides a NaN": (
        lambda y, y_hat: np.nan_to_num(square(y, y_hat)),
        square_prime,
        "the loss of y_hat = nan is 0, so a run that went wrong would look well",
    ),
    "float64": (
        lambda y, y_hat: square(y, y_hat).astype(np.float64),
        square_prime,
        "function returns float64 for float32",
    ),
}


@pytest.mark.parametrize("name", BROKEN_LOSSES)
def test_broken_loss_fails(name):
    function, derivative, words = BROKEN_LOSSES[name]
    message = fails(check_loss, Loss("bad", function, derivative))
    assert message.startswith("loss 'bad'")
    assert words in message


# -- optimizers -------------------------------------------------------------------------------------


def descend(w, g, state, learning_rate, step):
    w -= learning_rate * g


def heavy_ball(w, g, state, learning_rate, step, momentum):
    v = state["v"]
    v *= momentum
    v -= learning_rate * g
    w += v


def test_good_optimizer_passes():
    check_optimizer(Optimizer("descend", descend))
    check_optimizer(Optimizer("heavy_ball", heavy_ball, state=["v"], parameters={"momentum": 0.9}))


def climb(w, g, state, learning_rate, step):
    w += learning_rate * g


def lost(w, g, state, learning_rate, step):
    w = w - learning_rate * g


def returns(w, g, state, learning_rate, step):
    w -= learning_rate * g
    return w


def spoils_g(w, g, state, learning_rate, step):
    g *= learning_rate
    w -= g


def rebinds(w, g, state, learning_rate, step):
    state["v"] = 0.9 * state["v"] + g
    w -= learning_rate * state["v"]


def adds_state(w, g, state, learning_rate, step):
    state["last"] = g
    w -= learning_rate * g


def divides(w, g, state, learning_rate, step):
    state["v"] += g * g
    w -= learning_rate * g / np.sqrt(state["v"])


def remembers():
    velocity = {}

    def update(w, g, state, learning_rate, step):
        velocity["v"] = 0.5 * velocity.get("v", 0) + g if velocity.get("n") == w.size else g
        velocity["n"] = w.size
        w -= learning_rate * velocity["v"]

    return update


BROKEN_OPTIMIZERS = {
    "climbs": (climb, [], "does not go down a parabola: from 2.5 to "),
    "changes nothing": (lost, [], "w is the same after 20 updates"),
    "returns": (returns, [], "update returns something; it changes w in place and returns nothing"),
    "changes g": (spoils_g, [], "update changes the gradient g"),
    "puts new arrays": (rebinds, ["v"], "update puts a new array in place of state['v']"),
    "adds state": (adds_state, [], "state holds last after an update, declared is []"),
    "zero by zero": (divides, ["v"], "with a gradient of zeros w is nan after 1 step of float64"),
    "remembers": (remembers(), [], "a second run of the same steps ends elsewhere, "),
}


@pytest.mark.parametrize("name", BROKEN_OPTIMIZERS)
def test_broken_optimizer_fails(name):
    update, state, words = BROKEN_OPTIMIZERS[name]
    message = fails(check_optimizer, Optimizer("bad", update, state=state))
    assert message.startswith("optimizer 'bad'")
    assert words in message


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
def test_good_logger_passes(logger):
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
    ForgetsToClose: "leaves something open: unclosed file",
    NeedsTheLoss: "cygd_epoch_end failed: KeyError: 'loss'",
    Halts: "cygd_epoch_end returns 'halt', which means nothing",
    Vandal: "cygd_epoch_end changes the metrics",
    Reconfigures: "cygd_run_start changes the configuration of the run",
    Trains: "cygd_run_end changes the weights",
    Prints: "cygd_run_start prints hello\n to stdout, which belongs to the data",
    Moves: "cygd_run_start changes the current folder",
    Misspelt: "a run has no hook 'cygd_epoch_ended'\nhint: did you mean 'cygd_epoch_end'?",
    ExpectsAnEpoch: "cygd_run_error failed: AttributeError: 'ExpectsAnEpoch' object has no attribute 'last'",
    NeedsMore: "its factory failed: OSError: no database",
    object: "its object (object) has no hook of a run, so it would log nothing",
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


def test_load_plugin_gives_the_module(tmp_path, monkeypatch):
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


# -- formulas, and the levels -----------------------------------------------------------------------

FORMULAS = [
    Activation("swish", formula="h * sigmoid(beta * h)", parameters={"beta": 1.5}),
    Activation("learned", formula="where(h > 0, h, a * h)", parameters={"a": 0.25}, trainable=["a"]),
    Activation("knee", formula="abs(h - 0.7)", kinks=(0.7,)),
    Activation("steps", formula="h + where(h > 0, 1, 0)"),
    Loss("cosh", formula="log(cosh(y_hat - y))"),
    Loss("rate", formula="y_hat - y * log(y_hat)", targets="nonnegative"),
    Loss("summed", formula="(y_hat - y)**2", reduction="sum"),
    Optimizer("descend", formula={"w": "w - learning_rate * g"}),
    Optimizer(
        "signs",
        state=["m"],
        formula={"m": "beta * m + (1 - beta) * g", "w": "w - learning_rate * sign(m)"},
        parameters={"beta": 0.9},
    ),
]


@pytest.mark.parametrize("component", FORMULAS, ids=str)
def test_good_formula_passes(component):
    CHECKS[component.kind](component)


def test_formula_that_is_nan_in_the_tails_fails():
    bad = Activation("bad", formula="exp(h) / (3 + exp(h) * h * h)")
    message = fails(check_activation, bad)
    assert message.startswith("activation 'bad': ")
    assert "is nan at h = " in message
    assert "(CPU level base)" in message


def test_formula_cannot_hide_a_nan():
    # in NumPy where(nan > 0, ...) is the other branch
    check_activation(Activation("half", formula="where(h > 0, h * h, 0)"))
    check_loss(Loss("beyond", formula="where(abs(y_hat - y) > 0, (y_hat - y)**2, 0)"))


def test_formula_that_climbs_fails():
    bad = Optimizer("bad", formula={"w": "w + learning_rate * g"})
    assert "does not go down a parabola" in fails(check_optimizer, bad)


def test_formula_that_divides_by_a_gradient_of_zero_fails():
    bad = Optimizer("bad", formula={"w": "w - learning_rate * g / abs(g)"})
    assert "with a gradient of zeros w is nan after 1 step" in fails(check_optimizer, bad)


def test_formula_that_does_nothing_fails():
    bad = Optimizer("bad", formula={"w": "w - 0 * learning_rate * g"})
    assert "w is the same after 20 updates" in fails(check_optimizer, bad)


def test_update_by_formulas_is_the_update_by_hand():
    from cygd.testing.optimizer import run_update

    w, g, state = np.array([1.0, -2.0]), np.array([0.5, 4.0]), {"m": np.array([1.0, 1.0])}
    kept = w, state["m"]
    run_update(FORMULAS[-1].program, w, g, state, (0.1, 3))
    assert state["m"] == pytest.approx([0.95, 1.3])
    assert w == pytest.approx([0.9, -2.1])
    assert w is kept[0]
    assert state["m"] is kept[1]


def test_every_level_is_checked_and_the_level_comes_back():
    from cygd.core import dispatch
    from cygd.testing.levels import on_every_level

    before, seen = dispatch.level(), []
    on_every_level(lambda component: seen.append(dispatch.level()), None, True)
    assert seen == dispatch.levels()
    assert dispatch.level() == before

    def wrong(component):
        raise Unfit("no", "why")

    with pytest.raises(Unfit) as caught:
        on_every_level(wrong, None, True)
    assert caught.value.message == "no (CPU level base)"
    assert caught.value.hint == "why"
    assert dispatch.level() == before
    with pytest.raises(Unfit, match=r"^no\nhint: why$"):
        on_every_level(wrong, None, False)


def test_speed_is_that_of_the_functions_of_the_engine():
    from cygd.testing.report import speed

    own, other = speed(FORMULAS[0], registry().get("activation", "tanh"), "float32")
    assert all(value > 0 for value in (*own, *other))


def test_outcomes_go_on_behind_a_failure_and_name_what_else_is_raised():
    from cygd.testing.report import outcomes

    found = {o.what: o.problem for o in outcomes(Activation("bad", needs_contiguous, np.ones_like))}
    assert "RuntimeError: cannot work on that" in found["layouts in memory"].message
    assert found["NaN stays NaN"] is None
    assert list(found)[-1] == "kinks"

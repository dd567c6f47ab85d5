"""The suites for plugin authors: formulas, CPU levels, and the report."""

import numpy as np
import pytest

from cygd import Activation, Loss, Optimizer
from cygd.plugins.component_checks import ComponentCheckError
from cygd.testing import check_activation, check_loss, check_optimizer
from tests.helpers.testing_cases import CHECKS, fails, needs_contiguous, registry

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
def test_correct_formula_passes(component):
    CHECKS[component.kind](component)


def test_formula_that_is_nan_in_the_tails_fails():
    bad = Activation("bad", formula="maximum(h, exp(h)) / (1 + exp(h))")
    message = fails(check_activation, bad)
    assert message.startswith("activation 'bad': ")
    assert "is nan at h = " in message
    assert "(CPU level base)" in message


def test_formula_cannot_hide_a_nan():
    # in NumPy where(nan > 0, ...) is the other branch
    check_activation(Activation("half", formula="where(h > 0, h * h, 0)"))
    check_loss(Loss("beyond", formula="where(abs(y_hat - y) > 0, (y_hat - y)**2, 0)"))


def test_formula_that_ascends_fails():
    bad = Optimizer("bad", formula={"w": "w + learning_rate * g"})
    assert "does not descend on a parabola" in fails(check_optimizer, bad)


def test_formula_that_divides_by_a_gradient_of_zero_fails():
    bad = Optimizer("bad", formula={"w": "w - learning_rate * g / abs(g)"})
    assert "with a gradient of zeros w is nan after 1 step" in fails(check_optimizer, bad)


def test_formula_without_effect_fails():
    bad = Optimizer("bad", formula={"w": "w - 0 * learning_rate * g"})
    assert "20 updates do not change w" in fails(check_optimizer, bad)


def test_update_of_formulas_equals_a_manual_update():
    from cygd.testing.optimizer import run_update

    w, g, state = np.array([1.0, -2.0]), np.array([0.5, 4.0]), {"m": np.array([1.0, 1.0])}
    kept = w, state["m"]
    run_update(FORMULAS[-1].program, w, g, state, (0.1, 3))
    assert state["m"] == pytest.approx([0.95, 1.3])
    assert w == pytest.approx([0.9, -2.1])
    assert w is kept[0]
    assert state["m"] is kept[1]


def test_every_cpu_level_is_checked_and_the_level_restored():
    from cygd.core import dispatch
    from cygd.testing.cpu_levels import on_every_level

    before, seen = dispatch.level(), []
    on_every_level(lambda component: seen.append(dispatch.level()), None, True)
    assert seen == dispatch.levels()
    assert dispatch.level() == before

    def wrong(component):
        raise ComponentCheckError("no", "why")

    with pytest.raises(ComponentCheckError) as caught:
        on_every_level(wrong, None, True)
    assert caught.value.message == "no (CPU level base)"
    assert caught.value.hint == "why"
    assert dispatch.level() == before
    with pytest.raises(ComponentCheckError, match=r"^no\nhint: why$"):
        on_every_level(wrong, None, False)


def test_speed_times_the_functions_of_the_engine():
    from cygd.testing.report import speed

    own, other = speed(FORMULAS[0], registry().get("activation", "tanh"), "float32")
    assert all(value > 0 for value in (*own, *other))


def test_outcomes_continue_after_a_failure_and_report_exceptions():
    from cygd.testing.report import outcomes

    found = {o.title: o.error for o in outcomes(Activation("bad", needs_contiguous, np.ones_like))}
    assert "RuntimeError: cannot work on that" in found["layouts in memory"].message
    assert found["NaN stays NaN"] is None
    assert list(found)[-1] == "kinks"

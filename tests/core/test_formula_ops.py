"""Built-ins written as formulas against the built-ins themselves: values and gradients, at every level."""

import numpy as np
import pytest

from cygd.components.formula import compile_activation, compile_loss, compiler, program
from tests.helpers.closed_forms import ACTIVATIONS, LOSSES

ULP = 4  # of max(|value|, 1)

every_activation = pytest.mark.parametrize(
    ("name", "formula", "parameters"),
    [(name, *spelling) for name, spellings in ACTIVATIONS.items() for spelling in spellings],
)
every_loss = pytest.mark.parametrize(
    ("name", "formula", "parameters"),
    [(name, *spelling) for name, spellings in LOSSES.items() for spelling in spellings],
)


def finite_numbers(kernels):
    rng = kernels.rng
    return np.concatenate(
        [
            rng.normal(size=400) * 3,
            rng.uniform(-100, 100, 300),
            [0.0, -0.0, 1, -1, 3, -3, kernels.info.max, kernels.info.min, kernels.info.tiny, 1e-30, -1e-30],
            kernels.patterns(1000),
        ]
    ).astype(kernels.dtype)


def ran(kernels, program, *inputs):
    outputs = [np.empty_like(inputs[0]) for _ in program.outputs]
    kernels.module.Program(program).run(inputs, outputs)
    return outputs


def check(kernels, found, expected, at, what, allowed=ULP):
    """Within some ulp of scale wherever the built-in is finite."""
    with np.errstate(all="ignore"):
        scale = np.maximum(np.abs(expected.astype(np.float64)), 1)
        error = np.abs(found.astype(np.float64) - expected) / scale / kernels.info.eps
    error[np.isinf(expected) & (found == expected)] = 0
    # a number next to the largest may round to inf in the one and not in the other
    error[(np.abs(expected) > kernels.info.max * 0.99) & np.isinf(found)] = 0
    worst = int(np.nanargmax(np.where(np.isnan(error), np.inf, error)))
    assert error[worst] <= np.broadcast_to(allowed, error.shape)[worst], (
        f"{what} at {[float(a[worst]) for a in at]}: {found[worst]!r} for {expected[worst]!r}"
    )


def off_kinks(name, formula, h):
    """Leave out where two sides that vary meet, and where a rounded 1/6 h + 1/2 may be 0 a step aside."""
    tied = formula == "maximum(slope * h, h)"
    return h[(h != 0) | (not tied)] if not name.startswith("hard_s") else h[np.abs(h) != 3]


def argument_ulp(name, h):
    """gelu_tanh: rounding h^3 costs as many ulp as the argument of the exponential is large."""
    if name != "gelu_tanh":
        return np.full(h.shape, ULP)
    with np.errstate(over="ignore"):
        argument = np.minimum(np.abs(1.6 * h * (1 + 0.0447 * h * h)), 100)
    return ULP + 2 * argument * np.exp(-argument) * np.abs(h)


@every_activation
def test_activations(kernels, name, formula, parameters):
    programs = compile_activation(formula, parameters)
    h = off_kinks(name, formula, finite_numbers(kernels))
    k = kernels.module

    def built_in():
        y_hat, slope = np.empty_like(h), np.empty_like(h)
        values = list(parameters.values()) if name in ("leaky_relu", "elu", "celu") and parameters else None
        k.block("activation", name, h, y_hat, values)
        k.derivative_block(name, h, y_hat, slope, values)
        return np.stack([y_hat, slope])

    def own():
        y_hat, slope = ran(kernels, programs.value_and_derivative, h)
        return np.stack(
            [y_hat, slope, *ran(kernels, programs.forward, h), *ran(kernels, programs.derivative, h, y_hat)]
        )

    expected = kernels.at_every_level(built_in)
    for level, (y_hat, slope, alone, separate) in kernels.at_every_level(own).items():
        np.testing.assert_array_equal(alone, y_hat)
        allowed = argument_ulp(name, h.astype(np.float64))
        check(kernels, y_hat, expected[level][0], [h], f"{formula} at {level}", allowed)
        check(kernels, slope, expected[level][1], [h], f"derivative of {formula} at {level}", allowed)
        check(
            kernels,
            separate,
            expected[level][1],
            [h],
            f"derivative of {formula} from y_hat at {level}",
            allowed,
        )


@every_activation
def test_activations_keep_nan(kernels, name, formula, parameters):
    h = np.array([np.nan, 1.0] * 20, kernels.dtype)
    y_hat, slope = ran(kernels, compile_activation(formula, parameters).value_and_derivative, h)
    assert np.isnan(y_hat[::2]).all()
    assert np.isfinite(y_hat[1::2]).all()
    assert np.isfinite(slope[1::2]).all()


@every_activation
def test_joined_instructions_round_as_one_after_the_other(kernels, monkeypatch, name, formula, parameters):
    h = finite_numbers(kernels)
    joined = compile_activation(formula, parameters)
    monkeypatch.setattr(program, "fuse", lambda body, outputs: body)
    plain = compiler._compile_activation.__wrapped__(formula, tuple(parameters.items()), ())
    assert len(joined.value_and_derivative.body) <= len(plain.value_and_derivative.body)

    def both(programs):
        return lambda: np.stack(
            [*ran(kernels, programs.value_and_derivative, h), *ran(kernels, programs.forward, h)]
        )

    expected = kernels.at_every_level(both(plain))
    for level, found in kernels.at_every_level(both(joined)).items():
        np.testing.assert_array_equal(found, expected[level], err_msg=level)


@pytest.mark.parametrize("text", ["tanh(log1p(h))", "tanh(log1p(h))**2", "sin(tanh(log(1 + h)))"])
def test_tanh_of_log1p(kernels, text):
    programs = compile_activation(text, {})
    v = np.geomspace(1e-300 if kernels.info.bits == 64 else 1e-30, kernels.info.max * 0.99, 4000).astype(
        kernels.dtype
    )
    v = np.concatenate([v, [0.0, np.inf], -np.geomspace(1e-20, 0.999, 500)]).astype(kernels.dtype)
    with np.errstate(over="ignore"):
        wide = v.astype(np.longdouble)
        t = np.tanh(np.log1p(wide))
        t_slope = np.exp(-np.log1p(wide)) * (1 - t) * (1 + t)
    t_slope[np.isinf(v)] = 0
    of, slope_of = {
        "tanh(log1p(h))": (lambda t: t, lambda t: 1),
        "tanh(log1p(h))**2": (lambda t: t * t, lambda t: 2 * t),
        "sin(tanh(log(1 + h)))": (np.sin, np.cos),
    }[text]

    def own():
        return np.stack(ran(kernels, programs.value_and_derivative, v))

    for level, (y_hat, slope) in kernels.at_every_level(own).items():
        check(kernels, y_hat, of(t), [v], f"{text} at {level}")
        check(kernels, slope, slope_of(t) * t_slope, [v], f"derivative of {text} at {level}", 8)


def pairs(kernels, name):
    rng = kernels.rng
    y, y_hat = rng.normal(size=(2, 1500)) * 3
    if name in ("binary_cross_entropy", "cross_entropy"):
        y, y_hat = rng.uniform(0, 1, 1500), rng.uniform(1e-6, 1 - 1e-6, 1500)
    elif name == "poisson":
        y, y_hat = rng.integers(0, 20, 1500).astype(float), rng.uniform(1e-3, 30, 1500)
    elif "hinge" in name:
        y = np.sign(y)
    else:
        y_hat[100:200] *= 1e5
    if name not in ("quantile", "poisson"):  # at a tie of two sides that vary the second one counts
        y_hat[:100] = np.clip(y[:100], 1e-6, 1 - 1e-6) if "entropy" in name else y[:100]
    return y.astype(kernels.dtype), y_hat.astype(kernels.dtype)


@every_loss
def test_losses(kernels, name, formula, parameters):
    programs = compile_loss(formula, parameters)
    y, y_hat = pairs(kernels, name)

    def built_in():
        out = np.empty_like(y), np.empty_like(y)
        for derivative in (False, True):
            kernels.module.loss_block(
                name, y, y_hat, out[derivative], derivative, list(parameters.values()) or None
            )
        return np.stack(out)

    def own():
        programs_both = (programs.forward, programs.derivative)
        return np.stack([ran(kernels, program, y, y_hat)[0] for program in programs_both])

    expected = kernels.at_every_level(built_in)
    for level, found in kernels.at_every_level(own).items():
        for what, one, other in zip(("loss", "derivative"), found, expected[level], strict=True):
            # y_hat - y log(y_hat) is the difference of larger numbers
            allowed = ULP * np.maximum(1, np.abs(y_hat)) if name == "poisson" else ULP
            check(kernels, one, other, [y, y_hat], f"{what} {formula} at {level}", allowed)

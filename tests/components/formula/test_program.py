"""Register allocation: valid slots, and correct results if outputs share memory with inputs."""

from itertools import permutations, product

import numpy as np
import pytest

from cygd.components.formula import compile_activation, compile_loss, compile_update
from cygd.components.formula.compiler import _compile_activation
from cygd.components.formula.program import MAX_TEMPORARIES
from cygd.errors import FormulaError
from tests.helpers.closed_forms import ACTIVATIONS, LOSSES
from tests.helpers.formula_interpreter import OPS, PAIR_OPS, run

UPDATES = {
    "sgd": ({"w": "w - learning_rate * g"}, (), {}),
    "momentum": ({"m": "b * m + g", "w": "w - learning_rate * m"}, ("m",), {"b": 0.9}),
    "swap": ({"w": "w + 0 * g", "a": "b", "b": "c", "c": "w"}, ("a", "b", "c"), {}),
    "sigmoids": ({"w": "sigmoid(w)", "a": "sigmoid(-w) + a"}, ("a",), {}),
    "crossed": ({"a": "sigmoid(w) * b", "b": "sigmoid(-w)", "w": "a + b"}, ("a", "b"), {}),
    "mixed": ({"w": "w * a - g", "a": "w + b * g", "b": "a * w / (1 + b**2)"}, ("a", "b"), {}),
}


def programs():
    for name, [(text, parameters), *_] in ACTIVATIONS.items():
        compiled = compile_activation(text, parameters)
        yield f"{name} forward", compiled.forward, ()
        yield f"{name} derivative", compiled.derivative, ()
        yield f"{name} value and derivative", compiled.value_and_derivative, ("y_hat",)
        if parameters:
            trainable = compile_activation(text, parameters, tuple(parameters))
            yield f"{name} trainable", trainable.forward, ()
            yield f"{name} gradient", trainable.gradient, trainable.gradient.outputs
    for name, [(text, parameters), *_] in LOSSES.items():
        compiled = compile_loss(text, parameters)
        yield f"{name} loss", compiled.forward, ()
        yield f"{name} derivative", compiled.derivative, ()
    for name, (formulas, state, parameters) in UPDATES.items():
        yield name, compile_update(formulas, state, parameters), ()


ALL = list(programs())
every_program = pytest.mark.parametrize(("program", "noalias"), [p[1:] for p in ALL], ids=[p[0] for p in ALL])


@every_program
def test_slots_are_in_range_and_written_before_they_are_read(program, noalias):
    n_inputs, n_outputs = len(program.inputs), len(program.outputs)
    first = n_inputs + n_outputs
    scalars = len(program.uniforms) + len(program.constants)
    assert program.temporaries <= MAX_TEMPORARIES
    for at, (op, *operands) in enumerate(program.prologue):
        assert op in OPS
        assert all(0 <= operand < scalars + at for operand in operands)
    end = first + program.temporaries + scalars + len(program.prologue)
    written = {*range(n_inputs), *range(first + program.temporaries, end)}
    for op, *slots in program.body:
        assert op in OPS or op in PAIR_OPS
        results = 2 if op in PAIR_OPS else 1
        assert set(slots[results:]) <= written
        assert all(n_inputs <= slot < first + program.temporaries for slot in slots[:results])
        assert len(set(slots[:results])) == results
        if results == 2:
            assert slots[2] not in slots[:2]
        written |= set(slots[:results])
    assert set(range(n_inputs, first)) <= written
    assert all(isinstance(value, float) for value in program.constants)
    used = {slot for _, *slots in program.body for slot in slots}
    assert set(range(first, first + program.temporaries)) <= used


@every_program
def test_outputs_may_share_memory_with_inputs(program, noalias):
    """Run with every aliasing of outputs and inputs: an output not in noalias may overwrite any input."""
    rng = np.random.default_rng(1)
    inputs = [rng.uniform(0.1, 0.9, 16) for _ in program.inputs]
    uniforms = [0.3 + n for n in range(len(program.uniforms))]
    expected = run(program, inputs, uniforms)
    free = [k for k, name in enumerate(program.outputs) if name not in noalias]
    aliases = [
        tuple(zip(chosen, overwritten, strict=True))
        for count in range(1, min(len(free), len(inputs)) + 1)
        for chosen in permutations(free, count)
        for overwritten in product(range(len(inputs)), repeat=count)
        if len(set(overwritten)) == count
    ]
    assert aliases or not free
    for alias in aliases[:400]:
        for found, want in zip(run(program, inputs, uniforms, alias), expected, strict=True):
            np.testing.assert_array_equal(found, want, err_msg=f"{program} {alias}")


def test_too_many_temporaries_are_an_error():
    text = "sin(" * 60 + "h" + ")" * 60  # its derivative needs every cosine
    with pytest.raises(FormulaError, match="more than 32 intermediate values at the same time"):
        compile_activation(text)


def test_too_many_constants_are_an_error():
    text = " + ".join(f"{k}.5 * tanh({k} * h)" for k in range(1, 80))
    with pytest.raises(FormulaError, match="more than 128 different numbers"):
        compile_activation(text)


def test_too_many_instructions_or_factors_are_an_error():
    text = "*".join(f"(h + {n})" for n in range(99))
    with pytest.raises(FormulaError, match="compiles to more than 2000 instructions"):
        compile_activation(text)
    text = "*".join(f"(h + {n})" for n in range(400))
    with pytest.raises(FormulaError, match="a product of at most 100 factors, got 400"):
        compile_activation(text)


def test_compilation_is_deterministic():
    for name, [(text, parameters), *_] in ACTIVATIONS.items():
        again = _compile_activation.__wrapped__(text, tuple(parameters.items()), ())
        assert again == compile_activation(text, parameters), name

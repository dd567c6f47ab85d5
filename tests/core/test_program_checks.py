"""What the core refuses: programs that would read or write out of bounds, and arrays that do not fit.

And a formula's programs behind the engine's function types.
"""

import re
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cygd.core import _f32, _f64


class Description(NamedTuple):
    inputs: tuple = ("h",)
    uniforms: tuple = ()
    outputs: tuple = ("y",)
    constants: tuple = (1.0, 2.0)
    prologue: tuple = ()
    body: tuple = (("copy", 1, 0),)
    temporaries: int = 2


# slots: h 0, y 1, temporaries 2 3, constants 4 5
BAD = {
    "an unknown operation": (
        {"body": (("copy", 1, 0), ("pow", 1, 0, 0))},
        "body instruction 1 ('pow', 1, 0, 0): unknown operation 'pow'",
    ),
    "too few operands": (
        {"body": (("add", 1, 0),)},
        "expected 3 numbers after the name, got 2",
    ),
    "too many operands": ({"body": (("exp", 1, 0, 0),)}, "expected 2 numbers after the name, got 3"),
    "one output of two": ({"body": (("logistic", 1, 0),)}, "expected 3 numbers after the name, got 2"),
    "the same output twice": ({"body": (("logistic", 1, 1, 0),)}, "expected distinct output slots"),
    "a slot behind the last": ({"body": (("copy", 1, 6),)}, "expected a slot from 0 to 5, got 6"),
    "a huge slot": (
        {"body": (("copy", 1, 2**70),)},
        "expected a slot from 0 to 5, got 1180591620717411303424",
    ),
    "a negative slot": ({"body": (("copy", 1, -1),)}, "expected a slot from 0 to 5, got -1"),
    "writing an input": (
        {"body": (("copy", 0, 4),)},
        "cannot write slot 0; outputs and temporaries are 1 to 3",
    ),
    "writing a scalar": ({"body": (("copy", 4, 0),)}, "cannot write slot 4"),
    "writing below": ({"body": (("copy", -1, 0),)}, "cannot write slot -1"),
    "a second output that is an input": ({"body": (("logistic", 1, 0, 0),)}, "cannot write slot 0"),
    "a second output behind the last": ({"body": (("logistic", 1, 9, 0),)}, "cannot write slot 9"),
    "reading a temporary too early": ({"body": (("copy", 1, 2),)}, "reads slot 2 before it is written"),
    "reading an output too early": ({"body": (("neg", 1, 1),)}, "reads slot 1 before it is written"),
    "an output never written": ({"body": (("copy", 2, 0),)}, "output 'y' is never written"),
    "an empty body": ({"body": ()}, "output 'y' is never written"),
    "no output": ({"outputs": (), "body": ()}, "expected at least one output, got none"),
    "a number that is none": ({"body": (("copy", 1, "0"),)}, "expected a whole number, got '0'"),
    "a bool": ({"body": (("copy", True, 0),)}, "expected a whole number, got True"),
    "a fraction": ({"body": (("copy", 1.0, 0),)}, "expected a whole number, got 1.0"),
    "no tuple": ({"body": ("copy",)}, "body instruction 0 'copy': expected a tuple of a name and numbers"),
    "an empty instruction": ({"body": ((),)}, "expected a tuple of a name and numbers"),
    "a name that is none": ({"body": ((1, 2),)}, "expected a tuple of a name and numbers"),
    "temporaries": ({"temporaries": 33}, "expected 0 to 32 temporaries, got 33"),
    "negative temporaries": ({"temporaries": -1}, "expected 0 to 32 temporaries, got -1"),
    "half a temporary": ({"temporaries": 0.5}, "temporaries: expected a whole number, got 0.5"),
    "nine inputs": ({"inputs": tuple("abcdefghi")}, "expected at most 8 inputs, got 9"),
    "nine outputs": ({"outputs": tuple("abcdefghi")}, "expected at most 8 outputs, got 9"),
    "names twice": ({"inputs": ("h", "h")}, "inputs: expected distinct names, got ('h', 'h')"),
    "scalars": (
        {"constants": (1.0,) * 129},
        "expected at most 128 scalars (uniforms, constants, prologue), got 129",
    ),
    "an unknown scalar operation": (
        {"prologue": (("logistic", 0),)},
        "prologue instruction 0 ('logistic', 0): unknown operation 'logistic'",
    ),
    "scalar operands": ({"prologue": (("add", 0),)}, "expected 2 numbers after the name, got 1"),
    "a scalar of its own": (
        {"prologue": (("exp", 2),)},
        "expected operands among the first 2 scalars, got 2",
    ),
    "a later scalar": (
        {"prologue": (("exp", 0), ("exp", 3))},
        "expected operands among the first 3 scalars, got 3",
    ),
    "a negative scalar": (
        {"prologue": (("exp", -1),)},
        "expected operands among the first 2 scalars, got -1",
    ),
}


@pytest.mark.parametrize("module", [_f32, _f64], ids=["float32", "float64"])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_program_is_refused(module, case):
    changes, message = BAD[case]
    with pytest.raises(ValueError, match=re.escape(message)):
        module.Program(Description()._replace(**changes))


@pytest.mark.parametrize("description", [None, 3, Description()[:4]])
def test_what_is_no_description_is_refused(description):
    with pytest.raises(AttributeError):
        _f64.Program(description)
    with pytest.raises(TypeError):
        _f64.Program()


def test_the_largest_program_is_possible():
    body = (("copy", 1, 0), *[("fma", 1, 1, 34 + k % 128, 34 + k % 128) for k in range(2000)])
    program = _f64.Program(Description(constants=(0.5,) * 128, body=body, temporaries=32))
    out = np.empty(7)
    program.run([np.ones(7)], [out])
    np.testing.assert_array_equal(out, 1)
    assert (program.inputs, program.outputs, program.uniforms) == (("h",), ("y",), ())


slot = st.integers(-2, 9)
names = st.sampled_from(["copy", "exp", "add", "fma", "where_lt", "logistic", "none"])
line = st.tuples(names, slot, slot) | st.tuples(names, slot, slot, slot) | st.tuples(names, slot)


@settings(max_examples=500, deadline=None)
@given(body=st.lists(line, max_size=6), prologue=st.lists(line, max_size=2), temporaries=st.integers(-1, 3))
def test_any_program_is_refused_or_keeps_to_its_arrays(body, prologue, temporaries):
    d = Description(prologue=tuple(prologue), body=(*body, ("copy", 1, 0)), temporaries=temporaries)
    buffer = np.full(200, 7.0)
    buffer[60:77] = 1.0
    try:
        program = _f64.Program(d)
    except ValueError:
        return
    program.run([buffer[60:77]], [buffer[100:117]])
    expected = np.full(200, 7.0)
    expected[60:77] = expected[100:117] = 1.0
    np.testing.assert_array_equal(buffer, expected)


TWO = Description(
    inputs=("h", "g"), outputs=("y", "z"), uniforms=("b",), body=(("add", 2, 0, 1), ("copy", 3, 6))
)


def misfits():
    h = np.ones(10)
    frozen = np.ones(10)
    frozen.flags.writeable = False
    buffer = np.ones(30)
    return {
        "one input": ([h], [h, h], "expected 2 inputs (h, g), got 1"),
        "three outputs": ([h, h], [h, h, h], "expected 2 outputs (y, z), got 3"),
        "a dtype": ([h, np.ones(10, np.float32)], [h, h], "input 'g': expected a contiguous array of one"),
        "strides": ([h, np.ones(20)[::2]], [h, h], "input 'g': expected a contiguous array"),
        "two dimensions": ([h, np.ones((10, 1))], [h, h], "input 'g': expected a contiguous array"),
        "None": (
            [h, None],
            [h, h],
            "input 'g': expected a contiguous array of one dimension of float64: got",
        ),
        "read-only": ([h, h], [np.ones(10), frozen], "output 'z': expected a contiguous writable array"),
        "no output": ([h, h], [np.ones(10), None], "output 'z': expected a contiguous writable array"),
        "a shorter input": (
            [h, np.ones(9)],
            [h, h],
            "'g': expected 10 elements like the arrays before it, got 9",
        ),
        "a longer output": (
            [h, h],
            [np.ones(10), np.ones(11)],
            "'z': expected 10 elements like the arrays before it, got 11",
        ),
        "an output twice": (
            [h, h],
            [buffer[:10], buffer[:10]],
            "output 'z' overlaps 'y': pass separate memory",
        ),
        "outputs overlap": ([h, h], [buffer[9:19], buffer[:10]], "output 'z' overlaps 'y'"),
        "a part of an input": ([buffer[:10], h], [buffer[1:11], np.ones(10)], "output 'y' overlaps 'h'"),
        "a part of another": ([h, buffer[5:15]], [np.ones(10), buffer[:10]], "output 'z' overlaps 'g'"),
    }


@pytest.mark.parametrize("case", misfits())
def test_arrays_that_do_not_fit(case):
    inputs, outputs, message = misfits()[case]
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        _f64.Program(TWO).run(inputs, outputs, [1.0])


def test_uniforms_that_do_not_fit():
    program = _f64.Program(TWO)
    arrays = [np.ones(3), np.ones(3)], [np.ones(3), np.ones(3)]
    for uniforms in ((), (1.0, 2.0)):
        message = f"expected 1 uniforms (b), got {len(uniforms)}"
        with pytest.raises(ValueError, match=re.escape(message)):
            program.run(*arrays, uniforms)
    with pytest.raises(TypeError):
        program.run(*arrays, ["1"])


def test_neighbours_do_not_overlap():
    buffer = np.arange(40.0)
    program = _f64.Program(TWO)
    program.run([buffer[:10], buffer[10:20]], [buffer[20:30], buffer[30:]], [5.0])
    np.testing.assert_array_equal(buffer[20:], [*(2.0 * np.arange(10) + 10), *[5.0] * 10])
    program.run([buffer[:10], buffer[10:20]], [buffer[10:20], buffer[:10]], [3.0])
    np.testing.assert_array_equal(buffer[:20], [*[3.0] * 10, *(2.0 * np.arange(10) + 10)])

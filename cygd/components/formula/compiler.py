"""Compile the formulas of activations, losses and update rules.

Parameters that are not trainable are compiled as constants, so each set of values gives its own program;
compilations are cached.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from keyword import iskeyword
from typing import NamedTuple, TypeVar
from unicodedata import normalize

from cygd.components.formula.derivative import Derivative
from cygd.components.formula.graph import Graph
from cygd.components.formula.nodes import Node, reachable, too_large
from cygd.components.formula.parser import CONSTANTS, FUNCTIONS, parse
from cygd.components.formula.program import Program, build_program
from cygd.components.formula.use_counts import reflected_sigmoid
from cygd.errors import FormulaError, did_you_mean

Result = TypeVar("Result")


class ActivationPrograms(NamedTuple):
    """The programs of an activation; their uniforms are its trainable parameters."""

    forward: Program  # h -> y_hat
    derivative: Program  # h, y_hat -> f'(h)
    value_and_derivative: Program  # h -> y_hat, f'(h) in one pass; the derivative may overwrite h
    gradient: Program | None  # h, y_hat -> f'(h) and df/dp for each trainable parameter p, if there are any


class LossPrograms(NamedTuple):
    """The programs of a loss."""

    forward: Program  # y, y_hat -> loss
    derivative: Program  # y, y_hat -> d loss / d y_hat


def compile_activation(
    text: str, parameters: Mapping[str, float] = {}, trainable: Sequence[str] = ()
) -> ActivationPrograms:
    """Return the programs of an activation y_hat = f(h), a formula in h and the parameters.

    The values of trainable parameters are passed with each call.

    Examples
    --------
    >>> compile_activation("h * sigmoid(beta * h)", {"beta": 1.0}).forward.body
    (('sigmoid', 2, 0), ('mul', 1, 0, 2))
    """
    if isinstance(trainable, str):
        trainable = (trainable,)
    names = tuple(dict.fromkeys(normalize("NFKC", name) for name in trainable))
    return _call_cached(_compile_activation, _check_text(text), _check_numbers(parameters), names)


def compile_loss(text: str, parameters: Mapping[str, float] = {}) -> LossPrograms:
    """Return the programs of an elementwise loss, a formula in y, y_hat and the parameters."""
    return _call_cached(_compile_loss, _check_text(text), _check_numbers(parameters))


def compile_update(
    formulas: Mapping[str, str], state: Sequence[str] = (), parameters: Mapping[str, float] = {}
) -> Program:
    """Return the program of an update rule: one formula for w and one for each array of the state.

    The formulas are computed in the order of the mapping, and each sees the new values of the ones before it.
    Their names are w, g, the state, learning_rate, step (from 1) and the parameters.
    """
    texts = tuple((name, _check_text(text, f"formula of {name!r}: ")) for name, text in formulas.items())
    return _call_cached(_compile_update, texts, tuple(state), _check_numbers(parameters))


def _call_cached(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a cached function, with an error instead of a crash if the recursion is too deep."""
    try:
        return function(*arguments)
    except RecursionError:
        raise too_large("the formula is nested too deeply") from None


def _check_text(formula: object, prefix: str = "") -> str:
    """Return a formula if it is text; a cache key must be hashable."""
    if not isinstance(formula, str):
        raise FormulaError(f"{prefix}expected a formula as text, got {type(formula).__name__}")
    return formula


def _check_numbers(parameters: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Return the parameters as finite floats; as a cache key, True would equal 1.0."""
    numbers = []
    for name, value in parameters.items():
        try:
            number = math.nan if isinstance(value, bool | str | bytes) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        except OverflowError:  # an integer that may be too long to print
            number = value = math.inf
        if not math.isfinite(number):
            raise FormulaError(f"parameter {name!r}: expected a finite number, got {value!r}")
        numbers.append((normalize("NFKC", name) if isinstance(name, str) else name, number))
    return tuple(numbers)


@lru_cache(maxsize=256)
def _compile_activation(
    text: str, parameters: tuple[tuple[str, float], ...], trainable: tuple[str, ...]
) -> ActivationPrograms:
    graph = Graph()
    h, y_hat = graph.variable("h"), graph.variable("y_hat")
    names = _bind_names(graph, ("h",), parameters, trainable, reserved=("y_hat",))
    f, used = parse(graph, text, names)
    _check_depends(graph, f, "h")
    _check_used(used, parameters)
    df = ("derivative", Derivative(graph, h).of(f))
    known = _known_from_output(graph, f, y_hat)
    gradient = None
    if trainable:
        outputs = [df]
        for name in trainable:
            outputs.append((f"derivative by {name}", Derivative(graph, names[name]).of(f)))
        noalias = [name for name, _ in outputs]
        gradient = build_program(graph, ("h", "y_hat"), trainable, outputs, known=known, noalias=noalias)
    return ActivationPrograms(
        forward=build_program(graph, ("h",), trainable, [("y_hat", f)], companions=[df[1]]),
        derivative=build_program(graph, ("h", "y_hat"), trainable, [df], known=known),
        value_and_derivative=build_program(graph, ("h",), trainable, [("y_hat", f), df], noalias=["y_hat"]),
        gradient=gradient,
    )


@lru_cache(maxsize=64)
def _compile_loss(text: str, parameters: tuple[tuple[str, float], ...]) -> LossPrograms:
    graph = Graph()
    names = _bind_names(graph, ("y", "y_hat"), parameters)
    f, used = parse(graph, text, names)
    _check_depends(graph, f, "y_hat")
    _check_used(used, parameters)
    derivative = Derivative(graph, names["y_hat"]).of(f)
    return LossPrograms(
        forward=build_program(graph, ("y", "y_hat"), (), [("loss", f)]),
        derivative=build_program(graph, ("y", "y_hat"), (), [("derivative", derivative)]),
    )


@lru_cache(maxsize=64)
def _compile_update(
    formulas: tuple[tuple[str, str], ...], state: tuple[str, ...], parameters: tuple[tuple[str, float], ...]
) -> Program:
    graph = Graph()
    uniforms = ("learning_rate", "step")
    _check_names("state", state, ("g", "w", *uniforms))
    names = _bind_names(graph, ("g", "w", *state, *uniforms), parameters)
    results: dict[str, Node] = {}
    used: set[str] = set()
    for name, text in formulas:
        if name not in ("w", *state):
            hint = did_you_mean(name, ["w", *state]) or "add it to state=[...] if it is kept between steps"
            raise FormulaError(f"unexpected formula for {name!r}, which is neither w nor in state", hint=hint)
        try:
            results[name], used_here = parse(graph, text, names)
        except FormulaError as error:
            raise FormulaError(f"formula of {name!r}: {error.message}", hint=error.hint) from None
        names[name] = results[name]
        used |= used_here
    missing = [name for name in ("w", *state) if name not in results]
    if missing:
        raise FormulaError(f"no formula for {missing[0]!r}", hint=f'add {{"{missing[0]}": "..."}}')
    _check_used(used, parameters)
    # state that has decayed to subnormal numbers is set to 0: arithmetic on subnormals is slow
    outputs = [("w", results["w"])]
    outputs += [(name, graph.intern("flush_subnormal", results[name])) for name in state]
    return build_program(graph, ("g", "w", *state), uniforms, outputs)


def _bind_names(
    graph: Graph,
    variables: Sequence[str],
    parameters: Sequence[tuple[str, float]],
    trainable: Sequence[str] = (),
    reserved: Sequence[str] = (),
) -> dict[str, Node]:
    """Return the node of each name that a formula may use."""
    _check_names("parameter", [name for name, _ in parameters], (*variables, *reserved))
    names = {name: graph.variable(name) for name in variables}
    for name, value in parameters:
        names[name] = graph.variable(name) if name in trainable else graph.number(value)
    for name in trainable:
        if name not in names or name in variables:
            parameter_names = [parameter for parameter, _ in parameters]
            hint = did_you_mean(name, parameter_names) or f"give its initial value: {name}: 1.0"
            raise FormulaError(f"trainable: unknown parameter {name!r}", hint=hint)
    return names


def _check_names(what: str, names: Sequence[str], variables: Sequence[str]) -> None:
    """Raise a FormulaError for an invalid name or one that is already taken."""
    for position, name in enumerate(names):
        if isinstance(name, str) and iskeyword(name):
            raise FormulaError(
                f"{what} {name!r}: a Python keyword cannot be a name", hint=f"rename it to {name}_"
            )
        if not isinstance(name, str) or not name.isidentifier():
            raise FormulaError(
                f"invalid {what} name {name!r}",
                hint="a name has letters, digits and _, and does not start with a digit",
            )
        taken = {name: f"another {what}"} if name in names[:position] else {}
        taken |= dict.fromkeys(variables, "a variable") | dict.fromkeys(CONSTANTS, "a constant")
        taken |= dict.fromkeys(FUNCTIONS, "a function")
        if name in taken:
            raise FormulaError(f"{what} {name!r} has the name of {taken[name]}", hint="give it another name")


def _check_depends(graph: Graph, f: Node, variable: str) -> None:
    """Raise a FormulaError if a variable does not occur, or cancels as in h - h + beta."""
    if graph.variable(variable) not in reachable([f]):
        raise FormulaError(f"the formula does not depend on {variable}")


def _check_used(used: set[str], parameters: Sequence[tuple[str, float]]) -> None:
    """Raise a FormulaError for a parameter that the text does not use."""
    for name, _ in parameters:
        if name not in used:
            raise FormulaError(
                f"parameter {name!r} is not used in the formula",
                hint=did_you_mean(name, sorted(used)) or "remove it, or use it in the formula",
            )


def _known_from_output(graph: Graph, f: Node, y_hat: Node) -> dict[Node, Node]:
    """Return the nodes that follow from y_hat: f itself, and sigmoid(-g) = 1 - y_hat if f is sigmoid(g)."""
    known = {f: y_hat}
    if f.op == "sigmoid":
        known[reflected_sigmoid(graph, f)] = graph.intern("sum", 1.0, ((-1.0, y_hat),))
    return known

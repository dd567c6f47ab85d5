"""Formulas of activations, losses and update rules, compiled.

Parameters that are not trained are numbers to the compiler, so each set of values is a program of its own.
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
from cygd.components.formula.nodes import Node
from cygd.components.formula.parser import CONSTANTS, FUNCTIONS, parse
from cygd.components.formula.program import Program, assemble
from cygd.errors import FormulaError, did_you_mean

__all__ = ["ActivationPrograms", "LossPrograms", "compile_activation", "compile_loss", "compile_update"]


Result = TypeVar("Result")


class ActivationPrograms(NamedTuple):
    """An activation, compiled; uniforms are its trainable parameters.

    Attributes
    ----------
    forward : Program
        h -> y_hat.
    derivative : Program
        h, y_hat -> slope = f'(h).
    both : Program
        h -> y_hat, slope in one pass; the slope may take the place of h.
    gradient : Program or None
        h, y_hat -> slope and df/dp for each trainable parameter p, where there are any.
    """

    forward: Program
    derivative: Program
    both: Program
    gradient: Program | None


class LossPrograms(NamedTuple):
    """A loss, compiled: y, y_hat -> loss, and y, y_hat -> slope = d loss / d y_hat."""

    forward: Program
    derivative: Program


def compile_activation(
    text: str, parameters: Mapping[str, float] = {}, trainable: Sequence[str] = ()
) -> ActivationPrograms:
    """Return the programs of an activation y_hat = f(h).

    Parameters
    ----------
    text : str
        A formula in h and the parameters.
    parameters : mapping of str to float
        Every parameter with its value.
    trainable : sequence of str
        The parameters whose values come with each call.

    Raises
    ------
    FormulaError
        If it is no formula, names what there is not, leaves a parameter out or does not depend on h.

    Examples
    --------
    >>> compile_activation("h * sigmoid(beta * h)", {"beta": 1.0}).forward.body
    (('sigmoid', 2, 0), ('mul', 1, 0, 2))
    """
    if isinstance(trainable, str):
        trainable = (trainable,)
    trained = tuple(dict.fromkeys(normalize("NFKC", name) for name in trainable))
    return _compiled(_activation, _text(text), _checked(parameters), trained)


def compile_loss(text: str, parameters: Mapping[str, float] = {}) -> LossPrograms:
    """Return the programs of a loss of one element, a formula in y, y_hat and the parameters.

    Examples
    --------
    >>> compile_loss("(y - y_hat)**2").derivative.outputs
    ('slope',)
    """
    return _compiled(_loss, _text(text), _checked(parameters))


def compile_update(
    formulas: Mapping[str, str], state: Sequence[str] = (), parameters: Mapping[str, float] = {}
) -> Program:
    """Return the program of an update rule: a formula for w and one for each array of the state.

    They are computed in the order of the mapping, so that a formula sees the new values of those before
    it. Besides w, g and the state they know learning_rate, step (from 1) and the parameters.

    Examples
    --------
    >>> compile_update({"w": "w - learning_rate * g"}).body
    (('fnma', 2, 0, 3, 1),)
    """
    texts = tuple((name, _text(text, f"formula of {name!r}: ")) for name, text in formulas.items())
    return _compiled(_update, texts, tuple(state), _checked(parameters))


def _compiled(function: Callable[..., Result], *arguments: object) -> Result:
    """Return what a cached compilation gives, however deep the call already is."""
    try:
        return function(*arguments)
    except RecursionError:
        hint = "write it as a function in a plugin"
        raise FormulaError("the formula is nested too deeply", hint=hint) from None


def _text(formula: object, what: str = "") -> str:
    """Return a formula, which a cache cannot ask for if it is a list."""
    if not isinstance(formula, str):
        raise FormulaError(f"{what}a formula is text, found {type(formula).__name__}")
    return formula


def _checked(parameters: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Return the parameters as finite numbers: to a cache, True would be 1.0."""
    checked = []
    for name, value in parameters.items():
        try:
            number = math.nan if isinstance(value, bool | str | bytes) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        except OverflowError:  # a whole number that may be too long to be shown
            number = value = math.inf
        if not math.isfinite(number):
            raise FormulaError(f"the parameter {name!r} must be a finite number, found {value!r}")
        checked.append((normalize("NFKC", name) if isinstance(name, str) else name, number))
    return tuple(checked)


@lru_cache(maxsize=256)
def _activation(
    text: str, parameters: tuple[tuple[str, float], ...], trainable: tuple[str, ...]
) -> ActivationPrograms:
    graph = Graph()
    h, y_hat = graph.variable("h"), graph.variable("y_hat")
    names = _names(graph, ("h",), parameters, trainable, reserved=("y_hat",))
    f, used = parse(graph, text, names)
    _check_used(f, used, "h", [name for name, _ in parameters])
    slope = Derivative(graph, h).of(f)
    given = _given(graph, f, y_hat)
    gradient = None
    if trainable:
        slopes = [("slope", slope)]
        slopes += [(f"slope by {name}", Derivative(graph, names[name]).of(f)) for name in trainable]
        apart = [name for name, _ in slopes]
        gradient = assemble(graph, ("h", "y_hat"), trainable, slopes, given=given, apart=apart)
    return ActivationPrograms(
        assemble(graph, ("h",), trainable, [("y_hat", f)], beside=[slope]),
        assemble(graph, ("h", "y_hat"), trainable, [("slope", slope)], given=given),
        assemble(graph, ("h",), trainable, [("y_hat", f), ("slope", slope)], apart=("y_hat",)),
        gradient,
    )


@lru_cache(maxsize=64)
def _loss(text: str, parameters: tuple[tuple[str, float], ...]) -> LossPrograms:
    graph = Graph()
    names = _names(graph, ("y", "y_hat"), parameters)
    f, used = parse(graph, text, names)
    _check_used(f, used, "y_hat", [name for name, _ in parameters])
    slope = Derivative(graph, names["y_hat"]).of(f)
    return LossPrograms(
        assemble(graph, ("y", "y_hat"), (), [("loss", f)]),
        assemble(graph, ("y", "y_hat"), (), [("slope", slope)]),
    )


@lru_cache(maxsize=64)
def _update(
    formulas: tuple[tuple[str, str], ...], state: tuple[str, ...], parameters: tuple[tuple[str, float], ...]
) -> Program:
    graph = Graph()
    uniforms = ("learning_rate", "step")
    _check_names("the state", state, ("g", "w", *uniforms))
    names = _names(graph, ("g", "w", *state, *uniforms), parameters)
    results: dict[str, Node] = {}
    used: set[str] = set()
    for name, text in formulas:
        if name not in ("w", *state):
            hint = (
                did_you_mean(name, ["w", *state]) or "name it in state=[...] if it is kept from step to step"
            )
            raise FormulaError(f"a formula for {name!r}, which is neither w nor in the state", hint=hint)
        try:
            results[name], here = parse(graph, text, names)
        except FormulaError as error:
            raise FormulaError(f"formula of {name!r}: {error.message}", hint=error.hint) from None
        names[name] = results[name]
        used |= here
    missing = [name for name in ("w", *state) if name not in results]
    if missing:
        raise FormulaError(f"there is no formula for {missing[0]!r}", hint=f'add {{"{missing[0]}": "..."}}')
    _check_parameters(used, [name for name, _ in parameters])
    # state that has decayed below the normal numbers becomes 0: it would slow every step from then on
    outputs = [("w", results["w"]), *((name, graph.make("settle", results[name])) for name in state)]
    return assemble(graph, ("g", "w", *state), uniforms, outputs)


def _names(
    graph: Graph,
    variables: Sequence[str],
    parameters: Sequence[tuple[str, float]],
    trainable: Sequence[str] = (),
    reserved: Sequence[str] = (),
) -> dict[str, Node]:
    """Return what the names of a formula stand for."""
    _check_names("the parameter", [name for name, _ in parameters], (*variables, *reserved))
    names = {name: graph.variable(name) for name in variables}
    for name, value in parameters:
        names[name] = graph.variable(name) if name in trainable else graph.number(value)
    for name in trainable:
        if name not in names or name in variables:
            known = [parameter for parameter, _ in parameters]
            hint = did_you_mean(name, known) or f"give its first value: {name}: 1.0"
            raise FormulaError(f"trainable: there is no parameter {name!r}", hint=hint)
    return names


def _check_names(what: str, names: Sequence[str], variables: Sequence[str]) -> None:
    """Raise a FormulaError for a name that no formula could hold, or that stands for something else."""
    for place, name in enumerate(names):
        if isinstance(name, str) and iskeyword(name):
            raise FormulaError(
                f"{what} {name!r} has the name of a keyword of Python, which no formula can hold",
                hint=f"call it {name}_",
            )
        if not isinstance(name, str) or not name.isidentifier():
            raise FormulaError(
                f"{what} {name!r} has a name that cannot stand in a formula",
                hint="a name is made of letters, digits and _, and begins with no digit",
            )
        taken = {name: "another"} if name in names[:place] else {}
        taken |= dict.fromkeys(variables, "a variable") | dict.fromkeys(CONSTANTS, "a constant")
        taken |= dict.fromkeys(FUNCTIONS, "a function")
        if name in taken:
            raise FormulaError(f"{what} {name!r} has the name of {taken[name]}", hint="give it another name")


def _check_used(f: Node, used: set[str], variable: str, parameters: Sequence[str]) -> None:
    """Raise a FormulaError for a formula without its variable, or without one of its parameters."""
    if variable not in used or not _depends(f, variable):
        raise FormulaError(f"the formula does not depend on {variable}")
    _check_parameters(used, parameters)


def _depends(node: Node, variable: str) -> bool:
    """Return whether a variable is left in an expression: h - h + beta has none."""
    seen, stack = {node}, [node]
    while stack:
        node = stack.pop()
        if node.op == "variable" and node.data[0] == variable:
            return True
        parts = [part for part in node.parts if part not in seen]
        seen.update(parts)
        stack += parts
    return False


def _check_parameters(used: set[str], parameters: Sequence[str]) -> None:
    for name in parameters:
        if name not in used:
            raise FormulaError(
                f"the parameter {name!r} does not stand in the formula",
                hint=did_you_mean(name, sorted(used)) or "leave it out, or write it into the formula",
            )


def _given(graph: Graph, f: Node, y_hat: Node) -> dict[Node, Node]:
    """Return what the output already says: f itself, and 1 - f where it is a sigmoid."""
    given = {f: y_hat}
    if f.op == "sigmoid":
        mirrored = graph.make("sigmoid", graph.scale(-1.0, f.data[0]))
        given[mirrored] = graph.make("sum", 1.0, ((-1.0, y_hat),))
    return given

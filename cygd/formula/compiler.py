"""Formulas of activations, losses and update rules, compiled.

Parameters that are not trained are numbers to the compiler, so each set of values is a program of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from cygd.errors import FormulaError, did_you_mean
from cygd.formula.derivative import Derivative
from cygd.formula.graph import Graph
from cygd.formula.nodes import Node
from cygd.formula.parsing import CONSTANTS, FUNCTIONS, parse
from cygd.formula.program import Program, assemble

__all__ = ["ActivationPrograms", "LossPrograms", "compile_activation", "compile_loss", "compile_update"]


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
    return _activation(text, tuple(parameters.items()), tuple(trainable))


def compile_loss(text: str, parameters: Mapping[str, float] = {}) -> LossPrograms:
    """Return the programs of a loss of one element, a formula in y, y_hat and the parameters.

    Examples
    --------
    >>> compile_loss("(y - y_hat)**2").derivative.outputs
    ('slope',)
    """
    return _loss(text, tuple(parameters.items()))


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
    return _update(tuple(formulas.items()), tuple(state), tuple(parameters.items()))


@lru_cache(maxsize=256)
def _activation(
    text: str, parameters: tuple[tuple[str, float], ...], trainable: tuple[str, ...]
) -> ActivationPrograms:
    graph = Graph()
    h, y_hat = graph.variable("h"), graph.variable("y_hat")
    names = _names(graph, ("h",), parameters, trainable)
    f, used = parse(graph, text, names)
    _check_used(f, used, "h", [name for name, _ in parameters])
    slope = Derivative(graph, h).of(f)
    given = _given(graph, f, y_hat)
    gradient = None
    if trainable:
        slopes = {"slope": slope} | {name: Derivative(graph, names[name]).of(f) for name in trainable}
        gradient = assemble(graph, ("h", "y_hat"), trainable, slopes, given=given, apart=slopes)
    return ActivationPrograms(
        assemble(graph, ("h",), trainable, {"y_hat": f}),
        assemble(graph, ("h", "y_hat"), trainable, {"slope": slope}, given=given),
        assemble(graph, ("h",), trainable, {"y_hat": f, "slope": slope}, apart=("y_hat",)),
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
        assemble(graph, ("y", "y_hat"), (), {"loss": f}),
        assemble(graph, ("y", "y_hat"), (), {"slope": slope}),
    )


@lru_cache(maxsize=64)
def _update(
    formulas: tuple[tuple[str, str], ...], state: tuple[str, ...], parameters: tuple[tuple[str, float], ...]
) -> Program:
    graph = Graph()
    uniforms = ("learning_rate", "step")
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
    outputs = {"w": results["w"]} | {name: graph.make("settle", results[name]) for name in state}
    return assemble(graph, ("g", "w", *state), uniforms, outputs)


def _names(
    graph: Graph,
    variables: Sequence[str],
    parameters: Sequence[tuple[str, float]],
    trainable: Sequence[str] = (),
) -> dict[str, Node]:
    """Return what the names of a formula stand for."""
    names = {name: graph.variable(name) for name in variables}
    for name, value in parameters:
        taken = "a function" if name in FUNCTIONS else "a constant" if name in CONSTANTS else "a variable"
        if name in names or name in FUNCTIONS or name in CONSTANTS:
            raise FormulaError(f"the parameter {name!r} has the name of {taken}", hint="give it another name")
        names[name] = graph.variable(name) if name in trainable else graph.number(float(value))
    for name in trainable:
        if name not in names or name in variables:
            known = [parameter for parameter, _ in parameters]
            hint = did_you_mean(name, known) or f"give its first value: {name}: 1.0"
            raise FormulaError(f"trainable: there is no parameter {name!r}", hint=hint)
    return names


def _check_used(f: Node, used: set[str], variable: str, parameters: Sequence[str]) -> None:
    """Raise a FormulaError for a formula without its variable, or without one of its parameters."""
    if variable not in used or f.op == "number":
        raise FormulaError(f"the formula does not depend on {variable}")
    _check_parameters(used, parameters)


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

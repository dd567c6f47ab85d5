"""What a plugin has to offer: its hooks are looked at, its components collected and tried out.

Nothing is forgiven in silence: a hook that pluggy would ignore (misspelt, or without `@hookimpl`) and
a result that would fail much later (None, a wrong type, a wrong derivative) are errors here, and they
name the plugin, where it came from, the hook and the cause.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cygd.components import Component
from cygd.errors import describe_exception, did_you_mean, hint_of, source_file
from cygd.plugins import hookspecs
from cygd.plugins.builtins import KINDS
from cygd.plugins.component_checks import ComponentCheckError, check_component
from cygd.plugins.discovery import LoadedPlugin

__all__ = ["COMPONENT_HOOKS", "RUN_HOOKS", "collect", "hooks", "run_hooks"]

COMPONENT_HOOKS: dict[str, type[Component]] = {kind.hook: kind.component for kind in KINDS}

RUN_HOOKS: dict[str, tuple[str, ...]] = {  # and the arguments that each of them offers
    name: tuple(inspect.signature(getattr(hookspecs, name)).parameters)
    for name in ("cygd_run_start", "cygd_epoch_end", "cygd_run_end", "cygd_run_error")
}

Function = Callable[..., Any]


def hooks(found: LoadedPlugin) -> dict[str, Function]:
    """Return the hooks that a plugin implements, by name.

    Raises
    ------
    PluginError
        If a hook is misspelt, lacks `@hookimpl`, asks for arguments that no hook offers, or is a wrapper.
    """
    functions = {}
    for name, function in _functions(found.plugin).items():
        options = getattr(function, "cygd_impl", None)
        if options is None and name.startswith("cygd_"):
            raise found.error(
                f"function {name!r} has no @hookimpl, so it would never be called",
                "put @hookimpl above it (from cygd import hookimpl), or give it another name",
            )
        if options is not None:
            hook = options.get("specname") or name
            _check_options(found, hook, options)
            _check_signature(found, hook, function)
            functions[hook] = function
    return functions


def run_hooks(found: LoadedPlugin) -> dict[str, Function]:
    """Return the run hooks of the object that a logger built; here `@hookimpl` may be left out.

    Raises
    ------
    PluginError
        If it has none, or one that is misspelt or asks for arguments that its hook does not offer.
    """
    functions = {name: f for name, f in _functions(found.plugin).items() if name.startswith("cygd_")}
    for name, function in functions.items():
        if name not in RUN_HOOKS:
            raise found.error(f"a run has no hook {name!r}", did_you_mean(name, list(RUN_HOOKS)))
        _check_signature(found, name, function)
    if not functions:
        what = type(found.plugin).__name__
        raise found.error(
            f"its object ({what}) has no hook of a run, so it would log nothing", _known(RUN_HOOKS)
        )
    return functions


def collect(found: LoadedPlugin, implemented: Mapping[str, Function]) -> list[Component]:
    """Return the components that a plugin gives, each of them tried out.

    Raises
    ------
    PluginError
        If a hook raises, returns something else, gives one name twice, or a component does not work.
    """
    components = []
    for hook, kind in COMPONENT_HOOKS.items():
        if hook in implemented:
            components += _call(found, hook, implemented[hook], kind)
    if not components and not RUN_HOOKS.keys() & implemented.keys():
        raise found.error(
            "registers nothing: it has no hook that gives a component or listens to a run",
            f"the hooks are {', '.join([*COMPONENT_HOOKS, *RUN_HOOKS])}",
        )
    return components


def _functions(plugin: object) -> dict[str, Function]:
    """Return the functions and methods of a plugin by name, without running any property."""
    names = [name for name in dir(plugin) if not name.startswith("__")]
    found = {name: inspect.getattr_static(plugin, name, None) for name in names}
    kinds = (classmethod, staticmethod)
    return {
        n: getattr(plugin, n)
        for n, value in found.items()
        if inspect.isroutine(value) or isinstance(value, kinds)
    }


def _known(names: Iterable[str]) -> str:
    return f"the hooks are {', '.join(names)}"


def _check_options(found: LoadedPlugin, hook: str, options: Mapping[str, Any]) -> None:
    known = [*COMPONENT_HOOKS, *RUN_HOOKS]
    if hook not in known:
        raise found.error(f"unknown hook {hook!r}", did_you_mean(hook, known) or _known(known))
    if options.get("wrapper") or options.get("hookwrapper"):
        raise found.error(f"hook {hook}: a wrapper is not possible, hooks are called one by one")


def _check_signature(found: LoadedPlugin, hook: str, function: Function) -> None:
    """Refuse a hook that asks for an argument nobody will give it."""
    offered = RUN_HOOKS.get(hook, ())
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature: what it wants shows when it is called
        return
    for parameter in parameters:
        needed = parameter.default is parameter.empty
        packed = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if needed and not packed and parameter.name not in offered:
            there = f"offers only {', '.join(offered)}" if offered else "takes no arguments"
            hint = did_you_mean(parameter.name, offered)
            raise found.error(f"hook {hook}: unknown argument {parameter.name!r}; the hook {there}", hint)


def _call(found: LoadedPlugin, hook: str, function: Function, kind: type[Component]) -> list[Component]:
    """Call one hook that gives components, and check and try what it gives."""
    try:
        given = function()
        listed = (
            list(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes) else [given]
        )
    except (Exception, SystemExit) as error:
        raise found.error(
            f"hook {hook}: {describe_exception(error, source_file(function))}", hint_of(error)
        ) from error
    for component in listed:
        if not isinstance(component, kind):
            raise found.error(f"hook {hook}: {_wrong_type(component, kind)}", _right_hook(component))
    for component in listed:
        if [other.name for other in listed].count(component.name) > 1:
            raise found.error(f"hook {hook}: gives {component.name!r} twice")
        try:
            check_component(component)
        except ComponentCheckError as problem:
            raise found.error(f"hook {hook}: {problem.message}", problem.hint) from problem
    return listed


def _wrong_type(given: object, kind: type[Component]) -> str:
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    wanted = f"{article} {kind.__name__}"
    if given is None:
        return f"gave None, not {wanted}: is there a `return` or `yield`?"
    if isinstance(given, type):
        return f"gave the class {given.__name__}, not {wanted}"
    return f"gave {given!r} ({type(given).__name__}), not {wanted}"


def _right_hook(given: object) -> str | None:
    for hook, kind in COMPONENT_HOOKS.items():
        if isinstance(given, kind):
            return f"{hook} is the hook for it"
    return None

"""Registration of a plugin: its hooks are validated, its components collected and checked.

pluggy would ignore a misspelled hook or one without `@hookimpl`, and an invalid component (None, a wrong
type, a wrong derivative) would fail much later. Here both are errors that name the plugin, its origin, the
hook and the cause.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import FunctionType, MethodType
from typing import Any

from cygd.components import Component
from cygd.errors import describe_exception, did_you_mean, hint_of, source_file
from cygd.plugins import hookspecs
from cygd.plugins.builtins import KINDS
from cygd.plugins.component_checks import ComponentCheckError, check_component
from cygd.plugins.discovery import LoadedPlugin

COMPONENT_HOOKS: dict[str, type[Component]] = {kind.hook: kind.component for kind in KINDS}

# hook -> the arguments of its specification
RUN_HOOKS: dict[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(getattr(hookspecs, name)).parameters)
    for name in ("cygd_run_start", "cygd_epoch_end", "cygd_epochs_end", "cygd_run_end", "cygd_run_error")
}
HOOKS = [*COMPONENT_HOOKS, *RUN_HOOKS]

Function = Callable[..., Any]


def collect_hooks(loaded: LoadedPlugin) -> dict[str, Function]:
    """Return the hooks that a plugin implements, by name; raise a PluginError for an invalid one."""
    implemented = {}
    for name, function in _functions(loaded.plugin).items():
        options = getattr(function, "cygd_impl", None)
        if options is None and name.startswith("cygd_"):
            raise loaded.error(
                f"function {name!r} has no @hookimpl, so it would never be called",
                "put @hookimpl above it (from cygd import hookimpl), or rename it",
            )
        if options is not None:
            hook = options.get("specname") or name
            if hook not in HOOKS:
                raise loaded.error(f"unknown hook {hook!r}", did_you_mean(hook, HOOKS) or _list_hooks(HOOKS))
            if options.get("wrapper") or options.get("hookwrapper"):
                raise loaded.error(f"hook {hook}: wrappers are not supported, hooks are called one by one")
            _check_signature(loaded, hook, function)
            implemented[hook] = function
    return implemented


def collect_run_hooks(loaded: LoadedPlugin) -> dict[str, Function]:
    """Return the run hooks of an object that a logger built; `@hookimpl` is optional here."""
    implemented = _functions(loaded.plugin, "cygd_")
    for name, function in implemented.items():
        if name not in RUN_HOOKS:
            raise loaded.error(f"unknown run hook {name!r}", did_you_mean(name, list(RUN_HOOKS)))
        _check_signature(loaded, name, function)
    if not implemented:
        kind = type(loaded.plugin).__name__
        raise loaded.error(
            f"object of type {kind} has no run hook, so it would log nothing", _list_hooks(RUN_HOOKS)
        )
    return implemented


def collect_components(loaded: LoadedPlugin, implemented: Mapping[str, Function]) -> list[Component]:
    """Return the components that a plugin registers, after checking each."""
    components = []
    for hook, cls in COMPONENT_HOOKS.items():
        if hook in implemented:
            components += _call(loaded, hook, implemented[hook], cls)
    if not components and not RUN_HOOKS.keys() & implemented.keys():
        raise loaded.error(
            "registers nothing: it implements no component hook and no run hook", _list_hooks(HOOKS)
        )
    return components


def _functions(plugin: object, prefix: str = "") -> dict[str, Function]:
    """Return the functions and methods of a plugin by name, without evaluating properties."""
    names = [name for name in dir(plugin) if name.startswith(prefix) and not name.startswith("__")]
    static = {name: inspect.getattr_static(plugin, name, None) for name in names}
    return {
        name: getattr(plugin, name)
        for name, value in static.items()
        if inspect.isroutine(value) or isinstance(value, classmethod | staticmethod)
    }


def _list_hooks(names: Iterable[str]) -> str:
    return f"the hooks are {', '.join(names)}"


def _check_signature(loaded: LoadedPlugin, hook: str, function: Function) -> None:
    """Raise a PluginError if a hook requires an argument that its specification does not have."""
    known = RUN_HOOKS.get(hook, ())
    for parameter in _parameters(function):
        required = parameter.default is parameter.empty
        variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if required and not variadic and parameter.name not in known:
            accepted = f"expected {', '.join(known)}" if known else "the hook takes no arguments"
            hint = did_you_mean(parameter.name, known)
            raise loaded.error(f"hook {hook}: unknown argument {parameter.name!r}; {accepted}", hint)


def argument_names(hook: str, function: Function) -> list[str]:
    """Return the arguments of a run hook that an implementation accepts; all of them if it has `**kwargs`."""
    parameters = _parameters(function)
    variadic = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    names = {parameter.name for parameter in parameters}
    return [name for name in RUN_HOOKS[hook] if variadic or name in names]


def _parameters(function: Function) -> tuple[inspect.Parameter, ...]:
    """Return the parameters of a function; none for a compiled one, which fails when it is called."""
    if isinstance(function, MethodType) and isinstance(function.__func__, FunctionType):
        return _method_parameters(function.__func__)
    try:
        return tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return ()


@lru_cache(128)  # the loggers of every run have the same methods
def _method_parameters(function: FunctionType) -> tuple[inspect.Parameter, ...]:
    return tuple(inspect.signature(MethodType(function, object())).parameters.values())


def _call(loaded: LoadedPlugin, hook: str, function: Function, cls: type[Component]) -> list[Component]:
    """Call a component hook and check what it returns."""
    try:
        result = function()
        several = isinstance(result, Iterable) and not isinstance(result, str | bytes)
        components = list(result) if several else [result]
    except (Exception, SystemExit) as error:
        raise loaded.error(
            f"hook {hook}: {describe_exception(error, source_file(function))}", hint_of(error)
        ) from error
    for component in components:
        if not isinstance(component, cls):
            raise loaded.error(f"hook {hook}: {_wrong_type(component, cls)}", _other_hook(component))
    names = [component.name for component in components]
    for component in components:
        if names.count(component.name) > 1:
            raise loaded.error(f"hook {hook}: returned {component.name!r} twice")
        try:
            check_component(component)
        except ComponentCheckError as error:
            raise loaded.error(f"hook {hook}: {error.message}", error.hint) from error
    return components


def _wrong_type(value: object, cls: type[Component]) -> str:
    expected = f"expected {'an' if cls.__name__[0] in 'AEIOU' else 'a'} {cls.__name__}"
    if value is None:
        return f"{expected}, got None: is a `return` or `yield` missing?"
    if isinstance(value, type):
        return f"{expected}, got the class {value.__name__}"
    return f"{expected}, got {value!r} ({type(value).__name__})"


def _other_hook(value: object) -> str | None:
    """Return a hint with the hook that a component of another kind belongs to."""
    for hook, cls in COMPONENT_HOOKS.items():
        if isinstance(value, cls):
            return f"{cls.__name__} belongs to the hook {hook}"
    return None

"""The registry of plugins: who gives which component, and who listens to a run.

This is the only file that touches pluggy's PluginManager. Hooks are called one implementation at a
time instead of all by one call, so that every error can name its plugin and one that fails does not
take the others with it.

How severe trouble is depends on who asked. A plugin that the user names must work, or nothing runs.
An entry point that happens to be installed is reported and left out; it is remembered as broken, for
the hint of an experiment that misses one of its components.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from cygd.components import Component, UnknownComponentError
from cygd.components.from_formula import component_from_formula
from cygd.errors import CygdError, PluginError, describe_exception, did_you_mean, hint_of, source_file
from cygd.plugins import hookspecs
from cygd.plugins.builtins import BUILT_IN_PLUGIN
from cygd.plugins.discovery import (
    LoadedPlugin,
    Request,
    environment_requests,
    installed_entry_points,
    is_blocked,
    load,
    matches,
    module_files,
)
from cygd.plugins.registration import RUN_HOOKS, collect, hooks, run_hooks

if TYPE_CHECKING:
    from cygd.tracking.results import Result, Run

__all__ = ["BrokenPlugin", "Entry", "Plugins", "Request"]

log = logging.getLogger("cygd")

BUILT_IN = "cygd"


@dataclass(frozen=True)
class Entry:
    """A component with the plugin that gives it, and where that came from."""

    component: Component
    plugin: str
    origin: str


@dataclass(frozen=True)
class BrokenPlugin:
    """An installed plugin that could not be used, and why."""

    plugin: str
    error: PluginError


class Plugins:
    """All components and listeners there are, by way of the plugins that give them.

    Attributes
    ----------
    entries : list of Entry
        The components, in the order in which their plugins were loaded.
    broken : list of BrokenPlugin
        The entry points that were left out.
    files : list of Path
        The .py files that were asked for, in order. A second plugin of one name is called NAME-2, and so
        on: copies that are named in the same way keep every `plugin:name` of an experiment valid.
    modules : list of str
        The modules and entry points that were asked for by name.
    blocked : list of str
        The names that `no:NAME` keeps out.

    Examples
    --------
    >>> plugins = Plugins.load(environment={"CYGD_DISABLE_PLUGIN_AUTOLOAD": "1"})
    >>> plugins.get("activation", "tanh")
    Activation('tanh')
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.broken: list[BrokenPlugin] = []
        self.files: list[Path] = []
        self.modules: list[str] = []
        self.blocked: list[str] = []
        self._manager = _Manager("cygd")
        self._manager.add_hookspecs(hookspecs)
        self._found: dict[str, LoadedPlugin] = {}
        self._first: set[str] = set()  # called before all others
        self._silenced: set[str] = set()
        self._told: set[tuple[str, str]] = set()
        self._ready: dict[
            str, list[_Call]
        ] = {}  # who is called by which hook, as long as nobody comes or goes

    @classmethod
    def load(
        cls, requests: Iterable[Request] = (), *, environment: Mapping[str, str] | None = None
    ) -> Plugins:
        """Load the built-ins, the installed plugins, those of CYGD_PLUGINS, and those that are asked for.

        Parameters
        ----------
        requests : iterable of Request
            The plugins of `-p` and of the experiment.
        environment : mapping, optional
            Where CYGD_PLUGINS and CYGD_DISABLE_PLUGIN_AUTOLOAD stand; `os.environ` by default.

        Raises
        ------
        PluginError
            If a plugin that is asked for cannot be found, imported or used.
        """
        environment = os.environ if environment is None else environment
        asked = [*environment_requests(environment), *requests]
        for request in asked:
            _check(request)
        blocks = {request.text: request for request in asked if request.blocks}
        wanted = [request for request in asked if not request.blocks]
        points = installed_entry_points()

        plugins = cls()
        plugins.blocked = list(blocks)
        plugins._register(LoadedPlugin(BUILT_IN, "built-in", BUILT_IN_PLUGIN))
        if environment.get("CYGD_DISABLE_PLUGIN_AUTOLOAD", "") in ("", "0"):
            plugins._load_installed([p for p in points if not any(matches(text, p) for text in blocks)])
        kept_out = [request for request in wanted if is_blocked(request, blocks, points)]
        plugins._load_requested([request for request in wanted if request not in kept_out], points)
        for text, block in blocks.items():
            alone = {text: block}
            if not any(matches(text, point) for point in points) and not any(
                is_blocked(request, alone, points) for request in kept_out
            ):
                log.warning("%s: no:%s keeps nothing out: there is no plugin %r", block.source, text, text)
        return plugins

    def get(self, kind: str, name: str) -> Component:
        """Return a component by its name, or by `plugin:name` where several plugins give the name.

        Raises
        ------
        UnknownComponentError
            If nobody gives it.
        PluginError
            If two plugins give it and the name does not say whose.
        """
        return self.entry(kind, name).component

    def entry(self, kind: str, name: str) -> Entry:
        """Return a component with who gives it; it is found, or not, as by `get`."""
        plugin, _, bare = name.rpartition(":")
        same = [
            entry for entry in self.entries if entry.component.kind == kind and entry.component.name == bare
        ]
        found = [entry for entry in same if plugin in ("", entry.plugin)]
        if not found:
            raise self._unknown(kind, name)
        if len(found) > 1:
            givers = " and ".join(str(self._found[entry.plugin]) for entry in found)
            choices = " or ".join(repr(f"{entry.plugin}:{bare}") for entry in found)
            what = f"{kind.replace('_', ' ')} {bare!r} is given by {len(found)} plugins"
            raise PluginError(f"{what}: {givers}", hint=f"write {choices}")
        return found[0]

    def find(self, name: str) -> list[Entry]:
        """Return the components of a name, one of each kind that has it.

        Raises
        ------
        UnknownComponentError, PluginError
            As by `get`.
        """
        plugin, _, bare = name.rpartition(":")
        kinds = dict.fromkeys(
            entry.component.kind
            for entry in self.entries
            if entry.component.name == bare and plugin in ("", entry.plugin)
        )
        if not kinds:
            raise self._unknown("component", name)
        return [self.entry(kind, name) for kind in kinds]

    def from_formula(self, kind: str, spec: Mapping[str, object]) -> Component:
        """Return the component that a mapping with a formula describes."""
        return component_from_formula(kind, spec)

    def names(self, kind: str) -> list[str]:
        """Return the names of all components of a kind, each once, in the order of loading."""
        return list(dict.fromkeys(e.component.name for e in self.entries if e.component.kind == kind))

    def sources(self, used: Container[str]) -> dict[str, Path]:
        """Return the files of the modules that were asked for, or are used, by names that do not move.

        Parameters
        ----------
        used : container of str
            The names of plugins that count although nobody has asked for them.
        """
        others = [each for each in self._found.values() if each.role == "plugin" and each.name != BUILT_IN]
        wanted = [each for each in others if each.source or each.name in used]
        files = {name: path for each in wanted for name, path in module_files(each.plugin).items()}
        return {name: path for name, path in files.items() if path not in self.files}

    # -- the life of a run --------------------------------------------------------------------------

    @contextmanager
    def with_objects(self, *objects: object, first: Sequence[object] = ()) -> Iterator[Plugins]:
        """Register the objects that loggers built as listeners, within a `with` block.

        A listener that failed and was disabled within the block is enabled again after it.

        Parameters
        ----------
        objects : object
            Called after the plugins, in this order.
        first : sequence of object
            Called before everything else, so that what they write exists when a later listener fails.

        Raises
        ------
        PluginError
            If an object has no run hook, or one that is misspelt.
        """
        added: list[_Listener] = []
        try:
            for thing in (*first, *objects):
                name, module = type(thing).__name__, type(thing).__module__
                origin = getattr(sys.modules.get(module), "__file__", None) or f"module {module}"
                found = LoadedPlugin(self._free(name), origin, thing, role="logger")
                listener = _Listener(run_hooks(found))
                self._found[found.name] = found
                self._manager.register(listener, found.name)
                added.append(listener)
                if thing in first:
                    self._first.add(found.name)
            self._ready.clear()
            yield self
        finally:
            for listener in added:
                del self._found[str(self._manager.get_name(listener))]
                self._manager.unregister(listener)
            self._first.clear()
            self._silenced.clear()
            self._told.clear()
            self._ready.clear()

    @property
    def listens(self) -> bool:
        """Whether anybody wants to hear of every epoch."""
        return bool(self._calls("cygd_epoch_end"))

    def run_start(self, run: Run) -> None:
        """Tell all listeners that a run starts."""
        self._tell("cygd_run_start", lambda: {"run": run})

    def epoch_end(self, run: Run, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Tell all listeners that an epoch ended; return whether one of them says "stop"."""
        # each gets a copy, so that what one of them does to it reaches nobody else
        answers = self._tell("cygd_epoch_end", lambda: {"run": run, "epoch": epoch, "metrics": dict(metrics)})
        return "stop" in answers

    def run_end(self, run: Run, result: Result) -> None:
        """Tell all listeners that a run ended."""
        self._tell("cygd_run_end", lambda: {"run": run, "result": result})

    def run_error(self, run: Run, error: BaseException) -> None:
        """Tell all listeners that a run failed."""
        self._tell("cygd_run_error", lambda: {"run": run, "error": error})

    # -- loading ------------------------------------------------------------------------------------

    def _load_installed(self, points: Sequence[EntryPoint]) -> None:
        for point in points:
            try:
                self._register(load(point))
            except PluginError as error:
                self.broken.append(BrokenPlugin(point.name, error))
                log.warning("%s; it is left out", error.message, extra={"hint": error.hint})
                log.debug("why %s is left out", point.name, exc_info=error)

    def _load_requested(self, requests: Sequence[Request], points: Sequence[EntryPoint]) -> None:
        by_name = {point.name: point for point in reversed(points)}
        for request in requests:
            if request.path is None:
                self._register(load(request, by_name))
                if request.text not in self.modules:
                    self.modules.append(request.text)
            elif request.path not in self.files:
                self._register(load(request))
                self.files.append(request.path)

    def _register(self, found: LoadedPlugin) -> None:
        """Take a plugin's hooks and components, all of them or none."""
        if any(found.plugin is other.plugin for other in self._found.values()):
            return
        found = replace(found, name=self._free(found.name))
        implemented = hooks(found)
        components = collect(found, implemented)
        self._manager.register(found.plugin, found.name)
        self._found[found.name] = found
        self._ready.clear()
        self.entries += [Entry(component, found.name, found.origin) for component in components]

    def _free(self, name: str) -> str:
        """Return a name that no plugin has yet: NAME, NAME-2, NAME-3, ..."""
        number, free = 1, name
        while free in self._found:
            number += 1
            free = f"{name}-{number}"
        return free

    def _unknown(self, kind: str, name: str) -> CygdError:
        """Return the error for a component that nobody gives, with a hint at what may be missing."""
        plugin, _, bare = name.rpartition(":")
        for broken in self.broken:
            if plugin == broken.plugin:
                return PluginError(f"{name!r} cannot be used: {broken.error.message}", hint=broken.error.hint)
        if plugin and plugin not in self._found:
            near = did_you_mean(plugin, list(self._found))
            return PluginError(f"{name!r}: there is no plugin {plugin!r}", hint=near)
        known = [
            e.component.name
            for e in self.entries
            if kind in ("component", e.component.kind) and plugin in ("", e.plugin)
        ]
        error = UnknownComponentError(kind, bare, list(dict.fromkeys(known)))
        if self.broken:
            left_out = ", ".join(broken.plugin for broken in self.broken)
            error.hint = f"{error.hint}; plugins that could not be loaded: {left_out}"
        return error

    # -- calling ------------------------------------------------------------------------------------

    def _calls(self, hook: str) -> list[_Call]:
        """Return what a hook calls: the tryfirst ones, the others as they were loaded, the trylast."""
        if hook not in self._ready:
            found = [
                implementation
                for implementation in getattr(self._manager.hook, hook).get_hookimpls()
                if implementation.plugin_name not in self._silenced
            ]
            found.sort(
                key=lambda each: (each.plugin_name not in self._first, not each.tryfirst, each.trylast)
            )
            self._ready[hook] = [
                _Call(
                    self._found[each.plugin_name],
                    each.function,
                    [name for name in RUN_HOOKS[hook] if name in (*each.argnames, *each.kwargnames)],
                )
                for each in found
            ]
        return self._ready[hook]

    def _tell(self, hook: str, arguments: Callable[[], Mapping[str, object]]) -> list[object]:
        """Call the implementations of a hook one by one and return what they answer."""
        answers = []
        for found, function, names in self._calls(hook):
            given = arguments()
            try:
                if len(names) < len(given):
                    given = {name: given[name] for name in names}
                answer = function(**given)
            except (Exception, SystemExit) as error:
                self._silence(found, hook, error, function)
                continue
            answers.append(answer)
            if answer is not None and not (hook == "cygd_epoch_end" and answer == "stop"):
                self._tell_once(found, hook, answer)
        return answers

    def _silence(self, found: LoadedPlugin, hook: str, error: BaseException, function: object) -> None:
        self._silenced.add(found.name)
        self._ready.clear()
        why = describe_exception(error, source_file(function))
        words = "%s, hook %s failed: %s; it is switched off, the run goes on"
        log.warning(words, found, hook, why, extra={"hint": hint_of(error)})
        log.debug("traceback of %s", found, exc_info=error)

    def _tell_once(self, found: LoadedPlugin, hook: str, answer: object) -> None:
        if (found.name, hook) not in self._told:
            self._told.add((found.name, hook))
            allowed = 'only "stop" and None mean something' if hook == "cygd_epoch_end" else "nobody reads it"
            log.warning("%s, hook %s returned %.100r; %s", found, hook, answer, allowed)


class _Call(NamedTuple):
    """One implementation of a hook, and the arguments that it asks for."""

    found: LoadedPlugin
    function: Callable[..., object]
    names: list[str]


class _Listener:
    """The run hooks of one object.

    pluggy takes objects that compare equal for one plugin, and wants them hashable; a logger may be a
    dataclass that is neither.
    """

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        for name, function in functions.items():
            setattr(self, name, function)


class _Manager(pluggy.PluginManager):
    """A PluginManager that takes the methods of a `_Listener` for hooks, with `@hookimpl` or without."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """Return the options of a hook implementation, or None for any other attribute."""
        options = super().parse_hookimpl_opts(plugin, name)
        if options is None and isinstance(plugin, _Listener) and name in RUN_HOOKS:
            return {}
        return options


def _check(request: Request) -> None:
    """Refuse a request that means nothing."""
    if not request.text:
        raise PluginError(f"{request.source}: {request.name_or_path!r} names no plugin")
    if request.blocks and request.text == BUILT_IN:
        raise PluginError(f"{request.source}: {request.name_or_path!r}: the built-ins cannot be kept out")

"""The plugin manager: looks up components and calls the hooks of a run.

Only this file and `hookspecs` use pluggy. Hooks are called one implementation at a time instead of all in one
call, so that every error can name its plugin and a failing plugin does not affect the others.

A plugin that the user requests must load, or nothing runs. An installed entry point that fails is reported
and left out; the manager remembers it for the hint about a component that may be missing because of it.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pluggy

from cygd.components import Component, UnknownComponentError, kind_label
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
from cygd.plugins.registration import (
    RUN_HOOKS,
    argument_names,
    collect_components,
    collect_hooks,
    collect_run_hooks,
)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from cygd.network.epoch_rows import EpochRows
    from cygd.tracking.results import Result, Run

log = logging.getLogger("cygd")

BUILT_IN = "cygd"
MAY_STOP = ("cygd_epoch_end", "cygd_epochs_end")  # hooks that may return "stop"


@dataclass(frozen=True)
class Entry:
    """A component with the name and the origin of its plugin."""

    component: Component
    plugin: str
    origin: str


@dataclass(frozen=True)
class BrokenPlugin:
    """An installed plugin that failed to load, with the error."""

    plugin: str
    error: PluginError


class Plugins:
    """The loaded plugins: their components, and their hooks as listeners of runs.

    A second plugin of the same name is called NAME-2, and so on; copies of files requested in the same order
    keep every `plugin:name` of an experiment valid.

    Examples
    --------
    >>> plugins = Plugins.load(environment={"CYGD_DISABLE_PLUGIN_AUTOLOAD": "1"})
    >>> plugins.get("activation", "tanh")
    Activation('tanh')
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []  # the components, in the order of loading
        self._by_name: dict[str, list[Entry]] = {}
        self.broken: list[BrokenPlugin] = []
        self.files: list[Path] = []  # the requested .py files, in order
        self.modules: list[str] = []  # the modules and entry points requested by name
        self.blocked: list[str] = []  # the names of `no:NAME`
        self._manager = pluggy.PluginManager("cygd")
        self._manager.add_hookspecs(hookspecs)
        self._loaded: dict[str, LoadedPlugin] = {}
        self._listeners: list[_Listener] = []  # of the current run
        self._disabled: set[str] = set()
        self._warned: set[tuple[str, str]] = set()  # plugin and hook of ignored return values
        self._calls_by_hook: dict[str, list[_Call]] = {}  # cache, cleared when plugins change

    @classmethod
    def load(
        cls, requests: Iterable[Request] = (), *, environment: Mapping[str, str] | None = None
    ) -> Plugins:
        """Load the built-ins, the installed plugins, those of CYGD_PLUGINS and the requested ones.

        A requested plugin that cannot be found, imported or used raises a PluginError.
        """
        environment = os.environ if environment is None else environment
        all_requests = [*environment_requests(environment), *requests]
        for request in all_requests:
            _check(request)
        blocks = {request.target: request for request in all_requests if request.blocks}
        wanted = [request for request in all_requests if not request.blocks]
        points = installed_entry_points()

        plugins = cls()
        plugins.blocked = list(blocks)
        plugins._register(LoadedPlugin(BUILT_IN, "built-in", BUILT_IN_PLUGIN))
        if environment.get("CYGD_DISABLE_PLUGIN_AUTOLOAD", "") in ("", "0"):
            plugins._load_installed([p for p in points if not any(matches(name, p) for name in blocks)])
        blocked = [request for request in wanted if is_blocked(request, blocks, points)]
        plugins._load_requested([request for request in wanted if request not in blocked], points)
        for name, block in blocks.items():
            installed = any(matches(name, point) for point in points)
            if not installed and not any(is_blocked(request, {name: block}, points) for request in blocked):
                log.warning("%s: no:%s blocks nothing: no plugin is named %r", block.source, name, name)
        return plugins

    def for_run(self) -> Plugins:
        """Return the same plugins with listeners of their own, for a run beside others of this process."""
        plugins = copy(self)
        plugins._loaded = dict(self._loaded)
        plugins._listeners, plugins._disabled, plugins._warned = [], set(), set()
        plugins._calls_by_hook = {}
        return plugins

    def get(self, kind: str, name: str) -> Component:
        """Return a component by name, or by `plugin:name` if several plugins register the name."""
        return self.entry(kind, name).component

    def entry(self, kind: str, name: str) -> Entry:
        """Return a component with its plugin; raise an UnknownComponentError, or a PluginError if several."""
        plugin, _, bare = name.rpartition(":")
        matching = [entry for entry in self._named(bare, plugin) if entry.component.kind == kind]
        if not matching:
            raise self._unknown(kind, name)
        if len(matching) > 1:
            origins = " and ".join(str(self._loaded[entry.plugin]) for entry in matching)
            choices = " or ".join(repr(f"{entry.plugin}:{bare}") for entry in matching)
            raise PluginError(
                f"{kind_label(kind)} {bare!r} is registered by {len(matching)} plugins: {origins}",
                hint=f"write {choices}",
            )
        return matching[0]

    def find(self, name: str) -> list[Entry]:
        """Return the components of a name, one of each kind that has it."""
        plugin, _, bare = name.rpartition(":")
        kinds = dict.fromkeys(entry.component.kind for entry in self._named(bare, plugin))
        if not kinds:
            raise self._unknown("component", name)
        return [self.entry(kind, name) for kind in kinds]

    def _named(self, name: str, plugin: str) -> list[Entry]:
        """Return the components of a name, of one plugin or (plugin "") of all."""
        return [entry for entry in self._by_name.get(name, ()) if plugin in ("", entry.plugin)]

    def from_formula(self, kind: str, spec: Mapping[str, object]) -> Component:
        """Return the component that a mapping with a formula describes."""
        return component_from_formula(kind, spec)

    def names(self, kind: str) -> list[str]:
        """Return the names of all components of a kind, each once, in the order of loading."""
        return list(dict.fromkeys(e.component.name for e in self.entries if e.component.kind == kind))

    def sources(self, used: Container[str]) -> dict[str, Path]:
        """Return the files of the requested and the used modules, by names that do not depend on folders."""
        files = {}
        for loaded in self._loaded.values():
            if loaded.role == "plugin" and loaded.name != BUILT_IN and (loaded.source or loaded.name in used):
                files.update(module_files(loaded.plugin))
        return {name: path for name, path in files.items() if path not in self.files}

    # -- run hooks ----------------------------------------------------------------------------------

    @contextmanager
    def with_objects(self, *objects: object, first: Sequence[object] = ()) -> Iterator[Plugins]:
        """Register the objects that loggers built as listeners, within a `with` block.

        Those in `first` are called before everything else, so that what they write exists when a later
        listener fails; the others after the plugins. A disabled listener is enabled again after the block.
        """
        try:
            for index, thing in enumerate([*first, *objects]):
                name, module = type(thing).__name__, type(thing).__module__
                origin = getattr(sys.modules.get(module), "__file__", None) or f"module {module}"
                loaded = LoadedPlugin(self._unique_name(name), origin, thing, role="logger")
                self._listeners.append(_Listener(loaded, collect_run_hooks(loaded), index < len(first)))
                self._loaded[loaded.name] = loaded
            self._calls_by_hook.clear()
            yield self
        finally:
            for listener in self._listeners:
                del self._loaded[listener.loaded.name]
            self._listeners.clear()
            self._disabled.clear()
            self._warned.clear()
            self._calls_by_hook.clear()

    @property
    def shared_listeners(self) -> bool:
        """Whether modules, which all runs of a process share, implement hooks of a run."""
        files = set(map(str, self.files))  # executed anew whenever plugins are loaded
        return any(
            self._loaded[each.plugin_name].origin not in files
            for hook in RUN_HOOKS
            for each in getattr(self._manager.hook, hook).get_hookimpls()
        )

    @property
    def listens(self) -> bool:
        """Whether any plugin or logger follows the epochs."""
        return bool(self.needs_every_epoch or self._calls("cygd_epochs_end"))

    @property
    def needs_every_epoch(self) -> bool:
        """Whether any plugin or logger implements `cygd_epoch_end`."""
        return bool(self._calls("cygd_epoch_end"))

    def run_start(self, run: Run) -> None:
        """Call `cygd_run_start`."""
        self._call_all("cygd_run_start", lambda: {"run": run})

    def epochs_end(self, run: Run, rows: EpochRows) -> bool:
        """Call `cygd_epochs_end`; return True if a listener returns "stop"."""
        return "stop" in self._call_all("cygd_epochs_end", lambda: {"run": run, "rows": rows})

    def epoch_end(self, run: Run, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Call `cygd_epoch_end`; return True if a listener returns "stop"."""
        # each listener gets a copy, so that its changes do not reach the others
        results = self._call_all(
            "cygd_epoch_end", lambda: {"run": run, "epoch": epoch, "metrics": dict(metrics)}
        )
        return "stop" in results

    def run_end(self, run: Run, result: Result) -> None:
        """Call `cygd_run_end`."""
        self._call_all("cygd_run_end", lambda: {"run": run, "result": result})

    def run_error(self, run: Run, error: BaseException) -> None:
        """Call `cygd_run_error`."""
        self._call_all("cygd_run_error", lambda: {"run": run, "error": error})

    # -- loading ------------------------------------------------------------------------------------

    def _load_installed(self, points: Sequence[EntryPoint]) -> None:
        for point in points:
            try:
                self._register(load(point))
            except PluginError as error:
                self.broken.append(BrokenPlugin(point.name, error))
                log.warning("%s; the plugin is left out", error.message, extra={"hint": error.hint})
                log.debug("traceback of %s", point.name, exc_info=error)

    def _load_requested(self, requests: Sequence[Request], points: Sequence[EntryPoint]) -> None:
        by_name = {point.name: point for point in reversed(points)}
        for request in requests:
            if request.path is None:
                self._register(load(request, by_name))
                if request.target not in self.modules:
                    self.modules.append(request.target)
            elif request.path not in self.files:
                self._register(load(request))
                self.files.append(request.path)

    def _register(self, loaded: LoadedPlugin) -> None:
        """Register the hooks and components of a plugin, all of them or none."""
        if any(loaded.plugin is other.plugin for other in self._loaded.values()):
            return
        loaded = replace(loaded, name=self._unique_name(loaded.name))
        components = collect_components(loaded, collect_hooks(loaded))
        self._manager.register(loaded.plugin, loaded.name)
        self._loaded[loaded.name] = loaded
        self._calls_by_hook.clear()
        for component in components:
            if loaded.name != BUILT_IN:
                component._set(plugin=loaded.name, origin=loaded.origin)  # for files that name their source
            entry = Entry(component, loaded.name, loaded.origin)
            self.entries.append(entry)
            self._by_name.setdefault(component.name, []).append(entry)

    def _unique_name(self, name: str) -> str:
        """Return the first of NAME, NAME-2, NAME-3, ... that no plugin has."""
        number, unique = 1, name
        while unique in self._loaded:
            number += 1
            unique = f"{name}-{number}"
        return unique

    def _unknown(self, kind: str, name: str) -> CygdError:
        """Return the error for an unknown component, with a hint about what may be missing."""
        plugin, _, bare = name.rpartition(":")
        for broken in self.broken:
            if plugin == broken.plugin:
                return PluginError(f"{name!r} cannot be used: {broken.error.message}", hint=broken.error.hint)
        if plugin and plugin not in self._loaded:
            hint = did_you_mean(plugin, list(self._loaded))
            return PluginError(f"{name!r}: unknown plugin {plugin!r}", hint=hint)
        known = [
            entry.component.name
            for entry in self.entries
            if kind in ("component", entry.component.kind) and plugin in ("", entry.plugin)
        ]
        error = UnknownComponentError(kind, bare, list(dict.fromkeys(known)))
        if self.broken:
            names = ", ".join(broken.plugin for broken in self.broken)
            error.hint = f"{error.hint}; plugins that failed to load: {names}"
        return error

    # -- calling ------------------------------------------------------------------------------------

    def _calls(self, hook: str) -> list[_Call]:
        """Return the enabled implementations of a hook: tryfirst, then in load order, then trylast."""
        if hook not in self._calls_by_hook:
            calls = []
            for each in getattr(self._manager.hook, hook).get_hookimpls():
                order = (True, not each.tryfirst, bool(each.trylast))
                calls.append((order, self._loaded[each.plugin_name], each.function))
            for loaded, functions, first in self._listeners:
                if hook in functions:
                    marks = getattr(functions[hook], "cygd_impl", {})
                    order = (not first, not marks.get("tryfirst"), bool(marks.get("trylast")))
                    calls.append((order, loaded, functions[hook]))
            calls.sort(key=lambda call: call[0])
            self._calls_by_hook[hook] = [
                _Call(loaded, function, argument_names(hook, function))
                for _, loaded, function in calls
                if loaded.name not in self._disabled
            ]
        return self._calls_by_hook[hook]

    def _call_all(self, hook: str, make_arguments: Callable[[], Mapping[str, object]]) -> list[object]:
        """Call the implementations of a hook one by one and return their results."""
        results = []
        for loaded, function, names in self._calls(hook):
            arguments = make_arguments()
            try:
                result = function(**{name: arguments[name] for name in names})
            except (Exception, SystemExit) as error:
                self._disable(loaded, hook, error, function)
                continue
            results.append(result)
            if result is not None and not (hook in MAY_STOP and result == "stop"):
                self._warn_ignored(loaded, hook, result)
        return results

    def _disable(self, loaded: LoadedPlugin, hook: str, error: BaseException, function: object) -> None:
        """Report a listener that failed, and do not call it again."""
        self._disabled.add(loaded.name)
        self._calls_by_hook.clear()
        log.warning(
            "%s, hook %s failed: %s; it is disabled, the run continues",
            loaded,
            hook,
            describe_exception(error, source_file(function)),
            extra={"hint": hint_of(error)},
        )
        log.debug("traceback of %s", loaded, exc_info=error)

    def _warn_ignored(self, loaded: LoadedPlugin, hook: str, result: object) -> None:
        """Warn once about a return value without a meaning."""
        if (loaded.name, hook) not in self._warned:
            self._warned.add((loaded.name, hook))
            expected = 'None or "stop"' if hook in MAY_STOP else "None"
            log.warning("%s, hook %s: expected %s, got %.100r; it is ignored", loaded, hook, expected, result)


class _Call(NamedTuple):
    """One implementation of a hook, and the names of its arguments."""

    loaded: LoadedPlugin
    function: Callable[..., object]
    names: list[str]


class _Listener(NamedTuple):
    """The run hooks of an object that a logger built."""

    loaded: LoadedPlugin
    functions: Mapping[str, Callable[..., object]]
    first: bool  # called before everything else


def _check(request: Request) -> None:
    """Raise a PluginError for a request without a name, or one that blocks the built-ins."""
    if not request.target:
        raise PluginError(f"{request.source}: expected the name of a plugin, got {request.name_or_path!r}")
    if request.blocks and request.target == BUILT_IN:
        raise PluginError(f"{request.source}: {request.name_or_path!r}: the built-ins cannot be blocked")

"""Discovery of plugins: installed entry points, module names and .py files, each imported in isolation.

An import runs foreign code, so any failure (SystemExit included) becomes a `PluginError` that names the
plugin, its origin and the cause. A .py file is executed under a unique module name: `sys.path` and the
current folder stay as they are, files with the same stem do not collide, no `__pycache__` is written, and a
file edited since the last run in the same process is read again.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from cygd.errors import PluginError, describe_exception, did_you_mean, hint_of
from cygd.tracking.distributions import may_have_entry_points

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "cygd"
COMPILED = (".so", ".pyd")
OPTION, VARIABLE = "-p", "CYGD_PLUGINS"  # where a user requests plugins
FORBID = "CYGD_NO_PLUGINS"  # set: the plugins that an experiment names are not loaded


@dataclass(frozen=True)
class Request:
    """A plugin that the user requests or blocks."""

    name_or_path: str  # a module, an entry point, a .py file, or `no:NAME` to block a plugin
    source: str  # where the user wrote it: `-p`, `xor.yaml:4:11`, `CYGD_PLUGINS`
    folder: Path | None = None  # where a relative path starts; None: the current folder

    @property
    def blocks(self) -> bool:
        """Whether this blocks a plugin."""
        return self.name_or_path.startswith("no:")

    @property
    def target(self) -> str:
        """The name or path, without `no:`."""
        return self.name_or_path.removeprefix("no:").strip()

    @property
    def path(self) -> Path | None:
        """The absolute path of a file, or None for the name of a module or entry point."""
        separators = (os.sep, os.altsep or os.sep)
        if not self.target.endswith(".py") and not any(mark in self.target for mark in separators):
            return None
        return (self.folder or Path.cwd()).joinpath(Path(self.target).expanduser()).resolve()

    def error(self, message: str, hint: str | None = None) -> PluginError:
        """Return an error about this request."""
        return PluginError(f"{self.source}: plugin {self.target!r}: {message}", hint=hint)


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin that was imported."""

    name: str  # of the entry point or module, or the stem of the file
    origin: str  # a path, a module, or a distribution with its version
    plugin: object = field(repr=False)  # the module or object with the hooks
    source: str = ""  # where the user requested it, as in `Request`; empty for an installed plugin
    role: str = "plugin"  # the word for it in messages

    def __str__(self) -> str:
        return f"{self.role} {self.name!r} ({self.origin})"

    def error(self, message: str, hint: str | None = None) -> PluginError:
        """Return an error about this plugin."""
        parts = (self.source, str(self), message)
        return PluginError(": ".join(part for part in parts if part), hint=hint)


def environment_requests(environment: Mapping[str, str]) -> list[Request]:
    """Return the requests of CYGD_PLUGINS."""
    names = (name.strip() for name in environment.get(VARIABLE, "").split(","))
    return [Request(name, VARIABLE) for name in names if name]


def forbids_plugins(environment: Mapping[str, str]) -> bool:
    """Return True if the plugins that an experiment names must not be loaded."""
    return environment.get(FORBID, "") not in ("", "0")


def option_requests(plugins: Sequence[str]) -> list[Request]:
    """Return the requests of the command line or of a caller in Python."""
    # a single str is a sequence too
    names = [plugins] if isinstance(plugins, str | os.PathLike) else plugins
    return [Request(os.fspath(name), OPTION) for name in names]


def installed_entry_points() -> list[EntryPoint]:
    """Return the entry points of all installed distributions, sorted by name."""
    if not may_have_entry_points(GROUP):
        return []
    from importlib.metadata import entry_points  # imported here because it is slow

    return sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))


def matches(name: str, point: EntryPoint) -> bool:
    """Return True if a name is the entry point, the module or the distribution of an installed plugin."""
    if name in (point.name, _module(point)):
        return True
    return point.dist is not None and _normalized(name) == _normalized(point.dist.name)


def is_blocked(request: Request, blocks: Mapping[str, Request], points: Sequence[EntryPoint]) -> bool:
    """Return True if a `no:NAME`, given as {NAME: request}, blocks a request by name or by path."""
    if request.path is not None:
        paths = [block.path for block in blocks.values()]
        return request.path in paths or request.target in blocks or request.path.stem in blocks
    named = [point for point in points if request.target in (point.name, _module(point))]
    return request.target in blocks or any(matches(name, point) for name in blocks for point in named)


def _module(point: EntryPoint) -> str:
    """Return the module of an entry point, whose value may be `module:object`."""
    return point.value.partition(":")[0].strip()


def _normalized(distribution: str) -> str:
    """Return the normalized name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def load(request: Request | EntryPoint, points: Mapping[str, EntryPoint] | None = None) -> LoadedPlugin:
    """Import a plugin; a request may name one of the given entry points. Raise a PluginError on failure."""
    if not isinstance(request, Request):
        return _load_entry_point(request)
    if request.target.endswith(COMPILED):
        path = request.path or (request.folder or Path.cwd()) / request.target
        name = path.name.partition(".")[0]
        hint = f"write {name!r}, and {_make_importable(path.parent)}"
        raise request.error("compiled modules are requested by name", hint)
    if request.path is not None:
        return _load_file(request.path, request)
    if points and request.target in points:
        return _load_entry_point(points[request.target], request.source)
    return _load_module(request)


def _load_entry_point(point: EntryPoint, source: str = "") -> LoadedPlugin:
    distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
    loaded = LoadedPlugin(point.name, f"{distribution}, entry point {point.value}", None, source)
    try:
        plugin = point.load()
    except (Exception, SystemExit) as error:
        raise loaded.error(f"import failed: {describe_exception(error)}", hint_of(error)) from error
    return replace(loaded, plugin=plugin)


def _load_module(request: Request) -> LoadedPlugin:
    name = request.target
    if not all(part.isidentifier() for part in name.split(".")):
        raise request.error("invalid module name", "write a file with its suffix: NAME.py")
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise request.error("no such module or entry point", _hint_missing_module(request)) from error
        raise request.error(f"import failed: {describe_exception(error)}", hint_of(error)) from error
    return LoadedPlugin(name, f"module {name}", module, request.source)


def _hint_missing_module(request: Request) -> str | None:
    """Return a hint for a module that is not found."""
    folder, top = request.folder or Path.cwd(), request.target.partition(".")[0]
    path = folder / f"{request.target}.py"
    if os.path.isfile(path):  # noqa: PTH113 (a name that is too long is not a file)
        return f"for the file write {path.name!r}"
    spec = PathFinder.find_spec(top, [str(folder)])
    if spec is not None and spec.origin is not None:
        file = os.path.relpath(spec.origin, folder)
        return f"{file} exists, but Python does not search its folder: {_make_importable(folder)}"
    return did_you_mean(request.target, [point.name for point in installed_entry_points()])


def _make_importable(folder: Path) -> str:
    """Return a hint that says how to make the modules of a folder importable."""
    if folder.resolve() == Path.cwd():
        return "run `python -m cygd` instead of `cygd`, or set PYTHONPATH=., or install it"
    return f"set PYTHONPATH={folder}, or install it"


def _load_file(path: Path, request: Request) -> LoadedPlugin:
    if path.suffix != ".py":
        raise request.error(f"expected a .py file, got {path}", "name a package as a module: a.b")
    if not os.path.isfile(path):  # noqa: PTH113
        near = did_you_mean(path.name, sorted(file.name for file in path.parent.glob("*.py")))
        raise request.error(f"no such file: {path}", near)
    from cygd.components.plugin_file import run_plugin_file  # imported here: few runs have plugin files

    loaded = LoadedPlugin(path.stem, str(path), None, request.source)
    try:
        module = run_plugin_file(path)
    except (Exception, SystemExit) as error:
        hint = hint_of(error) or _hint_sibling_import(error, path)
        raise loaded.error(f"import failed: {describe_exception(error, str(path))}", hint) from error
    return replace(loaded, plugin=module)


def _hint_sibling_import(error: BaseException, path: Path) -> str | None:
    """Return a hint for a plugin file that imports a file beside it."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    if not (path.parent / error.name.split(".")[0]).with_suffix(".py").is_file():
        return None
    return "a plugin file cannot import files beside it; make an installable package"


def module_files(plugin: object) -> dict[str, Path]:
    """Return the Python files of a plugin's module or package, by names that do not depend on its folder."""
    module = plugin if isinstance(plugin, ModuleType) else sys.modules.get(type(plugin).__module__)
    file = getattr(module, "__file__", None)
    if module is None or file is None or module.__name__.partition(".")[0] in sys.stdlib_module_names:
        return {}
    path = Path(file)
    if path.name != "__init__.py":
        return {module.__name__: path}
    inside = sorted(path.parent.rglob("*.py"))
    return {f"{module.__name__}/{each.relative_to(path.parent).as_posix()}": each for each in inside}

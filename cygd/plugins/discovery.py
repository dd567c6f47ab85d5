"""Where plugins are found: installed entry points, module names and .py files, imported with care.

An import runs a stranger's code, so each one is guarded by itself: whatever goes wrong (SystemExit
too) becomes a `PluginError` that names the plugin, where it came from, and the cause. A .py file is
compiled and run from its text under a module name of its own: `sys.path` and the current folder
stay as they are, two files of one stem do not collide, no `__pycache__` is left beside the file, and
a file that was edited since the last run in the same process is read anew.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from cygd.errors import PluginError, describe_exception, did_you_mean, hint_of

__all__ = [
    "LoadedPlugin",
    "Request",
    "environment_requests",
    "installed_entry_points",
    "is_blocked",
    "load",
    "matches",
    "module_files",
]

GROUP = "cygd"
COMPILED = (".so", ".pyd")


@dataclass(frozen=True)
class Request:
    """A plugin that somebody names.

    Parameters
    ----------
    name_or_path : str
        A module, an entry point, a .py file, or `no:NAME` to keep one out.
    source : str
        Where it is asked for: `-p`, `xor.yaml:4:11`, `CYGD_PLUGINS`.
    folder : Path, optional
        What a relative path starts from; the current folder if not given.
    """

    name_or_path: str
    source: str
    folder: Path | None = None

    @property
    def blocks(self) -> bool:
        """Whether this keeps a plugin out instead of asking for one."""
        return self.name_or_path.startswith("no:")

    @property
    def text(self) -> str:
        """The name or path, without `no:`."""
        return self.name_or_path.removeprefix("no:").strip()

    @property
    def path(self) -> Path | None:
        """The absolute path of the file that is meant, or None for the name of a module or entry point."""
        separators = [os.sep, os.altsep or os.sep]
        if not self.text.endswith(".py") and not any(mark in self.text for mark in separators):
            return None
        return (self.folder or Path.cwd()).joinpath(Path(self.text).expanduser()).resolve()

    def error(self, what: str, hint: str | None = None) -> PluginError:
        """Return an error about this request."""
        return PluginError(f"{self.source}: plugin {self.text!r}: {what}", hint=hint)


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin that was imported.

    Parameters
    ----------
    name : str
        Its name: that of the entry point or module, or the stem of the file.
    origin : str
        Where it came from: a path, a module, a distribution with its version.
    plugin : object
        The module or object that has the hooks.
    source : str
        Where the user names it, as in `Request`; empty if it was found without being named.
    role : str
        What it is for people.
    """

    name: str
    origin: str
    plugin: object = field(repr=False)
    source: str = ""
    role: str = "plugin"

    def __str__(self) -> str:
        return f"{self.role} {self.name!r} ({self.origin})"

    def error(self, what: str, hint: str | None = None) -> PluginError:
        """Return an error about this plugin."""
        return PluginError(": ".join(part for part in (self.source, str(self), what) if part), hint=hint)


def environment_requests(environment: Mapping[str, str]) -> list[Request]:
    """Return what CYGD_PLUGINS asks for."""
    names = (name.strip() for name in environment.get("CYGD_PLUGINS", "").split(","))
    return [Request(name, "CYGD_PLUGINS") for name in names if name]


def option_requests(plugins: Sequence[str]) -> list[Request]:
    """Return what the command line, or a caller in Python, asks for."""
    # one name alone is a sequence of letters, too
    names = [plugins] if isinstance(plugins, str | os.PathLike) else plugins
    return [Request(os.fspath(name), "-p") for name in names]


def installed_entry_points() -> list[EntryPoint]:
    """Return the entry points of all installed distributions, in an order that does not change."""
    return sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))


def matches(name: str, point: EntryPoint) -> bool:
    """Return whether a name is that of an installed plugin: of its entry point, module or distribution.

    Examples
    --------
    >>> matches("cygd_ant", EntryPoint("ant", "cygd_ant:plugin", "cygd"))
    True
    """
    return name in (point.name, _module(point)) or (point.dist is not None and _same(name, point.dist.name))


def is_blocked(request: Request, blocks: Mapping[str, Request], points: Sequence[EntryPoint]) -> bool:
    """Return whether a `no:NAME` means what is requested: by a name, or by path from where it was written.

    Parameters
    ----------
    request : Request
        A plugin that somebody asks for.
    blocks : mapping of str to Request
        NAME -> the request that it stands in.
    points : sequence of EntryPoint
        What is installed, and may be requested under any of its names.
    """
    if request.path is not None:
        paths = [block.path for block in blocks.values()]
        return request.path in paths or request.text in blocks or request.path.stem in blocks
    same = [point for point in points if request.text in (point.name, _module(point))]
    return request.text in blocks or any(matches(text, point) for text in blocks for point in same)


def _module(point: EntryPoint) -> str:
    """Return the module of an entry point, whose value may go on with an object in it."""
    return point.value.partition(":")[0].strip()


def _same(one: str, other: str) -> bool:
    """Return whether two names of distributions are the same to an installer."""
    first, second = (re.sub(r"[-_.]+", "-", name).lower() for name in (one, other))
    return first == second


def load(what: Request | EntryPoint, points: Mapping[str, EntryPoint] | None = None) -> LoadedPlugin:
    """Import a plugin.

    Parameters
    ----------
    what : Request or EntryPoint
        What to import.
    points : mapping, optional
        The installed entry points, which a request may name.

    Raises
    ------
    PluginError
        If it is not found, or its import fails in any way.
    """
    if isinstance(what, EntryPoint):
        return _load_entry_point(what)
    if what.text.endswith(COMPILED):
        path = what.path or (what.folder or Path.cwd()) / what.text
        name = path.name.partition(".")[0]
        hint = f"write {name!r}, and {_findable(path.parent)}"
        raise what.error("is a compiled module, which is asked for by its name", hint)
    if what.path is not None:
        return _load_file(what.path, what)
    if points and what.text in points:
        return _load_entry_point(points[what.text], what.source)
    return _load_module(what)


def _load_entry_point(point: EntryPoint, source: str = "") -> LoadedPlugin:
    distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
    found = LoadedPlugin(point.name, f"{distribution}, entry point {point.value}", None, source)
    try:
        plugin = point.load()
    except (Exception, SystemExit) as error:
        raise found.error(f"cannot be imported: {describe_exception(error)}", hint_of(error)) from error
    return replace(found, plugin=plugin)


def _load_module(request: Request) -> LoadedPlugin:
    name = request.text
    if not all(part.isidentifier() for part in name.split(".")):
        raise request.error("is no module name", "a file needs its ending: NAME.py")
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise request.error("no such module or entry point", _meant(request)) from error
        raise request.error(f"cannot be imported: {describe_exception(error)}", hint_of(error)) from error
    return LoadedPlugin(name, f"module {name}", module, request.source)


def _meant(request: Request) -> str | None:
    """Return a hint for a module that does not exist."""
    folder, top = request.folder or Path.cwd(), request.text.partition(".")[0]
    path = folder / f"{request.text}.py"
    if path.is_file():
        return f"for the file write {path.name!r}"
    there = PathFinder.find_spec(top, [str(folder)])
    if there is not None and there.origin is not None:
        name = os.path.relpath(there.origin, folder)
        return f"{name} is there, but its folder is not searched for modules: {_findable(folder)}"
    return did_you_mean(request.text, [point.name for point in installed_entry_points()])


def _findable(folder: Path) -> str:
    """Say how a module of a folder is found."""
    if folder.resolve() == Path.cwd():
        return "run `python -m cygd` in place of `cygd`, or set PYTHONPATH=., or install it"
    return f"set PYTHONPATH={folder}, or install it"


def _load_file(path: Path, request: Request) -> LoadedPlugin:
    if path.suffix != ".py":
        raise request.error(f"{path} is not a .py file", "a package is named as a module: a.b")
    if not path.is_file():
        near = did_you_mean(path.name, sorted(file.name for file in path.parent.glob("*.py")))
        raise request.error(f"no such file: {path}", near)
    found = LoadedPlugin(path.stem, str(path), None, request.source)
    try:
        module = _run_file(path)
    except (Exception, SystemExit) as error:
        hint = hint_of(error) or _sibling(error, path)
        raise found.error(f"cannot be imported: {describe_exception(error, str(path))}", hint) from error
    return replace(found, plugin=module)


def _run_file(path: Path) -> ModuleType:
    """Run a file as a module whose name is derived from its path; see the head of this file."""
    name = f"cygd_plugin_{path.stem}_{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"
    spec = spec_from_file_location(name, path)
    assert spec is not None
    module = module_from_spec(spec)
    code = compile(path.read_bytes(), path, "exec", dont_inherit=True)
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses and pickle look a class up by its module
    try:
        exec(code, module.__dict__)
    except BaseException:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        raise
    return module


def _sibling(error: BaseException, path: Path) -> str | None:
    """Return a hint for a plugin file that imports the file beside it."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    if not (path.parent / error.name.split(".")[0]).with_suffix(".py").is_file():
        return None
    return "a .py plugin is one file, its folder is not searched; make an installable package of several"


def module_files(plugin: object) -> dict[str, Path]:
    """Return the Python files of a plugin's module, of a package all, by names that moving leaves alone."""
    module = plugin if isinstance(plugin, ModuleType) else sys.modules.get(type(plugin).__module__)
    file = getattr(module, "__file__", None)
    if module is None or file is None or module.__name__.partition(".")[0] in sys.stdlib_module_names:
        return {}
    path = Path(file)
    if path.name != "__init__.py":
        return {module.__name__: path}
    inside = sorted(path.parent.rglob("*.py"))
    return {f"{module.__name__}/{each.relative_to(path.parent).as_posix()}": each for each in inside}

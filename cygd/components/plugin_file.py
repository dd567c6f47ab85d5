"""Execution of plugin files as modules, whose names are derived from their paths."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import FunctionType, ModuleType

DIGEST = "__cygd_sha256__"  # the name in the module of the SHA-256 of its file

_locks: dict[str, threading.RLock] = {}  # by the name of the module


def run_plugin_file(path: Path) -> ModuleType:
    """Execute a file as a module and return the module."""
    content = path.read_bytes()
    name = f"cygd_plugin_{path.stem}_{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"
    spec = spec_from_file_location(name, path)
    assert spec is not None
    module = module_from_spec(spec)
    module.__dict__[DIGEST] = hashlib.sha256(content).hexdigest()
    code = compile(content, path, "exec", dont_inherit=True)
    # a run in another thread may execute the same file
    with _locks.setdefault(name, threading.RLock()):
        previous = sys.modules.get(name)
        sys.modules[name] = module  # dataclasses and pickle look a class up by its module
        try:
            exec(code, module.__dict__)
        except BaseException:
            if previous is None:
                del sys.modules[name]
            else:
                sys.modules[name] = previous
            raise
    return module


@dataclass(frozen=True)
class PluginFunction:
    """The place of a function in a plugin file, for a process that may not have loaded the plugin."""

    path: Path
    digest: str  # the SHA-256 of the file that was executed
    module: str
    name: str

    @classmethod
    def of(cls, function: object) -> PluginFunction | None:
        """Return the place of a function; None if no plugin file defines it at its top level."""
        if not isinstance(function, FunctionType) or DIGEST not in function.__globals__:
            return None
        variables, name = function.__globals__, function.__name__
        if variables.get(name) is not function:
            return None
        return cls(Path(variables["__file__"]), variables[DIGEST], variables["__name__"], name)

    def load(self) -> object:
        """Return the function; execute the file unless this process has done so."""
        module = sys.modules.get(self.module)
        if module is None or module.__dict__.get(DIGEST) != self.digest:
            if not self.path.is_file():
                raise FileNotFoundError(f"no such plugin file: {self.path}")
            if hashlib.sha256(self.path.read_bytes()).hexdigest() != self.digest:
                raise ValueError(f"the plugin file {self.path} has changed")
            module = run_plugin_file(self.path)
        return getattr(module, self.name)

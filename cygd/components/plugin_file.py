"""Execution of plugin files as modules, whose names are derived from their paths."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

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
class PluginVariable:
    """The place of a variable of a plugin file, for a process that may not have loaded the plugin."""

    path: Path
    digest: str  # the SHA-256 of the file that was executed
    module: str
    name: str

    @classmethod
    def of(cls, module: ModuleType, name: str) -> PluginVariable | None:
        """Return the place of a variable; None if the module is not that of a plugin file."""
        return cls._in(module.__dict__, name)

    @classmethod
    def of_function(cls, function: object) -> PluginVariable | None:
        """Return the place of a function; None if no plugin file defines it at its top level."""
        if not isinstance(function, FunctionType):
            return None
        variables, name = function.__globals__, function.__name__
        return cls._in(variables, name) if variables.get(name) is function else None

    @classmethod
    def _in(cls, variables: Mapping[str, Any], name: str) -> PluginVariable | None:
        if DIGEST not in variables:
            return None
        return cls(Path(variables["__file__"]), variables[DIGEST], variables["__name__"], name)

    def load(self) -> object:
        """Return the variable; execute the file unless this process has done so."""
        module = sys.modules.get(self.module)
        if module is None or module.__dict__.get(DIGEST) != self.digest:
            if not self.path.is_file():
                raise FileNotFoundError(f"no such plugin file: {self.path}")
            if hashlib.sha256(self.path.read_bytes()).hexdigest() != self.digest:
                raise ValueError(f"the plugin file {self.path} has changed")
            module = run_plugin_file(self.path)
        return getattr(module, self.name)

"""Names of compiled functions: how a process that loads a pickle finds the functions of a pointer again.

An address is valid in one process only, but many functions have a name: a symbol of a shared library, a
function that a Cython module exports, or a variable of a module that holds the pointer. A name is used only
if it leads back to the same function in the process that pickles.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple, Protocol

from cygd.components.function_pointers import Pair, Pointer, Pointers, memory_at, read_again
from cygd.components.plugin_file import PluginVariable
from cygd.core.primitives import read_capsule


class PointerName(Protocol):
    """The name of a compiled function."""

    def load(self) -> object:
        """Return a pointer to it, or raise an exception."""


@dataclass(frozen=True)
class LibrarySymbol:
    """A symbol of a shared library; None for those of the whole process."""

    library: str | None
    symbol: str

    def load(self) -> object:
        """Return the address of the symbol; load the library unless this process has done so."""
        try:
            function = getattr(ctypes.CDLL(self.library), self.symbol)
        except AttributeError:
            raise LookupError(f"{self.library} has no function {self.symbol!r}") from None
        return ctypes.cast(function, ctypes.c_void_p).value


@dataclass(frozen=True)
class CythonFunction:
    """A function that a Cython module exports for cimport."""

    module: str
    name: str

    def load(self) -> object:
        """Return the capsule of the function."""
        return import_module(self.module).__pyx_capi__[self.name]


@dataclass(frozen=True)
class ModuleVariable:
    """A variable of a module that holds a pointer."""

    module: str
    name: str

    def load(self) -> object:
        """Return the pointer."""
        return getattr(import_module(self.module), self.name)


class NamedPointer(NamedTuple):
    """The name of a function, and the signature that it must have."""

    name: PointerName
    dtype: str
    scalar: bool

    @classmethod
    def of(cls, what: str, pointer: Pointer, derivative: bool) -> NamedPointer:
        """Return the name of a function, or raise a LookupError."""
        wanted = (pointer.address, pointer.context)
        for name in _candidates(pointer):
            named = cls(name, pointer.dtype, pointer.scalar)
            try:
                found = named.load(what, derivative)
            except Exception:  # importing a module, for example, can raise anything
                continue
            if (found.address, found.context) == wanted:
                return named
        raise LookupError(f"{what} has no name by which another process could find it")

    def load(self, what: str, derivative: bool) -> Pointer:
        """Return the pointer of this process."""
        return read_again(what, self.name.load(), derivative, self.dtype, self.scalar)


class NamedPair(NamedTuple):
    """The names of a function and its derivative, if it has one."""

    function: NamedPointer
    derivative: NamedPointer | None


@dataclass(frozen=True)
class NamedPointers:
    """The pointers of an activation by the names of their functions."""

    owner: str
    pairs: dict[str, NamedPair]  # by dtype

    @classmethod
    def of(cls, pointers: Pointers) -> NamedPointers:
        """Return the names of all functions, or raise a LookupError for one that has none."""
        pairs = {}
        for dtype, (function, derivative) in pointers.pairs.items():
            named = NamedPointer.of("pointer", function, False)
            pairs[dtype] = NamedPair(
                named, None if derivative is None else NamedPointer.of("derivative_pointer", derivative, True)
            )
        return cls(pointers.owner, pairs)

    def load(self) -> Pointers:
        """Return the pointers of this process, or raise an exception."""
        pairs = {}
        for dtype, (function, derivative) in self.pairs.items():
            loaded = function.load("pointer", False)
            pairs[dtype] = Pair(loaded, derivative and derivative.load("derivative_pointer", True))
        return Pointers.of_pairs(self.owner, pairs)


def _candidates(pointer: Pointer) -> Iterator[PointerName]:
    """Yield the names that a function may have, those that need no Python module first."""
    owner: Any = pointer.owner
    held = tuple.__getitem__(owner, 0) if isinstance(owner, tuple) else owner  # of scipy.LowLevelCallable
    inner = getattr(owner, "function", None) if isinstance(owner, tuple) else owner
    if isinstance(inner, ctypes._CFuncPtr):  # type: ignore[attr-defined]
        yield from _symbol_of_ctypes(inner, pointer.address)
    yield from _symbol_of_address(pointer.address)
    yield from _cython_functions(pointer.address)
    yield from _module_variables([owner, inner, held])


def _symbol_of_ctypes(function: Any, address: int) -> Iterator[LibrarySymbol]:
    """Yield the symbol that `library.name` of ctypes looked up."""
    for library in (function._objects or {}).values():
        if isinstance(library, ctypes.CDLL):
            name: str | None = library._name
            # a path may be relative to what was the current folder
            path = memory_at(address)[1] if name is not None and os.sep in name else ""
            yield LibrarySymbol(path or name, function.__name__)


class _SymbolInfo(ctypes.Structure):
    """`Dl_info` of <dlfcn.h>."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def _symbol_of_address(address: int) -> Iterator[LibrarySymbol]:
    """Yield the symbol of a shared library at an address, if the system reports one."""
    info = _SymbolInfo()
    try:
        found = ctypes.CDLL(None).dladdr(ctypes.c_void_p(address), ctypes.byref(info))
    except (AttributeError, OSError, TypeError):  # not a POSIX system
        return
    if found and info.symbol and info.file and info.address == address:
        yield LibrarySymbol(memory_at(address)[1] or os.fsdecode(info.file), os.fsdecode(info.symbol))


def _cython_functions(address: int) -> Iterator[CythonFunction]:
    """Yield the exported functions of the loaded Cython modules at an address."""
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType):
            exported = module.__dict__.get("__pyx_capi__")
            for function, capsule in exported.items() if isinstance(exported, dict) else ():
                read = read_capsule(capsule)
                if read is not None and read[1] == address:
                    yield CythonFunction(name, function)


def _module_variables(owners: list[object]) -> Iterator[PointerName]:
    """Yield the variables of the loaded modules that hold one of some objects."""
    identities = {id(owner) for owner in owners if owner is not None and not isinstance(owner, int)}
    for module_name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType):
            for name, value in list(module.__dict__.items()):
                if id(value) in identities:
                    yield PluginVariable.of(module, name) or ModuleVariable(module_name, name)

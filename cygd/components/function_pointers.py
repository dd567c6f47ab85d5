"""Pointers to compiled functions as activations: read, checked against the expected signature, kept alive.

A function has one of two signatures, with `real` double or float:
- block: void (const real *h, real *out, Py_ssize_t n, void *data), and for a derivative
  void (const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data);
- scalar: real (real), for a derivative (given h) too; the core loops over it.

The signature of an integer is stated by the user. That of other pointers is read, from the name of a capsule
(cygd.block_f64.v1 or C text) or from the types of numba, ctypes and cffi, and compared, because a call with a
wrong signature crashes the process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from cygd.components.options import format_value
from cygd.core.primitives import read_capsule
from cygd.errors import ConfigError

C_TYPES = {"float64": "double", "float32": "float"}
SIGNATURES = ("block", "scalar")
ACCEPTED = (
    "a PyCapsule, an integer address, a numba.cfunc, a function pointer of ctypes or cffi, a "
    "scipy.LowLevelCallable, or a mapping of float64 and float32 to these"
)
FIRST_PAGE = 4096  # no operating system maps code below


@dataclass(frozen=True)
class Pointer:
    """The address of a function of one dtype."""

    address: int
    dtype: str  # float64 or float32
    scalar: bool  # whether the function takes one number instead of a block
    context: int  # the `data` of a block function, or 0
    owner: object  # keeps the address valid


class Pair(NamedTuple):
    """A function and its derivative of one dtype; None for a numerical derivative."""

    function: Pointer
    derivative: Pointer | None


class Pointers:
    """The pointers of an activation by dtype, checked before anything is called.

    `dtype` (float64 or float32) and `signature` (block or scalar) are what the user stated beside them.
    """

    def __init__(
        self, owner: str, pointer: object, derivative: object, dtype: object, signature: object
    ) -> None:
        self.owner = owner
        if signature not in (None, *SIGNATURES):
            raise ValueError(f"{owner}: signature: expected block or scalar, got {format_value(signature)}")
        dtype = None if dtype is None else _dtype_name(owner, dtype)
        functions = _by_dtype(_Expected(f"{owner}: pointer", False, dtype, signature), pointer)
        derivatives: Mapping[str, Pointer] = {}
        if derivative is not None:
            expected = _Expected(f"{owner}: derivative_pointer", True, dtype, signature)
            derivatives = _by_dtype(expected, derivative)
            if set(derivatives) != set(functions):
                raise ValueError(
                    f"{owner}: expected pointer and derivative_pointer for the same dtypes, "
                    f"got {' and '.join(functions)}, but {' and '.join(derivatives)}"
                )
        self.pairs = {name: Pair(function, derivatives.get(name)) for name, function in functions.items()}

    @classmethod
    def of_pairs(cls, owner: str, pairs: Mapping[str, Pair]) -> Self:
        """Return checked pairs by dtype as the pointers of an activation."""
        pointers = cls.__new__(cls)
        pointers.owner, pointers.pairs = owner, dict(pairs)
        return pointers

    @property
    def scalar(self) -> bool:
        """Whether any function takes single numbers, and so has no `data`."""
        return any(item.scalar for pair in self.pairs.values() for item in pair if item is not None)

    def of(self, dtype: str) -> Pair:
        """Return the pointers for a dtype, or raise a ConfigError."""
        if dtype in self.pairs:
            return self.pairs[dtype]
        [other] = self.pairs
        raise ConfigError(
            f"{self.owner} has a pointer for {other} and cannot be used in {dtype}",
            hint=f"choose {other} for the network (model.dtype), or give a pointer for each: "
            "pointer={'float64': ..., 'float32': ...}, and derivative_pointer likewise",
        )


class _Expected(NamedTuple):
    """What is known of a pointer before it is read; None where only the pointer tells."""

    what: str  # the component and the keyword, for messages
    derivative: bool
    dtype: str | None
    signature: object

    def __str__(self) -> str:
        """Return the C signatures that fit."""
        real = C_TYPES[self.dtype or "float64"]
        y_hat = f"const {real} *y_hat, " if self.derivative else ""
        block = f"void (const {real} *h, {y_hat}{real} *out, Py_ssize_t n, void *data)"
        return block if self.signature == "block" else f"{block} or {real} ({real})"


def _dtype_name(owner: str, dtype: object) -> str:
    with contextlib.suppress(TypeError):
        name = str(np.dtype(dtype).name)  # type: ignore[call-overload]
        if name in C_TYPES:
            return name
    raise ValueError(f"{owner}: dtype: expected float64 or float32, got {format_value(dtype)}")


def _by_dtype(expected: _Expected, pointer: object) -> dict[str, Pointer]:
    """Return the pointers of one keyword by dtype."""
    if not isinstance(pointer, Mapping):
        checked = _read_pointer(expected, pointer)
        return {checked.dtype: checked}
    if expected.dtype is not None:
        raise ValueError(f"{expected.what}: a mapping states its dtypes itself; leave dtype= out")
    if not pointer or not pointer.keys() <= C_TYPES.keys():
        keys = ", ".join(map(repr, pointer)) or "an empty mapping"
        raise ValueError(f"{expected.what}: expected a mapping of float64 and float32, got {keys}")
    what = expected.what
    return {
        dtype: _read_pointer(expected._replace(what=f"{what}[{dtype!r}]", dtype=dtype), pointer[dtype])
        for dtype in C_TYPES
        if dtype in pointer
    }


def _read_pointer(expected: _Expected, pointer: object) -> Pointer:
    """Return a pointer after checking its signature and its address."""
    if isinstance(pointer, int | np.integer) and not isinstance(pointer, bool):
        address, context = int(pointer), 0
        dtype, signature = expected.dtype or "float64", expected.signature or "block"
    else:
        address, text, context = _address_and_signature(expected, pointer)
        dtype, signature = _match_signature(expected, text)
        if expected.dtype not in (None, dtype):
            raise ValueError(f"{expected.what}: expected {expected.dtype}, got {dtype} ({text})")
        if expected.signature not in (None, signature):
            raise ValueError(
                f"{expected.what}: expected signature {expected.signature}, got {signature} ({text})"
            )
    _check_address(expected.what, address)
    return Pointer(address, dtype, signature == "scalar", context, pointer)


def read_again(what: str, pointer: object, derivative: bool, dtype: str, scalar: bool) -> Pointer:
    """Return a pointer that must have a signature, after the checks of `Pointers`."""
    return _read_pointer(_Expected(what, derivative, dtype, "scalar" if scalar else "block"), pointer)


# -- front ends -----------------------------------------------------------------------------------


def _address_and_signature(expected: _Expected, pointer: Any) -> tuple[int, str, int]:
    """Return the address, the signature and the context of an object that holds a function pointer."""
    what = expected.what
    if type(pointer).__name__ == "LowLevelCallable" and isinstance(pointer, tuple):
        pointer = tuple.__getitem__(pointer, 0)  # the capsule; its context is the user's data
    capsule = read_capsule(pointer)
    if capsule is not None:
        name, address, context = capsule
        return address, name or "", context
    if hasattr(pointer, "_sig") and hasattr(pointer, "address"):  # numba.cfunc
        return pointer.address, f"{pointer._sig.return_type} ({', '.join(map(str, pointer._sig.args))})", 0
    if isinstance(pointer, ctypes._CFuncPtr):  # type: ignore[attr-defined]
        if pointer.argtypes is None:
            raise TypeError(f"{what}: ctypes function without types; set argtypes and restype: {expected}")
        if pointer._flags_ & ctypes._FUNCFLAG_PYTHONAPI:  # type: ignore[attr-defined]
            raise TypeError(f"{what}: this ctypes function needs the GIL, and the core calls it without")
        address = ctypes.cast(pointer, ctypes.c_void_p).value or 0
        return address, f"{_c_name(pointer.restype)} ({', '.join(map(_c_name, pointer.argtypes))})", 0
    cffi: Any = sys.modules.get("_cffi_backend")
    if cffi is not None and isinstance(pointer, cffi.FFI.CData):
        text = cffi.typeof(pointer).cname
        if "(*)" not in text:
            raise TypeError(f"{what}: expected {expected}, got a {text!r} of cffi")
        return int(cffi.FFI().cast("uintptr_t", pointer)), text.replace("(*)", "", 1), 0
    kind = repr(pointer) if isinstance(pointer, bool) else type(pointer).__name__
    hint = "; pass a Python function as function=" if callable(pointer) else ""
    raise TypeError(f"{what}: expected {ACCEPTED}, got {kind}{hint}")


def _c_name(kind: Any) -> str:
    """Return a type of ctypes in C."""
    if kind is None:
        return "void"
    if kind is ctypes.c_void_p:
        return "void*"
    if hasattr(kind, "_dtype_"):  # an array type of numpy.ctypeslib.ndpointer
        return f"{kind._dtype_}*"
    if isinstance(kind, type) and issubclass(kind, ctypes._Pointer):
        return f"{_c_name(kind._type_)}*"
    return str(getattr(kind, "__name__", kind)).removeprefix("c_")


# -- signatures -----------------------------------------------------------------------------------

# spellings of one type in C, NumPy and numba
_SYNONYMS = {"float64": "double", "npy_double": "double", "float32": "float", "npy_float": "float"}
_SYNONYMS |= {"none": "void"}
for _names, _c_type in (
    (("Py_ssize_t", "ptrdiff_t", "intptr_t", "npy_intp", "intp"), ctypes.c_ssize_t),
    (("int",), ctypes.c_int),
    (("long", "long int", "signed long"), ctypes.c_long),
    (("long long", "long long int", "longlong"), ctypes.c_longlong),
    (("int32", "int32_t"), ctypes.c_int32),
    (("int64", "int64_t"), ctypes.c_int64),
):
    if ctypes.sizeof(_c_type) == ctypes.sizeof(ctypes.c_ssize_t):
        _SYNONYMS |= dict.fromkeys(_names, "ssize_t")


def _match_signature(expected: _Expected, text: str) -> tuple[str, str]:
    """Return the dtype and the signature, block or scalar, that a text states, or raise a TypeError."""
    prefix = "cygd.derivative" if expected.derivative else "cygd.block"
    if "(" not in text:
        names = {f"{prefix}_f64.v1": "float64", f"{prefix}_f32.v1": "float32"}
        if text not in names:
            raise TypeError(f"{expected.what}: expected a capsule named {' or '.join(names)}, got {text!r}")
        return names[text], "block"
    types = _c_types(text)
    for dtype, real in C_TYPES.items():
        arrays = (f"{real}*",) * (3 if expected.derivative else 2)
        if types == (real, real):
            return dtype, "scalar"
        if types[:-1] == ("void", *arrays, "ssize_t") and types[-1] in ("void*", f"{real}*"):
            return dtype, "block"
    raise TypeError(f"{expected.what}: expected {expected}, got {types[0]} ({', '.join(types[1:])})")


def _c_types(text: str) -> tuple[str, ...]:
    """Return the types of a signature, that of the result first, in one spelling and without const.

    Examples
    --------
    >>> _c_types("void (const float64 *, double *, intp, void*)")
    ('void', 'double*', 'double*', 'ssize_t', 'void*')
    """
    result, _, rest = text.partition("(")
    arguments = [name for name in rest.rpartition(")")[0].split(",") if name.strip()]
    types = []
    for name in (result, *arguments):
        base = " ".join(re.sub(r"\b(const|restrict|__restrict)\b|\*", " ", name).split())
        types.append(_SYNONYMS.get(base, base) + "*" * name.count("*"))
    return tuple(types)


# -- addresses ------------------------------------------------------------------------------------


def _check_address(what: str, address: int) -> None:
    """Check that an address holds code, and keep its library loaded."""
    if address == 0:
        raise ValueError(f"{what}: expected the address of a function, got NULL")
    if address < 0 or address >= 1 << 8 * ctypes.sizeof(ctypes.c_void_p):
        raise ValueError(f"{what}: expected the address of a function, got {format_value(address)}")
    executable, file = memory_at(address)
    if address < FIRST_PAGE or not executable:
        raise ValueError(
            f"{what}: no code at address {address:#x}; an address is valid only in the process that "
            "obtained it, while its library is loaded"
        )
    if file.startswith("/"):
        # a second handle: the library stays loaded when its owner closes it, as cffi does
        with contextlib.suppress(OSError):  # the interpreter itself cannot be opened, nor closed
            ctypes.CDLL(file, mode=os.RTLD_NOLOAD)


def memory_at(address: int) -> tuple[bool, str]:
    """Return whether the memory at an address is executable, and the file that it maps, if any.

    Where the system does not report it, the address is trusted.
    """
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return True, ""
    for line in lines:
        span, permissions, *_, file = [*line.split(maxsplit=5), ""][:6]
        first, last = (int(end, 16) for end in span.split("-"))
        if first <= address < last:
            return "x" in permissions, file
    return False, ""

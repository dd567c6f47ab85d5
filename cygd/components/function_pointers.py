"""Pointers to compiled functions: read from whatever holds one, checked, and kept alive.

A pointer has one of two forms over one of two dtypes, `real` being double or float:

- block: void (const real *h, real *out, Py_ssize_t n, void *data), and for a derivative
  void (const real *h, const real *y_hat, real *out, Py_ssize_t n, void *data);
- scalar: real (real), for a derivative too, which is then given h; the core puts a loop around it.

Nothing can tell what lies behind an address, so the signature is compared wherever somebody has written it
down: in the name of a capsule, in the types of numba, ctypes and cffi, in the text of a LowLevelCallable. An
integer has only what is said beside it. A capsule is named after its signature: cygd.block_f64.v1 is never a
derivative, which is called with one argument more, and cygd.derivative_f64.v1 nothing else.
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
from typing import Any, NamedTuple

import numpy as np

from cygd.components.options import format_value
from cygd.core.primitives import read_capsule
from cygd.errors import ConfigError

__all__ = ["Pair", "Pointer", "Pointers"]

DTYPES = {"float64": "double", "float32": "float"}
FORMS = ("block", "scalar")
KINDS = (
    "a PyCapsule, an integer address, a numba.cfunc, a function pointer of ctypes or cffi, a "
    "scipy.LowLevelCallable, or a mapping of float64 and float32 to these"
)
FIRST_PAGE = 4096  # no system puts a function there


@dataclass(frozen=True)
class Pointer:
    """The address of a function of one dtype.

    Attributes
    ----------
    address : int
        Where it begins.
    dtype : str
        float64 or float32.
    scalar : bool
        Whether it takes one number, not a block of them.
    context : int
        What a block function is given as `data`, or 0.
    owner : object
        What must stay alive as long as the address is used.
    """

    address: int
    dtype: str
    scalar: bool
    context: int
    owner: object


class Pair(NamedTuple):
    """A function and its derivative, or None where it is measured, of one dtype."""

    function: Pointer
    derivative: Pointer | None


class Pointers:
    """The pointers of an activation by dtype, read when it is made and before anything is called.

    Parameters
    ----------
    owner : str
        Whose they are, for messages.
    pointer, derivative : object
        What the user has given; a missing derivative is None.
    dtype, signature : str, optional
        What is said beside them: float64 or float32, block or scalar.

    Raises
    ------
    TypeError
        For what is no pointer, and for one to a function with another signature.
    ValueError
        For an address at which there is no function, and for keywords that it contradicts.
    """

    def __init__(
        self, owner: str, pointer: object, derivative: object, dtype: object, signature: object
    ) -> None:
        self.owner = owner
        if signature is not None and signature not in FORMS:
            raise ValueError(f"{owner}: signature must be block or scalar, found {format_value(signature)}")
        expected = _dtype(owner, dtype)
        functions = _by_dtype(owner, "pointer", pointer, expected, signature)
        slopes = (
            {}
            if derivative is None
            else _by_dtype(owner, "derivative_pointer", derivative, expected, signature)
        )
        if derivative is not None and set(slopes) != set(functions):
            raise ValueError(
                f"{owner}: pointer is for {' and '.join(functions)}, derivative_pointer for "
                f"{' and '.join(slopes)}; give both for the same dtypes"
            )
        self.pairs = {dtype: Pair(function, slopes.get(dtype)) for dtype, function in functions.items()}

    @property
    def scalar(self) -> bool:
        """Whether some function takes single numbers, and so no `data`."""
        return any(item.scalar for pair in self.pairs.values() for item in pair if item is not None)

    def of(self, dtype: str) -> Pair:
        """Return the pointers for a dtype, or raise a ConfigError."""
        if dtype in self.pairs:
            return self.pairs[dtype]
        [other] = self.pairs
        raise ConfigError(
            f"{self.owner} has a pointer for {other}, and cannot be used in {dtype}",
            hint=f"choose {other} for the network (model.dtype), or give a pointer for each: "
            "pointer={'float64': ..., 'float32': ...}, and derivative_pointer likewise",
        )


def _dtype(owner: str, dtype: object) -> str | None:
    if dtype is None:
        return None
    try:
        name = np.dtype(dtype).name  # type: ignore[call-overload]
    except TypeError:
        name = ""
    if name not in DTYPES:
        raise ValueError(f"{owner}: dtype must be float64 or float32, found {format_value(dtype)}")
    return str(name)


def _by_dtype(owner: str, role: str, given: object, dtype: str | None, form: object) -> dict[str, Pointer]:
    """Return the pointers of one role by dtype."""
    if not isinstance(given, Mapping):
        found = _Reader(owner, role, dtype, form).read(given)
        return {found.dtype: found}
    if dtype is not None:
        raise ValueError(f"{owner}: {role} says the dtypes itself; leave dtype= out")
    if not given:
        raise ValueError(f"{owner}: {role} is empty; it must map float64 or float32 to a pointer")
    pointers = {}
    for key, value in given.items():
        if key not in DTYPES:
            raise ValueError(
                f"{owner}: {role} must map float64 or float32 to a pointer, found the key {format_value(key)}"
            )
        pointers[key] = _Reader(owner, f"{role}[{key!r}]", key, form).read(value)
    return {key: pointers[key] for key in DTYPES if key in pointers}


class _Reader:
    """Reads one pointer; knows whose it is, and what has been said beside it."""

    def __init__(self, owner: str, role: str, dtype: str | None, form: object) -> None:
        self.what = f"{owner}: {role}"
        self.derivative = role.startswith("derivative")
        self.dtype = dtype
        self.form = form

    def read(self, given: object) -> Pointer:
        if isinstance(given, bool | np.bool_):
            raise TypeError(f"{self.what} must be {KINDS}, found {given!r}")
        if isinstance(given, int | np.integer):
            address = int(given)
            return self.pointer(address, self.dtype or "float64", self.form == "scalar", 0, given)
        if type(given).__name__ == "LowLevelCallable" and isinstance(given, tuple):
            # its first item is a capsule with the signature as its name and the user's data as its context
            return self.capsule(tuple.__getitem__(given, 0), given)
        if read_capsule(given) is not None:
            return self.capsule(given, given)
        if hasattr(given, "_sig") and hasattr(given, "address"):
            signature = given._sig
            types = (str(signature.return_type), *map(str, signature.args))
            return self.seen(int(given.address), types, 0, given)
        if isinstance(given, ctypes._CFuncPtr):  # type: ignore[attr-defined]
            return self.of_ctypes(given)
        if type(given).__module__ == "_cffi_backend":
            return self.of_cffi(given)
        hint = "; a Python function is given as function=" if callable(given) else ""
        raise TypeError(f"{self.what} must be {KINDS}, found {type(given).__name__}{hint}")

    def capsule(self, capsule: object, owner: object) -> Pointer:
        found = read_capsule(capsule)
        assert found is not None
        given, address, context = found
        name = given or ""
        if "(" in name:
            return self.seen(address, _split(name), context, owner)
        known = re.fullmatch(r"cygd\.(block|derivative)_(f64|f32)\.v(\w+)", name)
        role = "derivative" if self.derivative else "block"
        wanted = f"cygd.{role}_f64.v1 or cygd.{role}_f32.v1"
        if known is None:
            raise TypeError(f"{self.what} is a capsule named {given!r}, expected {wanted}")
        kind, dtype, version = known.groups()
        if version != "1":
            raise TypeError(
                f"{self.what} is a capsule of version {version} ({name}), this is cygd with version 1"
            )
        if kind != role:
            other, why = ("a function", "a derivative takes y_hat too")
            if kind == "derivative":
                other, why = ("a derivative", "a function takes no y_hat")
            raise TypeError(f"{self.what} is a capsule of {other} ({name}), expected {wanted}: {why}")
        return self.checked(address, dtype.replace("f", "float"), False, context, owner, name)

    def of_ctypes(self, function: Any) -> Pointer:
        if function.argtypes is None:
            raise TypeError(
                f"{self.what} is a function of ctypes that does not say its arguments; set its argtypes and "
                f"restype: expected {self.expected()}"
            )
        if function._flags_ & ctypes._FUNCFLAG_PYTHONAPI:  # type: ignore[attr-defined]
            raise TypeError(f"{self.what} is a function that needs the GIL; the core calls it without")
        types = tuple(map(_ctypes_name, (function.restype, *function.argtypes)))
        address = ctypes.cast(function, ctypes.c_void_p).value
        return self.seen(address or 0, types, 0, function)

    def of_cffi(self, pointer: Any) -> Pointer:
        backend: Any = sys.modules["_cffi_backend"]
        try:
            kind = backend.typeof(pointer)
        except TypeError:
            raise TypeError(
                f"{self.what} is no function pointer of cffi; of a function f of a compiled library it is "
                "ffi.addressof(lib, 'f')"
            ) from None
        if kind.kind != "function":
            raise TypeError(f"{self.what} is a {kind.cname!r} of cffi, expected {self.expected()}")
        address = int(backend.FFI().cast("uintptr_t", pointer))
        return self.seen(address, _split(kind.cname.replace("(*)", "", 1)), 0, pointer)

    def seen(self, address: int, types: tuple[str, ...], context: int, owner: object) -> Pointer:
        """Return a pointer whose signature can be read: the type of the result, then of the arguments."""
        plain = tuple(map(_plain, types))
        text = f"{plain[0]} ({', '.join(plain[1:])})"
        for dtype, real in DTYPES.items():
            blocks = [f"{real}*"] * (3 if self.derivative else 2)
            block = plain[:-1] == ("void", *blocks, "ssize_t") and plain[-1] in ("void*", f"{real}*")
            if block or plain == (real, real):
                return self.checked(address, dtype, not block, context, owner, text)
        raise TypeError(f"{self.what} is a function {text}, expected {self.expected()}")

    def expected(self) -> str:
        real = DTYPES[self.dtype or "float64"]
        y_hat = f"const {real} *y_hat, " if self.derivative else ""
        block = f"void (const {real} *h, {y_hat}{real} *out, Py_ssize_t n, void *data)"
        return block if self.form == "block" else f"{block} or {real} ({real})"

    def checked(
        self, address: int, dtype: str, scalar: bool, context: int, owner: object, text: str
    ) -> Pointer:
        """Return a pointer after comparing what it is with what was said beside it."""
        form = FORMS[scalar]
        if self.dtype not in (None, dtype):
            raise ValueError(f"{self.what} is of {dtype} ({text}), but {self.dtype} is what was said")
        if self.form not in (None, form):
            raise ValueError(
                f"{self.what} has the {form} signature ({text}), but signature={self.form!r} was said"
            )
        return self.pointer(address, dtype, scalar, context, owner)

    def pointer(self, address: int, dtype: str, scalar: bool, context: int, owner: object) -> Pointer:
        """Return a pointer after a look at its address."""
        if address == 0:
            raise ValueError(f"{self.what} is NULL: there is no function to call")
        if address < 0 or address >= 1 << 8 * ctypes.sizeof(ctypes.c_void_p):
            raise ValueError(f"{self.what} is no address: {format_value(address)}")
        executable, file = _place_of(address)
        if address < FIRST_PAGE or not executable:
            raise ValueError(
                f"{self.what} is {address:#x}, where there is no code; an address is good only in the "
                "process that got it, and as long as its library is loaded"
            )
        _keep_loaded(file)
        return Pointer(address, dtype, scalar, context, owner)


def _place_of(address: int) -> tuple[bool, str]:
    """Return whether the memory at an address can be executed, and the file that it comes from, if any.

    Where the system does not tell, the address is believed.
    """
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return True, ""
    for line in lines:
        span, rights, *_, file = [*line.split(maxsplit=5), ""][:6]
        first, last = (int(end, 16) for end in span.split("-"))
        if first <= address < last:
            return "x" in rights, file
    return False, ""


def _keep_loaded(file: str) -> None:
    """Open a library once more, so that it stays when its other owners close it, as cffi does."""
    if file.startswith("/"):
        with contextlib.suppress(OSError):  # the interpreter itself, say, which stays anyhow
            ctypes.CDLL(file, mode=os.RTLD_NOLOAD)


# -- the types of C in one spelling ---------------------------------------------------------------

_SIGNED = {"Py_ssize_t", "ssize_t", "ptrdiff_t", "intptr_t", "npy_intp", "intp"}
_SIGNED |= {"int64_t", "int64"} if sys.maxsize > 2**32 else {"int32_t", "int32", "int"}
if ctypes.sizeof(ctypes.c_long) == ctypes.sizeof(ctypes.c_ssize_t):
    _SIGNED |= {"long", "long int", "signed long"}
if ctypes.sizeof(ctypes.c_longlong) == ctypes.sizeof(ctypes.c_ssize_t):
    _SIGNED |= {"long long", "long long int", "longlong"}
_NAMES = {
    "float64": "double",
    "float32": "float",
    "none": "void",
    "npy_double": "double",
    "npy_float": "float",
}


def _plain(name: str) -> str:
    """Return a type without its constness and by one name: "const double *" is "double*"."""
    bare = " ".join(re.sub(r"\b(const|restrict|__restrict)\b", " ", name.replace("*", " * ")).split())
    stars, base = bare.count("*"), bare.replace("*", "").strip()
    base = "ssize_t" if base in _SIGNED else _NAMES.get(base, base)
    return base + "*" * stars


def _split(text: str) -> tuple[str, ...]:
    """Return the types of a signature such as "double (double)": of the result, then of the arguments."""
    result, _, rest = text.partition("(")
    arguments = [part.strip() for part in rest.rpartition(")")[0].split(",")]
    return (result.strip(), *(part for part in arguments if part))


def _ctypes_name(kind: Any) -> str:
    if kind is None:
        return "void"
    if kind is ctypes.c_void_p:
        return "void *"
    if isinstance(kind, type) and issubclass(kind, ctypes._Pointer):
        return f"{_ctypes_name(kind._type_)} *"
    if hasattr(kind, "_dtype_"):  # an array by numpy.ctypeslib.ndpointer
        return f"{kind._dtype_} *"
    if kind is ctypes.c_ssize_t:
        return "Py_ssize_t"
    return str(getattr(kind, "__name__", kind)).removeprefix("c_")

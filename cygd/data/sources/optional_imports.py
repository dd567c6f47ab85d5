"""Imports of libraries that are optional dependencies of cygd."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cygd.errors import DataError


def import_optional(module: str, extra: str, package: str, user: str = "") -> Any:
    """Return a module of an optional dependency, or raise an error that says how to install it.

    `user` names what needs the module; by default it is the data source that has the name of the extra.
    """
    user = user or f"source: {extra}"
    try:
        return import_module(module)
    except ImportError as error:
        if error.name and error.name != module.partition(".")[0] and not module.startswith(error.name):
            raise DataError(f"{user}: {package} cannot be imported: {error}") from error
        hint = f'pip install "cygd[{extra}]"'
        raise DataError(f"{user} requires {package}, which is not installed", hint=hint) from None

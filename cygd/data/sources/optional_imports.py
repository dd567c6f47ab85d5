"""Imports of libraries that are optional dependencies of cygd."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cygd.errors import CygdError, DataError


def import_optional(
    module: str, extra: str, package: str, user: str = "", error: type[CygdError] = DataError
) -> Any:
    """Return a module of an optional dependency, or raise an error that says how to install it.

    `user` names what needs the module; by default it is the data source that has the name of the extra.
    """
    user = user or f"source: {extra}"
    try:
        return import_module(module)
    except ImportError as cause:
        if cause.name and cause.name != module.partition(".")[0] and not module.startswith(cause.name):
            raise error(f"{user}: {package} cannot be imported: {cause}") from cause
        hint = f'pip install "cygd[{extra}]"'
        raise error(f"{user} requires {package}, which is not installed", hint=hint) from None

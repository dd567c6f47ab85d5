"""A page for every public name, from ``__all__`` and the numpydoc docstrings."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from cygd_site.pages import Pages, toctree

# module -> what it is for; the types of results have no name in cygd itself
MODULES = {
    "cygd": "Experiments, networks, models, and the classes of components.",
    "cygd.core": "The equations as compiled functions.",
    "cygd.sklearn": "Estimators for scikit-learn.",
    "cygd.sweep": "Many runs of one experiment.",
    "cygd.testing": "Test suites for plugins.",
    "cygd.network": "Networks, and what training returns.",
    "cygd.inspection": "What `trace` and `loss_surface` return.",
    "cygd.plugins.hookspecs": "The hooks that a plugin may implement.",
}


def public_names(module: str) -> list[str]:
    """Return the public names of a module: ``__all__``, or the functions that it defines."""
    loaded = import_module(module)
    if hasattr(loaded, "__all__"):
        return sorted(loaded.__all__)
    return [n for n, v in vars(loaded).items() if inspect.isfunction(v) and v.__module__ == module]


def write(pages: Pages, root: Path) -> None:
    """Write a page for each module and for each public name."""
    homes: dict[int, str] = {}
    for module, purpose in MODULES.items():
        rows, children = [], []
        for name in public_names(module):
            value = getattr(import_module(module), name)
            if inspect.ismodule(value):
                rows.append(f"- [`{name}`](/reference/api/{value.__name__}.md): a module")
                continue
            home = homes.setdefault(id(value), f"{module}.{name}")
            rows.append(f"- [`{name}`](/reference/api/{home}.md)" + first_sentence(value))
            if home == f"{module}.{name}":
                children.append(home)
                pages.write(f"reference/api/{home}.md", page(home, value))
        text = f"# {module}\n\n{purpose}\n\n" + "\n".join(rows) + "\n\n" + toctree(children, hidden=True)
        pages.write(f"reference/api/{module}.md", text)
    pages.write(
        "reference/api/index.md",
        "# Python\n\n"
        + "\n".join(f"- [`{module}`](/reference/api/{module}.md): {text}" for module, text in MODULES.items())
        + "\n\n"
        + toctree(MODULES, hidden=True),
    )


def page(name: str, value: Any) -> str:
    """Return the page of one name."""
    heading = "# " + name.rpartition(".")[2].replace("_", "\\_") + "\n\n"
    if inspect.isclass(value):
        directive, options = "autoclass", "   :members:\n   :inherited-members: Exception,BaseEstimator\n"
    else:
        directive, options = "autofunction", ""
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        text = (
            f"An instance of `{kind}`, {value!r}." if isinstance(value, str) else f"An instance of `{kind}`."
        )
        return f"{heading}```{{eval-rst}}\n.. py:data:: {name}\n\n   {text}\n```\n"
    return f"{heading}```{{eval-rst}}\n.. {directive}:: {name}\n{options}```\n"


def first_sentence(value: Any) -> str:
    """Return the first line of a docstring as the rest of a list item."""
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return ""
    line = (inspect.getdoc(value) or "").strip().partition("\n")[0]
    return ": " + re.sub(r"([*_|<>])", r"\\\1", line) if line else ""


def escape_prose(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Escape the stars, bars and final underscores of a docstring, which are never markup in cygd."""
    examples = False
    for number, line in enumerate(lines):
        examples = examples or line.strip() == "Examples"
        if examples or line.lstrip().startswith((">>>", "...")) or _is_parameter(lines, number):
            continue
        parts = re.split(r"(``.*?``|`.*?`)", line)
        parts[::2] = [re.sub(r"([*|])|(?<=\w)(_)(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
        lines[number] = "".join(parts)


def skip_foreign(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Skip the members that a class inherits from another library, such as `dict.keys`."""
    owner = getattr(obj, "__objclass__", None) or obj
    owner = getattr(owner, "fget", None) or owner
    module = getattr(owner, "__module__", None)
    return True if isinstance(module, str) and not module.startswith("cygd") else None


def _is_parameter(lines: list[str], number: int) -> bool:
    """Return True for the line `name : type`, whose names numpydoc escapes itself."""
    return re.match(r"^[*\w, ]+ : ", lines[number]) is not None

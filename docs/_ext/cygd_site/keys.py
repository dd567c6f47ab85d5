"""Every key of an experiment, from the fields of its sections."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from cygd.config.section import walk
from cygd.config.sections import ExperimentSection
from cygd_site.pages import Pages


def write(pages: Pages, root: Path) -> None:
    """Write the page of the keys."""
    cells = load_tool(root, "configuration")
    parts = [
        "# Keys of an experiment\n\nAn experiment is one YAML file; [](/configuration.md) explains how it is "
        "read, and `cygd check` reports its errors. `[]` is any entry of a list. The options of a component "
        "are on [its page](/reference/components/index.md).\n"
    ]
    level = 1
    for path, field in walk(ExperimentSection):
        level = min(len([part for part in path if part != "*"]) + 1, level + 1)
        key = ".".join(path).replace(".*", "[]")
        meaning = re.sub(r"\((\w+\.md)\)", r"([\1](/\1))", field.description)
        default = cells.default_cell(field)
        parts.append(
            f"({anchor(key)})=\n{'#' * level} `{key}`\n\n{meaning[:1].upper()}{meaning[1:]}.\n\n"
            f"- type: {cells.type_cell(field)}\n- default: {default}\n"
        )
    pages.write("reference/keys.md", "\n".join(parts))


def anchor(key: str) -> str:
    """Return the name by which other pages link to a key."""
    return "key-" + re.sub(r"\W+", "-", key).strip("-")


def load_tool(root: Path, name: str) -> ModuleType:
    """Import a file of `tools/`, which is no package of the installation."""
    spec = importlib.util.spec_from_file_location(f"cygd_tool_{name}", root / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

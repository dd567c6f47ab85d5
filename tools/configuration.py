"""Write the table of keys in docs/configuration.md from the sections of an experiment.

python tools/configuration.py
"""

from __future__ import annotations

import re
from pathlib import Path

from cygd.config.component_spec import ComponentValidator
from cygd.config.messages import format_value
from cygd.config.section import Field, walk
from cygd.config.sections import ExperimentSection
from cygd.config.validators import Nullable

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
HEAD = "| key | type | default | meaning |\n|---|---|---|---|\n"


def type_cell(field: Field) -> str:
    """Return the type of a field in words."""
    validator = (
        field.inner if isinstance(field.inner, ComponentValidator) and not field.is_list else field.validator
    )
    expected = validator.noun if isinstance(validator, ComponentValidator) else validator.expected
    null = ", or null" if isinstance(validator, Nullable) and field.default is not None else ""
    return re.sub("^(an?|the) ", "", expected) + null


def default_cell(field: Field) -> str:
    """Return the default as in YAML, or in words."""
    if field.required or field.default_text:
        return "required" if field.required else field.default_text
    if isinstance(field.validator, ComponentValidator):
        return f"`{field.validator.default}`"
    if field.default is None or (field.default == () and not field.is_list):
        return "see below" if isinstance(field.validator, type) else "none"
    if isinstance(field.default, tuple):
        return f"`[{', '.join(field.default)}]`"
    default = int(field.default) if field.default == 0 and type(field.default) is float else field.default
    return f"`{default}`" if isinstance(default, str) else f"`{format_value(default)}`"


def table() -> str:
    """Return the table of keys."""
    rows = []
    for path, field in walk(ExperimentSection):
        key = ".".join(path).replace(".*", "[]")
        meaning = re.sub(r"\((\w+\.md)\)", r"([\1](\1))", field.description)
        rows.append(f"| `{key}` | {type_cell(field)} | {default_cell(field)} | {meaning} |\n")
    return HEAD + "".join(rows)


def page() -> str:
    """Return the page with the current table."""
    text = PAGE.read_text(encoding="utf-8")
    start = text.index(HEAD)
    return text[:start] + table() + text[text.index("\n\n", start) + 1 :]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""docs/configuration.md names every key, and every default that is a plain value."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import yaml

from cygd.config import descriptions
from cygd.config.sections import ExperimentSection, Section

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def rows():
    """Return the default of every key, as the table has it."""
    found = re.findall(r"^\| `([^`]+)` \| [^|]+ \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE)
    return {key: default.strip() for key, default in found if not key.startswith("inline")}


def test_editors_are_told_what_the_table_says():
    script = PAGE.parents[1] / "tools" / "meanings.py"
    done = subprocess.run([sys.executable, "-P", script], capture_output=True, text=True, check=True)
    remedy = "run: python tools/meanings.py > cygd/config/descriptions.py, and then as test_cli_schema says"
    assert done.stdout == Path(descriptions.__file__).read_text(), remedy


def inner_section(annotation):
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(inner_section, get_args(annotation))), None)


def keys(section=ExperimentSection, at=""):
    """Yield every key that can be written, with its default."""
    for name in section.key_names():
        field = section.fields()[name]
        below = inner_section(field.annotation)
        many = "[]" if "tuple" in str(field.annotation) else ""
        yield at + name, field.default, below
        if below:
            yield from keys(below, f"{at}{name}{many}.")


def test_every_key_has_a_row_and_every_row_a_key():
    documented = set(rows())
    written = {key for key, _, section in keys() if section is None or key in documented}
    assert documented == written


def test_defaults():
    documented, compared = rows(), 0
    for key, default, _ in keys():
        plain = re.match("`([^`]*)`", documented.get(key, ""))
        if plain and default not in (None, ""):
            assert yaml.safe_load(plain[1]) == (list(default) if isinstance(default, tuple) else default), key
            compared += 1
    assert compared >= 20

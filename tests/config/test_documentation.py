"""The table in docs/configuration.md is written from the sections."""

import importlib.util
import re
from pathlib import Path

import yaml

from cygd.config.component_spec import ComponentValidator
from cygd.config.section import walk
from cygd.config.sections import ExperimentSection

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "configuration.md").read_text()
spec = importlib.util.spec_from_file_location("configuration", CHECKOUT / "tools" / "configuration.py")
configuration = importlib.util.module_from_spec(spec)
spec.loader.exec_module(configuration)


def test_table_is_up_to_date():
    remedy = "run: python tools/configuration.py, and then as tests/cli/test_schema.py says"
    assert configuration.page() == PAGE, remedy


def test_every_key_has_a_description():
    missing = [path for path, field in walk(ExperimentSection) if not field.description]
    assert missing == []


def test_documented_defaults_are_the_defaults_of_the_keys():
    rows = dict(re.findall(r"^\| `([a-z_.\[\]0-9]+)` \| [^|]+ \| `([^`|]+)` \|", PAGE, re.MULTILINE))
    compared = 0
    for path, field in walk(ExperimentSection):
        key = ".".join(path).replace(".*", "[]")
        if key in rows and not field.default_text and not isinstance(field.validator, ComponentValidator):
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            assert yaml.safe_load(rows[key]) == default, key
            compared += 1
    assert compared >= 25

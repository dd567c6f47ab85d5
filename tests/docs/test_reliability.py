"""Every test that docs/reliability.md names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "| test |" not in line]
TESTS = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)


def test_every_row_names_a_test():
    assert len(ROWS) == len(TESTS) > 50
    for row in ROWS:
        assert re.search(r"`tests/[\w/]+\.py::test_\w+` \|$", row), row


@pytest.mark.parametrize(("file", "name"), TESTS, ids=lambda part: Path(part).name)
def test_named_test_exists(file, name):
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_names_are_distinct():
    assert len(set(TESTS)) == len(TESTS)

"""Outputs that a page shows beside those that its blocks print: numbers may differ by 1 %."""

import doctest
import re

import pytest

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])")


def assert_alike(shown, printed, without_changing=str, smallest=None):
    """Compare two texts word by word, without what changes from run to run, and their numbers."""
    shown, printed = without_changing(shown), without_changing(printed)
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split(), printed
    numbers = [float(number) for number in NUMBER.findall(shown)]
    found = [float(number) for number in NUMBER.findall(printed)]
    assert found == pytest.approx(numbers, rel=0.01, abs=smallest), printed


class Alike(doctest.OutputChecker):
    """Accepts the outputs that a comparison accepts."""

    def __init__(self, compare):
        self.compare = compare

    def check_output(self, want, got, optionflags):
        try:
            self.compare(want, got)
        except AssertionError:
            return False
        return True

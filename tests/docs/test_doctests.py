"""The examples in the docstrings of cygd, compiled modules included, print what they show."""

import doctest
import importlib
import pkgutil

import pytest

import cygd

MODULES = [
    "cygd",
    *(
        module.name
        for module in pkgutil.walk_packages(cygd.__path__, "cygd.")
        # a level's kernels are loaded where the CPU has the level; they hold no docstrings
        if not module.name.startswith(("cygd.__main__", "cygd.core.kernels", "cygd.core._cyutility"))
    ),
]
EXAMPLES = {
    name: [test for test in doctest.DocTestFinder().find(importlib.import_module(name)) if test.examples]
    for name in MODULES
}


@pytest.mark.parametrize("name", [name for name in MODULES if EXAMPLES[name]])
def test_examples(name):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    report = []
    for test in EXAMPLES[name]:
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_examples_are_found_in_compiled_modules_too():
    assert sum(len(tests) for tests in EXAMPLES.values()) > 20
    assert EXAMPLES["cygd.core.primitives"]

"""The doctests of cygd pass, those of compiled modules included."""

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
        # kernels are loaded only if the CPU has their level; they have no docstrings
        if not module.name.startswith(("cygd.__main__", "cygd.core.kernels", "cygd.core._cyutility"))
    ),
]
EXAMPLES = {
    name: [test for test in doctest.DocTestFinder().find(importlib.import_module(name)) if test.examples]
    for name in MODULES
}


@pytest.mark.parametrize("name", [name for name in MODULES if EXAMPLES[name]])
def test_examples_pass(name):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    report = []
    for test in EXAMPLES[name]:
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_examples_of_compiled_modules_are_found():
    assert sum(len(tests) for tests in EXAMPLES.values()) > 20
    assert EXAMPLES["cygd.core.primitives"]

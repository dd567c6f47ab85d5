import inspect
from pathlib import Path

import pytest

from cygd.plugins import hookspecs
from cygd.plugins.registration import COMPONENT_HOOKS, RUN_HOOKS

HERE = Path(__file__).parents[1]
GUIDE = HERE.parent / "docs" / "plugins.md"
HOOKS = {
    name: value for name, value in vars(hookspecs).items() if getattr(value, "cygd_spec", None) is not None
}


def test_specified_hooks_are_those_called():
    assert list(HOOKS) == [*COMPONENT_HOOKS, *RUN_HOOKS]


@pytest.mark.parametrize("name", HOOKS)
def test_hook_has_a_docstring_and_a_return_annotation(name):
    assert inspect.getdoc(HOOKS[name])
    assert inspect.signature(HOOKS[name]).return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize("name", HOOKS)
def test_hook_is_documented_with_its_signature(name):
    arguments = ", ".join(inspect.signature(HOOKS[name]).parameters)
    assert f"`{name}({arguments})`" in GUIDE.read_text()


@pytest.mark.parametrize("name", HOOKS)
def test_hook_is_implemented_in_some_test(name):
    others = [path for path in HERE.rglob("test_*.py") if path != Path(__file__)]
    assert any(f"def {name}(" in path.read_text() for path in others)


def test_all_hooks_fit_on_one_screen():
    assert len(Path(hookspecs.__file__).read_text().splitlines()) <= 100

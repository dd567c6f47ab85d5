"""Mutated experiments, as of tools/fuzz/experiments.py: valid, or an error of cygd."""

import importlib.util
from pathlib import Path

import pytest

from cygd.errors import PluginError
from cygd.runner.assembly import assemble

FUZZER = Path(__file__).parents[2] / "tools" / "fuzz" / "experiments.py"


@pytest.fixture(scope="module")
def fuzzer():
    spec = importlib.util.spec_from_file_location("fuzz_experiments", FUZZER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mutations_end_with_an_error_of_cygd_or_none(fuzzer, tmp_path):
    texts = [path.read_text() for path in sorted(fuzzer.EXPERIMENTS.glob("[!.]*.yaml"))]
    mutations = [fuzzer.make(seed, texts) for seed in range(40)]
    assert fuzzer.make(7, texts) == mutations[7]
    for mutation in mutations:
        if not fuzzer.is_huge(mutation):
            assert fuzzer.check(mutation, tmp_path / "e.yaml") in {
                *("valid", "ConfigError", "DataError", "FormulaError", "PluginError")
            }


@pytest.mark.parametrize("name", ["x" * 300, "./" + "x" * 300 + ".py", "x" * 300 + ".py"])
def test_plugin_name_that_is_too_long_for_a_file_is_an_error(name):
    experiment = {"data": {"source": "inline", "x": [[1]], "y": [1]}, "model": {"layers": [1]}}
    with pytest.raises(PluginError, match="no such"):
        assemble({**experiment, "plugins": [name]}, (), ())

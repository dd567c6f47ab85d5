"""docs/scikit-learn.md: every example runs, and every parameter is described."""

import doctest
import re
from pathlib import Path

from cygd.sklearn import NetworkClassifier, NetworkRegressor

GUIDE = (Path(__file__).parents[2] / "docs" / "scikit-learn.md").read_text()


def test_examples_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "".join(re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(code, {}, "scikit-learn.md", None, 0)
    assert len(test.examples) > 25
    report = []
    doctest.DocTestRunner().run(test, out=report.append)
    assert report == []


def test_every_parameter_is_named():
    named = set(re.findall(r"`(\w+)`", GUIDE))
    for estimator in (NetworkClassifier(), NetworkRegressor()):
        assert estimator.get_params().keys() - named == set()

"""docs/networks.md: every example runs, and every kind of targets is described."""

import doctest
import re
from pathlib import Path

GUIDE = (Path(__file__).parents[2] / "docs" / "networks.md").read_text()


def test_examples_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "".join(re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(code, {}, "networks.md", None, 0)
    assert len(test.examples) > 15
    report = []
    doctest.DocTestRunner().run(test, out=report.append)
    assert report == []

"""All checks of scikit-learn, for both estimators and both dtypes, without exceptions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cygd

# in a process of its own: one of the checks needs this variable before SciPy is imported
CODE = """
import json, sys, warnings
warnings.simplefilter("ignore")
from sklearn.utils.estimator_checks import check_estimator
from cygd import sklearn
for dtype in (None, "float32", "float64"):
    estimator = getattr(sklearn, sys.argv[1])(dtype=dtype)
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    print(json.dumps([[r["check_name"], r["status"], str(r["exception"])] for r in results]))
"""


@pytest.mark.parametrize(("name", "least"), [("NetworkClassifier", 60), ("NetworkRegressor", 54)])
def test_every_check_passes_and_none_is_skipped(name, least):
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(cygd.__file__).parents[1]),
        "SCIPY_ARRAY_API": "1",
    }
    command = [sys.executable, "-P", "-c", CODE, name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    checked = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[[")]
    assert len(checked) == 3
    for results in checked:
        assert [result for result in results if result[1] != "passed"] == []
        assert len(results) >= least

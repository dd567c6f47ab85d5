"""The import of the estimators: errors that say what to install."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cygd


def error_of_import(folder):
    """Return the last line of the traceback of `import cygd.sklearn` with a scikit-learn from a folder."""
    path = os.pathsep.join([str(folder), str(Path(cygd.__file__).parents[1])])
    command = [sys.executable, "-c", "import cygd.sklearn"]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("raise ModuleNotFoundError(\"No module named 'sklearn'\")", "No module named 'sklearn'"),
        ("", "cannot import name 'validate_data' from 'sklearn.utils.validation'"),
    ],
    ids=["missing", "old"],
)
def test_a_scikit_learn_that_is_missing_or_old_is_an_error_with_the_remedy(tmp_path, content, cause):
    (tmp_path / "sklearn" / "utils").mkdir(parents=True)
    (tmp_path / "sklearn" / "__init__.py").write_text(content)
    (tmp_path / "sklearn" / "utils" / "__init__.py").touch()
    (tmp_path / "sklearn" / "utils" / "validation.py").touch()
    found = error_of_import(tmp_path)
    words = 'ImportError: cygd.sklearn requires scikit-learn 1.6 or later: pip install -U "cygd[sklearn]" ('
    assert found.startswith(words + cause)

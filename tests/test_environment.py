import hashlib
import json
import logging

import pytest

from cygd.environment import hashes, versions, warn_if_changed


def test_versions_name_what_matters():
    found = versions()
    assert list(found) == ["python", "cygd", "numpy", "pyyaml", "pluggy", "pydantic"]
    assert all(found.values())


def test_hashes_name_files_relative_to_their_base(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "a.py").write_bytes(b"x")
    path = tmp_path / "plugins" / "a.py"
    digest = hashlib.sha256(b"x").hexdigest()
    assert hashes([path], tmp_path) == {"plugins/a.py": digest}
    assert hashes([path]) == {str(path): digest}


def test_a_changed_file_is_warned_of(tmp_path, caplog):
    then = {"sha256": {"data": {"/a.csv": "1", "/b.csv": "1"}, "plugins": {"plugins/a.py": "1"}}}
    (tmp_path / "environment.json").write_text(json.dumps(then))
    with caplog.at_level(logging.WARNING, "cygd"):
        warn_if_changed(tmp_path, {"/a.csv": "2", "/b.csv": "1", "/new.csv": "1"}, {"plugins/a.py": "2"})
    assert [record.getMessage() for record in caplog.records] == [
        f"data file /a.csv has changed since the run in {tmp_path}: the result will not be the same",
        f"plugin file plugins/a.py has changed since the run in {tmp_path}: the result will not be the same",
    ]


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"sha256": {"data": {}}}'])
def test_where_there_was_no_run_nothing_is_said(tmp_path, caplog, content):
    if content is not None:
        (tmp_path / "environment.json").write_text(content)
    warn_if_changed(tmp_path, {"/a.csv": "2"}, {})
    assert not caplog.records

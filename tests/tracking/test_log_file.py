import logging

import pytest

from cygd.tracking.log_file import LogFile
from cygd.tracking.redaction import redact

log = logging.getLogger("cygd")


class Listener(logging.Handler):
    def __init__(self):
        super().__init__()
        self.heard = []

    def emit(self, record):
        self.heard.append(record.getMessage())


@pytest.fixture
def listener():
    handler = Listener()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def test_earlier_records_are_written_when_the_file_opens(tmp_path):
    with LogFile() as journal:
        log.warning("early", extra={"hint": "get up"})
        journal.open(tmp_path / "log.txt")
        log.debug("late")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line.split(" ", 2)[2] if line[0].isdigit() else line for line in lines] == [
        "WARNING early",
        "  hint: get up",
        "DEBUG late",
    ]


def test_traceback_is_written(tmp_path):
    with LogFile() as journal:
        journal.open(tmp_path / "log.txt")
        try:
            raise ValueError("deep inside")
        except ValueError as error:
            log.debug("failed", exc_info=error)
    text = (tmp_path / "log.txt").read_text()
    assert "Traceback (most recent call last)" in text
    assert "ValueError: deep inside" in text


def test_level_of_other_handlers_is_unchanged(tmp_path, listener):
    with LogFile() as outer, LogFile():
        outer.open(tmp_path / "log.txt")
        log.debug("whisper")
        log.info("murmur")
        log.warning("cry")
    assert listener.heard == ["cry"]
    assert "whisper" in (tmp_path / "log.txt").read_text()


def test_logger_level_is_restored(tmp_path):
    before = log.level
    with LogFile():
        assert log.level == logging.DEBUG
    assert log.level == before
    assert not log.filters


def test_nothing_is_written_after_the_block(tmp_path):
    with LogFile() as journal:
        journal.open(tmp_path / "log.txt")
    log.warning("too late")
    assert (tmp_path / "log.txt").read_text() == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("command line password: unknown option, got password='hunter 2'", "password=***"),
        ('{"api_key": "abc", "epochs": 5}', '{"api_key": ***, "epochs": 5}'),
        ("cannot open mysql://ann:tiger@host/db?token=xyz&a=1", "mysql://ann:***@host/db?token=***&a=1"),
        ("SECRET_TOKEN=abc next", "SECRET_TOKEN=*** next"),
    ],
)
def test_secrets_are_redacted(tmp_path, text, expected):
    with LogFile() as log_file:
        log.info("%s", text)
        log_file.open(tmp_path / "log.txt")
        log.warning("%s", text, extra={"hint": text})
    content = (tmp_path / "log.txt").read_text()
    assert content.count(expected) == 3
    for secret in ("hunter", "abc", "tiger", "xyz"):
        assert secret not in content


@pytest.mark.parametrize(
    "text", ["12 tokens", "passed: 5 checks", "loss 0.5, accuracy: 1", "http://host:8080/a@b"]
)
def test_other_texts_are_not_redacted(text):
    assert redact(text) == text

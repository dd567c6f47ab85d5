import contextvars
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

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


def test_each_thread_writes_to_its_own_file(tmp_path):
    meet = threading.Barrier(3)

    def write(number):
        with LogFile() as log_file:
            log.info("before %d", number)
            log_file.open(tmp_path / f"{number}.txt")
            meet.wait(timeout=30)
            log.debug("after %d", number)
            meet.wait(timeout=30)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
        list(pool.map(write, range(3, 6)))  # in the same threads
    for number in range(6):
        lines = (tmp_path / f"{number}.txt").read_text().splitlines()
        assert [line.split(" ", 3)[3] for line in lines] == [f"before {number}", f"after {number}"]
    assert not log.filters


def test_records_of_a_started_thread_belong_to_the_only_run(tmp_path):
    with LogFile() as outer, LogFile() as inner:  # a cross-validation and a fold
        outer.open(tmp_path / "outer.txt")
        inner.open(tmp_path / "inner.txt")
        thread = threading.Thread(target=log.info, args=("from a thread",))
        thread.start()
        thread.join()
    for name in ("outer.txt", "inner.txt"):
        assert (tmp_path / name).read_text().endswith("INFO from a thread\n")


def test_records_of_a_started_thread_belong_to_no_other_run(tmp_path):
    """With several runs, such a thread needs a copy of the context of its run."""
    release = threading.Event()

    def run(name):
        with LogFile() as log_file:
            log_file.open(tmp_path / name)
            ready.set()
            release.wait(timeout=30)

    ready = threading.Event()
    other = threading.Thread(target=run, args=("other.txt",))
    other.start()
    ready.wait(timeout=30)
    with LogFile() as log_file:
        log_file.open(tmp_path / "mine.txt")
        for target, text in ((log.info, "without"), (contextvars.copy_context().run, "with")):
            arguments = (text,) if target == log.info else (log.info, text)
            thread = threading.Thread(target=target, args=arguments)
            thread.start()
            thread.join()
    release.set()
    other.join()
    assert (tmp_path / "other.txt").read_text() == ""
    [line] = (tmp_path / "mine.txt").read_text().splitlines()
    assert line.endswith("INFO with")


def test_thread_that_outlives_its_run_may_log(tmp_path):
    with LogFile() as log_file:
        log_file.open(tmp_path / "log.txt")
        context = contextvars.copy_context()
    with LogFile() as later:
        later.open(tmp_path / "later.txt")
        context.run(log.info, "too late")
    assert (tmp_path / "log.txt").read_text() == (tmp_path / "later.txt").read_text() == ""


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
        ("Pa\u017f\u017fWord: abc, to\u212aen=xyz", "Pa\u017f\u017fWord: ***, to\u212aen=***"),
        ("FTP://ann:tiger@host", "FTP://ann:***@host"),
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

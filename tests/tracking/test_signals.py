"""Ctrl-C again and again: what is being written is written whole, and nobody sees a traceback."""

import signal
import threading

import pytest

from cygd import __main__
from cygd.tracking.signals import TERMINATION_SIGNALS, ignore_signals, sigterm_as_interrupt


def test_no_ctrl_c_gets_in_and_the_handler_comes_back():
    before = signal.getsignal(signal.SIGINT)
    with ignore_signals():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_leaves_signals_alone():
    seen = []

    def look():
        with ignore_signals():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_ctrl_c_while_the_command_is_imported_ends_quietly(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("cygd.cli.main.main", interrupted)
    assert __main__.main() == 130


@pytest.fixture
def default():
    """What a process has that nobody has told otherwise."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in TERMINATION_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", TERMINATION_SIGNALS)
@pytest.mark.usefixtures("default")
def test_a_request_to_end_is_an_interrupt(number):
    with pytest.raises(KeyboardInterrupt, match=number.name), sigterm_as_interrupt():
        signal.raise_signal(number)
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.parametrize("number", TERMINATION_SIGNALS)
@pytest.mark.usefixtures("default")
def test_while_something_is_written_it_waits_no_less_than_ctrl_c(number):
    with sigterm_as_interrupt(), ignore_signals():
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, print], ids=["nohup", "an application's own"])
@pytest.mark.usefixtures("default")
def test_what_others_have_set_stays(handler):
    signal.signal(signal.SIGHUP, handler)
    with sigterm_as_interrupt():
        assert signal.getsignal(signal.SIGHUP) is handler
        with ignore_signals():
            assert signal.getsignal(signal.SIGHUP) is handler


@pytest.mark.usefixtures("default")
def test_another_thread_cannot_ask_for_signals():
    seen = []

    def look():
        with sigterm_as_interrupt():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]

"""Signals: ignored while files are written, and SIGTERM as an interrupt without a traceback."""

import signal
import threading

import pytest

from cygd import __main__
from cygd.tracking.signals import TERMINATION_SIGNALS, deferred_signals, ignore_signals, sigterm_as_interrupt


def test_ctrl_c_is_ignored_and_the_handler_restored():
    before = signal.getsignal(signal.SIGINT)
    with ignore_signals():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_ignore_signals_does_nothing_in_other_threads():
    handlers = []

    def append_handler():
        with ignore_signals():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=append_handler)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]


def test_ctrl_c_during_import_exits_130(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("cygd.cli.main.main", interrupted)
    assert __main__.main() == 130


@pytest.fixture
def default():
    """Reset the termination signals to their default handlers."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in TERMINATION_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", TERMINATION_SIGNALS)
@pytest.mark.usefixtures("default")
def test_termination_signal_raises_keyboard_interrupt(number):
    with pytest.raises(KeyboardInterrupt, match=number.name), sigterm_as_interrupt():
        signal.raise_signal(number)
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.parametrize("number", TERMINATION_SIGNALS)
@pytest.mark.usefixtures("default")
def test_ignore_signals_covers_termination_signals(number):
    with sigterm_as_interrupt(), ignore_signals():
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, print], ids=["nohup", "an application's own"])
@pytest.mark.usefixtures("default")
def test_existing_handlers_are_kept(handler):
    signal.signal(signal.SIGHUP, handler)
    with sigterm_as_interrupt():
        assert signal.getsignal(signal.SIGHUP) is handler
        with ignore_signals():
            assert signal.getsignal(signal.SIGHUP) is handler


@pytest.mark.usefixtures("default")
def test_sigterm_as_interrupt_does_nothing_in_other_threads():
    handlers = []

    def append_handler():
        with sigterm_as_interrupt():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=append_handler)
    thread.start()
    thread.join()
    assert handlers == [signal.SIG_DFL]


@pytest.mark.parametrize("number", [signal.SIGINT, *TERMINATION_SIGNALS])
@pytest.mark.usefixtures("default")
def test_deferred_signals_are_delivered_at_the_end(number):
    reached = []

    def work():
        with sigterm_as_interrupt(), deferred_signals():
            signal.raise_signal(number)
            reached.append(number)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == [number]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_second_deferred_signal_is_delivered_at_once():
    reached = []

    def work():
        with deferred_signals():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            reached.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not reached


def test_deferred_signals_leave_other_handlers_alone():
    seen = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        with deferred_signals():
            signal.raise_signal(signal.SIGINT)
            assert seen == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_deferred_signals_do_nothing_in_other_threads():
    handlers = []

    def append_handler():
        with deferred_signals():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=append_handler)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]

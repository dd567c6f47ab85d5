"""Signal handling: ignore signals while files are written, and turn SIGTERM into KeyboardInterrupt."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

# sent by batch systems, and when a terminal is closed
TERMINATION_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ignore_signals() -> Iterator[None]:
    """Ignore Ctrl-C, and the signals that `sigterm_as_interrupt` handles, within a `with` block.

    Other threads than the main one never receive signals, so there this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled = [number for number in TERMINATION_SIGNALS if signal.getsignal(number) is _raise_interrupt]
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *handled)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM and SIGHUP within a `with` block.

    Signals that have a handler or are ignored stay as they are, as do all signals in other threads.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # nohup ignores SIGHUP: keep it ignored
    unhandled = [number for number in TERMINATION_SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in unhandled:
        signal.signal(number, _raise_interrupt)
    try:
        yield
    finally:
        for number in unhandled:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Hold Ctrl-C and the signals of `sigterm_as_interrupt` back until the end of a `with` block.

    A second one is delivered at once, in case that the block hangs. Handlers of the user stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    known = (signal.default_int_handler, _raise_interrupt)
    numbers = (signal.SIGINT, *TERMINATION_SIGNALS)
    handlers: dict[int, Any] = {n: found for n in numbers if (found := signal.getsignal(n)) in known}
    pending: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        if pending:
            handlers[number](number, frame)
        pending.append(number)

    try:
        for number in handlers:
            signal.signal(number, hold)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if pending:
            handlers[pending[0]](pending[0], None)


def _raise_interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)

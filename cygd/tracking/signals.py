"""Signal handling: ignore signals while files are written, and turn SIGTERM into KeyboardInterrupt."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from cygd.core import _f32, _f64

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


class DeferredSignals:
    """Holds Ctrl-C and the signals of `sigterm_as_interrupt` back, within a `with` block.

    They end a call of the engine as ever; otherwise they are delivered by `deliver` or at the end of the
    block, so that the rows of a call cannot be lost between the engine and the files.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._pending: int | None = None

    def __enter__(self) -> DeferredSignals:
        if threading.current_thread() is threading.main_thread():
            known = (signal.default_int_handler, _raise_interrupt)
            for number in (signal.SIGINT, *TERMINATION_SIGNALS):
                handler = signal.getsignal(number)
                if handler in known and callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self._hold)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if exception[0] is None:
            self.deliver()

    def deliver(self) -> None:
        """Raise what a signal that was held back raises."""
        number, self._pending = self._pending, None
        if number is not None:
            self._handlers[number](number, None)

    def _hold(self, number: int, frame: FrameType | None) -> None:
        if threading.get_ident() in _f32.polling_threads | _f64.polling_threads:
            self._handlers[number](number, frame)
        self._pending = number


def _raise_interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)

"""Ctrl-C at the wrong moment, and what else tells a process to end: what is written is written whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

__all__ = ["ignore_signals", "sigterm_as_interrupt"]

# what a batch system sends, and a terminal that is closed
ENDINGS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ignore_signals() -> Iterator[None]:
    """Let no further Ctrl-C disturb what is done here; only the main thread is ever disturbed.

    Nor another signal that `sigterm_as_interrupt` has made one.

    Examples
    --------
    >>> with ignore_signals():
    ...     signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    True
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    disturbing = [number for number in ENDINGS if signal.getsignal(number) is _end]
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *disturbing)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let a request to end be what Ctrl-C is, in the main thread and unless somebody else takes care of it.

    Examples
    --------
    >>> with sigterm_as_interrupt():
    ...     try:
    ...         signal.raise_signal(signal.SIGTERM)
    ...     except KeyboardInterrupt as interrupt:
    ...         print(interrupt)
    SIGTERM
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # under nohup SIGHUP is ignored, and stays so
    ours = [number for number in ENDINGS if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)

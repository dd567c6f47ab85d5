"""Colors on stdout, where rich finds that they are wanted.

rich decides: a terminal gets colors unless NO_COLOR is set or TERM is `dumb`; FORCE_COLOR asks for them in a
pipe too. It is imported only if there may be colors.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TextIO

FORCING = ("FORCE_COLOR", "TTY_COMPATIBLE")  # environment variables that make rich take a pipe for a terminal

Painter = Callable[[str, str], str]


def painter(stream: TextIO) -> Painter:
    """Return a function of a text and a rich style, such as `bold red`, for texts that go to a stream."""
    if not (stream.isatty() or any(name in os.environ for name in FORCING)):
        return _unpainted
    from rich.color import ColorSystem
    from rich.console import Console
    from rich.style import Style

    console = Console(file=stream, force_jupyter=False)
    if console.no_color or console.color_system is None or console.legacy_windows:
        return _unpainted

    def paint(text: str, style: str) -> str:
        # the 16 colors of a terminal are those that its user chose to read well
        return Style.parse(style).render(text, color_system=ColorSystem.STANDARD) if style else text

    return paint


def _unpainted(text: str, style: str) -> str:
    return text

"""A progress bar as HTML."""

from __future__ import annotations

from cygd.display.html import STYLE, escape


def progress_bar(title: str, done: int, total: int, text: str) -> str:
    """Return a bar with a title above it and a text beside it.

    >>> '<progress value="3" max="10">' in progress_bar("xor", 3, 10, "loss 0.5")
    True
    """
    bar = f'<progress value="{done}" max="{max(total, 1)}"></progress>'
    line = f"{bar} {done}/{total} <small>{escape(text)}</small>"
    return f'<div class="cygd"><style>{STYLE}</style><p>{escape(title)}</p><p>{line}</p></div>'

"""Progress in the output of a cell of Jupyter, as one display that is updated."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def find_display() -> Any:
    """Return the module `IPython.display` in a kernel of Jupyter, or else None."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return import_module("IPython.display") if getattr(shell, "kernel", None) is not None else None


class NotebookProgress:
    """A bar of epochs in the output of the cell that runs."""

    def __init__(self, display: Any, title: str, total: int) -> None:
        self._html = display.HTML
        self.title, self.total, self.done, self.text = title, total, 0, ""
        self._handle = display.display(self._content(), display_id=True)

    def update(self, done: int, text: str) -> None:
        """Show the number of completed epochs, and a text."""
        self.done, self.text = done, text
        self._handle.update(self._content())

    def _content(self) -> Any:
        from cygd.display.progress import progress_bar

        return self._html(progress_bar(self.title, self.done, self.total, self.text))

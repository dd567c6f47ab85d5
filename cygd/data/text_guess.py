"""What was guessed about a text file: the options of the csv source, with a note on each doubtful reading."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cygd.errors import abbreviate

DEFAULTS = {
    "encoding": "utf-8",
    "comment": "",
    "skip_rows": 0,
    "skip_footer": 0,
    "delimiter": ",",
    "quote": '"',
    "decimal": ".",
    "header": True,
}

UNDECIDED = "nothing is guessed"  # in the note on 1,200, which other cells may decide

Line = tuple[int, str]  # its number, and its text without the line end
Record = tuple[int, list[str]]


@dataclass
class TextGuess:
    """The options that differ from the defaults, and a note on each reading that is not the only one."""

    options: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, option: str, value: Any, note: str = "") -> None:
        """Set an option, and say why."""
        if value != DEFAULTS[option] or note:
            self.options[option] = value
        if note:
            text = str(value).lower() if isinstance(value, bool) else repr(value)
            self.notes.append(f"{note} ({option}: {text})")


def quote_line(text: str) -> str:
    """Return a line as a note quotes it."""
    return repr(abbreviate(text, 40))

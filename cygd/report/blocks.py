"""What a section consists of: paragraphs, notices, tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """A paragraph that must not be missed."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table of texts; `facts` is one of two columns without a header."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    left_out: int = 0
    facts: bool = False


@dataclass(frozen=True)
class Figure:
    """A drawing on axes of matplotlib, in inches, with a text for those who do not see it and its numbers.

    `behind` names the section that holds the numbers if the figure has no table of its own.
    """

    name: str
    draw: Callable[..., None]
    width: float
    height: float
    alt: str
    caption: str
    table: Table | None = None
    behind: str = ""


Part = str | Notice | Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading and its parts."""

    name: str
    title: str
    parts: Sequence[Part]

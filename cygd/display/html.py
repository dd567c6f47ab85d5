"""HTML of a block that a notebook shows: a title, lines of text, tables and drawings.

Colors are those of the page: text and lines are `currentColor`, and the few other colors are readable on
light and dark. The style applies to the block alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape as escape_html

from cygd.errors import escape_controls

MAX_TEXT = 200  # characters of a cell
LONG_TEXT = 40  # characters of a cell that may take several lines

# `.cygd.cygd` is stronger than the styles of notebooks for tables
STYLE = """
.cygd {font: 13px/1.4 system-ui, sans-serif; color: inherit; overflow-x: auto; padding: 2px 0}
.cygd.cygd h4 {font-size: 14px; font-weight: 600; margin: 0 0 4px; color: inherit}
.cygd.cygd p {margin: 4px 0}
.cygd.cygd table {border-collapse: collapse; margin: 6px 0; font-size: 12px; color: inherit; border: 0}
.cygd.cygd caption {caption-side: top; text-align: left; padding: 2px 0; color: inherit; opacity: .75}
.cygd.cygd th, .cygd.cygd td {padding: 2px 12px 2px 0; text-align: left; vertical-align: top; border: 0;
 color: inherit; max-width: 60ch; white-space: nowrap; background: none}
.cygd.cygd th {font-weight: 600; border-bottom: 1px solid;
 border-color: color-mix(in srgb, currentColor 35%, transparent)}
.cygd.cygd .number {text-align: right; font-variant-numeric: tabular-nums}
.cygd.cygd .long {white-space: normal; overflow-wrap: break-word}
.cygd.cygd tbody tr, .cygd.cygd tbody tr:nth-child(odd), .cygd.cygd tbody tr:hover {background: none}
.cygd small {opacity: .75; font-size: 11px}
.cygd svg {display: inline-block; max-width: 100%; height: auto; margin: 2px 8px 2px 0}
.cygd svg text {fill: currentColor; font: 11px system-ui, sans-serif}
""".strip().replace("\n", "")


@dataclass(frozen=True)
class Table:
    """A table of texts and numbers; numbers are aligned at the right."""

    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""
    n_rows: int | None = None  # of the whole, if more rows than are shown

    def to_html(self) -> str:
        """Return the markup."""
        numeric = [
            bool(self.rows) and all(_is_number(row[i]) or row[i] in ("", "-") for row in self.rows)
            for i in range(len(self.head))
        ]
        head = "".join(
            _cell("th", name, is_number) for name, is_number in zip(self.head, numeric, strict=True)
        )
        rows = "".join(
            f"<tr>{''.join(_cell('td', *pair) for pair in zip(row, numeric, strict=True))}</tr>"
            for row in self.rows
        )
        more = (self.n_rows or 0) - len(self.rows)
        last = f"<p><small>... and {more} more</small></p>" if more > 0 else ""
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{last}"


def block(title: str, *parts: str | Table, markup: Sequence[str] = ()) -> str:
    """Return a block: a title, texts and tables, and then drawings, which are markup.

    >>> "&lt;b&gt;" in block("<b>") and "<b>" not in block("<b>")
    True
    """
    body = "".join(part.to_html() if isinstance(part, Table) else f"<p>{escape(part)}</p>" for part in parts)
    title = f"<h4>{escape(title)}</h4>"
    return f'<div class="cygd"><style>{STYLE}</style>{title}{body}{"".join(markup)}</div>'


def escape(text: str, limit: int = MAX_TEXT) -> str:
    """Return a text for HTML and SVG: without markup and control characters, and not too long."""
    shown = escape_controls(text, one_line=True)
    return escape_html(shown if len(shown) <= limit else f"{shown[: limit - 3]}...")


def format_value(value: object) -> str:
    """Return a value as a table shows it, numbers in six digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _cell(tag: str, value: object, is_number: bool) -> str:
    text = format_value(value)
    kind = ' class="number"' if is_number else ' class="long"' if len(text) > LONG_TEXT else ""
    return f"<{tag}{kind}>{escape(text)}</{tag}>"


def _is_number(value: object) -> bool:
    """Return True for a number, or its text."""
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return False
        return True
    return isinstance(value, int | float) and not isinstance(value, bool)

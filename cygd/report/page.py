"""The document of a report: one HTML file of sections, without scripts and without anything to fetch.

It follows the light or dark setting of the reader, narrow and wide windows, and can be printed. A chart has a
text that tells what it shows and, behind a disclosure, the table of its numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cygd.display.html import Table, escape
from cygd.report.svg import render_svg

MAX_LINE = 2000  # characters of a paragraph
# words of scripts that run from right to left: Hebrew to Arabic, their presentation forms, and later blocks
_RTL = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
RTL_WORDS = re.compile(f"[{_RTL}]+(?:[ _-]+[{_RTL}]+)*")
ISOLATE, END_ISOLATE = "\u2068", "\u2069"
SIZE = (4.6, 3.0)  # inches of a chart, of 72 pixels


@dataclass(frozen=True)
class Figure:
    """A chart.

    Attributes
    ----------
    title : str
    alt : str
        What the chart shows, in a sentence, for those who do not see it.
    draw : callable
        Draws on the axes of matplotlib that it receives.
    table : Table, optional
        The numbers of the chart.
    size : tuple
        Width and height in inches.
    caption : str
        A text below the chart.
    """

    title: str
    alt: str
    draw: Callable[[Any], None]
    table: Table | None = None
    size: tuple[float, float] = SIZE
    caption: str = ""


@dataclass(frozen=True)
class Markup:
    """HTML that is inserted as it is, such as a drawing of `cygd.display`."""

    html: str


@dataclass(frozen=True)
class Details:
    """Parts that are shown on demand."""

    summary: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Notice:
    """A paragraph that must not be missed, such as what makes the results doubtful."""

    text: str


@dataclass(frozen=True)
class Preformatted:
    """A text with line breaks, such as YAML."""

    text: str


@dataclass(frozen=True)
class Facts:
    """Names and values, large for the headline numbers of a page."""

    pairs: Sequence[tuple[str, str]]
    large: bool = False


Part = str | Figure | Table | Markup | Details | Notice | Preformatted | Facts


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading, to which the contents link."""

    title: str
    parts: Sequence[Part]


@dataclass
class _Writer:
    """Writes the parts of a page and counts its charts."""

    figures: int = 0
    pieces: list[str] = field(default_factory=list)

    def write(self, parts: Sequence[Part], level: int) -> str:
        """Return the markup of parts; consecutive charts stand side by side where there is room."""
        written, row = list[str](), list[str]()
        for part in parts:
            if isinstance(part, Figure) and part.size[0] <= SIZE[0]:
                row.append(self._figure(part, level))
                continue
            if row:
                written.append(f'<div class="row">{"".join(row)}</div>')
                row = []
            written.append(self._part(part, level))
        if row:
            written.append(f'<div class="row">{"".join(row)}</div>')
        return "\n".join(written)

    def _part(self, part: Part, level: int) -> str:
        match part:
            case str():
                return f"<p>{isolated(part, MAX_LINE)}</p>"
            case Figure():
                return self._figure(part, level)
            case Table():
                return scrollable(part.to_html(), part.caption or "table")
            case Markup():
                return f'<div class="drawing">{part.html}</div>'
            case Details():
                inner = self.write(part.parts, level)
                return f"<details><summary>{isolated(part.summary)}</summary>{inner}</details>"
            case Notice():
                return f'<p class="notice">{isolated(part.text, MAX_LINE)}</p>'
            case Preformatted():
                text = "\n".join(escape(line, MAX_LINE) for line in part.text.splitlines())
                return scrollable(f"<pre>{text}</pre>", "text")
            case Facts():
                pairs = "".join(
                    f"<div><dt>{isolated(name)}</dt><dd>{isolated(value, 500)}</dd></div>"
                    for name, value in part.pairs
                )
                return f'<dl class="{"headline" if part.large else "facts"}">{pairs}</dl>'

    def _figure(self, figure: Figure, level: int) -> str:
        self.figures += 1
        svg = render_svg(figure.draw, figure.size, f"f{self.figures}", isolated(figure.alt, MAX_LINE))
        is_wide = figure.size[0] > SIZE[0]
        chart = f'<div class="chart" style="max-width: {figure.size[0] * 96:.0f}px">{svg}</div>'
        if is_wide:
            chart = scrollable(chart, figure.title)
        caption = f"<figcaption>{isolated(figure.caption, MAX_LINE)}</figcaption>" if figure.caption else ""
        table = ""
        if figure.table is not None:
            numbers = scrollable(figure.table.to_html(), f"numbers of {figure.title}")
            title = f'<span class="hidden"> of {isolated(figure.title)}</span>'
            table = f"<details><summary>numbers{title}</summary>{numbers}</details>"
        heading = f"<h{level}>{isolated(figure.title)}</h{level}>"
        kind = ' class="wide"' if is_wide else ""
        return f"<figure{kind}>{heading}{chart}{caption}{table}</figure>"


def isolated(text: str, *limit: int) -> str:
    r"""Return a text for HTML in which words from right to left do not move what stands beside them.

    A colon and a number after an Arabic name would be shown before it. The characters that isolate it work in
    attributes and drawings too, where there is no element for it.

    >>> isolated("\u0639\u0645\u0631: 0.5") == "\u2068\u0639\u0645\u0631\u2069: 0.5", isolated("a < b")
    (True, 'a &lt; b')
    """
    return RTL_WORDS.sub(f"{ISOLATE}\\g<0>{END_ISOLATE}", escape(text, *limit))


def scrollable(html: str, label: str) -> str:
    """Return markup that scrolls by itself where the window is narrow, with the keyboard too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{html}</div>'


def render_page(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    *,
    outcome: str = "",
    refresh_seconds: int | None = None,
) -> str:
    """Return the HTML document.

    Parameters
    ----------
    title, subtitle : str
        The title may be a name of the user's, in a script of either direction.
    sections : sequence of Section
        Those without parts are left out.
    outcome : str
        A text after the title, such as "completed".
    refresh_seconds : int, optional
        After how many seconds the browser shall read the page again.
    """
    writer, bodies, links = _Writer(), [], []
    anchors: dict[str, int] = {}
    for section in sections:
        if not section.parts:
            continue
        anchor = _anchor(section.title, anchors)
        links.append(f'<li><a href="#{anchor}">{isolated(section.title)}</a></li>')
        body = writer.write(section.parts, 3)
        bodies.append(f'<section id="{anchor}"><h2>{isolated(section.title)}</h2>\n{body}</section>')
    refresh = f'<meta http-equiv="refresh" content="{refresh_seconds}">' if refresh_seconds else ""
    contents = f'<nav aria-label="contents"><ul>{"".join(links)}</ul></nav>' if len(links) > 1 else ""
    tail = f": {isolated(outcome)}" if outcome else ""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark">{refresh}'
        f'<link rel="icon" href="data:,"><title>{escape(title)}{tail}</title><style>{STYLE}</style>'
    )
    heading = f"<h1><bdi>{escape(title)}</bdi>{tail}</h1>"
    header = f"<header>{heading}<p>{isolated(subtitle, MAX_LINE)}</p>{contents}</header>"
    main = "\n".join(bodies)
    body = f"<body>{header}\n<main>{main}</main></body>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n{body}</html>\n'


def _anchor(title: str, taken: dict[str, int]) -> str:
    """Return an identifier that the page does not have yet."""
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
    taken[name] = taken.get(name, 0) + 1
    return name if taken[name] == 1 else f"{name}-{taken[name]}"


STYLE = """
:root {--ink: #1d2127; --paper: #ffffff; --soft: #59616c; --line: #d5d9df; --box: #f4f6f8; --link: #1a5fb4}
@media (prefers-color-scheme: dark) {:root {--ink: #e3e6ea; --paper: #16181c; --soft: #a3abb6;
 --line: #3a3f47; --box: #20242a; --link: #8ab8f5}}
@media print {:root {--ink: #000; --paper: #fff; --soft: #444; --line: #bbb; --box: #f4f4f4; --link: #000}
 nav {display: none} section, figure {break-inside: avoid-page} .scroll {overflow: visible}}
* {box-sizing: border-box}
html {background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
 -webkit-text-size-adjust: 100%}
body {max-width: 1240px; margin: 0 auto; padding: 20px 18px 60px; overflow-wrap: break-word}
h1 {font-size: 1.6rem; line-height: 1.25; margin: 0}
h2 {font-size: 1.2rem; margin: 2.4rem 0 .6rem; padding-bottom: .2rem; border-bottom: 1px solid var(--line)}
h3 {font-size: .95rem; margin: 0 0 .2rem; font-weight: 600}
header > p {color: var(--soft); margin: .2rem 0 1rem}
p {max-width: 80ch; margin: .5rem 0}
p.notice {border-left: 4px solid #e07b00; background: var(--box); padding: .4rem .8rem}
a {color: var(--link)}
nav ul {display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; margin: 0; padding: 0}
.row {display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 370px), 1fr));
 gap: 1.2rem 1.6rem; margin: .8rem 0; align-items: start}
figure {margin: 0; min-width: 0}
figure.wide {margin: .8rem 0}
figcaption {color: var(--soft); font-size: .87rem; max-width: 70ch}
.chart svg {display: block; width: 100%; height: auto; fill: currentColor; stroke-linejoin: round}
.chart svg text {fill: currentColor; font-family: system-ui, sans-serif}
figure.wide .chart {min-width: 560px}
.drawing svg {max-width: 100%; height: auto}
.drawing svg text {fill: currentColor; font: 11px system-ui, sans-serif}
.scroll {overflow-x: auto; max-width: 100%}
table {border-collapse: collapse; font-size: .87rem; margin: .4rem 0}
caption {text-align: left; color: var(--soft); padding: .2rem 0}
th, td {text-align: left; padding: .18rem .9rem .18rem 0; vertical-align: top; white-space: nowrap;
 max-width: 60ch}
th {border-bottom: 1px solid var(--line); font-weight: 600}
td.long {white-space: normal; min-width: 24ch}
.number {text-align: right; font-variant-numeric: tabular-nums}
small {color: var(--soft)}
details {margin: .4rem 0}
summary {cursor: pointer; color: var(--link); font-size: .9rem}
pre {font: .85rem/1.45 ui-monospace, monospace; background: var(--box); padding: .7rem .9rem; margin: .4rem 0;
 border-radius: 4px; width: max-content; min-width: 100%}
dl {margin: .6rem 0}
dl.headline {display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .7rem}
dl.headline > div {background: var(--box); border-radius: 6px; padding: .55rem .8rem}
dl.headline dt {color: var(--soft); font-size: .85rem}
dl.headline dd {margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums}
dl.facts > div {display: grid; grid-template-columns: minmax(8rem, 14rem) 1fr; gap: .2rem 1rem;
 padding: .1rem 0}
dl.facts dt {color: var(--soft)}
dl.facts dd {margin: 0; min-width: 0; overflow-wrap: anywhere}
@media (max-width: 560px) {dl.facts > div {grid-template-columns: 1fr; gap: 0; padding: .25rem 0}}
.hidden {position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
 white-space: nowrap}
""".strip()

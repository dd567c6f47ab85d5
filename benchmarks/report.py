"""Write tables to the terminal and to docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np

import cygd
from benchmarks import CHECKOUT
from benchmarks.charts import Chart, DrawnChart, drawable
from benchmarks.measure import Comparison
from cygd import core

__all__ = ["Section", "Table", "machine", "progress", "ratio_cell", "verdict", "versions", "write"]

DOCUMENT = CHECKOUT / "docs" / "benchmarks.md"


@dataclass
class Table:
    """A table of results; its target column marks missed targets."""

    title: str
    head: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""

    def lines(self) -> list[str]:
        """Return the table in Markdown."""
        widths = [max(len(row[k]) for row in [self.head, *self.rows]) for k in range(len(self.head))]

        def line(cells: Sequence[str]) -> str:
            padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
            return "| " + " | ".join(padded) + " |"

        rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
        note = ["", self.note] if self.note else []
        return [f"### {self.title}", "", line(self.head), rule, *map(line, self.rows), *note, ""]


@dataclass
class Section:
    """The results of one benchmark.

    Attributes
    ----------
    name, title, text : str
    tables : list of Table
    charts : list of Chart
    levels : list of str
        The CPU levels at which it was measured; by default the one of this process.
    load : dict of str to float
        The share of the cores that other processes used meanwhile, by level.
    """

    name: str
    title: str
    text: str
    tables: list[Table] = field(default_factory=list)
    charts: list[Chart | DrawnChart] = field(default_factory=list)
    levels: list[str] = field(default_factory=lambda: [core.dispatch.level()])
    load: dict[str, float] = field(default_factory=dict)

    @property
    def block(self) -> str:
        """The name of its place in the document.

        Results at v3 alone do not replace those at v4, which may be of another machine.
        """
        return f"{self.name}-v3" if self.levels == ["v3"] else self.name

    def lines(self, charts: bool = False) -> list[str]:
        """Return the section in Markdown, between marks that the next run replaces."""
        body = [line for chart in self.charts if charts for line in (_image(chart), "")]
        body += [line for table in self.tables for line in table.lines()]
        return [
            f"<!-- begin {self.block} -->",
            f"## {self.title}{', CPU level v3' if self.block != self.name else ''}",
            "",
            self.text.strip(),
            "",
            f"Measured on {machine(self.levels)}.{busy(self.load)}",
            "",
            *body,
            f"<!-- end {self.block} -->",
        ]


def machine(levels: Sequence[str]) -> str:
    """Describe the machine: CPU, cores, CPU levels, versions."""
    name = platform.processor() or platform.machine()
    try:
        match = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        name = match.group(1) if match else name
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = f"cygd {cygd.__version__}, NumPy {np.__version__}, Python {platform.python_version()}"
    used = f"CPU level{'s' * (len(levels) > 1)} {' and '.join(levels)}"
    return f"{name}, {cores} cores, {used}, {versions}"


def busy(load: Mapping[str, float]) -> str:
    """Return a sentence about the other processes of the machine, or nothing if it was idle besides."""
    shares = [f"{100 * share:.0f} %" for share in load.values()]
    if not shares or max(load.values()) < 0.05:
        return ""
    where = f" ({' and '.join(load)})" if len(load) > 1 else ""
    return (
        f" The machine was busy: other processes used {' and '.join(shares)}{where} of its cores meanwhile."
    )


def progress(text: str) -> None:
    """Print what is being measured to stderr, apart from the tables."""
    print(f"  {text}", file=sys.stderr, flush=True)


def versions(*packages: str) -> str:
    """Return the installed packages with their versions."""
    installed = []
    for package in packages:
        try:
            installed.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(installed) or "none"


def verdict(target: str, met: bool) -> str:
    """Return a target, marked if it was missed."""
    return target if met else f"{target}: missed"


def ratio_cell(comparison: Comparison, side: str) -> str:
    """Return a ratio with its interquartile range."""
    low, high = comparison.spread[side]
    digits = 2 if comparison.ratios[side] < 99.5 else 0
    return f"{comparison.ratios[side]:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _image(chart: Chart | DrawnChart) -> str:
    return f"![{chart.caption}](charts/{chart.name}.svg)"


def write(section: Section, document: Path = DOCUMENT) -> None:
    """Replace a section of docs/benchmarks.md and write its charts."""
    folder = document.parent / "charts"
    if drawable():
        for chart in section.charts:
            chart.write(folder)
    text = document.read_text() if document.exists() else "# Benchmarks\n"
    # without matplotlib, charts of an earlier run would not match these numbers
    new = "\n".join(section.lines(charts=drawable()))
    if section.block == section.name:  # then it has v3 as well
        text = re.sub(f"\n*{_marks(section.name + '-v3')}", "", text, flags=re.DOTALL)
    if re.search(_marks(section.block), text, re.DOTALL):
        text = re.sub(_marks(section.block), lambda _: new, text, flags=re.DOTALL)
    elif (end := f"<!-- end {section.name} -->") in text:
        text = text.replace(end, f"{end}\n\n{new}")
    else:
        text = f"{text.rstrip()}\n\n{new}\n"
    document.write_text(text)


def _marks(block: str) -> str:
    return f"<!-- begin {block} -->.*?<!-- end {block} -->"

"""Tables for the terminal and for docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np

import cygd
from benchmarks import CHECKOUT
from benchmarks.charts import Chart, drawable
from benchmarks.measure import Comparison
from cygd import core

__all__ = ["Section", "Table", "machine", "progress", "ratio_cell", "verdict", "versions", "write"]

DOCUMENT = CHECKOUT / "docs" / "benchmarks.md"


@dataclass
class Table:
    """A table of results; a row that misses its target says so in its last column."""

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
    """What one benchmark has found."""

    name: str
    title: str
    text: str
    tables: list[Table] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)

    def lines(self, charts: bool = False) -> list[str]:
        """Return the section in Markdown, between marks by which the next run finds it."""
        body = [line for chart in self.charts if charts for line in (_picture(chart), "")]
        body += [line for table in self.tables for line in table.lines()]
        return [
            f"<!-- begin {self.name} -->",
            f"## {self.title}",
            "",
            self.text.strip(),
            "",
            f"Measured on {machine()}.",
            "",
            *body,
            f"<!-- end {self.name} -->",
        ]


def machine() -> str:
    """Return what the figures depend on: CPU, level, cores, versions."""
    name = platform.processor() or platform.machine()
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        name = found.group(1) if found else name
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = f"cygd {cygd.__version__}, NumPy {np.__version__}, Python {platform.python_version()}"
    return f"{name}, {cores} cores, CPU level {core.dispatch.level()}, {versions}"


def progress(text: str) -> None:
    """Say what is being measured, to where it does not mix with the tables."""
    print(f"  {text}", file=sys.stderr, flush=True)


def versions(*packages: str) -> str:
    """Return the packages that are installed, with their versions."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found) or "none"


def verdict(target: str, met: bool) -> str:
    """Return a target, and that it was missed where it was."""
    return target if met else f"{target}: missed"


def ratio_cell(found: Comparison, side: str) -> str:
    """Return a ratio with the middle half of the rounds."""
    low, high = found.spread[side]
    digits = 2 if found.ratios[side] < 99.5 else 0
    return f"{found.ratios[side]:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _picture(chart: Chart) -> str:
    return f"![{chart.caption}](charts/{chart.name}.svg)"


def write(section: Section, document: Path = DOCUMENT) -> None:
    """Put a section into docs/benchmarks.md, in place of its last version, and its charts beside it."""
    folder = document.parent / "charts"
    if drawable():
        for chart in section.charts:
            chart.write(folder)
    text = document.read_text() if document.exists() else "# Benchmarks\n"
    # without matplotlib, pictures of an earlier run would not belong to these figures
    new = "\n".join(section.lines(charts=drawable()))
    marks = re.compile(f"<!-- begin {section.name} -->.*?<!-- end {section.name} -->", re.DOTALL)
    text = marks.sub(lambda _: new, text) if marks.search(text) else f"{text.rstrip()}\n\n{new}\n"
    document.write_text(text)

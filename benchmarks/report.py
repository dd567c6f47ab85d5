"""Tables for the terminal and for docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import cygd
from cygd import core

__all__ = ["Section", "Table", "machine", "write"]

DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"


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

    def lines(self) -> list[str]:
        """Return the section in Markdown, between marks by which the next run finds it."""
        body = [line for table in self.tables for line in table.lines()]
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


def write(section: Section) -> None:
    """Put a section into docs/benchmarks.md, in place of its last version."""
    text = DOCUMENT.read_text() if DOCUMENT.exists() else "# Benchmarks\n"
    new = "\n".join(section.lines())
    marks = re.compile(f"<!-- begin {section.name} -->.*?<!-- end {section.name} -->", re.DOTALL)
    text = marks.sub(lambda _: new, text) if marks.search(text) else f"{text.rstrip()}\n\n{new}\n"
    DOCUMENT.write_text(text)

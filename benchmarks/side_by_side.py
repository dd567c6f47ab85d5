"""Run a benchmark at several CPU levels, each in a process of its own, and put the results side by side."""

from __future__ import annotations

import argparse
import importlib
import logging
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import CHECKOUT
from benchmarks.charts import Chart, DrawnChart, drawable
from benchmarks.levels import environment
from benchmarks.load import OtherProcesses
from benchmarks.report import Section, Table

__all__ = ["merge", "run"]


class LevelError(RuntimeError):
    """Raised if the process of a level fails; it has printed why."""


def run(name: str, levels: Sequence[str], quick: bool) -> Section:
    """Run a benchmark at each level and return its results."""
    sections = {}
    with tempfile.TemporaryDirectory() as folder:
        for level in levels:
            path = Path(folder, level)
            command = [sys.executable, "-m", "benchmarks.side_by_side", name, str(path)]
            done = subprocess.run(
                command + ["--quick"] * quick, cwd=CHECKOUT, env=environment(level), stdout=sys.stderr
            )
            if done.returncode:
                raise LevelError(f"{name} at CPU level {level} ended with exit code {done.returncode}")
            sections[level] = pickle.loads(path.read_bytes())
    return merge(sections)


def merge(sections: Mapping[str, Section]) -> Section:
    """Return one section of those of all levels: rows of the same case follow each other."""
    levels = list(sections)
    last = sections[levels[-1]]
    if len(levels) == 1:
        alone = replace(last, levels=levels)
        suffix = alone.block.removeprefix(alone.name)
        return replace(alone, charts=[replace(chart, name=chart.name + suffix) for chart in last.charts])
    paragraphs = dict.fromkeys(
        part for level in reversed(levels) for part in sections[level].text.strip().split("\n\n")
    )
    charts: list[Chart | DrawnChart] = []
    for level in reversed(levels):
        for chart in sections[level].charts:
            name = chart.name if level == levels[-1] else f"{chart.name}-{level}"
            charts.append(replace(chart, name=name, caption=f"{chart.caption}, CPU level {level}"))
    return Section(
        last.name,
        last.title,
        "\n\n".join(paragraphs),
        _merge_tables({level: section.tables for level, section in sections.items()}),
        charts,
        levels,
        {level: share for section in sections.values() for level, share in section.load.items()},
    )


def _merge_tables(tables: Mapping[str, Sequence[Table]]) -> list[Table]:
    """Return the tables with a column for the level; those of one title and head become one table."""
    merged: dict[tuple[str, ...], dict[str, Table]] = {}
    for level, found in tables.items():
        for table in found:
            merged.setdefault((table.title, *table.head), {})[level] = table
    result = []
    for same in merged.values():
        parts = list(same.items())
        first = parts[0][1]
        rows = [[[level, *row] for row in table.rows] for level, table in parts]
        if len({len(part) for part in rows}) == 1:  # the same cases at each level
            ordered = [row for case in zip(*rows, strict=True) for row in case]
        else:
            ordered = [row for part in rows for row in part]
        result.append(Table(first.title, ["level", *first.head], ordered, parts[-1][1].note))
    return result


def _drawn(chart: Chart | DrawnChart, folder: Path) -> DrawnChart:
    return DrawnChart(chart.name, chart.caption, chart.write(folder).read_text())


def main() -> None:
    """Run a benchmark at the CPU level of this process and write its section to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side")
    parser.add_argument("name")
    parser.add_argument("path", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    # no warnings about NumPy functions: their cost is measured
    logging.getLogger("cygd").setLevel(logging.ERROR)
    from cygd.core import dispatch

    with OtherProcesses() as others:
        section = importlib.import_module(f"benchmarks.{options.name}").run(quick=options.quick)
    if others.share is not None:
        section.load[dispatch.level()] = others.share
    with tempfile.TemporaryDirectory() as folder:
        charts = [_drawn(chart, Path(folder)) for chart in section.charts if drawable()]
    options.path.write_bytes(pickle.dumps(replace(section, charts=charts)))


if __name__ == "__main__":
    main()

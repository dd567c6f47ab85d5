"""python -m benchmarks [NAME ...] [--level LEVEL] [--quick] [--write]: measure and print tables."""

from __future__ import annotations

import argparse
import sys

from benchmarks import side_by_side
from benchmarks.levels import levels_to_measure
from benchmarks.report import write
from cygd.core import dispatch

NAMES = (
    "instructions",
    "experiments",
    "networks",
    "many_networks",
    "estimators",
    "epochs",
    "regression",
    "samples",
    "products",
    "scaling",
    "startup",
    "activations",
    "formulas",
    "one_row",
    "trackers",
)


def main() -> None:
    """Run the requested benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; default: all")
    parser.add_argument(
        "--level",
        action="append",
        default=[],
        metavar="LEVEL",
        help="a CPU level, such as v3, to which cygd and the peers are held (repeatable); "
        "default: all of this machine above base, with --quick the highest one",
    )
    parser.add_argument("--quick", action="store_true", help="a smoke test with few rounds")
    parser.add_argument(
        "--write", action="store_true", help="write the tables and charts to docs/benchmarks.md"
    )
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; known: {', '.join(NAMES)}")
    try:
        levels = levels_to_measure(dispatch.levels(), options.level, options.quick)
    except ValueError as error:
        parser.error(str(error))
    for name in options.names or NAMES:
        try:
            section = side_by_side.run(name, levels, options.quick)
        except side_by_side.LevelError as error:
            sys.exit(f"error: {error}")
        print("\n".join(section.lines()), flush=True)
        if options.write:
            write(section)


if __name__ == "__main__":
    main()

"""python -m benchmarks [NAME ...] [--quick] [--write]: run all benchmarks or some, print their tables."""

from __future__ import annotations

import argparse
import importlib
import logging

from benchmarks.report import write

NAMES = ("networks", "regression", "samples", "products", "scaling", "startup", "activations", "formulas")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="few rounds: shows that everything still runs")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/benchmarks.md")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    logging.getLogger("cygd").setLevel(logging.ERROR)  # the NumPy tier is measured on purpose
    for name in options.names or NAMES:
        section = importlib.import_module(f"benchmarks.{name}").run(quick=options.quick)
        print("\n".join(section.lines()), flush=True)
        if options.write:
            write(section)


if __name__ == "__main__":
    main()

"""python -m benchmarks [NAME ...] [--quick] [--write]: run all or some benchmarks and print their tables."""

from __future__ import annotations

import argparse
import importlib
import logging

from benchmarks.report import write

NAMES = ("networks", "regression", "samples", "products", "scaling", "startup", "activations", "formulas")


def main() -> None:
    """Run the requested benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a smoke test with few rounds")
    parser.add_argument(
        "--write", action="store_true", help="write the tables and charts to docs/benchmarks.md"
    )
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; known: {', '.join(NAMES)}")
    logging.getLogger("cygd").setLevel(
        logging.ERROR
    )  # no warnings about NumPy functions: their cost is measured
    for name in options.names or NAMES:
        section = importlib.import_module(f"benchmarks.{name}").run(quick=options.quick)
        print("\n".join(section.lines()), flush=True)
        if options.write:
            write(section)


if __name__ == "__main__":
    main()

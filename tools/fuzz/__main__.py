"""The command line of the fuzzers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.fuzz.engine import TARGETS, fuzz, quiet, replay


def main() -> int:
    """Fuzz one target, or replay one input."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.fuzz", description="fuzz what reads other people's files"
    )
    parser.add_argument("target", nargs="?", choices=TARGETS)
    parser.add_argument("--list", action="store_true", help="print the targets")
    parser.add_argument("--seconds", type=float, default=120, help="how long (default 120)")
    parser.add_argument("--inputs", type=int, default=sys.maxsize, help="how many inputs at most")
    parser.add_argument("--seed", type=int, default=0, help="chooses the inputs (default 0)")
    parser.add_argument(
        "--failures", type=Path, default=Path("fuzz-failures"), help="where failing inputs are written"
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="check one input, with its traceback")
    options = parser.parse_args()
    if options.list:
        print(*TARGETS, sep="\n")
        return 0
    if options.target is None:
        parser.error("expected a target")
    quiet()
    if options.replay is not None:
        return replay(options.target, options.replay)
    return fuzz(options.target, options.seconds, options.inputs, options.seed, options.failures)


if __name__ == "__main__":  # the workers of a sweep import this file
    sys.exit(main())

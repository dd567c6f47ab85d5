"""The command line of the fuzzers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.fuzz.engine import TARGETS, fuzz, quiet, replay

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
    sys.exit()
if options.target is None:
    parser.error("expected a target")
quiet()
if options.replay is not None:
    sys.exit(replay(options.target, options.replay))
sys.exit(fuzz(options.target, options.seconds, options.inputs, options.seed, options.failures))

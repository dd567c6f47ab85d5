"""The command line of the fuzzers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.fuzz.engine import TARGETS, fuzz, replay

parser = argparse.ArgumentParser(
    prog="python -m tools.fuzz", description="fuzz what reads other people's files"
)
parser.add_argument("target", choices=TARGETS)
parser.add_argument("--seconds", type=float, default=120, help="how long (default 120)")
parser.add_argument("--inputs", type=int, default=sys.maxsize, help="how many inputs at most")
parser.add_argument("--seed", type=int, default=0, help="chooses the inputs (default 0)")
parser.add_argument(
    "--failures", type=Path, default=Path("fuzz-failures"), help="where failing inputs are written"
)
parser.add_argument("--replay", type=Path, metavar="FILE", help="check one input, with its traceback")
options = parser.parse_args()
if options.replay is not None:
    sys.exit(replay(options.target, options.replay))
sys.exit(fuzz(options.target, options.seconds, options.inputs, options.seed, options.failures))

"""`cygd bowl`: the error over one weight or two, with the way of the descent."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cygd.cli.arguments import split_overrides
from cygd.cli.output import DONE, UsageError, echo, redirect_stdout
from cygd.cli.run_lookup import find_run
from cygd.errors import CygdError

if TYPE_CHECKING:
    from cygd.inspection.surface import LossSurface

__all__ = ["USAGE", "declare", "run"]

USAGE = "FILE|RUN [KEY=VALUE ...] --weight W [--weight W] [--steps N] [-o FILE.svg | --csv]"


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare what the command understands."""
    parser.add_argument("arguments", nargs="*", metavar="FILE|RUN, KEY=VALUE", help="an experiment, or a run")
    parser.add_argument(
        *("-w", "--weight"),
        action="append",
        default=[],
        metavar="W",
        help="w0[1,2]: from input 1 to unit 2 of layer 0; b0[2]: that unit's bias; one or two of them",
    )
    parser.add_argument(
        "--steps", type=_count, default=1000, metavar="N", help="how many updates at most (default 1000)"
    )
    parser.add_argument(
        *("-o", "--output"), metavar="FILE", help="the picture: .svg, .png or .pdf (default NAME-bowl.svg)"
    )
    parser.add_argument("--csv", action="store_true", help="print the numbers as CSV, and draw nothing")


def run(options: argparse.Namespace) -> int:
    """Draw the error over one weight or two, with the way of the descent."""
    source, overrides = _source(options)
    if not 1 <= len(options.weight) <= 2:
        hint = "--weight w0[0,0] for a curve, a second --weight for a surface"
        raise UsageError(f"one weight or two, found {len(options.weight) or 'none'}", hint)
    from cygd.inspection.surface import compute_loss_surface
    from cygd.runner.assembly import assemble

    with redirect_stdout():
        assembly = assemble(source, overrides, options.plugin)
        found = compute_loss_surface(assembly, options.weight, options.steps)
    if not found.complete:
        echo(f"the run goes on after its first {len(found.path) - 1} updates; --steps takes more of them")
    if options.csv:
        write_csv(found, sys.stdout)
        return DONE
    from cygd.inspection.surface_plot import draw

    name = assembly.experiment.name
    file = Path(options.output or f"{name}-bowl.svg")
    names = " and ".join(weight.name for weight in found.weights)
    try:
        draw(found, f"{name}: E over {names}", file)
    except OSError as error:
        raise CygdError(f"{file}: {error.strerror or error}", hint="-o names another place") from None
    print(file)
    return DONE


def _source(options: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the experiment, which a run holds as config.yaml, and the overrides."""
    files, overrides = split_overrides(options.arguments)
    if len(files) != 1:
        what = f"one at a time; {files[1]!r} is no KEY=VALUE either" if files else "which experiment?"
        raise UsageError(what, f"cygd bowl {USAGE}")
    named = files[0]
    if Path(named).is_file() or Path(named).suffix in {".yaml", ".yml"}:
        return named, overrides
    return str(find_run(named) / "config.yaml"), overrides


def write_csv(found: LossSurface, out: IO[str]) -> None:
    """Write the way (with the numbers of step and epoch) and the surface, every digit of them."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["part", "step", "epoch", *(weight.name for weight in found.weights), "E"])
    for step, epoch, place, error in zip(found.steps, found.epochs, found.path, found.errors, strict=True):
        writer.writerow(["path", step, epoch, *map(_digits, place), _digits(error)])
    if len(found.weights) == 1:
        for place, error in zip(found.axes[0], found.surface, strict=True):
            writer.writerow(["surface", "", "", _digits(place), _digits(error)])
        return
    for i, first in enumerate(found.axes[0]):
        for j, second in enumerate(found.axes[1]):
            writer.writerow(
                ["surface", "", "", _digits(first), _digits(second), _digits(found.surface[i, j])]
            )


def _digits(value: float) -> str:
    return repr(float(value))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 up, found {text!r}")
    return int(text)

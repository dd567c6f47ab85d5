"""`cygd bowl`, also `cygd surface`: the loss over one weight or two, with the path of training."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING

from cygd.cli.arguments import (
    add_weight_option,
    missing_experiment,
    positive_int,
    reject_several,
    split_overrides,
)
from cygd.cli.output import DONE, UsageError, data_output, echo, print_paths, redirect_stdout
from cygd.cli.run_lookup import announce_plugins, find_run
from cygd.errors import CygdError, format_count

if TYPE_CHECKING:
    from cygd.inspection.surface import LossSurface
    from cygd.tracking.terminal import DataOutput

USAGE = "FILE|RUN [KEY=VALUE ...] --weight W [--weight W] [--steps N] [-o FILE.svg | --csv]"


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="FILE|RUN, KEY=VALUE",
        help="an experiment, or a run folder or its name; and overrides",
    )
    add_weight_option(parser)
    parser.add_argument(
        "--steps",
        type=positive_int,
        default=1000,
        metavar="N",
        help="maximum number of updates (default 1000)",
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the plot: .svg, .png or .pdf (default NAME-bowl.svg)"
    )
    parser.add_argument("--csv", action="store_true", help="print the numbers as CSV instead of plotting")


def run(options: argparse.Namespace) -> int:
    """Plot the loss over one weight or two, with the path of training (also `cygd surface`)."""
    source, overrides = _experiment(options)
    if not 1 <= len(options.weight) <= 2:
        hint = "--weight 'w0[0,0]' for a curve, a second --weight for a surface"
        raise UsageError(f"expected one or two --weight, got {len(options.weight) or 'none'}", hint)
    from cygd.inspection.surface import compute_loss_surface
    from cygd.runner.assembly import assemble

    with redirect_stdout():
        assembly = assemble(source, overrides, options.plugin)
        surface = compute_loss_surface(assembly, options.weight, options.steps)
    if not surface.complete:
        updates = format_count(surface.n_updates, "update")
        echo(f"the path ends after {updates}, before the end of training; --steps N extends it")
    if options.csv:
        with data_output() as out:
            _write_csv(surface, out)
        return DONE
    from cygd.inspection.surface_plot import draw

    name = assembly.experiment.name
    file = Path(options.output or f"{name}-bowl.svg")
    weights = " and ".join(weight.name for weight in surface.weights)
    try:
        draw(surface, f"{name}: E over {weights}", file)
    except OSError as error:
        message = f"cannot write {file}: {error.strerror or error}"
        raise CygdError(message, hint="choose another file with -o") from None
    print_paths(file)
    return DONE


def _experiment(options: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the path of the experiment, which is config.yaml of a run, and the overrides."""
    names, overrides = split_overrides(options.arguments, runs=True)
    usage = f"{options.prog} {USAGE}"
    if not names:
        raise missing_experiment(usage, overrides, "one experiment or run")
    reject_several("experiment or run", names, usage)
    [name] = names
    if Path(name).is_file() or Path(name).suffix in {".yaml", ".yml"}:
        return name, overrides
    folder = find_run(name)
    announce_plugins(folder)
    return str(folder / "config.yaml"), overrides


def _write_csv(surface: LossSurface, out: DataOutput) -> None:
    """Write the path with its steps and epochs, then the surface, with every digit."""
    import numpy as np

    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["part", "step", "epoch", *(weight.name for weight in surface.weights), "E"])
    path = zip(surface.steps, surface.epochs, surface.path.tolist(), surface.errors.tolist(), strict=True)
    for step, epoch, weights, loss in path:
        writer.writerow(["path", step, epoch, *weights, loss])
    grid = np.stack(np.meshgrid(*surface.axes, indexing="ij"), axis=-1).reshape(-1, len(surface.weights))
    for weights, loss in zip(grid.tolist(), surface.surface.ravel().tolist(), strict=True):
        writer.writerow(["surface", "", "", *weights, loss])

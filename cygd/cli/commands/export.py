"""`cygd export`: a trained model as a file for other programs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cygd.cli.new_files import check_not_existing, open_new_file
from cygd.cli.output import DONE, FAILED, UsageError, echo, print_paths, redirect_stdout
from cygd.cli.run_lookup import announce_plugins, find_run, read_result
from cygd.errors import format_count

if TYPE_CHECKING:
    from cygd.export import ExportFormat
    from cygd.tracking.model import Model

USAGE = "RUN -o FILE [--format F] [--matrix] [--check]"


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "arguments", nargs="*", metavar="RUN", help="a run folder, or a name, which selects its newest run"
    )
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        help="the new file: .onnx, .c, .npz, .safetensors or .json",
    )
    parser.add_argument("--format", metavar="F", help="the format, if the suffix does not say it")
    parser.add_argument(
        "--matrix",
        action="store_true",
        help="for .onnx: one matrix of all columns instead of one input per column",
    )
    parser.add_argument(
        "--check", action="store_true", help="run the file on the test rows of the run, and compare"
    )


def run(options: argparse.Namespace) -> int:
    """Write a trained model for other programs: ONNX, C, or plain weights."""
    usage = f"cygd export {USAGE}"
    if len(options.arguments) != 1:
        raise UsageError(f"expected one run, got {len(options.arguments)}", usage)
    if options.out in (None, "-"):
        raise UsageError("expected a file after -o", usage)
    from cygd.export import export_files, find_format

    folder, path = find_run(options.arguments[0]), Path(options.out)
    form = find_format(path, options.format)
    files = form.files(path)
    check_not_existing(files)
    _check_status(folder)
    from cygd.runner.loading import load

    announce_plugins(folder)
    with redirect_stdout():
        model = load(folder)
    _write(export_files(model, path, form.name, matrix=options.matrix))
    print_paths(*files)
    return _check(model, folder, form, files, options.matrix) if options.check else DONE


def _write(contents: Mapping[Path, bytes]) -> None:
    """Write new files, all of them or none."""
    written: list[Path] = []
    try:
        for file, content in contents.items():
            with open_new_file(file) as opened:
                opened.write(content)
            written.append(file)
    except UsageError:
        for file in written:
            file.unlink(missing_ok=True)
        raise


def _check_status(folder: Path) -> None:
    """Reject a run that diverged, and warn about one that did not end as planned."""
    status = read_result(folder)["status"]
    if status == "diverged":
        hint = "train it again with a smaller learning rate"
        raise UsageError(f"the run in {folder} diverged, so its weights predict nothing", hint)
    if status not in ("completed", "stopped"):
        echo(f"warning: the run in {folder} is {status}; using the weights that it kept")


def _check(model: Model, folder: Path, form: ExportFormat, files: tuple[Path, ...], matrix: bool) -> int:
    """Compare the file with the model on the held-out rows of the run, and print the difference."""
    from cygd.data.held_out import held_out_rows
    from cygd.export.check import check_export
    from cygd.runner.assembly import read

    with redirect_stdout():
        reading = read(folder / "config.yaml")
        part, table = held_out_rows(reading.experiment, reading.plugins)
        found = check_export(model, form, files, table, matrix=matrix)
    text = f"checked {found.rows} {part} {'row' if found.rows == 1 else 'rows'}: "
    if found.same_bits:
        text += "the same bits"
    else:
        text += f"the largest difference is {found.difference:.2g}, in {found.output}"
    if found.different_classes is not None:
        rows = format_count(found.different_classes, "row")
        text += f", {'another class in ' + rows if found.different_classes else 'the same classes'}"
    echo(text if found.agrees else f"error: {text}")
    return DONE if found.agrees else FAILED

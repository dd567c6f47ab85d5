"""`cygd report`: an HTML page that shows what a run, several runs, a sweep or a folder of them learned."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cygd.cli.arguments import add_weight_option
from cygd.cli.new_files import write_output
from cygd.cli.output import DONE, UsageError, print_paths, redirect_stdout
from cygd.cli.run_lookup import announce_plugins, find_folders, find_run, is_run, is_sweep

if TYPE_CHECKING:
    from cygd.report.run_record import RunRecord

USAGE = "RUN|SWEEP|FOLDER ... [-o FILE.html] [--open] [--live] [-w W [-w W]]"
LIVE_SECONDS = 3.0  # between two versions of the page of a run that is going on


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="RUN|SWEEP|FOLDER",
        help="a run, by its folder or by a name, which selects its newest run; several runs; a sweep; "
        "or a folder of runs",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the page (default NAME-report.html)")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument(
        "--live", action="store_true", help="write the page again every few seconds until the run ends"
    )
    add_weight_option(parser, "draw the error over one or two weights: ")


def run(options: argparse.Namespace) -> int:
    """Write an HTML page that shows what a run, several runs, a sweep or a folder of runs learned."""
    if not options.arguments:
        raise UsageError("expected a run, a sweep or a folder", f"{options.prog} {USAGE}")
    if len(options.weight) > 2:
        raise UsageError(f"expected at most two --weight, got {len(options.weight)}")
    folders = [_find(text) for text in options.arguments]
    _check_options(options, folders)
    from cygd.report.svg import require_matplotlib

    require_matplotlib()
    for folder in folders:
        if is_run(folder):
            announce_plugins(folder)
    file = Path(options.output or f"{_default_name(folders)}-report.html")
    if file.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"expected a .html file, got {str(file)!r}", "-o report.html")
    page, is_going_on = _page(folders, options.weight, options.live)
    write_output(file, page.encode())
    print_paths(file)
    if options.open:
        _open(file)
    while options.live and is_going_on:
        time.sleep(LIVE_SECONDS)
        page, is_going_on = _page(folders, options.weight, options.live)
        write_output(file, page.encode())
    return DONE


def _find(text: str) -> Path:
    """Return the folder of a run, of a sweep, or of several of them."""
    folder = Path(text).expanduser()
    if folder.is_dir():
        if is_run(folder) or is_sweep(folder):
            return folder
        if next(find_folders(folder), None) is None:
            raise UsageError(
                f"{text!r} contains neither runs nor sweeps", "name the folder that `cygd run` printed"
            )
        return folder
    named = Path("runs") / text
    return named if is_sweep(named) else find_run(text)


def _check_options(options: argparse.Namespace, folders: Sequence[Path]) -> None:
    """Reject what only the page of one run has."""
    if len(folders) == 1 and is_run(folders[0]):
        return
    for name, given in (("--weight", options.weight), ("--live", options.live)):
        if given:
            raise UsageError(f"{name} needs one run, got {' '.join(options.arguments)}")


def _default_name(folders: Sequence[Path]) -> str:
    [first, *others] = folders
    if others:
        return "runs"
    if is_run(first):
        from cygd import config

        name = str(config.read(first / "config.yaml", []).root.plain().get("name", first.name))
        return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".")
    return first.resolve().name or "runs"


def _page(folders: Sequence[Path], weights: Sequence[str], live: bool) -> tuple[str, bool]:
    """Return the page, and whether its run is going on."""
    import numpy as np

    from cygd.report.comparison_page import comparison_page, folds_page
    from cygd.report.folder_page import folder_page
    from cygd.report.run_page import run_page
    from cygd.report.run_record import read_run

    with redirect_stdout(), np.errstate(all="ignore"):  # the numbers of a diverged run overflow
        if len(folders) > 1:
            return comparison_page(_runs(folders)), False
        [folder] = folders
        if is_sweep(folder):
            from cygd.report.sweep_page import sweep_page

            return sweep_page(folder), False
        if not is_run(folder):
            return folder_page(folder), False
        record = read_run(folder)
        page = folds_page(record, live=live) if record.folds else run_page(record, weights, live=live)
        return page, record.is_going_on


def _runs(folders: Sequence[Path]) -> list[RunRecord]:
    """Return the runs to compare, those of a folder of runs included."""
    from cygd.report.run_record import read_run

    paths: dict[Path, Path] = {}
    for folder in folders:
        if is_sweep(folder):
            hint = "name its runs, or the sweep alone"
            raise UsageError(f"expected runs to compare, got the sweep {str(folder)!r}", hint)
        for path in [folder] if is_run(folder) else filter(is_run, find_folders(folder)):
            paths.setdefault(path.resolve(), path)
    if len(paths) < 2:
        raise UsageError("expected at least two different runs to compare", "name one run alone for its page")
    return [read_run(path) for path in paths.values()]


def _open(file: Path) -> None:
    import webbrowser

    webbrowser.open(file.resolve().as_uri())

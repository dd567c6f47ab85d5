"""`cygd tutorial`: copy the chapters of the tutorial and their experiments into a folder."""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path

from cygd.cli.new_files import check_not_existing, write_new_files
from cygd.cli.output import DONE, UsageError, print_text

USAGE = "[FOLDER]"
SUFFIXES = (".md", ".yaml", ".csv")
FIRST = "01-one-weight.md"


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "arguments", nargs="*", metavar="FOLDER", help="a new or empty folder (default cygd-tutorial)"
    )


def run(options: argparse.Namespace) -> int:
    """Copy the tutorial, from one weight to two layers, into a folder, and print the first step."""
    if len(options.arguments) > 1:
        raise UsageError(f"expected one folder, got {len(options.arguments)}", f"{options.prog} {USAGE}")
    folder = Path(*options.arguments) if options.arguments else Path("cygd-tutorial")
    files = tutorial_files()
    targets = {folder / file.name: file.read_text(encoding="utf-8") for file in files}
    check_not_existing(list(targets))
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot create {folder}: {error.strerror or error}", "choose another folder"
        ) from error
    write_new_files(targets)
    chapters = sum(file.suffix == ".md" and file.name[0].isdigit() for file in files)
    print_text(
        f"{chapters} chapters with their experiments, in {folder}. Read {folder / FIRST}, and begin with"
    )
    print_text("")
    print_text(f"  cd {folder}")
    print_text("  cygd run one_weight.yaml")
    return DONE


def tutorial_files() -> list[Path]:
    """Return the files of the tutorial, from the package or, in a checkout, from docs/tutorial."""
    package = Path(str(resources.files("cygd.cli").joinpath("templates", "tutorial")))
    checkout = Path(__file__).parents[3] / "docs" / "tutorial"
    folder = package if package.is_dir() else checkout
    files = sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES)
    if not files:
        raise UsageError("the files of the tutorial are not installed", "install cygd again")
    return files

"""`cygd compare`: the differences between runs, and the first epoch whose weights differ."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from cygd.cli.output import DONE, UsageError, echo_message, format_number, print_text
from cygd.cli.run_facts import leaves
from cygd.cli.run_lookup import find_run, read_result
from cygd.cli.tables import GAP, Row, column_width, format_cell, print_table, table_room
from cygd.errors import CygdError, abbreviate, escape_controls

USAGE = "RUN RUN [RUN ...]"
MISSING = "-"
MAX_WIDTH = 60  # of a value
DIGITS = 6
MIN_WIDTH = 12  # of a value on a narrow terminal
IGNORED = {"seconds", "directory", "config_sha256"}  # never equal, or derived from the configuration
DIFFERENT = "yellow"  # from the first run

Runs = dict[str, Path]  # by the letters that name them in the tables


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "arguments", nargs="*", metavar="RUN", help="a run folder, or a name, which selects its newest run"
    )


def run(options: argparse.Namespace) -> int:
    """Compare runs: configuration, environment, result, and the first epoch whose weights differ."""
    if len(options.arguments) < 2:
        raise UsageError(f"expected at least two runs, got {len(options.arguments)}", f"cygd compare {USAGE}")
    runs = dict(zip(_letters(), map(find_run, options.arguments), strict=False))
    _reject_repeated(runs)
    for letter, folder in runs.items():
        print_text(f"{letter}  {escape_controls(str(folder), one_line=True)}")
    print_text()
    code = DONE
    for title, read in (("configuration", _configuration), ("environment", _environment)):
        documents, failed = _read(title, read, runs)
        code = failed or code
        if documents:
            _print_differences(title, documents)
    _print_differences("result", {letter: read_result(folder) for letter, folder in runs.items()})
    _print_weights(runs)
    return code


def _letters() -> Iterator[str]:
    """Yield A, B, ..., Z, AA, AB, ..."""
    yield from ascii_uppercase
    for first in _letters():
        yield from (first + second for second in ascii_uppercase)


def _reject_repeated(runs: Runs) -> None:
    seen: set[Path] = set()
    for folder in runs.values():
        if folder.resolve() in seen:
            raise UsageError(f"two arguments are the run {str(folder)!r}", "name different runs")
        seen.add(folder.resolve())


def _configuration(folder: Path) -> Any:
    from cygd import config

    return config.read(folder / "config.yaml", []).root.plain()


def _environment(folder: Path) -> Any:
    from cygd.tracking.stored_files import OBJECT, read_json

    path = folder / "environment.json"
    return read_json(path, OBJECT) if path.exists() else {}


def _read(title: str, read: Callable[[Path], Any], runs: Runs) -> tuple[dict[str, Any], int]:
    """Return the documents of the runs, and an exit code if some cannot be read; the others are compared."""
    documents, code = {}, DONE
    for letter, folder in runs.items():
        try:
            documents[letter] = read(folder)
        except CygdError as error:
            echo_message(f"error: {error.message}", error.hint)
            code = error.exit_code
    if len(documents) < 2:
        print_text(f"{title}: cannot be compared\n")
        return {}, code
    if len(documents) < len(runs):
        print_text(f"{title} of {', '.join(runs.keys() - documents.keys())}: cannot be read\n")
    return documents, code


def _print_differences(title: str, documents: Mapping[str, Any]) -> None:
    """Print a row for each value that is not the same in all runs, and a column for each run."""
    values = {letter: dict(leaves(document)) for letter, document in documents.items()}
    union = dict.fromkeys(key for each in values.values() for key in each if key not in IGNORED)
    keys = [key for key in union if not _all_equal([each.get(key, MISSING) for each in values.values()])]
    if not keys:
        print_text(f"{title}: identical\n")
        return
    rows = [
        {title: key, **dict(zip(values, _format_values(list(values.values()), key), strict=True))}
        for key in keys
    ]
    for part in _parts(rows, table_room()):
        print_table(part, _style)
        print_text()


def _all_equal(values: Sequence[Any]) -> bool:
    return all(value == values[0] for value in values)


def _style(name: str, row: Row) -> str:
    """Return the color of a value that differs from that of the first of three or more runs."""
    _, first, *others = row
    return DIFFERENT if len(others) > 1 and name in others and row[name] != row[first] else ""


def _parts(rows: Sequence[Row], room: int | None) -> Iterator[list[Row]]:
    """Yield the table in parts as wide as the terminal, with the keys and the first run in each."""
    title, first, *others = rows[0]
    if room is None:
        yield list(rows)
        return
    keys_width = min(column_width(title, rows), room // 2)
    value_width = max(MIN_WIDTH, (room - keys_width) // 2 - GAP)
    cut = [
        {title: format_cell(row[title], keys_width)}
        | {name: format_cell(row[name], value_width) for name in (first, *others)}
        for row in rows
    ]
    fixed = keys_width + GAP + column_width(first, cut)
    part: list[str] = []
    used = fixed
    for name in others:
        width = GAP + column_width(name, cut)
        if part and used + width > room:
            yield [{key: row[key] for key in (title, first, *part)} for row in cut]
            part, used = [], fixed
        part.append(name)
        used += width
    yield [{key: row[key] for key in (title, first, *part)} for row in cut]


def _format_values(values: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    """Return the cells of a row; the numbers of three or more runs in few digits if these tell them apart."""
    exact = [_format_value(each.get(key, MISSING), key) for each in values]
    if len(values) < 3:
        return exact
    short = [
        format_number(each[key], DIGITS) if type(each.get(key)) is float else text
        for each, text in zip(values, exact, strict=True)
    ]
    return short if len(set(short)) == len(set(exact)) else exact


def _format_value(value: Any, key: str) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    if key.startswith("sha256."):
        text = text[:12]
    return abbreviate(text, MAX_WIDTH)


def _print_weights(runs: Runs) -> None:
    """Print where the weights of each run begin to differ from those of the first."""
    (first, a), *others = runs.items()
    for letter, b in others:
        title = "weights" if len(others) == 1 else f"weights of {first} and {letter}"
        print_text(f"{title}: {_compare_epochs(a, b)}; {_compare_kept_weights(a, b)}")


def _compare_epochs(a: Path, b: Path) -> str:
    """Return in which epochs the weights of two runs differ."""
    from cygd.tracking.loggers import read_weight_hashes

    hashes_a, hashes_b = read_weight_hashes(a), read_weight_hashes(b)
    without = [str(folder) for folder, hashes in ((a, hashes_a), (b, hashes_b)) if not hashes]
    if without:
        return f"cannot compare epochs without hashes.csv in {' and '.join(without)}"
    common = sorted(hashes_a.keys() & hashes_b.keys())
    if not common:
        return "the runs have no epoch in common"
    first = next((epoch for epoch in common if hashes_a[epoch] != hashes_b[epoch]), None)
    if first is None:
        epochs = f"epochs {common[0]} to {common[-1]}" if len(common) > 1 else f"epoch {common[0]}"
        return f"identical in {epochs}, all that both runs have"
    before = [epoch for epoch in common if epoch < first]
    if not before:
        return f"differ from epoch {first} on, the first that both runs have"
    return f"identical up to epoch {before[-1]}, differ in epoch {first}"


def _compare_kept_weights(a: Path, b: Path) -> str:
    files = [folder / "weights.npz" for folder in (a, b)]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        return f"{missing[0]} is missing" if len(missing) == 1 else "neither run kept weights"
    same = files[0].read_bytes() == files[1].read_bytes()
    return f"the kept weights are {'identical' if same else 'different'}"

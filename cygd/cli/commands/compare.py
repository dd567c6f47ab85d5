"""`cygd compare`: the differences between two runs, and the first epoch whose weights differ."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cygd.cli.output import DONE, UsageError, echo_message, print_table, print_text
from cygd.cli.run_lookup import find_run, read_result
from cygd.errors import CygdError, abbreviate, escape_controls

USAGE = "RUN RUN"
MISSING = "-"
MAX_WIDTH = 60
IGNORED = {"seconds", "directory", "config_sha256"}  # never equal, or derived from the configuration


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "arguments", nargs="*", metavar="RUN", help="a run folder, or a name, which selects its newest run"
    )


def run(options: argparse.Namespace) -> int:
    """Compare two runs: configuration, environment, result, and the first epoch whose weights differ."""
    if len(options.arguments) != 2:
        raise UsageError(f"expected two runs, got {len(options.arguments)}", f"cygd compare {USAGE}")
    a, b = (find_run(text) for text in options.arguments)
    if a.resolve() == b.resolve():
        raise UsageError(f"both arguments are the run {str(a)!r}", "name two different runs")
    for name, folder in (("A", a), ("B", b)):
        print_text(f"{name}  {escape_controls(str(folder), one_line=True)}")
    print_text()
    code = DONE
    for title, read in (("configuration", _configuration), ("environment", _environment)):
        try:
            documents = read(a), read(b)
        except CygdError as error:  # the rest can be compared
            echo_message(f"error: {error.message}", error.hint)
            print_text(f"{title}: cannot be compared\n")
            code = error.exit_code
        else:
            _print_differences(title, *documents)
    _print_differences("result", read_result(a), read_result(b))
    print_text(f"weights: {_compare_epochs(a, b)}; {_compare_kept_weights(a, b)}")
    return code


def _configuration(folder: Path) -> Any:
    from cygd import config

    return config.read(folder / "config.yaml", []).root.plain()


def _environment(folder: Path) -> Any:
    from cygd.tracking.stored_files import OBJECT, read_json

    path = folder / "environment.json"
    return read_json(path, OBJECT) if path.exists() else {}


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and the value of each leaf of nested mappings and lists.

    Examples
    --------
    >>> dict(_leaves({"train": {"epochs": 5}, "layers": [16, {"units": 3}]}))
    {'train.epochs': 5, 'layers[0]': 16, 'layers[1].units': 3}
    """
    if isinstance(value, Mapping) and value:
        for key, child in value.items():
            yield from _leaves(child, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, list | Mapping) for item in value):
        for index, child in enumerate(value):
            yield from _leaves(child, f"{path}[{index}]")
    else:
        yield path, value


def _print_differences(title: str, document_a: Any, document_b: Any) -> None:
    a, b = dict(_leaves(document_a)), dict(_leaves(document_b))
    keys = [key for key in dict.fromkeys([*a, *b]) if key not in IGNORED]
    keys = [key for key in keys if a.get(key, MISSING) != b.get(key, MISSING)]
    if keys:
        print_table([{title: key, "a": _format_value(a, key), "b": _format_value(b, key)} for key in keys])
        print_text()
    else:
        print_text(f"{title}: identical\n")


def _format_value(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key, MISSING)
    text = value if isinstance(value, str) else json.dumps(value)
    if key.startswith("sha256."):
        text = text[:12]
    return abbreviate(text, MAX_WIDTH)


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

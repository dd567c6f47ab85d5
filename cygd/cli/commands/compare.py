"""`cygd compare`: in what two runs differ, and from which epoch on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cygd.cli.output import DONE, UsageError, print_table
from cygd.cli.run_lookup import find_run, result_of
from cygd.errors import CheckpointError

__all__ = ["USAGE", "declare", "run"]

USAGE = "RUN RUN"
ABSENT = "-"
WIDEST = 60


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    words = "two run folders, or names, which mean their newest runs"
    parser.add_argument("arguments", nargs="*", metavar="RUN", help=words)


def run(options: argparse.Namespace) -> int:
    """Compare two runs: configuration, environment, result, and the first epoch whose weights differ."""
    if len(options.arguments) != 2:
        count = len(options.arguments)
        raise UsageError(f"two runs are compared, found {count}", f"cygd compare {USAGE}")
    one, other = (find_run(text) for text in options.arguments)
    if one.resolve() == other.resolve():
        raise UsageError(f"both are the run {str(one)!r}", "name two different ones")
    print(f"A  {one}\nB  {other}\n")
    for title, read in (("configuration", configuration), ("environment", environment), ("result", result)):
        differences(title, flat(read(one)), flat(read(other)))
    print(weights(one, other))
    return DONE


def configuration(folder: Path) -> Any:
    """Return the experiment of a run."""
    from cygd import config

    return config.read(folder / "config.yaml", []).root.plain()


def environment(folder: Path) -> Any:
    """Return where a run ran, and what it read."""
    path = folder / "environment.json"
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error


def result(folder: Path) -> Any:
    """Return how a run ended; how long it took differs always, and is told beside."""
    return {key: value for key, value in result_of(folder).items() if key != "seconds"}


def flat(value: Any, at: str = "") -> dict[str, Any]:
    """Return nested mappings and lists as one mapping of dotted paths.

    Examples
    --------
    >>> flat({"train": {"epochs": 5}, "layers": [16, {"units": 3}]})
    {'train.epochs': 5, 'layers[0]': 16, 'layers[1].units': 3}
    """
    return dict(_leaves(value, at))


def _leaves(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, child in value.items():
            yield from _leaves(child, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list) and any(isinstance(item, list | Mapping) for item in value):
        for index, child in enumerate(value):
            yield from _leaves(child, f"{at}[{index}]")
    else:
        yield at, value


def differences(title: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Print what is not the same on both sides."""
    keys = [key for key in dict.fromkeys([*one, *other]) if one.get(key, ABSENT) != other.get(key, ABSENT)]
    if not keys:
        print(f"{title}: the same\n")
        return
    print_table([{title: key, "a": shown(one, key), "b": shown(other, key)} for key in keys])
    print()


def shown(values: Mapping[str, Any], key: str) -> str:
    """Return a value in the width of a table."""
    value = values.get(key, ABSENT)
    text = value if isinstance(value, str) else json.dumps(value)
    text = text[:12] if key.startswith("sha256.") and value != ABSENT else text
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def weights(one: Path, other: Path) -> str:
    """Say from which epoch on the weights differ."""
    from cygd.tracking.loggers import read_weight_hashes

    a, b = read_weight_hashes(one), read_weight_hashes(other)
    common = sorted(a.keys() & b.keys())
    if not common:
        bare = " and ".join(str(folder) for folder, rows in ((one, a), (other, b)) if not rows)
        reason = f"{bare} has no hashes.csv" if bare else "they have no epoch in common"
        return f"weights: nothing to compare, {reason}; {kept(one, other)}"
    first = next((epoch for epoch in common if a[epoch] != b[epoch]), None)
    if first is None:
        end = f"epochs {common[0]} to {common[-1]}" if len(common) > 1 else f"epoch {common[0]}"
        return f"weights: the same in {end}, which both have; {kept(one, other)}"
    before = [epoch for epoch in common if epoch < first]
    start = f"first differ in epoch {first}, are the same up to epoch" if before else ""
    said = f"{start} {before[-1]}" if before else f"differ from epoch {first} on, the first that both have"
    return f"weights: {said}; {kept(one, other)}"


def kept(one: Path, other: Path) -> str:
    """Say whether the weights that were kept are the same."""
    files = [folder / "weights.npz" for folder in (one, other)]
    if not all(path.is_file() for path in files):
        return "not both have kept any"
    same = files[0].read_bytes() == files[1].read_bytes()
    return f"those that were kept are {'the same' if same else 'different'}"

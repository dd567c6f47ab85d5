"""`--where KEY=VALUE` and `--sort KEY` of `cygd list`.

A key is a column of the table, a metric, or a dotted path of the configuration. Conditions are equalities;
those of one key are alternatives, and all keys must fit. Runs without a value come last in either order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from cygd.cli.output import UsageError, format_number
from cygd.cli.run_facts import MISSING, RunFacts

MAX_CLOSE = 3  # keys of a hint
MAX_VALUES = 8
NO_VALUE = "no value"


def parse_conditions(texts: Sequence[str]) -> dict[str, list[str]]:
    """Return the accepted values of each key.

    Examples
    --------
    >>> parse_conditions(["status=completed", "status=stopped", "seed=1"])
    {'status': ['completed', 'stopped'], 'seed': ['1']}
    """
    conditions: dict[str, list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if any(sign in key for sign in "<>!"):
            hint = "`--sort KEY` and `--sort -KEY` put the smallest and the largest first"
            raise UsageError(f"--where compares by = only, got {text!r}", hint)
        if not (key and equals):
            raise UsageError(f"expected KEY=VALUE after --where, got {text!r}", "--where status=completed")
        conditions.setdefault(key, []).append(value)
    return conditions


def select(runs: Sequence[RunFacts], conditions: dict[str, list[str]]) -> list[RunFacts]:
    """Return the runs that have one of the accepted values of each key."""
    return [run for run in runs if all(_matches(run.value(key), texts) for key, texts in conditions.items())]


def explain_empty(runs: Sequence[RunFacts], conditions: dict[str, list[str]]) -> tuple[str, str | None]:
    """Return the message for conditions that no run fulfils, and a hint with the values that there are."""
    wanted = " and ".join(f"{key}={' or '.join(texts)}" for key, texts in conditions.items())
    message = f"none of the runs ({len(runs)}) has {wanted}"
    for key, texts in conditions.items():
        values = [run.value(key) for run in runs]
        if not any(_matches(value, texts) for value in values):
            there = sorted({format_value(value) or NO_VALUE for value in values})
            more = f" and {len(there) - MAX_VALUES} more" if len(there) > MAX_VALUES else ""
            return message, f"{key} is {' or '.join(there[:MAX_VALUES])}{more}"
    return message, "each of them fits some runs, but not the same"


def sort(runs: Sequence[RunFacts], keys: Sequence[str]) -> list[RunFacts]:
    """Return the runs sorted by keys, ascending or, for `-KEY`, descending; equal runs keep their order."""
    result = list(runs)
    for key in reversed(keys):
        values = {id(run): run.value(key.removeprefix("-")) for run in result}
        present = [run for run in result if not _is_missing(values[id(run)])]
        missing = [run for run in result if _is_missing(values[id(run)])]
        present.sort(key=lambda run: _order(values[id(run)]), reverse=key.startswith("-"))
        result = present + missing
    return result


def format_value(value: Any) -> str:
    """Return a value as a cell of a table; empty if it is missing."""
    if value is MISSING:
        return ""
    if value is None or isinstance(value, float):
        return format_number(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _matches(value: Any, texts: Sequence[str]) -> bool:
    return any(_equals(value, text) for text in texts)


def _equals(value: Any, text: str) -> bool:
    """Return True if a text is a value, as it is stored or as the table prints it; empty is a missing one."""
    if value is MISSING or text == "":
        return value is MISSING and text == ""
    if text in (format_value(value), "null" if value is None else value):
        return True
    return _is_number(value) and _parse_number(text) == value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parse_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _is_missing(value: Any) -> bool:
    return value is MISSING or value is None


def _order(value: Any) -> tuple[bool, float, str]:
    """Return what a value is sorted by: numbers come before texts."""
    return (False, value, "") if _is_number(value) else (True, 0.0, format_value(value))


def check_key(key: str, runs: Sequence[RunFacts]) -> None:
    """Raise a UsageError that names the nearest keys if no run has a key."""
    if key in ("run", "began", "status", "epochs", "best_epoch", "seconds", "time"):
        return
    if all(run.value(key) is MISSING for run in runs):
        known = list(dict.fromkeys(name for run in runs for name in run.keys))
        close = _closest(key, known)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else None
        metrics = list(dict.fromkeys(name for run in runs for name in run.facts["metrics"]))
        names = f" such as {metrics[0]}" if metrics else ""
        listed = f"a column such as status, a metric{names}, or a key of the experiment such as seed"
        raise UsageError(f"unknown key {key!r}: none of the runs ({len(runs)}) has it", hint or listed)


def _closest(key: str, known: Sequence[str]) -> list[str]:
    """Return the keys that are written nearly like one, or that contain it."""
    from difflib import get_close_matches  # only errors need it

    containing = sorted((name for name in known if len(key) > 2 and key.lower() in name.lower()), key=len)
    close = get_close_matches(key, known, n=MAX_CLOSE, cutoff=0.6)
    return list(dict.fromkeys([*close, *containing]))[:MAX_CLOSE]

"""Fuzz experiments: the check of any text or mapping is valid or ends with an error of cygd, within seconds.

    python tools/fuzz/experiments.py --count 20000 --seed 0      # or --seconds 120

Each of experiments/*.yaml is mutated as text (characters, lines and values are deleted, repeated, swapped and
replaced) and as a structure (values of the parsed mapping are replaced, moved and nested). A failure prints
the seed of the mutation and the mutated experiment; `--only SEED` repeats it.
"""

from __future__ import annotations

import argparse
import copy
import logging
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cygd.config.yaml.nodes import Mark
from cygd.config.yaml.reader import read_yaml
from cygd.config.yaml.writer import dump
from cygd.errors import CygdError
from cygd.runner.assembly import assemble

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
LIMIT = 10.0  # seconds of one check
# a mutation must not ask for work that takes long or much memory by right
HUGE = 10**7
ODD_TEXTS = [
    *(
        "null",
        "~",
        "true",
        "no",
        "0",
        "-1",
        "1",
        "2",
        "1.5",
        "1e-3",
        "1e400",
        ".nan",
        ".inf",
        "-0.0",
        "''",
        '""',
    ),
    *(
        "[]",
        "{}",
        "[[]]",
        "[[], []]",
        "[{}]",
        "{name: }",
        "{name: {}}",
        "[null]",
        "x",
        "'1'",
        "*a",
        "&a 1",
        "!x",
    ),
    *("a: b", "- 1", "? x", "|", ">", "%", "@", "`", "#", "\t", "\0", "\x1b", "\u202e", "\ufeff", "<<: *a"),
    *("99999999999999999999", "9" * 401, "0x10", "0o17", "1_000", "1:30", "2026-01-01", "h", "y_hat", "relu"),
    *(
        "{formula: h}",
        "{formula: {w: w - g}}",
        "{formula: 1/0}",
        "full",
        "auto",
        "data.csv",
        "../x",
        "/",
        ".",
    ),
]
ODD_VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        3,
        1.5,
        -0.0,
        1e-300,
        1e300,
        float("nan"),
        float("inf"),
        2**63,
        -(2**63),
    ),
    *(
        "",
        " ",
        "x",
        "0",
        "null",
        "relu",
        "adam",
        "h * y",
        "a.b",
        "\0",
        "\ud800",
        "\x1b[2J",
        "x" * 300,
        "*",
        "name",
    ),
    *([], {}, [[]], [[], []], [[1], [1, 2]], [None], [{}], {"": 1}, {"name": None}, {"name": "relu"}, [0, 1]),
    *(
        {"formula": "h"},
        {"formula": 3},
        {"formula": {"w": "w"}},
        {"units": 0},
        {"units": 1},
        ["a", "a"],
        [[1.5]],
    ),
    *(
        [1, "a", None],
        {"path": ""},
        {"path": "."},
        {"uniform": [0, 1]},
        {"source": "inline", "x": [], "y": []},
    ),
]


def mutate_text(rng: random.Random, text: str, other: str) -> str:
    """Return a text with a few mutations."""
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice([1, 1, 2, 5, 20]))
        lines = text.split("\n")
        line = rng.randrange(len(lines))
        kind = rng.randrange(9)
        if kind == 0:
            text = text[:start] + text[end:]
        elif kind == 1:
            text = text[:end] + text[start:end] * rng.choice([1, 3]) + text[end:]
        elif kind == 2:
            text = text[:start] + text[start:end][::-1] + text[end:]
        elif kind == 3:
            text = (
                text[:start]
                + rng.choice(["\t", " ", "\n", *"{}[]:,#&*!|>%@'\"-?0\0\x7f\x85é😀\ufeff"])
                + text[start:]
            )
        elif kind == 4:
            del lines[line]
            text = "\n".join(lines)
        elif kind == 5:
            lines.insert(
                rng.randrange(len(lines) + 1), rng.choice([lines[line], rng.choice(other.split("\n"))])
            )
            text = "\n".join(lines)
        elif kind == 6:
            lines[line] = " " * rng.randrange(6) + lines[line].lstrip()
            text = "\n".join(lines)
        else:
            words = text.replace(",", " , ").split()
            text = text.replace(rng.choice(words), rng.choice(ODD_TEXTS), 1) if words else text
    return text


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values in a mapping, except the items of long lists after the third."""
    items = (
        value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    )
    for key, child in items:
        yield (*path, key)
        yield from paths(child, (*path, key))


def mutate_structure(rng: random.Random, document: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping with a few mutations."""
    document = copy.deepcopy(document)
    for _ in range(rng.choice([1, 1, 2, 3, 6])):
        places = list(paths(document))
        if not places:
            break
        path = rng.choice(places)
        parent = document
        for step in path[:-1]:
            parent = parent[step]
        key, kind = path[-1], rng.randrange(8)
        if kind == 0:
            del parent[key]
        elif kind == 1:
            parent[key] = [parent[key]]
        elif kind == 2 and isinstance(parent[key], list):
            parent[key] = parent[key] * 2 if rng.random() < 0.5 else parent[key][:1]
        elif kind == 3 and isinstance(parent, dict):
            parent[rng.choice(["name", "x", "units", "path", "formula", "seed", "", "0", f"{key}s"])] = (
                parent[key]
            )
        elif kind == 4:
            place = rng.choice(list(paths(other)))
            found: Any = other
            for step in place:
                found = found[step]
            parent[key] = copy.deepcopy(found)
        else:
            parent[key] = copy.deepcopy(rng.choice(ODD_VALUES))
    return document


def is_huge(value: Any) -> bool:
    """Return True if a mapping holds a number that asks for a huge network, split or data set."""
    if isinstance(value, dict | list):
        return any(map(is_huge, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int | float) and not isinstance(value, bool) and HUGE < abs(value) < 2**62


def make(seed: int, texts: list[str]) -> str | dict[str, Any]:
    """Return the mutation of a seed: a text, or a mapping."""
    rng = random.Random(seed)
    text, other = rng.choice(texts), rng.choice(texts)
    if rng.random() < 0.5:
        return mutate_text(rng, text, other)
    roots = [read_yaml(each, Mark("e"), []) for each in (text, other)]
    return mutate_structure(rng, *(root.plain() for root in roots if root is not None))


def check(mutation: str | dict[str, Any], file: Path) -> str:
    """Validate a mutation and return the kind of its end; raise whatever is not an error of cygd."""
    try:
        if isinstance(mutation, str):
            file.write_text(mutation, encoding="utf-8", errors="surrogatepass", newline="")
            assemble(str(file), (), ())
        else:
            resolved = assemble(mutation, (), ()).resolved()
            read_yaml(dump(resolved), Mark("resolved"), [])
    except CygdError as error:
        if not str(error).strip():
            raise ValueError("an error without words") from error
        return type(error).__name__
    return "valid"


def main() -> int:
    """Run the mutations of consecutive seeds and return 1 if one of them fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    logging.getLogger("cygd").addHandler(logging.NullHandler())
    texts = [path.read_text(encoding="utf-8") for path in sorted(EXPERIMENTS.glob("[!.]*.yaml"))]
    file = EXPERIMENTS / ".fuzz.yaml"  # relative paths of data and plugins start here
    seeds = [options.only] if options.only is not None else range(options.seed, options.seed + options.count)
    ends, failures, began = Counter[str](), 0, time.monotonic()
    try:
        for seed in seeds:
            if time.monotonic() - began > options.seconds:
                break
            mutation = make(seed, texts)
            if is_huge(mutation):
                continue
            start = time.monotonic()
            try:
                ends[check(mutation, file)] += 1
                problem = "" if time.monotonic() - start < LIMIT else f"took {time.monotonic() - start:.1f} s"
            except Exception:
                problem = traceback.format_exc()
            if problem:
                failures += 1
                print(
                    f"--- seed {seed}\n{mutation if options.only is not None else ''}\n{problem}", flush=True
                )
    finally:
        file.unlink(missing_ok=True)
    print(f"{ends.total()} mutations in {time.monotonic() - began:.0f} s: {dict(ends)}, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

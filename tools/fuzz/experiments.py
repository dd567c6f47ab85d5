"""Experiments: the check of any text or mapping is valid or ends with an error of cygd.

An input is the text of an experiment, or MAPPING and the JSON of a mapping. Each of experiments/*.yaml is
mutated as text (characters, lines and values are deleted, repeated, swapped and replaced) and as a structure
(values of the parsed mapping are replaced, moved and nested).
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from cygd.config.yaml.nodes import Mark
from cygd.config.yaml.reader import read_yaml
from cygd.config.yaml.writer import dump
from cygd.errors import CygdError
from cygd.runner.assembly import assemble

CHECKOUT = Path(__file__).parents[2]
MAPPING = b"\x00mapping\n"
# a mutation must not ask for work that takes long or much memory by right
HUGE = 10**5
ODD_WORDS = (
    "null ~ true no 0 -1 1 2 1.5 1e-3 1e400 .nan .inf -0.0 '' \"\" [] {} [[]] [{}] [null] x '1' *a !x | >"
    " % @ ` # 0x10 0o17 1_000 1:30 2026-01-01 h y_hat relu full auto data.csv ../x / ."
)
ODD_TEXTS = [
    *ODD_WORDS.split(),
    *("\t", "\0", "\x1b", "\u202e", "\ufeff", "9" * 20, "9" * 401),
    *("[[], []]", "{name: }", "{name: {}}", "&a 1", "a: b", "- 1", "? x", "<<: *a"),
    *("{formula: h}", "{formula: {w: w - g}}", "{formula: 1/0}"),
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
    *({"formula": "h"}, {"formula": 3}, {"formula": {"w": "w"}}, {"units": 0}, {"units": 1}, ["a", "a"]),
    *([[1.5]], [1, "a", None], {"path": ""}, {"path": "."}, {"uniform": [0, 1]}),
    {"source": "inline", "x": [], "y": []},
]


@cache
def texts() -> list[str]:
    """Return the experiments of the project."""
    files = sorted((CHECKOUT / "experiments").glob("[!.]*.yaml"))
    return [file.read_text(encoding="utf-8") for file in files]


def seeds() -> list[bytes]:
    """Return the experiments of the project."""
    return [text.encode() for text in texts()]


def mutate(data: bytes, draw: random.Random) -> bytes:
    """Return a mutation of an experiment, as a text or as a mapping."""
    text, other = data.decode(), draw.choice(texts())
    if draw.random() < 0.5:
        mutated = mutate_text(draw, text, other)
        return b"" if is_huge(_parsed(mutated)) else mutated.encode("utf-8", "surrogatepass")
    mapping = mutate_structure(draw, _parsed(text), _parsed(other))
    return b"" if is_huge(mapping) else MAPPING + json.dumps(mapping).encode()


def check(data: bytes, folder: Path) -> bool:
    """Validate an experiment; its relative paths start in a folder like experiments/."""
    if data.startswith(MAPPING):
        resolved = assemble(json.loads(data.removeprefix(MAPPING)), (), ()).resolved()
        read_yaml(dump(resolved), Mark("resolved"), [])
        return True
    (folder / "plugins").symlink_to(CHECKOUT / "plugins")
    (folder / "experiments").mkdir()
    (folder / "experiments" / "data").symlink_to(CHECKOUT / "experiments" / "data")
    file = folder / "experiments" / "mutated.yaml"
    file.write_bytes(data)
    assemble(str(file), (), ())
    return True


def _parsed(text: str) -> dict[str, Any]:
    """Return the mapping of a text; empty if it has none."""
    try:
        root = read_yaml(text, Mark("e"), [])
    except CygdError:
        return {}
    value = None if root is None else root.plain()
    return value if isinstance(value, dict) else {}


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

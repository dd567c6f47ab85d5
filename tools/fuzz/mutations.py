"""Mutations of bytes and of JSON values."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from typing import Any

NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][-+]?\d+)?")
NUMBERS = [
    *(
        b"0",
        b"-0",
        b"-1",
        b"1",
        b"2",
        b"1e308",
        b"1e999",
        b"-1e999",
        b"5e-324",
        b"nan",
        b"inf",
        b"0x10",
        b"1_0",
    ),
    *(
        b"2147483648",
        b"4294967296",
        b"9223372036854775808",
        b"18446744073709551616",
        b"1" + 400 * b"0",
        b"007",
    ),
]
TOKENS = [
    *(
        b"\0",
        b"\n",
        b"\r\n",
        b"\r",
        b"\t",
        b" ",
        b'"',
        b"'",
        b'""',
        b",",
        b";",
        b":",
        b"#",
        b"-",
        b"=",
        b"@",
        b"|",
    ),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b"&a",
        b"*a",
        b"!!python/object:os.system",
        b"<<",
        b"\xff",
        b"\xfe\xff",
        b"\xef\xbb\xbf",
    ),
    *(
        "\u202e".encode(),
        "\u2028".encode(),
        "\x85".encode(),
        "\ud7ff".encode(),
        "ß".encode(),
        b"\x1b[2J",
        b"\\",
        b"%",
    ),
    *(b"null", b"true", b"NaN", b"../", b"/dev/zero", 200 * b"[", 200 * b"a", b"1" * 5000),
]
VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        0.5,
        10**18,
        10**30,
        float("inf"),
        float("nan"),
        "",
        "a",
        "\0",
        "\ud800",
        "../x",
    ),
    *([], {}, [[]], {"": 0}, [None], {"name": {}}, [0, 0, 0], "1", 200 * "x"),
]


def mutate_bytes(data: bytes, draw: random.Random, corpus: Sequence[bytes] = ()) -> bytes:
    """Return bytes changed in one to four places."""
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        data = _mutate_once(data, draw, corpus)
    return data


def _mutate_once(data: bytes, draw: random.Random, corpus: Sequence[bytes]) -> bytes:
    at = draw.randint(0, len(data))
    to = min(len(data), at + draw.choice((1, 1, 2, 4, 16, 64)))
    kind = draw.randrange(8)
    if kind == 0 and data:
        at = draw.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + data[to:]
    if kind == 2:
        return data[:to] + data[at:to] * draw.choice((1, 2, 50)) + data[to:]
    if kind == 3:
        return data[:at] + draw.choice(TOKENS) + data[at:]
    if kind == 4:
        return data[:at]
    if kind == 5 and corpus:
        other = draw.choice(corpus)
        return data[:at] + other[draw.randint(0, len(other)) :]
    if kind == 6:
        lines = data.split(b"\n")
        first, second = draw.randrange(len(lines)), draw.randrange(len(lines))
        lines[first], lines[second] = lines[second], lines[first]
        return b"\n".join(lines)
    found = list(NUMBER.finditer(data))
    if not found:
        return data[:at] + bytes([draw.randrange(256)]) + data[at:]
    number = draw.choice(found)
    return data[: number.start()] + draw.choice(NUMBERS) + data[number.end() :]


def mutate_json(data: bytes, draw: random.Random) -> bytes:
    """Return JSON with one to three values or keys replaced, removed, added or exchanged."""
    value = json.loads(data)
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            return json.dumps(draw.choice(VALUES)).encode()
        parent, key = draw.choice(places)
        kind = draw.randrange(5)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, dict):
            parent[draw.choice(["", "name", "\ud800", str(key).upper(), "0"])] = parent.pop(key)
        elif kind == 2:
            other, other_key = draw.choice(places)
            parent[key] = json.loads(
                json.dumps(other.get(other_key) if isinstance(other, dict) else other[-1:])
            )
        elif kind == 3 and isinstance(parent[key], int | float) and not isinstance(parent[key], bool):
            parent[key] = draw.choice([-parent[key], parent[key] + 1, float(parent[key]), str(parent[key])])
        else:
            parent[key] = draw.choice(VALUES)
    return json.dumps(value).encode()


def _places(value: Any) -> Any:
    """Yield the container and key of every value."""
    items: Any = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, below in items:
        yield value, key
        yield from _places(below)

"""CSV files: any bytes are read as a table or refused, and the cells are those that pandas reads.

Read block by block, a file is the same table, or refused with the same error.

An input is a JSON object of options, a line break and the content of the file.
"""

from __future__ import annotations

import io
import json
import math
import random
import re
from pathlib import Path

from cygd.data import DATA_SOURCES, Column, Table
from cygd.data.sources.csv import load_csv
from cygd.errors import DataError
from tools.fuzz.mutations import mutate_bytes

try:
    import pandas
except ImportError:  # then nothing is compared
    pandas = None

CORPUS = Path(__file__).parent / "corpus" / "csv"
OPTIONS: list[dict[str, object]] = [
    {},
    {},
    {},
    {"delimiter": ";"},
    {"delimiter": ";", "decimal": ","},
    {"delimiter": "tab"},
    {"delimiter": "whitespace"},
    {"header": False},
    {"quote": ""},
    {"quote": "'"},
    {"encoding": "cp1252"},
    {"encoding": "utf-16"},
]
BLOCK_ROWS = 3
PLAIN_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,4})?", re.ASCII)
BLANK_LINE = re.compile(rb"^ +$", re.MULTILINE)  # nothing to pandas, a missing value to cygd
COMPARABLE = re.compile(
    rb"[\n -!#-~]*"
)  # ASCII without quotes, where no two readers disagree about the rules


def seeds() -> list[bytes]:
    """Return the files of the corpus, each with its options in the first line."""
    return [file.read_bytes() for file in sorted(CORPUS.glob("*.csv"))]


def mutate(data: bytes, draw: random.Random) -> bytes:
    """Change the content, sometimes the options, and sometimes draw a whole new table."""
    options, _, content = data.partition(b"\n")
    kind = draw.randrange(8)
    if kind == 0:
        options = json.dumps(draw.choice(OPTIONS)).encode()
    if kind == 1:
        return b"{}\n" + _table(draw)
    return options + b"\n" + mutate_bytes(content, draw, [seed.partition(b"\n")[2] for seed in seeds()])


def check(data: bytes, folder: Path) -> bool:
    """Read a file, and compare the table with that of pandas."""
    first, _, content = data.partition(b"\n")
    options = json.loads(first)
    (folder / "table.csv").write_bytes(content)
    try:
        table = load_csv(folder, path="table.csv", **options)
    except DataError as error:
        _check_refusal(folder, options, str(error))
        raise
    _check_blocks(folder, options, table)
    if pandas is None or options or not COMPARABLE.fullmatch(content) or BLANK_LINE.search(content):
        return True
    try:
        other = pandas.read_csv(
            io.BytesIO(content), dtype=str, keep_default_na=False, index_col=False, skipinitialspace=True
        )
    except (ValueError, pandas.errors.ParserError, pandas.errors.EmptyDataError):
        return True
    names = [str(name).strip() for name in other.columns]
    if len(set(names)) != len(names) or not set(table.columns) <= set(names):
        return True  # pandas renames or invents names
    if len(table) != len(other):
        raise AssertionError(f"expected {len(other)} rows as pandas reads them, got {len(table)}")
    for name, column in table.columns.items():
        texts = other.iloc[:, names.index(name)]
        for row, (text, number) in enumerate(zip(texts, column.numbers.tolist(), strict=True)):
            cell = text.strip()
            # a number that overflows is the text of a label, or an infinite number
            expected = float(cell) if PLAIN_NUMBER.fullmatch(cell) else math.inf
            if math.isfinite(expected) and expected != number:
                raise AssertionError(f"row {row}, column {name!r}: expected {cell!r}, got {number}")
            if re.fullmatch("[a-zA-Z]{4,}", cell) and cell.lower() != "infinity" and not math.isnan(number):
                raise AssertionError(f"row {row}, column {name!r}: expected the text {cell!r}, got {number}")
    return True


def _read_blocks(folder: Path, options: dict[str, object]) -> list[Table]:
    source = next(source for source in DATA_SOURCES if source.name == "csv")
    return list(source.configured({"path": "table.csv", **options}).read_blocks(folder).blocks(BLOCK_ROWS))


def _check_refusal(folder: Path, options: dict[str, object], message: str) -> None:
    try:
        _read_blocks(folder, options)
    except DataError as error:
        if str(error) != message:
            raise AssertionError(f"in blocks: expected the error {message!r}, got {error}") from error
        return
    raise AssertionError(f"in blocks: expected the error {message!r}, got a table")


def _check_blocks(folder: Path, options: dict[str, object], table: Table) -> None:
    blocks = _read_blocks(folder, options)
    for name, column in table.columns.items():
        for what, of in (("numbers", _numbers), ("labels", _labels)):
            found = [value for block in blocks for value in of(block.column(name))]
            if found != of(column):
                raise AssertionError(f"in blocks: other {what} in column {name!r}")


def _numbers(column: Column) -> list[str]:
    return [repr(number) for number in column.numbers.tolist()]


def _labels(column: Column) -> list[str]:
    codes, cells = column.cells()
    return [repr(None if code < 0 else column.label(cells[code])) for code in codes.tolist()]


def _table(draw: random.Random) -> bytes:
    """Return a table of numbers and words, in which a cell may be anything short."""
    n_columns = draw.randint(1, 5)
    kinds = [draw.choice(("number", "word", "mixed")) for _ in range(n_columns)]

    def cell(kind: str) -> str:
        if kind == "mixed" or draw.random() < 0.02:
            kind = draw.choice(("number", "word", "odd"))
        if kind == "number":
            extreme = draw.uniform(-1, 1) * 10.0 ** draw.randint(-320, 308)
            return draw.choice([str(draw.randint(-9, 9999)), repr(draw.gauss(0, 1)), f"{extreme:.3e}"])
        if kind == "word":
            return draw.choice(["north", "south", "east", "NA", "", "null"])
        return "".join(draw.choices("0123456789.eE+-_ xnaif%$", k=draw.randint(1, 8)))

    rows = [[f"c{k}" for k in range(n_columns)]]
    rows += [[cell(kind) for kind in kinds] for _ in range(draw.randint(1, 200))]
    return "\n".join(",".join(row) for row in rows).encode() + b"\n"

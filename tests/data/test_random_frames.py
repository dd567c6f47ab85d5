"""Random frames of every column type: the same rows from each container give the same arrays."""

import datetime
import decimal
from dataclasses import replace

import numpy as np
import pytest

from cygd import Model, Network
from cygd.data import DataSource, Preprocessing
from cygd.data import prepare as prepare_data
from cygd.data.sources.csv import load_csv
from cygd.data.sources.frame import load_frame
from cygd.data.sources.parquet import load_parquet
from cygd.errors import CygdError
from cygd.runner import assembly

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")

N_ROWS = 24
ZONE = datetime.timezone(datetime.timedelta(hours=2))
DAY = datetime.date(2026, 1, 31)


def moment(rng, zone=None):
    days, minutes = int(rng.integers(3)), int(rng.integers(3)) * 60
    return datetime.datetime(2026, 1, 29, 9, 5, tzinfo=zone) + datetime.timedelta(days, minutes=minutes)


# kind: a value drawn at random
KINDS = {
    "boolean": lambda rng: bool(rng.random() > 0.5),
    "integer": lambda rng: int(rng.integers(-4, 5)),
    "id": lambda rng: 2**53 + int(rng.integers(4)),
    "float": lambda rng: round(float(rng.normal()), 3),
    "text": lambda rng: str(rng.choice(["red", "dark blue", "é", 'say "x"', "a,b"])),
    "number text": lambda rng: str(rng.integers(1, 9)),
    "boolean text": lambda rng: str(rng.choice(["True", "False"])),
    "date": lambda rng: DAY + datetime.timedelta(int(rng.integers(3))),
    "moment": moment,
    "zoned": lambda rng: moment(rng, ZONE),
    "utc": lambda rng: moment(rng, datetime.UTC),
    "decimal": lambda rng: decimal.Decimal(int(rng.integers(-50, 50))).scaleb(-1),
    "mixed": lambda rng: [1, "u", "v", "w", 2.5][int(rng.integers(5))],
    "category": lambda rng: str(rng.choice(["low", "high"])),
    "number category": lambda rng: int(rng.integers(3)),
}
PANDAS_TYPES = {
    "boolean": ["boolean", object, "bool[pyarrow]"],
    "integer": ["Int64", "Int8", object, "int64[pyarrow]"],
    "id": ["Int64", object],
    "float": ["float64", "Float64", object],
    "text": ["string", object, "category"],
    "number text": ["string", object],
    "boolean text": ["string", object],
    "date": [object, "date32[pyarrow]"],
    "moment": ["datetime64[ns]", "datetime64[us]", object],
    "decimal": [object],
    "mixed": [object],
    "category": ["category"],
    "number category": ["category"],
}
CATEGORIES = ("category", "number category")  # columns whose type says so


def random_columns(rng):
    """Return the kinds of the columns and their values, some of them missing."""
    names = rng.choice(list(KINDS), size=4, replace=False).tolist()
    gaps = float(rng.choice([0.0, 0.2]))
    columns = {}
    for name in names:
        values = [KINDS[name](rng) for _ in range(N_ROWS)]
        columns[name] = [None if rng.random() < gaps else value for value in values]
    columns["y"] = [KINDS["boolean" if rng.random() < 0.3 else "float"](rng) for _ in range(N_ROWS)]
    if isinstance(columns["y"][0], bool) or isinstance(columns["y"][1], bool):
        columns["y"] = [bool(value) for value in columns["y"]]
    return columns


def text_of(value):
    return "" if value is None else str(value)


def pandas_frame(columns, rng):
    frame = pandas.DataFrame(index=rng.permutation(N_ROWS))
    for name, values in columns.items():
        types = PANDAS_TYPES.get(name)
        dtype = None if types is None else types[int(rng.integers(len(types)))]
        frame[name] = pandas.Series(values, index=frame.index, dtype=dtype)
        if dtype is object:
            gap = [pandas.NA, None, np.nan][int(rng.integers(3))]
            frame[name] = pandas.Series(
                [gap if value is None else value for value in values], index=frame.index, dtype=object
            )
    return frame


def arrow_table(columns):
    arrays = {name: arrow.array(values) for name, values in columns.items() if name != "mixed"}
    for name in CATEGORIES:
        if name in arrays:
            arrays[name] = arrays[name].dictionary_encode()
    return arrow.table(arrays)


def polars_frame(columns):
    frame = polars.DataFrame({name: values for name, values in columns.items() if name != "mixed"})
    if "category" in columns:
        frame = frame.with_columns(polars.col("category").cast(polars.Categorical))
    return frame


class Stream:
    """An object that has nothing but the Arrow C stream interface."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def arrow_stream(columns, rng):
    """Return a stream of chunks, with strings in one of the types that Arrow has for them."""
    table = arrow_table(columns)
    kind = [arrow.string(), arrow.large_string(), arrow.string_view(), arrow.binary()][int(rng.integers(4))]
    for i, field in enumerate(table.schema):
        if field.type == arrow.string():
            table = table.set_column(i, field.name, table.column(i).cast(kind))
    cut = int(rng.integers(1, N_ROWS))
    return Stream(arrow.concat_tables([table.slice(0, cut), table.slice(cut)]))


def tables(columns, folder, rng):
    """Yield each container's name, the table that a run reads, and the object that a prediction takes."""
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        frame = pandas.DataFrame({name: [*map(text_of, values)] for name, values in columns.items()})
        frame.to_csv(file, index=False)
    yield "csv", load_csv(folder, path="t.csv"), None
    yield "lists", load_frame(folder, columns=columns), columns
    yield "pandas", load_frame(folder, columns=(frame := pandas_frame(columns, rng))), frame
    if "mixed" in columns:
        return  # these containers hold one type a column
    yield "arrow", load_frame(folder, columns=arrow_table(columns)), arrow_table(columns)
    stream = arrow_stream(columns, rng)
    yield "stream", load_frame(folder, columns=stream), stream
    parquet.write_table(stream.table, folder / "s.parquet")
    yield "stream parquet", load_parquet(folder, path="s.parquet"), None
    yield "polars", load_frame(folder, columns=polars_frame(columns)), polars_frame(columns)
    parquet.write_table(arrow_table(columns), folder / "t.parquet")
    yield "parquet", load_parquet(folder, path="t.parquet"), None
    frame.to_parquet(folder / "p.parquet")
    yield "pandas parquet", load_parquet(folder, path="p.parquet"), None


def prepare(table, listed):
    """Return the prepared arrays, or the message of the error without its place."""
    table = replace(table, matrix=None)
    data = {"source": "csv", "path": "t.csv", "targets": ["y"], "missing": "mean", "categorical": listed}
    reading = assembly.read({"data": data, "model": {"layers": [1]}})
    section = reading.experiment.data.replace(component=DataSource("given", lambda folder: table))
    try:
        return prepare_data(reading.experiment.replace(data=section))
    except CygdError as error:
        return str(error).split("\nhint")[0].split(": ", 2)[-1]


@pytest.mark.parametrize("seed", range(200))
def test_the_same_rows_are_the_same_arrays_and_predictions(tmp_path, monkeypatch, seed):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng([7, seed])
    columns = random_columns(rng)
    # a text file, a list and Polars cannot declare numbers to be categories
    listed = [name for name in CATEGORIES if name in columns]
    found = {name: (prepare(table, listed), frame) for name, table, frame in tables(columns, tmp_path, rng)}
    expected = found["csv"][0]
    for name, (prepared, _) in found.items():
        if isinstance(expected, str):
            assert isinstance(prepared, str), (name, expected)
            continue
        assert not isinstance(prepared, str), (name, prepared)
        assert np.array_equal(prepared.train.x, expected.train.x), name
        assert np.array_equal(prepared.train.y, expected.train.y), name
        assert prepared.classes == expected.classes, name
    if isinstance(expected, str):
        return
    network = Network(expected.train.x.shape[1], [(4, "tanh"), len(expected.classes) or 1], seed=seed)
    predicted = network.predict(expected.train.x)
    assert np.isfinite(predicted).all()
    for name, (prepared, _) in found.items():  # what any container trained reads every other one
        stored = Preprocessing.from_json(prepared.preprocessing.to_json())
        for other, (_, frame) in found.items():
            if frame is not None:
                x = stored.transform_inputs(frame)
                assert np.array_equal(x, expected.train.x), (name, other)
                if name in ("csv", "parquet") or other == "stream":
                    assert np.array_equal(Model(network, stored).predict(frame), predicted), (name, other)

"""Booleans are 1 and 0 as inputs and the classes False and True as a target, whatever contains them."""

from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.data import Column
from cygd.data.describe import describe
from cygd.data.sources.arrays import load_inline
from cygd.data.sources.csv import load_csv
from cygd.data.sources.parquet import load_parquet
from cygd.errors import DataError
from cygd.runner import assembly

RNG = np.random.default_rng(4)
COLUMNS = {"member": RNG.random(40) > 0.5, "age": RNG.normal(size=40), "y": RNG.random(40) > 0.4}
REST = {
    "model": {"layers": [3, {"units": 1, "activation": "sigmoid"}]},
    "loss": "binary_cross_entropy",
    "optimizer": "adam",
    "train": {"epochs": 3},
    "metrics": ["accuracy"],
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_csv(name, spelling, quote=""):
    rows = zip(*(column.tolist() for column in COLUMNS.values()), strict=True)
    lines = [
        ",".join(quote + spelling(str(v)) + quote if isinstance(v, bool) else repr(v) for v in row)
        for row in rows
    ]
    Path(name).write_text("member,age,y\n" + "\n".join(lines) + "\n")
    return {"source": "csv", "path": name}


def containers(kind):
    """Return the data section and the frame of the same rows in a container."""
    words = {"csv": str, "csv lower": str.lower, "csv upper": str.upper, "csv quoted": str}
    if kind in words:
        return write_csv("f.csv", words[kind], '"' if "quoted" in kind else ""), None
    lists = {name: values.tolist() for name, values in COLUMNS.items()}
    if kind == "arrays":
        return {}, COLUMNS
    if kind == "lists":
        return {}, lists
    if kind == "texts":
        texts = {
            name: [str(v) if isinstance(v, bool) else v for v in column] for name, column in lists.items()
        }
        return {}, texts
    if kind.startswith("polars"):
        return {}, pytest.importorskip("polars").DataFrame(lists)
    if kind.startswith("pandas"):
        frame = pytest.importorskip("pandas").DataFrame(COLUMNS)
        types = {"pandas": "bool", "pandas nullable": "boolean", "pandas object": object}
        return {}, frame.astype({"member": types[kind], "y": types[kind]})
    arrow = pytest.importorskip("pyarrow")
    if kind == "arrow":
        return {}, arrow.table(lists)
    table = arrow.table(lists)
    if kind == "parquet texts":
        table = arrow.table({**lists, "member": [*map(str, lists["member"])], "y": [*map(str, lists["y"])]})
    pytest.importorskip("pyarrow.parquet").write_table(table, "f.parquet")
    return {"source": "parquet", "path": "f.parquet"}, None


KINDS = [
    "csv", "csv lower", "csv upper", "csv quoted", "arrays", "lists", "texts", "polars", "pandas",
    "pandas nullable", "pandas object", "arrow", "parquet", "parquet texts",
]  # fmt: skip


def train(section, frame, **keys):
    split = {"validation": 0.2, "stratify": True}
    section = {"targets": ["y"], "scale": "standard", "split": split, "missing": "mean", **section, **keys}
    return cygd.run({**REST, "data": section}, data=frame)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Return the result for the same columns as numbers, and as the texts of a target."""
    numbers = {**COLUMNS, "member": COLUMNS["member"].astype(float)}
    frame = {**numbers, "y": np.where(COLUMNS["y"], "yes", "no")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("numbers"))
        return train({}, frame)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_booleans_train_the_same_weights(expected, kind):
    result = train(*containers(kind))
    model = result.model
    assert model.inputs == ("member", "age")
    assert model.preprocessing.features == ("member", "age")
    assert model.classes == ("False", "True")
    assert model.network.parameters.tobytes() == expected.model.network.parameters.tobytes()
    assert result.metrics == expected.metrics
    again = cygd.run(result.directory / "config.yaml")
    assert again.model.network.parameters.tobytes() == model.network.parameters.tobytes()
    rows = {"member": [True, "TRUE", 1, "false", 0, False], "age": [0.5] * 6}
    predicted = model.predict(rows)[:, 0]
    assert predicted[0] == predicted[1] == predicted[2] != predicted[3] == predicted[4] == predicted[5]


def test_arrays_of_booleans_train_the_same_weights():
    x, y = COLUMNS["member"][:, None], COLUMNS["y"]
    results = [
        cygd.run({**REST, "data": {"source": "inline", "x": x, "y": y}}),
        cygd.run({**REST, "data": {"source": "inline", "x": x.astype(float), "y": y[:, None]}}),
        cygd.run({**REST, "data": {"source": "inline", "x": x.tolist(), "y": y.tolist()}}),
        cygd.run({**REST, "data": {"targets": ["y"]}}, data={"x0": x[:, 0], "y": y}),
    ]
    np.savez("f.npz", x=x, y=y)
    results.append(cygd.run({**REST, "data": {"source": "npz", "path": "f.npz"}}))
    for result in results:
        assert result.model.classes == ("False", "True")
        parameters = result.model.network.parameters
        assert parameters.tobytes() == results[0].model.network.parameters.tobytes()


def test_several_targets_of_booleans_are_numbers():
    flags = RNG.random((20, 2)) > 0.5
    model = {"layers": [{"units": 2, "activation": "sigmoid"}]}
    content = {**REST, "model": model}
    frame = {"x": np.arange(20.0), "a": flags[:, 0], "b": flags[:, 1]}
    named = cygd.run({**content, "data": {"targets": ["a", "b"]}}, data=frame)
    inline = cygd.run({**content, "data": {"source": "inline", "x": np.arange(20.0), "y": flags}})
    assert named.model.classes == inline.model.classes == ()
    assert named.model.network.parameters.tobytes() == inline.model.network.parameters.tobytes()


@pytest.mark.parametrize(
    ("cells", "numbers", "labels"),
    [
        (["True", "", "FALSE", "true"], [1, None, 0, 1], ("False", "True")),
        (["True", "N/A", "False", "?"], [1, None, 0, None], ("False", "True")),
        (["True", "2", "False", "0"], [1, 2, 0, 0], (0, 1, 2)),
        (["True", "1", "1.5", "0"], [1, 1, 1.5, 0], (0, 1, 1.5)),
        (["True", "maybe", "False", "False"], [None] * 4, ("False", "True", "maybe")),
        (["TRUE", "maybe", "true", "false"], [None] * 4, ("TRUE", "false", "maybe", "true")),
        (["yes", "no", "yes", "no"], [None] * 4, ("no", "yes")),
    ],
)
def test_booleans_among_other_values(here, cells, numbers, labels):
    (here / "t.csv").write_text("a,i\n" + "".join(f"{cell},1\n" for cell in cells))
    pytest.importorskip("pyarrow")
    frame = {"a": [cell or None for cell in cells]}
    parquet, arrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    parquet.write_table(arrow.table(frame), "t.parquet")
    for table in (load_csv(here, path="t.csv"), load_parquet(here, path="t.parquet")):
        for column in (table.columns["a"], Column.from_values(frame["a"])):
            found = [None if number != number else number for number in column.numbers.tolist()]
            assert found == numbers
            assert column.factorize()[1] == labels


def test_a_text_that_is_no_boolean_is_an_error_for_a_model_of_booleans(here):
    model = train(write_csv("f.csv", str), None).model
    with pytest.raises(DataError, match="column 'member': expected a number, got 'maybe'"):
        model.predict({"member": ["True", "maybe"], "age": [1, 2]})


def test_listed_booleans_are_two_inputs():
    result = train(*containers("csv"), categorical=["member"])
    assert result.model.preprocessing.features == ("member=False", "member=True", "age")
    assert train({}, COLUMNS, categorical=["member"]).metrics == result.metrics


def test_booleans_are_described_as_such():
    section, _ = containers("csv lower")
    reading = assembly.read({**REST, "data": {**section, "targets": ["y"]}})
    columns = {column.name: column for column in describe(reading.experiment).columns}
    n_true = int(COLUMNS["member"].sum())
    assert columns["member"].kind == "boolean"
    assert columns["member"].values == f"False ({40 - n_true}), True ({n_true})"
    assert columns["y"].kind == "category"


def test_a_boolean_among_the_numbers_of_a_list_is_an_error(here):
    with pytest.raises(DataError, match=r"x\[1\]: expected a number, got True"):
        load_inline(here, x=[1, True], y=[1, 2])
    assert load_inline(here, x=[[True, 1], [False, 2]], y=[1, 2]).x.tolist() == [[1, 1], [0, 2]]

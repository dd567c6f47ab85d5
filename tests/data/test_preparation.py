import logging
import re

import numpy as np
import pytest

from cygd.data import Dataset, DataSource, Preprocessing, split_rows
from cygd.errors import ConfigError, DataError

ABC = "a,b,y\n" + "".join(f"{i},{i % 3},{'uvw'[i % 3]}\n" for i in range(12))


# -- column roles -------------------------------------------------------------------------------------


def test_inputs_default_to_all_other_columns(table):
    prepared = table("a,w,b,y\n1,1,2,3\n4,2,5,6\n", sample_weight="w")
    assert prepared.inputs == ("a", "b")
    assert prepared.train.x.tolist() == [[1, 2], [4, 5]]
    assert prepared.train.y.tolist() == [[3], [6]]
    assert prepared.train.sample_weight.tolist() == [1, 2]


def test_named_inputs_and_targets_keep_their_order(table):
    prepared = table("a,b,c,d\n1,2,3,4\n", inputs=("d", "a"), targets=("c", "b"), units=2)
    assert prepared.train.x.tolist() == [[4, 1]]
    assert prepared.train.y.tolist() == [[3, 2]]
    assert prepared.targets == ("c", "b")


def test_columns_without_header_by_name_or_position(table):
    prepared = table("1,2,3\n4,5,6\n", header=False, inputs=(2, "c0"), targets=(1,))
    assert prepared.inputs == ("c2", "c0")
    assert prepared.train.y.tolist() == [[2], [5]]


def test_unused_column_may_hold_anything(table):
    prepared = table("a,b,y\n1,NA,2\n3,inf,4\n5,x,6\n7,8,8\n", inputs=("a",))
    assert prepared.train.x.tolist() == [[1], [3], [5], [7]]


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        (
            "a,y\n1,2\n",
            {"targets": None},
            "data.targets: the key 'targets' is missing\n  hint: name the column",
        ),
        ("ab,y\n1,2\n", {"inputs": ("abb",)}, "data.inputs: unknown column 'abb' in "),
        ("ab,y\n1,2\n", {"inputs": ("abb",)}, "hint: did you mean 'ab'?"),
        ("a,y\n1,2\n", {"inputs": (0,)}, "data.inputs: unknown column 0 in "),
        (
            "1,2\n3,4\n",
            {},
            "hint: the first line holds numbers; use header: false if the file has no column names",
        ),
        (
            "a;y\n1;2\n",
            {},
            "hint: the only column is 'a;y'; set data.delimiter if cells are separated otherwise",
        ),
        ("a,y\n1,2\n", {"inputs": ("a", "a")}, "data.inputs: column 'a' is listed twice"),
        ("a,y\n1,2\n", {"inputs": ("a", "y")}, "data.inputs: column 'y' is also a target"),
        ("a,y\n1,2\n", {"inputs": ("a",), "sample_weight": "a"}, "column 'a' is also the sample weight"),
        ("a,y\n1,2\n", {"sample_weight": "y"}, "data.sample_weight: column 'y' is a target"),
        ("y\n1\n", {}, "data.inputs: no columns are left for the inputs"),
        ("a,y\n1,2\n", {"categorical": ("z",)}, "data.categorical: unknown column 'z'"),
        (
            "a,b,y\n1,2,u\n",
            {"targets": ("y", "a")},
            "data.targets: expected one categorical target, got 2 targets",
        ),
    ],
)
def test_invalid_columns_are_reported_at_their_key(table, text, keys, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        table(text, **keys)
    assert str(caught.value).startswith("e.yaml:1:1 data.")


# -- categories ---------------------------------------------------------------------------------------


def test_categories_become_one_hot_in_sorted_order(table):
    prepared = table("a,b,y\nv,10,1\nu,9,2\nv,9,3\n", categorical=("b",))
    assert prepared.inputs == ("a=u", "a=v", "b=9", "b=10")
    assert prepared.train.x.tolist() == [[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 1, 0]]


@pytest.mark.parametrize(
    ("units", "y"), [(1, [[1], [0], [1]]), (2, [[0, 1], [1, 0], [0, 1]])], ids=["one unit", "two units"]
)
def test_two_classes_match_one_or_two_units(table, units, y):
    prepared = table("a,y\n1,v\n2,u\n3,v\n", units=units)
    assert prepared.classes == ("u", "v")
    assert prepared.train.y.tolist() == y


def test_class_numbers_sort_numerically(table):
    prepared = table("a,y\n1,10\n2,9\n3,1\n", units=3, categorical=("y",))
    assert prepared.classes == (1, 9, 10)
    assert prepared.train.y.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        (
            ABC,
            {"units": 2},
            "model.layers.0.units: expected 3 units in the last layer for 3 classes (u, v, w), got 2\n"
            "  hint: give the last layer 3 units",
        ),
        ("a,y\n1,u\n2,v\n", {"units": 3}, "hint: give the last layer 1 or 2 units"),
        (
            "a,y\n1,2\n",
            {"units": 3},
            "expected 1 unit in the last layer for 1 numeric target (y), got 3\n"
            "  hint: give the last layer 1 unit; if 'y' holds class numbers, list it under data.categorical",
        ),
        (
            "a,b,y\n1,2,3\n",
            {"targets": ("b", "y")},
            "expected 2 units in the last layer for 2 numeric targets (b, y), got 1",
        ),
        (
            ABC,
            {"units": 3, "scale": {"targets": "standard"}},
            "data.scale.targets: the target 'y' is categorical and cannot be scaled",
        ),
        (
            "a,y\n1,2\n3,4\n",
            {"split": {"test": 0.5, "stratify": True}},
            "data.split.stratify: expected a categorical target",
        ),
    ],
)
def test_targets_that_do_not_match_the_model_are_reported_at_their_key(table, text, keys, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        table(text, **keys)


@pytest.mark.parametrize("units", [1, 2])
def test_single_class_is_an_error_with_a_hint(table, units):
    message = (
        "expected at least two classes of the target 'y' in the training rows, got only 'u'\nhint: add rows"
    )
    with pytest.raises(DataError, match=message):
        table("a,y\n1,u\n2,u\n", units=units)


def test_label_in_test_rows_only_is_an_error(table):
    text = "a,y\n" + "".join(f"{i},{'uv'[i % 2]}\n" for i in range(9)) + "9,w\n"
    seed = next(seed for seed in range(100) if 9 in split_rows(10, test=0.3, seed=seed).test)
    message = r"t\.csv:11: row 10, column 'y': unknown label 'w'\nhint: .* are u, v"
    with pytest.raises(DataError, match=message):
        table(text, units=3, split={"test": 0.3, "seed": seed})


def test_input_category_outside_training_rows_is_an_error(table, tmp_path):
    (tmp_path / "v.csv").write_text("a,y\nu,1\nx,2\n")
    message = r"v\.csv:3: row 2, column 'a': unknown label 'x'"
    with pytest.raises(DataError, match=message):
        table("a,y\nu,1\nv,2\n", validation={"path": "v.csv"})


# -- invalid and missing cells ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        (
            "a,y\n1,1\n2,2\nx,3\n",
            {},
            "t.csv:4: row 3, column 'a': expected a number, got 'x'\nhint: list 'a' under",
        ),
        ("a,y\n1,1\n2,2\n3,x\n", {}, "t.csv:4: row 3, column 'y': expected a number, got 'x'"),
        ("a,y\n1_0,1\n2,2\n3,3\n", {}, "t.csv:2: row 1, column 'a': expected a number, got '1_0'"),
        ("a,y\n1,1\ninf,2\n", {}, "t.csv:3: row 2, column 'a': expected a finite number, got inf"),
        ("a,y\n1,1\n1,-1e999\n", {}, "t.csv:3: row 2, column 'y': expected a finite number, got -inf"),
        ("a,y\n1,1\n,2\n", {}, "t.csv:3: row 2, column 'a': the value is missing\nhint: data.missing: drop"),
        ("a,y\nu,1\nNA,2\n", {}, "t.csv:3: row 2, column 'a': the value is missing"),
        ("a,y\n1,u\n1,v\n2,?\n", {}, "t.csv:4: row 3, column 'y': the value is missing"),
        ("a,y\n1,1\n1e300,2\n", {"dtype": "float32"}, "column 'a': 1e+300 is out of range for float32"),
        ("a,y\n1,1\n1,1e300\n", {"dtype": "float32"}, "t.csv: a target is out of range for float32"),
    ],
)
def test_invalid_cell_is_located(table, text, keys, message):
    with pytest.raises(DataError, match=re.escape(message)):
        table(text, **keys)


def test_rows_with_missing_values_are_dropped(table, caplog):
    caplog.set_level(logging.INFO, "cygd")
    prepared = table("a,b,y\n1,x,1\n2,NA,2\nNA,y,3\n4,x,?\n5,y,5\n", missing="drop")
    assert prepared.train.x.tolist() == [[1, 1, 0], [5, 0, 1]]
    assert prepared.train.y.tolist() == [[1], [5]]
    assert "t.csv: dropped 3 of 5 rows, with missing values" in caplog.text
    assert prepared.preprocessing.columns[0].fill is None


def test_gaps_in_unused_columns_are_ignored(table):
    assert len(table("a,b,y\n1,x,1\n2,NA,2\n", missing="drop", inputs=("a",)).train) == 2


def test_messages_after_dropped_rows_have_the_original_line(table):
    with pytest.raises(
        DataError, match=r"t\.csv:4: row 3, column 'w': expected a finite, nonnegative sample weight, got -1"
    ):
        table("a,w,y\n1,1,1\nNA,1,2\n3,-1,3\n", missing="drop", sample_weight="w")


def test_missing_inputs_are_filled_from_the_training_rows(table):
    text = "a,b,y\n" + "".join(f"{i},{'uvv'[i % 3]},{i}\n" for i in range(12)) + "NA,NA,12\n"
    prepared = table(text, missing="mean", split={"test": 0.3})
    numbers, island = prepared.preprocessing.columns
    train = prepared.train.rows[prepared.train.rows < 12]
    assert numbers.fill == pytest.approx(train.mean(), rel=1e-15)
    counts = {label: sum("uvv"[i % 3] == label for i in train) for label in "uv"}
    assert island.fill == max(counts, key=counts.get)
    assert prepared.train.x[12].tolist() == [numbers.fill, island.fill == "u", island.fill == "v"]


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        ("a,y\n1,1\n2,NA\n", {}, "column 'y': the value is missing\nhint: targets are never filled"),
        ("a,y\n1,u\n2,v\n3,NA\n", {}, "column 'y': the value is missing\nhint: targets are never filled"),
        (
            "a,y\nNA,1\nNA,2\n",
            {},
            "column 'a' has no value in the training rows: its mean is undefined",
        ),
        ("a,y\n1,1\nx,2\n3,3\nNA,4\n", {}, "t.csv:3: row 2, column 'a': expected a number, got 'x'"),
        ("a,y\nNA,1\nNA,2\n", {"categorical": ("a",)}, "column 'a' has no value in the training rows"),
        ("a,y\nNA,1\n1,NA\n", {"missing": "drop"}, "t.csv: every row has a missing value in one of a, y"),
    ],
)
def test_unfillable_gaps_are_an_error(table, text, keys, message):
    with pytest.raises(DataError, match=re.escape(message)):
        table(text, **{"missing": "mean", **keys})


# -- parts --------------------------------------------------------------------------------------------


def test_parts_of_a_split_share_arrays(table):
    prepared = table(ABC, units=3, split={"validation": 0.25, "test": 0.25, "stratify": True})
    parts = (prepared.train, prepared.validation, prepared.test)
    assert [len(part) for part in parts] == [6, 3, 3]
    assert all(part.x is prepared.train.x and part.y is prepared.train.y for part in parts)
    assert all(part.take()[1].sum(axis=0).tolist() == [len(part) / 3] * 3 for part in parts)


def test_without_a_split_all_rows_train(table):
    prepared = table(ABC, units=3)
    assert prepared.train.rows is None
    assert prepared.validation is None
    assert prepared.test is None


def test_validation_and_test_rows_from_other_files(table, tmp_path):
    (tmp_path / "v.csv").write_text("y,a\n5,4\n")
    (tmp_path / "s.csv").write_text("a,y\n6,7\n8,9\n")
    other = {"validation": {"path": "v.csv"}, "test": {"path": "s.csv"}}
    prepared = table("a,y\n0,1\n2,3\n", scale={"inputs": "minmax", "targets": "minmax"}, **other)
    assert prepared.train.x.tolist() == [[0], [1]]
    assert prepared.validation.x.tolist() == [[2]]
    assert prepared.validation.y.tolist() == [[2]]
    assert prepared.test.x.tolist() == [[3], [4]]
    assert prepared.test.rows is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("b,y\n1,2\n", r"v\.csv: unknown column 'a'"),
        ("a,b\n1,2\n", r"v\.csv: unknown column 'y'"),
        ("a,y\n1,u\n", r"v\.csv:2: row 1, column 'y': expected a number, got 'u'"),
        ("a,y\n", r"v\.csv has a header but no rows"),
    ],
)
def test_mismatched_validation_file_is_an_error(table, tmp_path, text, message):
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        table("a,y\n0,1\n2,3\n", validation={"path": "v.csv"})


def test_part_from_split_and_file_is_an_error(table):
    message = re.escape("e.yaml:1:1 data.test: data.split.test already selects the test rows")
    with pytest.raises(ConfigError, match=message):
        table("a,y\n0,1\n2,3\n", split={"test": 0.5}, test={"path": "v.csv"})


def test_empty_part_is_an_error(table):
    with pytest.raises(DataError, match=r"the validation part is empty: 0\.01 of 12 rows is less than"):
        table(ABC, units=3, split={"validation": 0.01})


# -- scaling ------------------------------------------------------------------------------------------


def test_standard_scaling_is_fitted_on_the_training_rows(table):
    rng = np.random.default_rng(0)
    text = "a,b,y\n" + "".join(
        f"{v!r},{'uv'[i % 2]},{i}\n" for i, v in enumerate(rng.normal(5, 3, 50).tolist())
    )
    prepared = table(text, scale="standard", split={"test": 0.4})
    x = prepared.train.take()[0]
    assert np.allclose([x[:, 0].mean(), x[:, 0].std()], [0, 1])
    assert set(np.unique(prepared.train.x[:, 1:])) == {0, 1}
    assert not np.isclose(prepared.train.x[:, 0].mean(), 0, atol=1e-6)


def test_minmax_scaling_goes_from_0_to_1(table):
    prepared = table("a,y\n1,10\n3,30\n2,20\n", scale={"inputs": "minmax", "targets": "minmax"})
    assert prepared.train.x.tolist() == [[0], [1], [0.5]]
    assert prepared.train.y.tolist() == [[0], [1], [0.5]]
    assert prepared.preprocessing.inverse_targets(prepared.train.y).tolist() == [[10], [30], [20]]


@pytest.mark.parametrize("kind", ["standard", "minmax"])
@pytest.mark.parametrize("source", ["csv", "npz"])
def test_constant_column_becomes_zero_with_a_warning(table, prepare, tmp_path, caplog, kind, source):
    x = np.column_stack([np.full(10, 0.1), np.arange(10)])
    if source == "csv":
        prepared = table("x0,x1,y\n" + "".join(f"{a},{b},{b}\n" for a, b in x), scale=kind)
    else:
        np.savez(tmp_path / "a.npz", x=x, y=np.arange(10))
        prepared = prepare(source="npz", path="a.npz", scale=kind)
    assert (prepared.train.x[:, 0] == 0).all()
    assert np.isfinite(prepared.train.x).all()
    assert caplog.messages == [f"1 column is constant in the training rows; scaled ({kind}) to 0: x0"]


def test_column_whose_range_overflows_is_an_error(table):
    message = re.escape("column 'a' cannot be scaled (minmax): it ranges from -1.5e+308 to 1.5e+308")
    with pytest.raises(DataError, match=message):
        table("a,y\n-1.5e308,1\n1.5e308,2\n", scale="minmax")


# -- sample weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((1, -1), "t.csv:3: row 2, column 'w': expected a finite, nonnegative sample weight, got -1"),
        ((1, "inf"), "t.csv:3: row 2, column 'w': expected a finite number, got inf"),
        ((1, "NA"), "t.csv:3: row 2, column 'w': the value is missing"),
        ((0, 0), "all sample weights of the training rows are 0"),
    ],
)
def test_invalid_sample_weights_are_located(table, weights, message):
    with pytest.raises(DataError, match=re.escape(message)):
        table("a,w,y\n1,{},1\n2,{},2\n".format(*weights), sample_weight="w")


def test_sample_weights_of_a_dataset(prepare):
    def own(folder, last=2.0):
        return Dataset([1, 2], [1, 2], sample_weight=[1, last])

    source = DataSource("own", own)
    assert prepare(source="own", component=source).train.sample_weight.tolist() == [1, 2]
    message = r"own data: row 1 \(from 0\), column 'sample_weight': expected a finite, .* got -2"
    with pytest.raises(DataError, match=message):
        prepare(source="own", component=source.configured({"last": -2.0}))


# -- prediction ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_prediction_inputs_have_the_bits_of_training(table, dtype):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=30), rng.choice(["u", "v", "w"], 30)
    text = "a,b,y\n" + "".join(f"{v!r},{w},{v!r}\n" for v, w in zip(a.tolist(), b, strict=True))
    prepared = table(text, dtype=dtype, scale="standard", split={"test": 0.2})
    stored = Preprocessing.from_json(prepared.preprocessing.to_json())
    assert np.array_equal(stored.transform_inputs({"a": a, "b": b}, dtype), prepared.train.x)
    assert np.array_equal(stored.transform_inputs({"a": a, "b": b}).astype(dtype), prepared.train.x)

"""`cygd export`: files, messages and exit codes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.cli.main import main
from cygd.core import dispatch

ROWS = "a;b;y\n1,5;u;no\n2;v;yes\n-3;u;no\n4,25;v;yes\n;u;yes\n2;;no\n"
DATA = (
    "{source: csv, path: t.csv, delimiter: ';', decimal: ',', targets: [y], scale: standard, missing: mean}"
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(ROWS)
    return tmp_path


@pytest.fixture
def train(here):
    def run(data=DATA, layers="[3, {units: 1, activation: sigmoid}]", **options):
        text = f"name: mine\ndata: {data}\nmodel: {{layers: {layers}}}\ntrain: {{epochs: 3}}\n"
        (here / "e.yaml").write_text(text)
        return cygd.run("e.yaml", **options)

    return run


@pytest.fixture
def export(here, capsys):
    def run(*arguments):
        code = main(["export", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_files_are_printed_and_checked(train, export, here):
    train()
    assert export("mine", "-o", "m.json", "--check") == (
        0,
        "m.json\n",
        "checked 6 training rows: the same bits, the same classes\n",
    )
    assert json.loads((here / "m.json").read_text())["targets"]["classes"] == ["no", "yes"]


@pytest.mark.parametrize("options", [[], ["model.dtype=float32"]], ids=["float64", "float32"])
def test_c_is_compiled_to_be_checked(train, export, options, here):
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("no C compiler is installed")
    train(overrides=options)
    code, out, err = export("mine", "-o", "m.c", "--check")
    assert (code, out) == (0, "m.c\nm.h\n")
    assert err.startswith("checked 6 training rows: ")
    if {"v3", "v4"} & {dispatch.level()}:
        assert err == "checked 6 training rows: the same bits, the same classes\n"
    (here / "m.c").unlink()
    assert export("mine", "-o", "m.c")[2].startswith("error: m.h already exists and is not overwritten")


def test_pair_is_written_as_a_whole_or_not_at_all(train, export, here, monkeypatch):
    from cygd.cli.commands import export as command

    train()
    monkeypatch.setattr(command, "check_not_existing", lambda files: None)
    (here / "m.h").write_text("mine")
    code, out, err = export("mine", "-o", "m.c")
    assert (code, out) == (2, "")
    assert err.startswith("error: cannot write m.h: File exists")
    assert not (here / "m.c").exists()
    assert (here / "m.h").read_text() == "mine"


def test_compiler_that_fails_is_quoted(train, export, monkeypatch):
    train()
    monkeypatch.setenv("CC", "false")
    code, out, err = export("mine", "-o", "m.c", "--check")
    assert (code, out) == (2, "m.c\nm.h\n")
    assert err.startswith("error: false -std=c99 -O2 -fPIC -shared m.c -o ")


def test_onnx_is_run_to_be_checked(train, export):
    pytest.importorskip("onnxruntime")
    train()
    code, out, err = export("mine", "-o", "m.onnx", "--check")
    assert (code, out) == (0, "m.onnx\n")
    assert err.startswith("checked 6 training rows: ")
    assert err.endswith("the same classes\n")
    code, _, err = export("mine", "-o", "x.onnx", "--matrix")
    assert code == 2
    assert err.startswith("error: matrix: the column 'b' holds texts, and a matrix holds numbers\nhint: ")


def test_activation_of_a_plugin_is_refused_by_name(train, export, here):
    (here / "mine.py").write_text(
        "from cygd import Activation, hookimpl\n\n@hookimpl\ndef cygd_activations():\n"
        "    yield Activation('square', lambda h: h * h, lambda h: 2 * h)\n"
    )
    train(layers="[{units: 3, activation: square}, {units: 1, activation: sigmoid}]", plugins=["mine.py"])
    for name, format in (("m.c", "C"), ("m.onnx", "ONNX")):
        code, out, err = export("mine", "-o", name)
        assert (code, out) == (2, "")
        message = (
            f"error: the activation 'square' of plugin 'mine' is a Python function, which {format} cannot"
        )
        assert message in err
    assert export("mine", "-o", "m.npz", "--check")[0] == 0


def test_format_of_the_option(train, export):
    result = train()
    assert export(result.directory, "-o", "weights", "--format", "npz")[:2] == (0, "weights\n")
    np.testing.assert_array_equal(np.load("weights")["w0"], result.model.network.weights[0])


def test_held_out_rows_are_checked(train, export, here):
    (here / "t.csv").write_text(ROWS + "1;u;no\n2;v;yes\n0;u;no\n1;v;yes\n" * 5)
    train(DATA.replace("targets", "split: {test: 0.3, validation: 0.2}, targets"))
    assert "checked 8 test rows" in export("mine", "-o", "test.npz", "--check")[2]
    train(DATA.replace("targets", "split: {validation: 0.2}, targets"))
    assert "checked 5 validation rows" in export("mine", "-o", "validation.npz", "--check")[2]
    (here / "v.csv").write_text("a;b;y\n7;v;no\n")
    train(DATA.replace("targets", "test: {path: v.csv}, targets"))
    assert "checked 1 test row:" in export("mine", "-o", "file.npz", "--check")[2]


def test_difference_fails_the_check(train, export, monkeypatch):
    from cygd.export import weights

    train()
    read = weights.read
    monkeypatch.setattr(weights, "read", lambda path: {**read(path), "b1": np.array([1e3])})
    code, out, err = export("mine", "-o", "m.npz", "--check")
    assert (code, out) == (1, "m.npz\n")
    assert err.startswith("error: checked 6 training rows: the largest difference is 0.")
    assert ", in y=yes, another class in " in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "error: expected one run, got 0\nhint: cygd export RUN -o FILE"),
        (("mine", "mine", "-o", "m.npz"), "error: expected one run, got 2"),
        (("mine",), "error: expected a file after -o"),
        (("mine", "-o", "-", "--format", "json"), "error: expected a file after -o"),
        (("nobody", "-o", "m.npz"), "error: unknown run 'nobody'\nhint: runs/ contains mine\n"),
        (("mine", "-o", "m.text"), "error: cannot tell a format from the name 'm.text'"),
        (("mine", "-o", "m.npz", "--format", "jsn"), "error: unknown format 'jsn'\nhint: did you mean"),
        (("mine", "-o", "t.csv", "--format", "npz"), "error: t.csv already exists and is not overwritten"),
        (("mine", "-o", "no/m.npz"), "error: cannot write no/m.npz: No such file or directory"),
        (("mine", "-o", "m.npz", "--matrix"), "error: matrix: the format npz has one form of its inputs"),
    ],
)  # fmt: skip
def test_mistakes_are_named(train, export, here, arguments, message):
    train()
    code, out, err = export(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert not Path("m.npz").exists()


def test_folder_that_is_no_run(export, here):
    (here / "folder").mkdir()
    code, _, err = export("folder", "-o", "m.npz")
    assert (code, err) == (
        2,
        "error: unknown run 'folder'\nhint: name the folder that `cygd run` printed\n",
    )


def test_diverged_run_is_refused(train, export):
    result = train()
    file = result.directory / "result.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "status": "diverged"}))
    code, _, err = export("mine", "-o", "m.npz")
    assert code == 2
    assert "diverged, so its weights predict nothing\nhint: train it again with a smaller" in err
    file.write_text(json.dumps({**json.loads(file.read_text()), "status": "interrupted"}))
    code, _, err = export("mine", "-o", "m.npz")
    assert code == 0
    assert err.startswith("warning: the run in ")


def test_no_usable_row_to_check(train, export, here):
    result = train(DATA.replace(", missing: mean", ", missing: drop"))
    config = result.directory / "config.yaml"
    (here / "v.csv").write_text("a;b;y\n7;w;no\n")
    config.write_text(config.read_text().replace("data:\n", f"data:\n  test: {{path: {here / 'v.csv'}}}\n"))
    code, out, err = export("mine", "-o", "m.npz", "--check")
    assert (code, out) == (2, "m.npz\n")
    assert err.startswith("error: no row of the data can be predicted")

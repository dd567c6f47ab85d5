"""`cygd predict`: the predictions of a trained network for new data, as CSV."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from cygd.cli.arguments import parse_mapping, reject_several, split_overrides
from cygd.cli.new_files import write_output
from cygd.cli.output import DONE, UsageError, data_output, echo, redirect_stdout
from cygd.cli.run_lookup import announce_plugins, find_run, read_result
from cygd.errors import DataError, format_count

if TYPE_CHECKING:
    from cygd.data import DataSource, Table
    from cygd.data.dataset import Array
    from cygd.runner.assembly import LoadedExperiment
    from cygd.tracking.model import Model
    from cygd.tracking.terminal import DataOutput

USAGE = "RUN DATA [KEY=VALUE ...] [-o FILE]"
SOURCES = {
    ".parquet": "parquet",
    ".npz": "npz",
    ".npy": "npy",
    ".svm": "svmlight",
    ".svmlight": "svmlight",
    ".libsvm": "svmlight",
}  # all other files are CSV
ROWS_PER_BLOCK = 8192


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="RUN DATA, OPTION=VALUE",
        help="a run folder, or a name, which selects its newest run; a data file; options of its data source",
    )
    parser.add_argument("-o", "--out", metavar="FILE", help="write to this file instead of stdout")


def run(options: argparse.Namespace) -> int:
    """Predict with a trained network: one row of CSV for each row of the data."""
    from cygd.data.sources.csv import load_csv

    source_options = signature(load_csv).parameters
    names, overrides = split_overrides(options.arguments, source_options, runs=True)
    usage = f"cygd predict {USAGE}"
    if len(names) < 2:
        expected = "a data file after the run" if names else "a run and a data file"
        raise UsageError(f"expected {expected}", usage)
    reject_several("data file", names[1:], usage)
    folder, path = find_run(names[0]), names[1]
    out = None if options.out is None else Path(options.out)
    if out is not None and out.exists():
        raise UsageError(f"{str(out)!r} already exists", "remove it, or choose another file")
    from cygd.runner.assembly import read
    from cygd.runner.loading import load

    announce_plugins(folder)
    with redirect_stdout():
        model = load(folder)
        data = _read_data(path, read(folder / "config.yaml"), model, parse_mapping(overrides))
        x = model.preprocessing.transform_inputs(data, where=path)
        outputs = model.preprocessing.inverse_targets(model.network.predict(x))
    status = read_result(folder)["status"]
    if status not in ("completed", "stopped"):
        echo(f"warning: the run in {folder} is {status}; using the weights that it kept")
    if out is None:
        with data_output() as stdout:
            _write_csv(model, outputs, stdout)
    else:
        text = io.StringIO()
        _write_csv(model, outputs, text)
        write_output(out, text.getvalue().encode())
        echo(f"{format_count(len(outputs), 'prediction')} in {out}")
    return DONE


def _read_data(
    path: str, reading: LoadedExperiment, model: Model, source_options: dict[str, Any]
) -> Table | Array:
    from cygd.data import Table
    from cygd.data.sources.paths import resolve_path

    source = _choose_source(path, reading)
    if source.name in ("npy", "npz"):
        if source_options:
            hint = "options describe text files, such as delimiter=';'"
            raise UsageError(f"the array file {path} takes no options", hint)
        return _read_inputs(resolve_path(Path(), path, "DATA"))
    raw = source.configured({**source_options, "path": path}).read(Path())
    table = raw if isinstance(raw, Table) else Table.from_dataset(raw, path)
    return _match_columns(table, model, path)


def _choose_source(path: str, reading: LoadedExperiment) -> DataSource:
    """Return the data source for a file: the run's own, with its options, if it reads such files."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes if suffix.lower() != ".gz"]
    name = SOURCES.get(suffixes[-1] if suffixes else "", "csv")
    own = reading.experiment.data.component
    from_plugin = own.tier != "built-in" and "path" in own.options
    if from_plugin or own.name == name:
        return own  # type: ignore[no-any-return]
    return cast("DataSource", reading.plugins.get("data_source", name))


def _read_inputs(path: Path) -> Array:
    """Return the array of an .npy file, or the array x of an .npz file."""
    import numpy as np

    from cygd.data.sources.arrays import READ_ERRORS, array_file_error, map_array, read_member

    if path.suffix.lower() == ".npy":
        return map_array(path)
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise DataError(f"{path}: expected an .npz file, got an .npy file", hint="rename it to .npy")
        with archive:
            if "x" not in archive.files:
                raise DataError(f"{path} has no array 'x', only {', '.join(archive.files) or 'none'}")
            return read_member(archive, "x", path)
    except READ_ERRORS as error:
        raise array_file_error(path, error) from None


def _match_columns(table: Table, model: Model, path: str) -> Table:
    """Return a table with the inputs of a model; columns without names are matched by their order."""
    missing = [name for name in model.inputs if name not in table.columns]
    if missing and table.default_names and len(missing) == len(model.inputs) == len(table.columns):
        columns = dict(zip(model.inputs, table.columns.values(), strict=True))
        return replace(table, columns=columns, config_hints=False, matrix=None)
    if len(missing) == 1:
        table.column(missing[0])  # raises with a suggestion
    if missing:
        from cygd.data.formatting import format_list

        hint = f"the columns are {format_list(table.columns)}"
        raise DataError(f"{path}: missing columns {format_list(map(repr, missing))}", hint=hint)
    return replace(table, config_hints=False)


def _write_csv(model: Model, outputs: Array, file: IO[str] | DataOutput) -> None:
    """Write predictions; each number is the shortest text that reads back to the same bits."""
    names, classes = list(model.preprocessing.targets), model.classes
    if classes:
        with_output = classes if model.network.n_outputs > 1 else classes[1:]
        names += [f"{names[0]}={label}" for label in with_output]
    table = csv.writer(file, lineterminator="\n")
    table.writerow(names)
    table.writerows([str(value) for value in row] for row in _rows(model, outputs))


def _rows(model: Model, outputs: Array) -> Iterator[Sequence[object]]:
    """Yield the outputs of each row, after the predicted label if there are classes."""
    classes = model.classes
    for start in range(0, len(outputs), ROWS_PER_BLOCK):
        block = outputs[start : start + ROWS_PER_BLOCK]
        if not classes:
            yield from block
            continue
        predicted = block.argmax(axis=1) if block.shape[1] > 1 else block[:, 0] > 0.5
        yield from ([classes[int(i)], *row] for i, row in zip(predicted, block, strict=True))

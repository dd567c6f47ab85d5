"""`cygd predict`: what a trained network says of other data."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from cygd.cli.arguments import parse_mapping, split_overrides
from cygd.cli.output import DONE, UsageError, echo, redirect_stdout
from cygd.cli.run_lookup import find_run, result_of
from cygd.errors import DataError

if TYPE_CHECKING:
    from cygd.data import DataSource, Table
    from cygd.data.dataset import Array
    from cygd.runner.assembly import Reading
    from cygd.tracking.model import Model

__all__ = ["USAGE", "declare", "run"]

USAGE = "RUN DATA [KEY=VALUE ...] [-o FILE]"
ENDINGS = {
    ".parquet": "parquet",
    ".npz": "npz",
    ".npy": "npy",
    ".svm": "svmlight",
    ".svmlight": "svmlight",
    ".libsvm": "svmlight",
}
BLOCK = 8192  # rows at a time


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    words = "a run folder, or a name, which means its newest run; the data; options of their source"
    parser.add_argument("arguments", nargs="*", metavar="RUN DATA, OPTION=VALUE", help=words)
    parser.add_argument("-o", "--out", metavar="FILE", help="write there, not to the terminal")


def run(options: argparse.Namespace) -> int:
    """Predict with a trained network: a row of CSV for each row of the data."""
    names, told = split_overrides(options.arguments)
    if len(names) != 2:
        missing = ["which run? a folder or a name is missing", "which data? a file is missing"]
        wrong = missing[len(names)] if len(names) < 2 else f"one file at a time; {names[2]!r} is too many"
        raise UsageError(wrong, f"cygd predict {USAGE}")
    folder, out = find_run(names[0]), None if options.out is None else Path(options.out)
    if out is not None and out.exists():
        raise UsageError(f"{str(out)!r} is there already", "remove it, or name another file")
    from cygd.runner.assembly import read
    from cygd.runner.loading import load

    with redirect_stdout():
        model = load(folder)
        data = read_data(names[1], read(folder / "config.yaml"), model, parse_mapping(told))
        outputs = predicted(model, data, names[1])
    status = result_of(folder)["status"]
    if status not in ("completed", "stopped"):
        echo(f"warning: the run in {folder} is {status}; its weights are those that were kept")
    if out is None:
        write(model, outputs, sys.stdout)
    else:
        import io

        from cygd.tracking.files import write_durably

        text = io.StringIO()
        write(model, outputs, text)
        write_durably(out.absolute(), text.getvalue().encode())
        echo(f"{len(outputs)} predictions in {out}")
    return DONE


def read_data(path: str, reading: Reading, model: Model, told: dict[str, Any]) -> Table | Array:
    """Return data in the form of the run's own, where they are of the same kind."""
    from cygd.data import Table
    from cygd.data.sources.paths import resolve_path

    source = source_of(path, reading)
    if source.name in ("npy", "npz"):
        if told:
            raise UsageError(f"{path} is an array, of which there is nothing to be told", None)
        return array_of(resolve_path(Path(), path, "DATA"))
    raw = source.configured({**told, "path": path}).read(Path())
    table = raw if isinstance(raw, Table) else Table.from_dataset(raw, path)
    return fitting(table, model, path)


def source_of(path: str, reading: Reading) -> DataSource:
    """Return the data source that reads a file, with the options of the run's own if it is that one."""
    endings = [suffix.lower() for suffix in Path(path).suffixes if suffix.lower() != ".gz"]
    name = ENDINGS.get(endings[-1] if endings else "", "csv")
    own = reading.experiment.data.component
    foreign = own.tier != "built-in" and "path" in own.options
    if foreign or own.name == name:
        return own  # type: ignore[no-any-return]
    return cast("DataSource", reading.plugins.get("data_source", name))


def array_of(path: Path) -> Array:
    """Return the inputs in an .npy file, or in the array x of an .npz file."""
    import numpy as np

    from cygd.data.sources.arrays import READ_ERRORS, array_file_error, map_array

    if path.suffix.lower() == ".npy":
        return map_array(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            if "x" not in archive.files:
                raise DataError(f"{path} holds no array 'x'; it holds {', '.join(archive.files) or 'none'}")
            return archive["x"]  # type: ignore[no-any-return]
    except READ_ERRORS as error:
        raise array_file_error(path, error) from None


def fitting(table: Table, model: Model, path: str) -> Table:
    """Return a table that has the inputs of a model, or say which are missing.

    Names that were made up on either side (c0, x0) are as good as their order.
    """
    missing = [name for name in model.inputs if name not in table.columns]
    if missing and table.default_names and len(missing) == len(model.inputs) == len(table.columns):
        columns = dict(zip(model.inputs, table.columns.values(), strict=True))
        return replace(table, columns=columns, config_hints=False, matrix=None)
    if len(missing) == 1:
        table.column(missing[0])  # says what it may be called instead
    if missing:
        from cygd.data.formatting import format_list

        hint = f"there are {format_list(table.columns)}"
        raise DataError(f"{path}: there are no columns {format_list(map(repr, missing))}", hint=hint)
    return replace(table, config_hints=False)


def predicted(model: Model, data: Table | Array, where: str) -> Array:
    """Return the outputs in the units of the targets."""
    x = model.preprocessing.transform_inputs(data, where=where)
    return model.preprocessing.inverse_targets(model.network.predict(x))


def head(model: Model) -> list[str]:
    """Return the names of the columns that `rows` gives."""
    targets, classes = model.preprocessing.targets, model.classes
    if not classes:
        return list(targets)
    [target] = targets
    shown = classes if model.network.n_outputs > 1 else classes[1:]
    return [target, *(f"{target}={label}" for label in shown)]


def rows(model: Model, outputs: Array) -> Iterator[Sequence[object]]:
    """Yield the label, if there are classes, and the outputs of each row."""
    import numpy as np

    classes = model.classes
    for start in range(0, len(outputs), BLOCK):
        block = outputs[start : start + BLOCK]
        if not classes:
            yield from block
            continue
        indices = block.argmax(axis=1) if block.shape[1] > 1 else (block[:, 0] > 0.5).astype(np.int64)
        yield from ([classes[i], *row] for i, row in zip(indices.tolist(), block, strict=True))


def write(model: Model, outputs: Array, file: IO[str]) -> None:
    """Write predictions as CSV; a number is the shortest text that reads back to the same bits."""
    import csv

    table = csv.writer(file, lineterminator="\n")
    table.writerow(head(model))
    table.writerows([str(value) for value in row] for row in rows(model, outputs))

"""`cygd predict`: the predictions of a trained network for new data."""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cygd.cli.arguments import (
    missing_argument,
    parse_mapping,
    positive_int,
    reject_several,
    split_overrides,
)
from cygd.cli.new_files import open_new_file
from cygd.cli.output import DONE, FAILED, UsageError, binary_output, data_output, echo, redirect_stdout
from cygd.cli.predictions import (
    FORMATS,
    Predictions,
    Write,
    csv_writer,
    format_of,
    jsonl_writer,
    parquet_writer,
)
from cygd.cli.run_lookup import announce_plugins, find_run, read_result
from cygd.errors import DataError, format_count
from cygd.tracking.signals import sigterm_as_interrupt

if TYPE_CHECKING:
    from cygd.data import DataSource, Table
    from cygd.data.dataset import Array
    from cygd.data.sources.table_blocks import TableBlocks
    from cygd.runner.assembly import LoadedExperiment
    from cygd.tracking.model import Model

USAGE = "RUN DATA [KEY=VALUE ...] [--proba] [--strict] [--batch N] [--format F] [-o FILE.csv|.parquet|.jsonl]"
SIGN_OPTIONS = ("delimiter", "decimal", "thousands", "comment", "quote")  # whose value is one character
QUOTE = "'"
REASONS = 3  # of rows that cannot be predicted, in the message
CHECKED_ROWS = 4096  # at a time, before the first one is predicted


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="RUN DATA, OPTION=VALUE",
        help="a run folder, or a name, which selects its newest run; a data file, or - for stdin; options of "
        "its data source",
    )
    parser.add_argument(
        "--proba", action="store_true", help="write the probability of every class, also of two"
    )
    parser.add_argument(
        "--strict", action="store_true", help="refuse data with a row that cannot be predicted"
    )
    parser.add_argument(
        "--batch",
        type=positive_int,
        metavar="N",
        help="read and predict N rows at a time, for files larger than memory",
    )
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        help="write to this .csv, .jsonl or .parquet file instead of CSV to stdout, which is -",
    )
    parser.add_argument(
        "--format", choices=FORMATS, help="the format to write instead of that of the suffix, also to stdout"
    )


def run(options: argparse.Namespace) -> int:
    """Predict with a trained network: one row for each row of the data."""
    from cygd.data.sources.csv import load_csv

    source_options = signature(load_csv).parameters
    names, overrides = split_overrides(options.arguments, source_options, runs=True)
    usage = f"cygd predict {USAGE}"
    if len(names) < 2:
        expected = "a data file after the run" if names else "a run and a data file"
        raise missing_argument(expected, usage, overrides, source_options)
    reject_several("data file", names[1:], usage)
    folder, path = find_run(names[0]), names[1]
    out = None if options.out in (None, "-") else Path(options.out)
    file_format = options.format or format_of(out)
    if out is not None and out.exists():
        raise UsageError(f"{str(out)!r} already exists", "remove it, or choose another file")
    from cygd.runner.assembly import read
    from cygd.runner.loading import load

    announce_plugins(folder)
    with redirect_stdout():
        model, reading = load(folder), read(folder / "config.yaml")
        if options.proba:
            _check_probabilities(model, reading)
        with _hints_for(reading, path):
            arguments = parse_mapping(quote_characters(overrides))
            data = _read_data(path, reading, model, arguments, in_blocks=options.batch is not None)
    prediction = _Prediction(model, data, path, options)
    if options.strict:
        with _hints_for(reading, path):
            prediction.check()
    status = read_result(folder)["status"]
    if status not in ("completed", "stopped"):
        echo(f"warning: the run in {folder} is {status}; using the weights that it kept")
    with sigterm_as_interrupt(), _open_output(out, file_format, prediction) as write:
        for block in prediction.blocks():
            write(block)
    n_empty = prediction.n_empty
    if out is not None:
        empty = f" and {format_count(n_empty, 'empty row')}" if n_empty else ""
        echo(f"{format_count(len(data) - n_empty, 'prediction')}{empty} in {out}")
    if n_empty:
        verb = "cannot be predicted and is" if n_empty == 1 else "cannot be predicted and are"
        more = [f"... and {n_empty - REASONS} more"] if n_empty > REASONS else []
        reasons = "".join(f"\n  {reason}" for reason in [*prediction.reasons, *more])
        counted = f"{n_empty} of {format_count(len(data), 'row')}"
        echo(f"warning: {path}: {counted} {verb} empty in the output:{reasons}", "--strict refuses such data")
    return FAILED if n_empty and n_empty == len(data) else DONE


def quote_characters(overrides: Sequence[str]) -> list[str]:
    """Return KEY=VALUE arguments with a single sign as value in the quotes that YAML needs.

    Examples
    --------
    >>> quote_characters(["delimiter=;", "comment=#", "skip_rows=3", "quote="])
    ["delimiter=';'", "comment='#'", 'skip_rows=3', "quote=''"]
    """
    quoted = []
    for argument in overrides:
        key, _, value = argument.partition("=")
        is_sign = key in SIGN_OPTIONS and len(value) < 2 and not value.isalnum()
        quoted.append(f"{key}='{value.replace(QUOTE, 2 * QUOTE)}'" if is_sign else argument)
    return quoted


def _hints_for(reading: LoadedExperiment, path: str) -> contextlib.AbstractContextManager[None]:
    """Return a block whose messages name options as arguments of the command line."""
    from cygd.cli.option_hints import command_line_hints

    return command_line_hints(_choose_source(path, reading).options)


@dataclass(frozen=True)
class _Blocks:
    """A file that is read block by block, as tables with the inputs of the model."""

    rows: TableBlocks
    model: Model
    layout: Sequence[str]

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, n_rows: int) -> Iterator[tuple[Table, str]]:
        """Yield tables of up to `n_rows` rows, and the note on their columns."""
        from cygd.data.prediction import match_columns

        names = None if self.rows.default_names else self.model.inputs
        for table in self.rows.blocks(n_rows, names):
            yield match_columns(table, self.model.preprocessing, self.layout)


class _Prediction:
    """The predictions of a model for raw data, in blocks of rows."""

    def __init__(
        self, model: Model, data: Table | Array | _Blocks, path: str, options: argparse.Namespace
    ) -> None:
        self.model, self.data, self.path, self.proba = model, data, path, options.proba
        self.batch: int = options.batch or max(len(data), 1)
        self.n_empty = 0
        self.reasons: list[str] = []

    @property
    def names(self) -> list[str]:
        """The names of the columns of the output."""
        return self.model.preprocessing.output_names(self.model.network.n_outputs, all_classes=self.proba)

    def inputs(self) -> Iterator[Table | Array]:
        """Yield the data in blocks."""
        import numpy as np

        if isinstance(self.data, _Blocks):
            yield from (table for table, _ in self.data.read(self.batch))
            return
        for start in range(0, len(self.data), self.batch):
            if self.batch >= len(self.data):
                yield self.data
            elif isinstance(self.data, np.ndarray):
                yield self.data[start : start + self.batch]
            else:
                yield self.data.take(np.arange(start, min(start + self.batch, len(self.data))))

    def check(self) -> None:
        """Raise the error for the first row that cannot be predicted."""
        for block in self.inputs():
            self.model.preprocessing.transform_inputs(block, self.model.network.dtype, self.path)

    def blocks(self) -> Iterator[Predictions]:
        """Yield the predictions of each block."""
        import numpy as np

        from cygd.data.prediction import describe_unusable, transform_usable_rows

        preprocessing, network = self.model.preprocessing, self.model.network
        for block in self.inputs():
            x, usable, table = transform_usable_rows(preprocessing, block, network.dtype, self.path)
            y = preprocessing.inverse_targets(network.predict(x))
            if self.proba and y.shape[1] == 1:
                y = np.concatenate([1 - y, y], axis=1)
            labels = preprocessing.labels(y)
            if table is not None:
                unusable = np.flatnonzero(~usable)
                self.n_empty += len(unusable)
                wanted = unusable[: REASONS - len(self.reasons)]
                self.reasons += describe_unusable(preprocessing, table, wanted, network.dtype)
                position = np.cumsum(usable) - 1  # of a usable row among the predicted ones
                y = y[position] if len(y) else np.zeros((len(usable), y.shape[1]), y.dtype)
                labels = (
                    None
                    if labels is None
                    else [labels[i] if labels else self.model.classes[0] for i in position]
                )
            yield Predictions(labels, y, usable)


def _check_probabilities(model: Model, reading: LoadedExperiment) -> None:
    """Raise an error if the outputs of a network are not the probabilities of classes."""
    if not model.classes:
        targets = ", ".join(map(repr, model.preprocessing.targets))
        raise UsageError(f"--proba: expected a run that predicts classes, got the numeric target {targets}")
    activation = reading.experiment.model.layers[-1].activation.name
    if activation != "softmax" and (activation, model.network.n_outputs) != ("sigmoid", 1):
        units = format_count(model.network.n_outputs, "unit")
        message = f"--proba: the outputs of {units} with the activation {activation} are not probabilities"
        hint = "train with softmax and cross_entropy, or with one sigmoid unit and binary_cross_entropy"
        raise UsageError(message, hint)


@contextlib.contextmanager
def _open_output(out: Path | None, file_format: str, prediction: _Prediction) -> Iterator[Write]:
    """Return a function that writes predictions to a file or to stdout."""
    names = prediction.names
    text_writer = jsonl_writer if file_format == "jsonl" else csv_writer
    if out is None and file_format != "parquet":
        with data_output() as stdout:
            yield text_writer(stdout, names)
        return
    with binary_output() if out is None else open_new_file(out.absolute()) as file:
        if file_format == "parquet":
            classes, dtype = prediction.model.classes, prediction.model.network.dtype
            with parquet_writer(file, names, classes, dtype) as write:
                yield write
            return
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        yield text_writer(text, names)
        text.detach()


def _read_data(
    path: str,
    reading: LoadedExperiment,
    model: Model,
    source_options: dict[str, Any],
    *,
    in_blocks: bool,
) -> Table | Array | _Blocks:
    from cygd.data import Table
    from cygd.data.prediction import match_columns
    from cygd.data.sources.paths import resolve_path

    source = _choose_source(path, reading)
    if source.name in ("npy", "npz"):
        if source_options:
            hint = "options describe text files, such as delimiter=';'"
            raise UsageError(f"the array file {path} takes no options", hint)
        return model.preprocessing.check_shape(_read_inputs(resolve_path(Path(), path, "DATA")), path)
    for option, place in (("skip_rows", "first"), ("skip_footer", "last")):
        count = source.options.get(option) if option not in source_options else None
        if count and source.name == "csv":
            lines = f"its {place} {count} lines" if count > 1 else f"its {place} line"
            echo(f"{path}: {option}: {count} of the run leaves out {lines}; {option}=0 reads all lines")
    layout = _layout(reading, model)
    source = source.configured({**source_options, "path": path})
    rows = source.read_blocks(Path()) if in_blocks else None
    if rows is not None:
        blocks = _Blocks(rows, model, layout)
        # the columns of the first rows, or, if they have no names, all rows: the targets may be others
        tables = blocks.read(CHECKED_ROWS) if rows.default_names else islice(blocks.read(1), 1)
        for note in {note for _, note in tables if note}:
            echo(note)
        return blocks
    raw = source.read(Path())
    table = raw if isinstance(raw, Table) else Table.from_dataset(raw, path)
    table, note = match_columns(table, model.preprocessing, layout)
    if note:
        echo(note)
    return table


def _layout(reading: LoadedExperiment, model: Model) -> Sequence[str]:
    """Return all columns of the training data in order, if they had no names of their own.

    The folder of a run of cygd 0.1 does not hold them, but they are known if all of them are used.
    """
    data, preprocessing = reading.experiment.data, model.preprocessing
    if preprocessing.layout or data.source != "csv" or data.component.options["header"] or data.inputs:
        return preprocessing.layout
    others = (data.sample_weight, data.split.time if data.split else None)
    n_others = sum(column is not None and column is not True for column in others)
    return [f"c{i}" for i in range(len(preprocessing.inputs) + len(preprocessing.targets) + n_others)]


def _choose_source(path: str, reading: LoadedExperiment) -> DataSource:
    """Return the data source for a file: the run's own, with its options, if it reads such files."""
    from cygd.data.source import source_of_file

    if path == "-" and "path" in reading.experiment.data.component.options:
        return reading.experiment.data.component  # type: ignore[no-any-return]
    name = source_of_file(Path(path))
    own = reading.experiment.data.component
    from_plugin = own.tier != "built-in" and "path" in own.options
    if from_plugin or own.name == name:
        return own  # type: ignore[no-any-return]
    return cast("DataSource", reading.plugins.get("data_source", name))


def _read_inputs(path: Path) -> Array:
    """Return the array of an .npy file, or the array x of an .npz file."""
    from cygd.data.sources.arrays import map_array, open_npz, read_member

    if path.suffix.lower() == ".npy":
        return map_array(path)
    with open_npz(path, hint="rename it to .npy") as archive:
        if "x" not in archive.files:
            raise DataError(f"{path} has no array 'x', only {', '.join(archive.files) or 'none'}")
        return read_member(archive, "x", path)

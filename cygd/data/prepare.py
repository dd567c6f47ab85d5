"""From an experiment's data section to arrays for training, validation and test.

The order of the steps matters: rows with missing values are dropped, then the rest is split, then
categories, fillings and scaling are fitted on the training rows alone, then everything is transformed
in the same way. An array that needs none of this is passed on as it is, memory-mapped or not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cygd.components import Components
from cygd.components.registry import BuiltInComponents
from cygd.data import source as sources
from cygd.data.class_weights import class_weights
from cygd.data.columns import select
from cygd.data.dataset import Array, Dataset, Label, Part, Rows
from cygd.data.encoding import all_finite, encode, numbers_of
from cygd.data.fit import fit_array, fit_classes, fit_inputs, fit_scaling
from cygd.data.inplace import convert_in_place
from cygd.data.prepared import PreparedData
from cygd.data.preprocessing import Preprocessing
from cygd.data.source import DataSource
from cygd.data.sources.paths import display_path
from cygd.data.split import SplitRows, in_time, split_rows
from cygd.data.table import Table, listed
from cygd.errors import ConfigError, CygdError, DataError

if TYPE_CHECKING:
    from cygd.config import Experiment
    from cygd.config.sections import DataSection

__all__ = ["fingerprint", "load", "prepare"]

log = logging.getLogger("cygd")

PartName = Literal["validation", "test"]
PARTS: tuple[PartName, ...] = ("validation", "test")


@dataclass(frozen=True, eq=False)
class Samples:
    """What a source gave: a table, and the inputs as one array (`block`) where they need no table."""

    table: Table
    block: Array | None
    inputs: tuple[str, ...]


def load(
    section: DataSection, folder: Path, components: Components | None = None, part: PartName | None = None
) -> Dataset | Table:
    """Return the raw data of a section, or of its `validation` or `test` file."""
    return data_source(section, components, part).read(folder)


def data_source(
    section: DataSection, components: Components | None = None, part: PartName | None = None
) -> DataSource:
    """Return the configured source of a section; a part's own options replace those of the training data."""
    component = section.component
    if component is None:
        found = (components or BuiltInComponents([sources.KIND])).get("data_source", section.source)
        component = found.configured(section.options)
    if part is not None:
        component = component.configured(getattr(section, part))
    assert isinstance(component, DataSource)
    return component


def fingerprint(section: DataSection, folder: Path, components: Components | None = None) -> dict[str, str]:
    """Return the SHA-256 of every data file of a section, by its path."""
    used: list[PartName | None] = [None, *(part for part in PARTS if getattr(section, part))]
    return sources.fingerprint((data_source(section, components, part) for part in used), folder)


def prepare(experiment: Experiment, components: Components | None = None) -> PreparedData:
    """Return the data of an experiment, ready for training.

    Parameters
    ----------
    experiment : Experiment
        Its `data`, `folder` and `model` (the units of the last layer, and the dtype).
    components : Components, optional
        Where a source is looked up that the experiment only names.

    Raises
    ------
    ConfigError
        Where the experiment does not fit the data, naming its line.
    DataError
        Where the data themselves are at fault, naming file, row and column.
    """
    return Preparation(experiment, components).run()


class Preparation:
    """The steps from a data section to arrays; `prepare` is what to call."""

    def __init__(self, experiment: Experiment, components: Components | None) -> None:
        self.experiment = experiment
        self.section = experiment.data
        self.components = components
        self.dtype = np.dtype(experiment.model.dtype)
        self.units: int = experiment.model.layers[-1].units

    def problem(self, key: str, message: str, hint: str | None = None) -> CygdError:
        """Return the error for something in the experiment that does not fit the data."""
        return ConfigError([self.experiment.problem(key, message, hint)])

    def run(self) -> PreparedData:
        """Do all steps."""
        section = self.section
        samples = self.load(None)
        self.selection = select(section, samples.table, samples.inputs, self.problem)
        samples = self.complete(samples)
        rows = self.split(samples)
        preprocessing = self.fit(samples, None if rows is None else rows.train)
        main = self.transform(samples, preprocessing)
        train = main if rows is None else replace(main, rows=rows.train)
        train = self.weigh(train, preprocessing.classes)
        validation = self.part("validation", main, rows, preprocessing)
        test = self.part("test", main, rows, preprocessing)
        for name, part in (("training", train), ("validation", validation), ("test", test)):
            check_weights(name, part)
        return PreparedData(train, validation, test, preprocessing)

    def part(
        self, name: PartName, main: Part, rows: SplitRows | None, preprocessing: Preprocessing
    ) -> Part | None:
        """Return the validation or test rows: from a file of their own, or a part of the split."""
        if getattr(self.section, name):
            return self.transform(self.complete(self.load(name)), preprocessing)
        chosen = None if rows is None else getattr(rows, name)
        return None if chosen is None else replace(main, rows=chosen)

    def load(self, part: PartName | None) -> Samples:
        """Read the samples; inputs that are numbers, and stay as they are, remain one array."""
        section = self.section
        component = data_source(section, self.components, part)
        raw = component.read(self.experiment.folder)
        if isinstance(raw, Table):
            return Samples(raw, None, ())
        files = [str(display_path(path)) for path in component.files(self.experiment.folder)]
        where = ", ".join(files) or f"{component.name} data"
        columns = (section.inputs, section.targets, section.categorical, section.sample_weight)
        time = section.split is not None and section.split.time not in (None, True)
        whole = not any(columns) and not time
        if whole and section.missing == "error":
            return Samples(Table.of_dataset(raw, where, with_inputs=False), raw.x, tuple(raw.inputs))
        return Samples(Table.of_dataset(raw, where), None, ())

    def complete(self, samples: Samples) -> Samples:
        """Drop the rows with missing values, if that is wanted."""
        if self.section.missing != "drop":
            return samples
        table, used = samples.table, self.selection.used
        gaps = np.any([table.column(name).missing for name in used], axis=0)
        if gaps.all():
            raise DataError(f"{table.where}: every row has a missing value in one of {listed(used)}")
        if gaps.any():
            log.info("%s: %d of %d rows dropped, with missing values", table.where, gaps.sum(), len(gaps))
            table = table.take(np.flatnonzero(~gaps))
        return replace(samples, table=table)

    def split(self, samples: Samples) -> SplitRows | None:
        """Divide the rows, if that is wanted."""
        section, wanted = self.section, self.section.split
        if wanted is None:
            return None
        for part in PARTS:
            if getattr(section, part) and getattr(wanted, part):
                message = f"data.split.{part} already gives the {part} rows"
                raise self.problem(f"data.{part}", message, "keep one of the two")
        classes = None
        if wanted.stratify:
            if self.selection.target_class is None:
                message = "there is no categorical target to stratify by"
                hint = "stratify keeps the shares of classes; the targets here are numbers"
                raise self.problem("data.split.stratify", message, hint)
            classes = samples.table.column(self.selection.target_class).labels()[0]
        return split_rows(
            len(samples.table),
            validation=wanted.validation,
            test=wanted.test,
            seed=wanted.seed,
            classes=classes,
            order=None if wanted.time is None else in_time(samples.table, self.selection.time),
            folds=wanted.folds,
            fold=wanted.fold or 1,
        )

    def fit(self, samples: Samples, rows: Rows | None) -> Preprocessing:
        """Fit everything on the training rows."""
        section, selection, table = self.section, self.selection, samples.table
        scale = section.scale
        if samples.block is not None:
            columns = fit_array(samples.block, samples.inputs, rows, scale.inputs, table.where)
        else:
            columns = fit_inputs(
                table,
                selection.inputs,
                selection.categorical,
                rows,
                scale=scale.inputs,
                fill=section.missing == "mean",
            )
        name = selection.target_class
        if name is not None:
            classes = fit_classes(table, name, rows)
            self.target(
                encode, table, name, classes
            )  # a label that training lacks explains more than a count
            self.check_classes(name, classes)
            return Preprocessing(columns, selection.targets, classes)
        self.check_units()
        if scale.targets == "none":
            return Preprocessing(columns, selection.targets)
        shift, factor = fit_scaling(self.numbers(table), selection.targets, rows, scale.targets)
        return Preprocessing(columns, selection.targets, (), shift, factor)

    def check_classes(self, name: str, classes: Sequence[Label]) -> None:
        """Refuse a last layer that does not fit the classes."""
        n = len(classes)
        if self.section.scale.targets != "none":
            message = f"the target {name!r} holds classes, which are not scaled"
            raise self.problem("data.scale.targets", message, "scale: {inputs: ...} scales the inputs alone")
        if self.units == n or (n, self.units) == (2, 1):
            return
        message = f"the targets have {n} classes ({listed(classes)}), {self.last_layer}"
        hint = f"give the last layer {'1 unit, or 2' if n == 2 else f'{n} units'}"
        raise self.problem(self.last_units, message, hint)

    def check_units(self) -> None:
        """Refuse a last layer that does not fit the columns of numbers."""
        targets = self.selection.targets
        if self.units == len(targets):
            return
        hint = f"give the last layer {plural(len(targets), 'unit')}"
        if len(targets) == 1 and self.section.source in ("inline", "npy", "npz"):
            hint += "; if y holds class numbers, say so with data.classes: true"
        elif len(targets) == 1:
            hint += f"; if {targets[0]!r} holds class numbers, list it under data.categorical"
        columns = f"{plural(len(targets), 'column')} of numbers ({listed(targets)})"
        message = f"the targets have {columns}, {self.last_layer}"
        raise self.problem(self.last_units, message, hint)

    @property
    def last_units(self) -> str:
        """The key of the last layer's units."""
        return f"model.layers.{len(self.experiment.model.layers) - 1}.units"

    @property
    def last_layer(self) -> str:
        """What a message says of the last layer."""
        return f"the last layer has {plural(self.units, 'unit')}"

    def numbers(self, table: Table) -> Array:
        """Return the target columns of a table."""
        columns = [self.target(numbers_of, table, name) for name in self.selection.targets]
        return columns[0][:, None] if len(columns) == 1 else np.stack(columns, axis=1)  # one is not copied

    def target(self, read: Callable[..., Array], table: Table, *arguments: Any) -> Array:
        """Return a target column; unlike an input it is never filled in."""
        try:
            return read(table, *arguments)
        except DataError as error:
            if self.section.missing == "mean" and error.message.endswith("the value is missing"):
                hint = "a target is not filled in; data.missing: drop leaves such rows out"
                raise DataError(error.message, hint=hint) from None
            raise

    def transform(self, samples: Samples, preprocessing: Preprocessing) -> Part:
        """Return inputs, targets and weights of all rows."""
        table, classes = samples.table, preprocessing.classes
        if not classes:
            y = preprocessing.transform_targets(self.numbers(table), self.dtype)
            y = np.require(y, requirements=["C", "A"])  # a column of a wider array is not
            if not all_finite(y):
                raise DataError(f"{table.where}: a target is beyond the range of {self.dtype.name}")
        else:
            codes = self.target(encode, table, self.selection.target_class, classes)
            if self.units == 1:
                y = codes[:, None].astype(self.dtype)
            else:
                y = (codes[:, None] == np.arange(len(classes))).astype(self.dtype)
        weights = self.weights(table)
        if samples.block is not None:
            return Part(preprocessing.transform_inputs(samples.block, self.dtype, table.where), y, weights)
        y, weights = apart(y, table), apart(weights, table)
        x = convert_in_place(table, preprocessing.columns, self.dtype)  # uses the table up
        if x is None:
            x = preprocessing.transform_inputs(table, self.dtype)
        return Part(x, y, weights)

    def weigh(self, train: Part, classes: Sequence[Label]) -> Part:
        """Weigh the training rows by their classes, if that is wanted."""
        wanted = self.section.class_weight
        if wanted is None:
            return train
        if not classes:
            hint = "a target of numbers has no classes; list it under data.categorical if it has"
            raise self.problem("data.class_weight", "there are no classes to weigh", hint)
        try:
            return class_weights(train, classes, wanted)
        except DataError as error:
            raise self.problem("data.class_weight", error.message, error.hint) from None

    def weights(self, table: Table) -> Array | None:
        """Return the weights of the rows."""
        name, weights = self.selection.sample_weight, table.weights
        if name is not None:
            weights = self.target(numbers_of, table, name)
        if weights is None:
            return None
        wrong = ~(np.isfinite(weights) & (weights >= 0))
        if wrong.any():
            row = int(np.argmax(wrong))
            what = f"the sample weight is {weights[row]:g}"
            place = table.place(row, name or "sample_weight")
            raise DataError(f"{place}: {what}; it must be finite and not negative")
        return np.ascontiguousarray(weights, self.dtype)


def apart(values: Array | None, table: Table) -> Any:
    """Return values in memory of their own."""
    shared = values is not None and table.matrix is not None and np.may_share_memory(values, table.matrix)
    return values.copy() if values is not None and shared else values


def check_weights(name: str, part: Part | None) -> None:
    """Refuse a part of which no row counts."""
    if part is None or part.sample_weight is None:
        return
    weights = part.sample_weight if part.rows is None else part.sample_weight[part.rows]
    if not weights.any():
        raise DataError(f"all sample weights of the {name} rows are 0")


def plural(n: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"

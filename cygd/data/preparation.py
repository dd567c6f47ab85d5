"""Preparation of an experiment's data: arrays for training, validation and test.

The steps are load, select, drop_missing, split, fit, transform and weight. Their order matters: rows with
missing values are dropped before the split, and categories, fill values and scaling are fitted on the
training rows alone; the same transformation then applies to all rows. An array that needs none of this is
passed on unchanged, memory-mapped or not.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cygd.components import Components
from cygd.components.registry import BuiltInComponents
from cygd.data.class_weights import apply_class_weights
from cygd.data.column_checks import check_width, warn_about_columns, warn_about_number_texts
from cygd.data.columns import ColumnRoles, assign_roles
from cygd.data.dataset import Array, Dataset, Label, Part, Rows
from cygd.data.encoding import MISSING_HINT, InputColumn, all_finite, encode_column, numeric_column
from cygd.data.fit import fit_array, fit_categories, fit_classes, fit_numbers, fit_scaling
from cygd.data.formatting import format_list
from cygd.data.inplace import convert_in_place
from cygd.data.numbers import CELL_OPTIONS, float_label, list_of_words
from cygd.data.preprocessing import Preprocessing
from cygd.data.source import KIND, DataSource
from cygd.data.sources.paths import display_path
from cygd.data.sources.pipes import content_hash
from cygd.data.split import SplitRows, check_small_classes, sort_by_time, split_rows
from cygd.data.table import Table
from cygd.errors import ConfigError, CygdError, DataError, format_count

if TYPE_CHECKING:
    from cygd.config import Experiment
    from cygd.config.sections import DataSection

log = logging.getLogger("cygd")

PartName = Literal["validation", "test"]
HELD_OUT: tuple[PartName, ...] = ("validation", "test")
MISSING_TARGET_HINT = "targets are never filled; data.missing: drop removes such rows"


@dataclass(frozen=True, eq=False)
class Samples:
    """The data of a source: a table, and the inputs as one array `x` if they need no table."""

    table: Table
    x: Array | None = None
    inputs: tuple[str, ...] = ()  # the names of the columns of `x`


@dataclass(frozen=True, eq=False)
class PreparedData:
    """The data of an experiment, ready for training."""

    train: Part
    validation: Part | None
    test: Part | None
    preprocessing: Preprocessing

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the columns of x, `island=Dream` for a one-hot column."""
        return self.preprocessing.features

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the target columns."""
        return self.preprocessing.targets

    @property
    def classes(self) -> tuple[Label, ...]:
        """The labels of y's one-hot columns, or of 0 and 1 in a single one; empty for numeric targets."""
        return self.preprocessing.classes


def load(
    section: DataSection, folder: Path, components: Components | None = None, part: PartName | None = None
) -> Dataset | Table:
    """Return the raw data of a section, or of its `validation` or `test` file."""
    return data_source(section, components, part).read(folder)


def data_source(
    section: DataSection, components: Components | None = None, part: PartName | None = None
) -> DataSource:
    """Return the configured source of a section; a part's options override those of the training data."""
    source = section.component
    if source is None:
        source = (components or BuiltInComponents([KIND])).get("data_source", section.source)
        source = source.configured(section.options)
    if part is not None:
        source = source.configured(getattr(section, part))
    assert isinstance(source, DataSource)
    return source


def fingerprint(section: DataSection, folder: Path, components: Components | None = None) -> dict[str, str]:
    """Return the SHA-256 of every data file of a section, by its path."""
    parts: list[PartName | None] = [None, *(part for part in HELD_OUT if getattr(section, part))]
    sources = (data_source(section, components, part) for part in parts)
    return {str(path): content_hash(path) for source in sources for path in source.files(folder)}


def prepare(experiment: Experiment, components: Components | None = None) -> PreparedData:
    """Return the data of an experiment; `components` resolves a source that it gives by name.

    A ConfigError says that the experiment does not match the data, a DataError that the data are invalid.
    """
    return Preparation(experiment, components).run()


class Preparation:
    """The steps from a data section to arrays; callers use `prepare`."""

    roles: ColumnRoles

    def __init__(self, experiment: Experiment, components: Components | None) -> None:
        self.experiment = experiment
        self.section = experiment.data
        self.components = components
        self.dtype = np.dtype(experiment.model.dtype)
        self.units: int = experiment.model.layers[-1].units
        self.missing_target_hint = MISSING_TARGET_HINT if self.section.missing == "mean" else MISSING_HINT

    def config_error(self, key: str, message: str, hint: str | None = None) -> CygdError:
        """Return the error for a key of the experiment that does not match the data."""
        return ConfigError([self.experiment.problem(key, message, hint)])

    def run(self) -> PreparedData:
        """Run all steps."""
        samples = self.load(None)
        self.select(samples)
        samples = self.drop_missing(samples)
        rows = self.split(samples)
        preprocessing = self.fit(samples, None if rows is None else rows.train)
        if samples.table.default_names and samples.x is None:
            preprocessing = replace(preprocessing, layout=tuple(samples.table.columns))
        preprocessing = replace(preprocessing, cells=self.cell_options())
        training = (count_columns(samples), samples.table.where)
        all_rows = self.transform(samples, preprocessing)
        train = all_rows if rows is None else replace(all_rows, rows=rows.train)
        train = self.weight(train, preprocessing.classes)
        del samples
        validation = self.held_out("validation", all_rows, rows, preprocessing, training)
        test = self.held_out("test", all_rows, rows, preprocessing, training)
        for name, part in (("training", train), ("validation", validation), ("test", test)):
            check_weights(name, part)
        return PreparedData(train, validation, test, preprocessing)

    def cell_options(self) -> dict[str, Any]:
        """Return the options of the source that say how texts write numbers and missing values."""
        source = data_source(self.section, self.components)
        if source.tier != "built-in":
            return {}
        options = source.options
        chosen = {key: options.get(key, usual) for key, usual in CELL_OPTIONS.items()}
        return {
            key: list_of_words(key, value) if CELL_OPTIONS[key] is None else value
            for key, value in chosen.items()
            if value != CELL_OPTIONS[key]
        }

    def held_out(
        self,
        name: PartName,
        all_rows: Part,
        rows: SplitRows | None,
        preprocessing: Preprocessing,
        training: tuple[int, str],  # the number of columns of the training data, and its name in messages
    ) -> Part | None:
        """Return the validation or test rows, from their own file or from the split."""
        if getattr(self.section, name):
            samples = self.load(name)
            self.check_width(samples, *training)
            samples = self.drop_missing(samples)
            log_filled(samples.table, preprocessing.columns)
            return self.transform(samples, preprocessing)
        selected = None if rows is None else getattr(rows, name)
        return None if selected is None else replace(all_rows, rows=selected)

    def check_width(self, samples: Samples, n_columns: int, training: str) -> None:
        """Raise an error if columns without names of their own are more or fewer than in training."""
        found, is_sparse = count_columns(samples), self.section.source == "svmlight"
        is_by_position = is_sparse or (self.section.source == "csv" and samples.table.default_names)
        if found == n_columns or not is_by_position:
            return
        expected = format_count(n_columns, "feature" if is_sparse else "column")
        hint = "files without header are read by position"
        if is_sparse:
            hint = f"set data.features: {max(found, n_columns)}, the number of features of all files"
        raise DataError(
            f"{samples.table.where}: expected {expected} as in {training}, got {found}", hint=hint
        )

    # -- load, select, drop_missing, split ----------------------------------------------------------

    def load(self, part: PartName | None, *, keep_array: bool = True) -> Samples:
        """Read the samples; with `keep_array`, numeric inputs that are used as they are remain one array."""
        section, folder = self.section, self.experiment.folder
        source = data_source(section, self.components, part)
        data = source.read(folder)
        if isinstance(data, Table):
            return Samples(data)
        where = ", ".join(str(display_path(file)) for file in source.files(folder)) or f"{source.name} data"
        named = (section.inputs, section.targets, section.categorical, section.sample_weight)
        by_time = section.split is not None and section.split.time not in (None, True)
        if any(named) or by_time or section.missing != "error" or not keep_array:
            return Samples(Table.from_dataset(data, where))
        return Samples(Table.from_dataset(data, where, with_inputs=False), data.x, tuple(data.inputs))

    def select(self, samples: Samples) -> ColumnRoles:
        """Assign roles to the columns."""
        table = samples.table
        self.roles = assign_roles(self.section, table, samples.inputs, self.config_error)
        listed = frozenset(map(str, self.section.categorical))
        warn_about_columns(table, self.roles.categorical, listed)
        warn_about_number_texts(table, self.roles.used, self.roles.categorical)
        return self.roles

    def drop_missing(self, samples: Samples) -> Samples:
        """Drop the rows with missing values if the experiment says so."""
        if self.section.missing != "drop":
            return samples
        table, used = samples.table, self.roles.used
        incomplete = np.any([table.column(name).missing for name in used], axis=0)
        if incomplete.all():
            raise DataError(f"{table.where}: every row has a missing value in one of {format_list(used)}")
        if incomplete.any():
            count = incomplete.sum()
            log.info("%s: dropped %d of %d rows, with missing values", table.where, count, len(incomplete))
            table = table.take(np.flatnonzero(~incomplete))
        return replace(samples, table=table)

    def split(self, samples: Samples) -> SplitRows | None:
        """Split the rows if the experiment says so."""
        section, split = self.section, self.section.split
        if split is None:
            return None
        for part in HELD_OUT:
            if getattr(section, part) and getattr(split, part):
                message = f"data.split.{part} already selects the {part} rows"
                raise self.config_error(f"data.{part}", message, "remove one of the two")
        classes = None
        if split.stratify:
            if self.roles.target_class is None:
                message, hint = "expected a categorical target, got numbers", "remove stratify"
                raise self.config_error("data.split.stratify", message, hint)
            classes, labels = samples.table.column(self.roles.target_class).factorize()
        order = None
        if split.time is not None:
            order = sort_by_time(samples.table, self.roles.time, split.format)
        rows = split_rows(
            len(samples.table),
            validation=split.validation,
            test=split.test,
            seed=split.seed,
            classes=classes,
            order=order,
            folds=split.folds,
            fold=split.fold or 1,
        )
        if classes is not None:
            check_small_classes(rows, classes, labels, samples.table.where)
        return rows

    # -- fit ----------------------------------------------------------------------------------------

    def fit(self, samples: Samples, rows: Rows | None) -> Preprocessing:
        """Fit categories, fill values and scaling on the training rows."""
        roles, table, scale = self.roles, samples.table, self.section.scale
        if samples.x is not None:
            columns = fit_array(samples.x, samples.inputs, rows, scale.inputs, table.where)
        else:
            columns = self.fit_inputs(table, rows)
            log_filled(table, columns)
        target = roles.target_class
        if target is not None:
            classes = fit_classes(table, target, rows)
            self.check_labels(table, target, classes)  # before the units
            if scale.targets != "none":
                message = f"the target {target!r} is categorical and cannot be scaled"
                hint = "scale: {inputs: ...} scales the inputs alone"
                raise self.config_error("data.scale.targets", message, hint)
            self.check_units(classes)
            return Preprocessing(columns, roles.targets, classes)
        self.check_units()
        if scale.targets == "none":
            return Preprocessing(columns, roles.targets)
        shift, factor = fit_scaling(self.numeric_targets(table), roles.targets, rows, scale.targets)
        return Preprocessing(columns, roles.targets, (), shift, factor)

    def fit_inputs(self, table: Table, rows: Rows | None) -> tuple[InputColumn, ...]:
        """Fit the input columns, and check that the inputs fit into memory."""
        fill, scale = self.section.missing == "mean", self.section.scale.inputs
        columns = tuple(
            fit_categories(table, name, rows, fill)
            if name in self.roles.categorical
            else fit_numbers(table, name, rows, scale, fill)
            for name in self.roles.inputs
        )
        check_width(columns, len(table), self.dtype.itemsize, table.where)
        return columns

    def check_labels(self, table: Table, target: str, classes: Sequence[Label]) -> None:
        """Raise an error for a label that the training rows lack."""
        try:
            self.encode_target(table, target, classes)
        except DataError as error:
            split = self.section.split
            if (
                split is None
                or split.stratify
                or split.time is not None
                or "unknown label" not in error.message
            ):
                raise
            hint = f"{error.hint}; split with stratify: true, which keeps a training row of each class"
            raise DataError(error.message, hint=hint) from None

    def check_units(self, classes: Sequence[Label] = ()) -> None:
        """Raise an error if the units of the last layer do not match the classes or numeric targets."""
        targets = self.roles.targets
        n_units = len(classes) or len(targets)
        if self.units == n_units or (len(classes), self.units) == (2, 1):
            return
        expected = "1 or 2 units" if len(classes) == 2 else format_count(n_units, "unit")
        hint = f"give the last layer {expected}"
        if classes:
            outputs = f"{len(classes)} classes ({format_list(classes)})"
        else:
            outputs = f"{format_count(len(targets), 'numeric target')} ({format_list(targets)})"
            if len(targets) == 1 and self.section.source in ("inline", "npy", "npz"):
                hint += "; if y holds class numbers, set data.classes: true"
            elif len(targets) == 1:
                hint += f"; if {targets[0]!r} holds class numbers, list it under data.categorical"
        message = f"expected {expected} in the last layer for {outputs}, got {self.units}"
        raise self.config_error(f"model.layers.{len(self.experiment.model.layers) - 1}.units", message, hint)

    # -- transform, weight --------------------------------------------------------------------------

    def transform(self, samples: Samples, preprocessing: Preprocessing) -> Part:
        """Return inputs, targets and weights of all rows."""
        table, classes = samples.table, preprocessing.classes
        if not classes:
            y = preprocessing.transform_targets(self.numeric_targets(table), self.dtype)
            y = np.require(y, requirements=["C", "A"])  # a column of a wider array is neither
            if not all_finite(y):
                raise DataError(f"{table.where}: a target is out of range for {self.dtype.name}")
        else:
            codes = self.encode_target(table, self.roles.targets[0], classes)[:, None]
            y = (codes if self.units == 1 else codes == np.arange(len(classes))).astype(self.dtype)
        weights = self.sample_weights(table)
        if samples.x is not None:
            return Part(preprocessing.transform_inputs(samples.x, self.dtype, table.where), y, weights)
        y = copy_if_shared(y, table)
        weights = None if weights is None else copy_if_shared(weights, table)
        x = convert_in_place(table, preprocessing.columns, self.dtype)  # overwrites the table
        if x is None:
            x = preprocessing.transform_inputs(table, self.dtype)
        return Part(x, y, weights)

    def numeric_targets(self, table: Table) -> Array:
        """Return the target columns; unlike inputs they are never filled."""
        hint = self.missing_target_hint
        columns = [numeric_column(table, name, missing_hint=hint) for name in self.roles.targets]
        return columns[0][:, None] if len(columns) == 1 else np.stack(columns, axis=1)  # one is not copied

    def encode_target(self, table: Table, name: str, classes: Sequence[Label]) -> Rows:
        """Return the class index of each row."""
        return encode_column(table, name, classes, missing_hint=self.missing_target_hint)

    def sample_weights(self, table: Table) -> Array | None:
        """Return the sample weights of all rows, or None."""
        name, weights = self.roles.sample_weight, table.sample_weight
        if name is not None:
            weights = numeric_column(table, name, missing_hint=self.missing_target_hint)
        if weights is None:
            return None
        invalid = ~(np.isfinite(weights) & (weights >= 0))
        if invalid.any():
            row = int(np.argmax(invalid))
            location = table.location(row, name or "sample_weight")
            got = float_label(float(weights[row])) if name is None else table.value_text(row, name)
            raise DataError(f"{location}: expected a finite, nonnegative sample weight, got {got}")
        return np.ascontiguousarray(weights, self.dtype)

    def weight(self, train: Part, classes: Sequence[Label]) -> Part:
        """Apply class weights to the training rows if the experiment says so."""
        weights = self.section.class_weight
        if weights is None:
            return train
        if not classes:
            message = "class weights require a categorical target"
            hint = "list the target under data.categorical if its numbers are classes"
            raise self.config_error("data.class_weight", message, hint)
        try:
            return apply_class_weights(train, classes, weights)
        except DataError as error:
            raise self.config_error("data.class_weight", error.message, error.hint) from None


def log_filled(table: Table, columns: Sequence[InputColumn]) -> None:
    """Log how many values of each column were filled, and with what."""
    for name, count, value in filled_values(table, columns):
        log.info(
            "%s: filled %d of %d values of column %r with %s", table.where, count, len(table), name, value
        )


def filled_values(table: Table, columns: Sequence[InputColumn]) -> list[tuple[str, int, str]]:
    """Return the columns with missing values, how many they are, and what replaces them."""
    filled = []
    for column in (column for column in columns if column.fill is not None):
        if count := int(table.column(column.column).missing.sum()):
            kind = "the mean" if column.categories is None else "the most frequent label"
            value = f"{column.fill:.6g}" if column.categories is None else repr(column.fill)
            filled.append((column.column, count, f"{kind}, {value}"))
    return filled


def count_columns(samples: Samples) -> int:
    """Return the number of columns, without targets that the source declares."""
    return len(samples.inputs) or len(samples.table.columns) - len(samples.table.targets)


def copy_if_shared(values: Array, table: Table) -> Array:
    """Return values, copied if they share memory with the table's matrix."""
    shared = table.matrix is not None and np.may_share_memory(values, table.matrix)
    return values.copy() if shared else values


def check_weights(name: str, part: Part | None) -> None:
    """Raise an error if all sample weights of a part are 0."""
    if part is None or part.sample_weight is None:
        return
    weights = part.sample_weight if part.rows is None else part.sample_weight[part.rows]
    if not weights.any():
        raise DataError(f"all sample weights of the {name} rows are 0")

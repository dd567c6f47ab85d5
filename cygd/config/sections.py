"""The keys of an experiment: one class for each section, one line for each key.

This is the only place where a key is declared (see `section`). What concerns one value or one section is
checked here; `cross_checks` compares several places. Every key has a default, so that the valid part of an
experiment can be checked further although another part is not valid. After a change run `python
tools/configuration.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from cygd.config.component_spec import (
    ComponentSpec,
    ComponentValidator,
    configure_component,
    find_component,
    suggest,
)
from cygd.config.section import Section, field, optional
from cygd.config.sweep_section import SweepSection
from cygd.config.validators import (
    BIAS,
    BOOLEAN,
    CLASS_WEIGHT,
    COLUMN,
    EXPERIMENT_NAME,
    MATRIX,
    MEASURED_VALUE,
    SEED,
    TEXT,
    TIME,
    TIME_FORMAT,
    Context,
    ErrorDetails,
    ListOf,
    Nullable,
    PlainValidator,
    ValidationError,
    choice,
    either,
    expected_error,
    number,
    whole_number,
)

SHARE = number(0, 1, below=True)
POSITIVE = number(0, above=True)
NOT_NEGATIVE = number(0)
SCALING = choice("none", "standard", "minmax")
COLUMNS = ListOf(COLUMN, "columns")
SOURCE = PlainValidator("the name of a data source", TEXT.check)
OPTIONS = PlainValidator("a mapping", lambda value: value, {"type": "object"})
PLUGIN = PlainValidator("a module name or a .py file", TEXT.check, TEXT.json_schema)


class Split(Section):
    """Which part of the rows is for validation and for the test."""

    validation: float = field(SHARE, 0.0, "share of the rows for validation")
    test: float = field(SHARE, 0.0, "share of the rows for the test at the end")
    seed: int = field(SEED, 0, "independent of `seed`, so that runs with other seeds use the same rows")
    stratify: bool = field(BOOLEAN, False, "keep the shares of the classes in every part")
    time: bool | str | int | None = optional(
        TIME, "rows in the order of time: the last ones validate and test", rare=True
    )
    format: str | None = optional(
        TIME_FORMAT,
        "how that column writes its times, as in `strptime`: `'%d/%m/%Y %H:%M'`",
        default_text="numbers, or ISO 8601",
        rare=True,
    )
    folds: int | None = optional(
        whole_number(2), "one run for each fold, with its rows as validation rows", rare=True
    )
    fold: int | None = optional(whole_number(1), "run only this fold", default_text="all of them", rare=True)

    @property
    def validates(self) -> bool:
        """Whether some of the rows are for validation."""
        return self.validation > 0 or self.folds is not None

    @property
    def every_fold(self) -> bool:
        """Whether each fold has its own run."""
        return self.folds is not None and self.fold is None


class Scale(Section):
    """How columns are scaled, by statistics of the training rows."""

    shorthand_key: ClassVar[str] = "inputs"
    expected: ClassVar[str] = "none, standard or minmax, or a mapping"

    inputs: str = field(SCALING, "none", "fitted on the training rows")
    targets: str = field(SCALING, "none", "metrics keep the original units")

    @classmethod
    def from_shorthand(cls, value: Any) -> Any:
        """Return {inputs: word} for a word."""
        return {"inputs": value} if isinstance(value, str) else super().from_shorthand(value)


class DataSection(Section):
    """Where the samples come from, and which columns are what; further keys are the source's own."""

    options: Mapping[str, Any] = MappingProxyType({})  # the source's own keys
    component: Any = None  # the source, configured with them

    source: str = field(
        SOURCE,
        "",
        "`inline`, `csv`, `parquet`, `svmlight`, `npy`, `npz`, `sklearn`, `synthetic`, or a plugin's",
        required=True,
        lazy=True,
    )
    inputs: tuple[str | int, ...] | None = optional(
        COLUMNS, "the columns that enter the network", default_text="every other column", rare=True
    )
    targets: tuple[str | int, ...] | None = optional(
        COLUMNS,
        "the columns to predict; required for `csv` and `parquet`",
        default_text="the source's",
        rare=True,
    )
    categorical: tuple[str | int, ...] = field(
        COLUMNS, (), "number columns to treat as categories; text columns always are", rare=True
    )
    missing: str = field(choice("error", "drop", "mean"), "error", "what to do about missing values")
    split: Split | None = optional(Split, "which shares of the rows are not used for training", rare=True)
    validation: dict[str, Any] | None = optional(
        OPTIONS, "other rows for validation: the source's keys that differ, as in `{path: b.csv}`", rare=True
    )
    test: dict[str, Any] | None = optional(OPTIONS, "other rows for the test, likewise", rare=True)
    scale: Scale = field(Scale, None, "one word scales the inputs", default_text="`none`")
    sample_weight: str | int | None = optional(COLUMN, "multiplies the loss of a row", rare=True)
    class_weight: Literal["balanced"] | dict[str, float] | None = optional(
        CLASS_WEIGHT, "multiplies the loss of the training rows of a class", rare=True
    )

    @property
    def has_validation(self) -> bool:
        """Whether there are rows for validation."""
        return self.validation is not None or (self.split is not None and self.split.validates)

    @classmethod
    def check_keys(cls, given: dict[str, Any], context: Context) -> dict[str, Any]:
        """Configure the source with its own keys; return the others."""
        source, component = given.pop("source", None), None
        try:
            if source is not None:
                given["source"] = SOURCE.validate(source)
                component = find_component(context.components, "data_source", source)
        except ValidationError as error:
            context.below("source").add(*error.errors)
        # the source's options take precedence over keys of the section with the same name
        own = set(component.options) - {"source", "validation", "test"} if component else set()
        options = {key: given.pop(key) for key in list(given) if key not in cls.fields or key in own}
        if component is None:
            return given
        given["component"], given["options"], errors = configure_component(component, options)
        context.add(*(_hint_at_section(error) for error in errors))
        if given["component"] is not None:
            for part in ("validation", "test"):
                cls._check_part(part, given, context)
        return given

    @classmethod
    def _check_part(cls, part: str, given: dict[str, Any], context: Context) -> None:
        """Check the options that differ for the validation or the test data; drop invalid ones."""
        changes = given.get(part)
        if changes is None:
            return
        if not isinstance(changes, Mapping) or not changes:
            expected = "a mapping of the keys that differ from the training data's"
            hint = f"for a share of the rows write split: {{{part}: 0.2}}"
            errors = [expected_error(expected, changes, hint)]
        else:
            _, _, errors = configure_component(given["component"], {**given["options"], **changes})
            errors = [error for error in errors if not error.path or error.path[0] in changes]
        if errors:
            context.below(part).add(*errors)
            del given[part]


def _hint_at_section(error: ErrorDetails) -> ErrorDetails:
    """Return an error with a hint at the key of the section that an unknown option resembles."""
    is_unknown = error.at_key and error.path
    suggestion = suggest(str(error.path[0]), DataSection.fields) if is_unknown else None
    if suggestion is None:
        return error
    return error._replace(hint=f"did you mean {suggestion!r}?", suggestion=suggestion)


class LayerSpec(Section):
    """One layer; a number is its units."""

    shorthand_key: ClassVar[str] = "units"
    expected: ClassVar[str] = "a number of units, or a mapping"

    units: int = field(whole_number(1, 10_000_000), 0, "number of outputs", required=True, lazy=True)
    activation: ComponentSpec = field(
        ComponentValidator("activation", optional=True),
        None,
        "function of the net input",
        default_text="`model.activation`; in the last layer `identity`",
    )
    initializer: ComponentSpec = field(
        ComponentValidator("initializer", optional=True),
        None,
        "draws the initial weights",
        default_text="`model.initializer`",
    )
    bias: bool | tuple[float, ...] = field(
        BIAS, True, "a list holds the initial biases, otherwise they are 0"
    )
    weights: tuple[tuple[float, ...], ...] | None = optional(
        MATRIX,
        "initial weights, a row for each input, a column for each unit",
        default_text="drawn by the initializer",
        rare=True,
    )
    dropout: float = field(
        SHARE, 0.0, "share of the units left out of each update; not in the last layer", rare=True
    )
    l1: float = field(NOT_NEGATIVE, 0.0, "adds l1 times the sum of the weights' magnitudes", rare=True)
    l2: float = field(NOT_NEGATIVE, 0.0, "adds l2 / 2 times the sum of the weights' squares", rare=True)

    @classmethod
    def from_shorthand(cls, value: Any) -> Any:
        """Return {units: number} for a number; null is not a layer."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return {"units": value} if is_number else value


class ModelSection(Section):
    """The network."""

    dtype: str = field(choice("float64", "float32"), "float64", "of the weights and of all arithmetic")
    activation: ComponentSpec = field(
        ComponentValidator("activation", "tanh"), None, "default of the hidden layers"
    )
    initializer: ComponentSpec = field(
        ComponentValidator("initializer", "glorot_uniform"), None, "default of the layers"
    )
    layers: tuple[LayerSpec, ...] = field(
        ListOf(LayerSpec, "layers"),
        (),
        "the layers, the last one is the output; a number is `{units: number}`",
        required=True,
    )

    @classmethod
    def validate(cls, value: Any, context: Context) -> Self:
        """Give each layer its activation and initializer; the last one is linear unless it has its own."""
        model: Self = super().validate(value, context)
        identity = ComponentValidator("activation", "identity").validate(None, context)
        layers = [
            layer.replace(
                activation=layer.activation or (identity if layer is model.layers[-1] else model.activation),
                initializer=layer.initializer or model.initializer,
            )
            for layer in model.layers
        ]
        return model.replace(layers=tuple(layers))


class Clip(Section):
    """The limit on a gradient: on its norm, or on each of its values."""

    norm: float | None = optional(POSITIVE, "the largest norm of a gradient")
    value: float | None = optional(POSITIVE, "the largest magnitude of an entry of a gradient")

    @classmethod
    def validate(cls, value: Any, context: Context) -> dict[str, float]:
        """Return the limits that are given, as a mapping."""
        limits = super().validate(value, context).plain()
        return {key: limit for key, limit in limits.items() if limit is not None}


class Train(Section):
    """How long and in which steps the network is trained."""

    epochs: int = field(whole_number(0), 100, "passes over the training rows")
    batch_size: int | Literal["full"] = field(either("full", whole_number(1)), 32, "rows of an update")
    shuffle: bool = field(BOOLEAN, True, "draw a new order of the rows every epoch")
    evaluate_every: int = field(whole_number(0), 1, "epochs between measurements; 0 measures at the end only")


class Stop(Section):
    """When to stop early."""

    monitor: str = field(
        MEASURED_VALUE,
        "",
        "what should improve: `loss`, a metric, or `validation_` and one of them",
        default_text="`validation_loss`, or `loss` without validation data",
        lazy=True,
    )
    patience: int | None = field(
        Nullable(whole_number(1)),
        20,
        "measurements without improvement",
        default_text="`20`, or null if `stop` has only `loss_below`",
    )
    min_delta: float = field(NOT_NEGATIVE, 0.0, "the smallest change that counts as an improvement")
    mode: str = field(
        choice("auto", "min", "max"), "auto", "whether less or more is better; `auto` asks the metric"
    )
    restore_best: bool = field(
        BOOLEAN,
        True,
        "keep the weights of the best epoch",
        default_text="`true`, or `false` without patience",
    )
    loss_below: float | None = optional(number(), "stop as soon as the loss is below it")

    @classmethod
    def check_keys(cls, given: dict[str, Any], context: Context) -> dict[str, Any]:
        """Monitor nothing if there is only `loss_below`: without patience there are no best weights."""
        given = super().check_keys(given, context)
        if given.get("loss_below") is not None and not set(given) - {"loss_below"}:
            given["patience"] = None
        if "patience" in given and given["patience"] is None:
            given.setdefault("restore_best", False)
        return given


class Checkpoint(Section):
    """When the state of training is saved, and how many states are kept."""

    every: int = field(whole_number(0), 0, "epochs between checkpoints; 0 is never")
    seconds: float | None = field(
        Nullable(POSITIVE),
        60.0,
        "seconds between checkpoints",
        default_text="`60`, or null if `every` is given",
    )
    keep: int | Literal["all"] = field(
        either("all", whole_number(1)), 2, "number of checkpoints to keep; a damaged one is skipped"
    )

    @classmethod
    def check_keys(cls, given: dict[str, Any], context: Context) -> dict[str, Any]:
        """Ignore the time if only epochs are given."""
        given = super().check_keys(given, context)
        if "every" in given:
            given.setdefault("seconds", None)
        return given


class ExperimentSection(Section):
    """The whole of an experiment; one name per key, in the order in which they are written."""

    name: str | None = optional(
        EXPERIMENT_NAME,
        "names the run's folder: letters, digits, `_`, `-`, `.` and inner spaces",
        default_text="the file's stem",
    )
    seed: int = field(SEED, 0, "of initial weights, shuffles and dropout")
    threads: int | Literal["auto"] = field(
        either("auto", whole_number(1, 1024)), "auto", "never changes the result"
    )
    plugins: tuple[str, ...] = field(
        ListOf(PLUGIN, "module names and .py files"),
        (),
        "module names, or .py files relative to this file; `no:NAME` blocks one",
    )
    data: DataSection = field(
        DataSection, None, "where the samples come from; the keys below, and the source's own", required=True
    )
    model: ModelSection = field(ModelSection, None, "the network", required=True)
    loss: ComponentSpec = field(
        ComponentValidator("loss", "sse"), None, "`reduction: sum` or `mean` overrides the loss's own"
    )
    optimizer: ComponentSpec = field(
        ComponentValidator("optimizer", "sgd"), None, "`learning_rate` and the optimizer's own options"
    )
    schedule: ComponentSpec = field(
        ComponentValidator("schedule", "constant"),
        None,
        "a factor on the learning rate; `warmup: N` precedes any of them",
    )
    clip: dict[str, float] | None = optional(Clip, "one of the following two")
    train: Train = field(Train, None, "how long and in which steps the network is trained")
    metrics: tuple[ComponentSpec, ...] = field(
        ListOf(ComponentValidator("metric"), "metrics"), (), "measured in addition to the loss"
    )
    stop: Stop | None = optional(Stop, "early stopping")
    checkpoint: Checkpoint = field(
        Checkpoint,
        None,
        "what `cygd run --resume` continues from (cli.md)",
        default_text="a checkpoint a minute",
    )
    log: tuple[ComponentSpec, ...] = field(
        ListOf(ComponentValidator("logger"), "loggers"), ("console",), "metrics.csv is always written"
    )
    sweep: SweepSection | None = optional(
        SweepSection, "the experiments that `cygd sweep` makes of this one (sweeps.md)"
    )

"""Every key of an experiment: its type, its range and its default, one class a section.

What concerns one value, or one mapping, stands here; what concerns several places stands in `checks`.
Every key has a default, so that what is sound can still be checked after what is not was taken out;
the keys that must be given are asked for in `checks`. docs/configuration.md explains each.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

from cygd.config.component_spec import Components, ComponentSpec, choose, component, synonym
from cygd.config.messages import found
from cygd.config.section import Section
from cygd.config.sweep_section import SweepSection
from cygd.config.validators import (
    Column,
    Columns,
    Exactly,
    Fault,
    Flag,
    Matrix,
    Text,
    as_list,
    check_bias,
    check_class_weight,
    check_name,
    check_time,
    check_whole,
    choice,
    either,
    fail,
    number,
    whole,
)
from cygd.errors import CygdError

__all__ = [
    "Checkpoint",
    "Clip",
    "DataSection",
    "ExperimentSection",
    "LayerSpec",
    "ModelSection",
    "Scale",
    "Section",
    "Split",
    "Stop",
    "SweepSection",
    "Train",
]

MOST_UNITS = 10_000_000

Share = Annotated[float, number(0, 1, below=True)]
Penalty = Annotated[float, number(0)]
Positive = Annotated[float, number(0, above=True)]
Seed = Annotated[int, whole(0, 2**63 - 1)]
Scaling = Annotated[Literal["none", "standard", "minmax"], choice("none", "standard", "minmax")]
# validated as if it were written: null is the default of a section or a component
DEFAULT: Any = None
CONSOLE: Any = ("console",)
DropRate = Annotated[float, number(0, 1, below=True)]
Count = Annotated[int, whole(0)]
AtLeastOne = Annotated[int, whole(1)]


class Known(Section):
    """A section that knows all its keys."""

    @classmethod
    def place_keys(cls, value: dict[str, Any], components: Components) -> dict[str, Any]:
        """Refuse unknown keys."""
        known = cls.key_names()
        unknown = [key for key in value if key not in known]
        if unknown:
            raise fail(
                *(Fault((key,), f"unknown key {key!r}", _hint(key, known), key=True) for key in unknown)
            )
        return value


class Split(Known):
    """Which part of the rows is for validation and for the test."""

    validation: Share = 0.0
    test: Share = 0.0
    seed: Seed = 0
    stratify: Flag = False
    time: Annotated[bool | str | int, Exactly(check_time)] | None = None
    folds: Annotated[int, whole(2)] | None = None
    fold: AtLeastOne | None = None

    @property
    def validates(self) -> bool:
        """Whether some of the rows are for validation."""
        return self.validation > 0 or self.folds is not None

    @property
    def every_fold(self) -> bool:
        """Whether each fold is to have a run of its own."""
        return self.folds is not None and self.fold is None

    def plain(self) -> dict[str, Any]:
        """Return the values by their keys; the rarer keys only where they say something."""
        rare = ("time", "folds", "fold")
        return {key: value for key, value in super().plain().items() if value is not None or key not in rare}


class Scale(Known):
    """How columns are scaled, by statistics of the training rows."""

    short: ClassVar[str] = "inputs"
    shape: ClassVar[str] = "none, standard or minmax, or a mapping"

    inputs: Scaling = "none"
    targets: Scaling = "none"

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """One word scales the inputs."""
        return {"inputs": value} if isinstance(value, str) else super().unfold(value)


class DataSection(Section):
    """Where the samples come from, and which columns are what; further keys are the source's own."""

    internal: ClassVar[tuple[str, ...]] = ("options", "component")
    required: ClassVar[tuple[str, ...]] = ("source",)

    source: str = ""
    options: Mapping[str, Any] = MappingProxyType({})
    component: Any = None
    inputs: Columns | None = None
    targets: Columns | None = None
    categorical: Columns = ()
    missing: Annotated[Literal["error", "drop", "mean"], choice("error", "drop", "mean")] = "error"
    split: Split | None = None
    validation: dict[str, Any] | None = None
    test: dict[str, Any] | None = None
    scale: Scale = DEFAULT
    sample_weight: Column | None = None
    class_weight: Annotated[Literal["balanced"] | dict[str, float], Exactly(check_class_weight)] | None = None

    @classmethod
    def place_keys(cls, value: dict[str, Any], components: Components) -> dict[str, Any]:
        """Hand the source's own keys to the source, and let it judge them."""
        known = cls.key_names()
        source = value.get("source")
        if source is not None and (not isinstance(source, str) or not source):
            raise fail(Fault(("source",), f"expected the name of a data source, found {found(source)}"))
        declared = cls._declared(source, components) - {"source", "validation", "test"}
        own = {key: value.pop(key) for key in list(value) if key not in known or key in declared}
        if source is None:
            return {key: value[key] for key in value if key != "source"}
        value["options"] = own
        value["component"], faults = choose(
            components, "data_source", source, own, ("source",), unusable=("source",)
        )
        faults = [cls._either_hint(fault, known) for fault in faults]
        for part in ("validation", "test"):
            faults += cls._check_part(part, value, own) if not faults else []
        if faults:
            raise fail(*faults)
        return value

    @staticmethod
    def _declared(source: str | None, components: Components) -> set[str]:
        """Return the options of a source: they are its own even where they are called like a key."""
        try:
            return set(components.get("data_source", source).options) if source else set()
        except (CygdError, ValueError):
            return set()

    @classmethod
    def _check_part(cls, part: str, value: dict[str, Any], own: dict[str, Any]) -> list[Fault]:
        """Check the keys that differ from the source's for the validation or the test data."""
        other = value.get(part)
        if other is None:
            return []
        if not isinstance(other, Mapping) or not other:
            words = f"a mapping of the keys that differ from the training data's, found {found(other)}"
            return [
                Fault((part,), f"expected {words}", f"a share of the rows is written split: {{{part}: 0.2}}")
            ]
        merged = {**own, **other}
        _, faults = choose(_Only(value["component"]), "data_source", value["source"], merged)
        ours = [fault for fault in faults if not fault.path or fault.path[0] in other]
        return [fault.below(part)._replace(unusable=(part,)) for fault in ours]

    @staticmethod
    def _either_hint(fault: Fault, known: list[str]) -> Fault:
        """Hint at a near key of the section for what the source does not know."""
        near = synonym(str(fault.path[-1]), known) if fault.key else None
        return fault._replace(hint=near) if near else fault


class _Only:
    """A component that is already found."""

    def __init__(self, found_already: Any) -> None:
        self.component = found_already

    def get(self, kind: str, name: str) -> Any:
        return self.component


class LayerSpec(Known):
    """One layer; a number is its units."""

    unread: ClassVar[tuple[str, ...]] = ("units",)
    required: ClassVar[tuple[str, ...]] = ("units",)
    short: ClassVar[str] = "units"
    shape: ClassVar[str] = "a number of units, or a mapping"

    units: Annotated[int, whole(1, MOST_UNITS)] = 0
    activation: Annotated[ComponentSpec, component("activation", may_lack=True)] = DEFAULT
    initializer: Annotated[ComponentSpec, component("initializer", may_lack=True)] = DEFAULT
    bias: Annotated[bool | tuple[float, ...], Exactly(check_bias)] = True
    weights: Matrix | None = None
    dropout: DropRate = 0.0
    l1: Penalty = 0.0
    l2: Penalty = 0.0

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """A number is {units: number}."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"units": value}
        return value  # null too is no layer


class ModelSection(Known):
    """The network."""

    required: ClassVar[tuple[str, ...]] = ("layers",)

    dtype: Annotated[Literal["float64", "float32"], choice("float64", "float32")] = "float64"
    activation: Annotated[ComponentSpec, component("activation", "tanh")] = DEFAULT
    initializer: Annotated[ComponentSpec, component("initializer", "glorot_uniform")] = DEFAULT
    layers: Annotated[tuple[LayerSpec, ...], as_list("layers")] = ()


class Clip(Known):
    """The limit on a gradient: on its norm, or on each of its values."""

    norm: Positive | None = None
    value: Positive | None = None


class Train(Known):
    """How long and in which steps."""

    epochs: Count = 100
    batch_size: Annotated[
        int | Literal["full"],
        either("full", check_whole(1), "a whole number of at least 1, or full"),
    ] = 32
    shuffle: Flag = True
    evaluate_every: Count = 1


class Stop(Known):
    """When to stop early."""

    unread: ClassVar[tuple[str, ...]] = ("monitor",)

    monitor: Text = ""  # "" until it is known whether there is validation data
    patience: AtLeastOne | None = 20
    min_delta: Penalty = 0.0
    mode: Annotated[Literal["auto", "min", "max"], choice("auto", "min", "max")] = "auto"
    restore_best: Flag = True
    loss_below: Annotated[float, number()] | None = None

    @classmethod
    def place_keys(cls, value: dict[str, Any], components: Components) -> dict[str, Any]:
        """With loss_below alone nothing is monitored, so there is no patience and no best."""
        value = super().place_keys(value, components)
        if value.get("loss_below") is not None and not set(value) - {"loss_below"}:
            value["patience"] = None
        if "patience" in value and value["patience"] is None:
            value.setdefault("restore_best", False)
        return value


class Checkpoint(Known):
    """When the state of training is kept, so that a run can go on, and how many states stay."""

    every: Count = 0
    seconds: Positive | None = 60.0
    keep: Annotated[
        int | Literal["all"], either("all", check_whole(1), "a whole number of at least 1, or all")
    ] = 2

    @classmethod
    def place_keys(cls, value: dict[str, Any], components: Components) -> dict[str, Any]:
        """Epochs alone are no clock: with `every` time counts only where it is given too."""
        value = super().place_keys(value, components)
        if "every" in value:
            value.setdefault("seconds", None)
        return value


class ExperimentSection(Known):
    """The whole of an experiment; one name per key, in the order in which they are written."""

    required: ClassVar[tuple[str, ...]] = ("data", "model")

    name: Annotated[str, Exactly(check_name)] | None = None
    seed: Seed = 0
    threads: Annotated[
        int | Literal["auto"], either("auto", check_whole(1, 1024), "auto, or a whole number from 1 to 1024")
    ] = "auto"
    plugins: Annotated[tuple[Text, ...], as_list("module names and .py files")] = ()
    data: DataSection = DEFAULT
    model: ModelSection = DEFAULT
    loss: Annotated[ComponentSpec, component("loss", "sse")] = DEFAULT
    optimizer: Annotated[ComponentSpec, component("optimizer", "sgd")] = DEFAULT
    schedule: Annotated[ComponentSpec, component("schedule", "constant")] = DEFAULT
    clip: Clip | None = None
    train: Train = DEFAULT
    metrics: Annotated[tuple[Annotated[ComponentSpec, component("metric")], ...], as_list("metrics")] = ()
    stop: Stop | None = None
    checkpoint: Checkpoint = DEFAULT
    log: Annotated[tuple[Annotated[ComponentSpec, component("logger")], ...], as_list("loggers")] = CONSOLE
    sweep: SweepSection | None = None


def _hint(key: str, known: list[str]) -> str:
    """Return what an unknown key may have meant, or where it belongs."""
    return synonym(key, known) or _elsewhere(key) or f"known keys: {', '.join(known)}"


def _elsewhere(key: str) -> str | None:
    """Return a hint with the section that knows a key."""
    sections: dict[str, type[Section]] = {
        "train": Train,
        "model": ModelSection,
        "model.layers": LayerSpec,
        "data": DataSection,
        "data.split": Split,
        "stop": Stop,
        "checkpoint": Checkpoint,
    }
    homes = [name for name, section in sections.items() if key in section.key_names()]
    if not homes and key in ExperimentSection.key_names():
        return f"{key!r} stands at the top, without indentation"
    return f"{key!r} belongs in {' or '.join(repr(name) for name in homes)}" if homes else None

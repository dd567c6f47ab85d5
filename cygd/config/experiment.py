"""An experiment that is valid: every default filled in, every component found and configured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cygd.config.checks import check_together, has_validation
from cygd.config.choices import Components, ComponentSpec, choose
from cygd.config.document import Document
from cygd.config.judging import judge
from cygd.config.nodes import parse_key, show_key
from cygd.config.resolved import data_files, resolved
from cygd.config.sections import (
    Checkpoint,
    DataSection,
    ExperimentSection,
    LayerSpec,
    Stop,
    SweepSection,
    Train,
)
from cygd.config.values import safe_name
from cygd.errors import ConfigError, Problem

__all__ = ["Experiment", "ModelSpec", "validate"]


@dataclass(frozen=True)
class ModelSpec:
    """The network: the defaults of its layers, and the layers with the defaults filled in."""

    dtype: str
    activation: ComponentSpec
    initializer: ComponentSpec
    layers: tuple[LayerSpec, ...]


@dataclass(frozen=True)
class Experiment:
    """A valid experiment; the attributes are the keys of the YAML file.

    `document` remembers where everything was written.
    """

    document: Document
    name: str
    seed: int
    threads: int | str
    plugins: tuple[str, ...]
    data: DataSection
    model: ModelSpec
    loss: ComponentSpec
    optimizer: ComponentSpec
    schedule: ComponentSpec
    clip: dict[str, float] | None
    train: Train
    metrics: tuple[ComponentSpec, ...]
    stop: Stop | None
    checkpoint: Checkpoint
    log: tuple[ComponentSpec, ...]
    sweep: SweepSection | None

    @property
    def folder(self) -> Path:
        """What relative paths start from."""
        return self.document.folder

    def where(self, key: str) -> str:
        """Return the place of a value, `file:line:column`, or of the nearest thing around it."""
        return self.document.where(parse_key(key))

    def problem(self, key: str, message: str, hint: str | None = None) -> Problem:
        """Return a problem with a value, for what is found out later."""
        return Problem(self.where(key), show_key(parse_key(key)), message, hint)

    def data_files(self) -> list[Path]:
        """Return the files that the data come from."""
        return data_files(self)

    def resolved(self) -> dict[str, Any]:
        """Return the experiment as plain values that leave nothing to defaults or to the folder.

        Read back, they are the same experiment.
        """
        return resolved(self)


def validate(document: Document, components: Components) -> Experiment:
    """Judge everything that a document says.

    Parameters
    ----------
    document : Document
        What `read` returned.
    components : Components
        Where components are found by kind and name: the plugin registry.

    Raises
    ------
    ConfigError
        With all problems at once.
    """
    sections, judgement = judge(document, components)
    if sections is not None:
        check_together(sections, judgement)
    if sections is None or judgement.problems:
        raise ConfigError(judgement.problems)
    return _build(document, sections, components)


def _build(document: Document, sections: ExperimentSection, components: Components) -> Experiment:
    """Fill in the defaults that depend on other keys."""
    stop = sections.stop
    if stop is not None and not stop.monitor:
        monitor = "validation_loss" if has_validation(sections.data) else "loss"
        stop = stop.changed(monitor=monitor)
    limits = None if sections.clip is None else sections.clip.plain()
    clip = limits and {key: limit for key, limit in limits.items() if limit is not None}
    model = sections.model
    return Experiment(
        document=document,
        name=sections.name or safe_name(document.stem),
        seed=sections.seed,
        threads=sections.threads,
        plugins=sections.plugins,
        data=sections.data,
        model=ModelSpec(model.dtype, model.activation, model.initializer, _layers(sections, components)),
        loss=sections.loss,
        optimizer=sections.optimizer,
        schedule=sections.schedule,
        clip=clip,
        train=sections.train,
        metrics=sections.metrics,
        stop=stop,
        checkpoint=sections.checkpoint,
        log=sections.log,
        sweep=sections.sweep,
    )


def _layers(sections: ExperimentSection, components: Components) -> tuple[LayerSpec, ...]:
    """Give each layer its activation and initializer."""
    model = sections.model
    layers = []
    for index, layer in enumerate(model.layers):
        hidden = index < len(model.layers) - 1
        update = {
            "activation": layer.activation or (model.activation if hidden else _identity(components)),
            "initializer": layer.initializer or model.initializer,
        }
        layers.append(layer.changed(**update))
    return tuple(layers)


def _identity(components: Components) -> ComponentSpec:
    """Return the activation of an output that does not say its own."""
    component, faults = choose(components, "activation", "identity", {})
    if faults:
        raise ConfigError(faults[0].message, hint=faults[0].hint)
    return ComponentSpec("identity", {}, component)

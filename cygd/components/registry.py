"""The kinds of components, and how a name or a mapping becomes a component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from cygd.components.activations import ACTIVATIONS, Activation
from cygd.components.base import Component, kind_label, with_article
from cygd.components.from_formula import component_from_formula
from cygd.components.initializers import INITIALIZERS, Initializer
from cygd.components.losses import LOSSES, Loss
from cygd.components.metrics import METRICS, Metric
from cygd.components.optimizers import OPTIMIZERS, Optimizer
from cygd.components.options import OptionError
from cygd.components.schedules import SCHEDULES, Schedule
from cygd.errors import CygdError, did_you_mean


class Kind(NamedTuple):
    """A kind of component, its class, and its built-ins."""

    name: str  # `Component.kind`
    component: type[Component]
    hook: str  # by which plugins register components of this kind
    built_ins: tuple[Component, ...]


# Data sources and loggers belong to higher layers: `cygd.plugins.builtins.KINDS` holds all eight kinds.
KINDS: tuple[Kind, ...] = (
    Kind("activation", Activation, "cygd_activations", ACTIVATIONS),
    Kind("loss", Loss, "cygd_losses", LOSSES),
    Kind("optimizer", Optimizer, "cygd_optimizers", OPTIMIZERS),
    Kind("schedule", Schedule, "cygd_schedules", SCHEDULES),
    Kind("initializer", Initializer, "cygd_initializers", INITIALIZERS),
    Kind("metric", Metric, "cygd_metrics", METRICS),
)


class UnknownComponentError(CygdError, ValueError):
    """A name that no component of its kind has."""

    def __init__(
        self, kind: str, name: str, known: Sequence[str] = (), *, detail: str = "", hint: str | None = None
    ) -> None:
        if hint is None:
            near = did_you_mean(name, known) or did_you_mean(name.lower().replace("-", "_"), known)
            hint = near or (f"known: {', '.join(known)}" if known else f"no {kind_label(kind)} is registered")
        super().__init__(
            f"unknown {kind_label(kind)} {name!r}" + (f": {detail}" if detail else ""), hint=hint
        )
        self.kind = kind
        self.name = name
        self.known = tuple(known)


class Components(Protocol):
    """An object that finds components by kind and name; `cygd.plugins.Plugins` is one."""

    def get(self, kind: str, name: str) -> Component:
        """Return the component, or raise an UnknownComponentError."""
        ...

    def from_formula(self, kind: str, spec: Mapping[str, object]) -> Component:
        """Return the component that a mapping with a formula describes."""
        ...


class BuiltInComponents:
    """The built-in components of some kinds, without plugins."""

    def __init__(self, kinds: Sequence[Kind] = KINDS) -> None:
        self._tables = {kind.name: {row.name: row for row in kind.built_ins} for kind in kinds}

    def get(self, kind: str, name: str) -> Component:
        """Return a built-in component, or raise an UnknownComponentError."""
        table = self._tables.get(kind, {})
        if name not in table:
            raise UnknownComponentError(kind, name, list(table))
        return table[name]

    def from_formula(self, kind: str, spec: Mapping[str, object]) -> Component:
        """Return the component that a mapping with a formula describes."""
        return component_from_formula(kind, spec)


_BUILT_INS = BuiltInComponents()


def resolve(
    kind: str, spec: Component | str | Mapping[str, object], components: Components | None = None
) -> Component:
    """Return the component that a specification names, with its options set.

    A specification is a component, a name, {"name": ..., option: value, ...} or {"formula": ..., parameter:
    value, ...}; names are looked up among the built-ins by default.

    Examples
    --------
    >>> resolve("activation", {"name": "leaky_relu", "slope": 0.1})
    Activation('leaky_relu', slope=0.1)
    """
    if isinstance(spec, Component):
        if spec.kind != kind:
            raise TypeError(f"expected {with_article(kind)}, got {spec}")
        return spec.configured({})
    options: Mapping[str, object] = {}
    name: object = spec
    if isinstance(spec, Mapping):
        if "formula" in spec:
            return component_from_formula(kind, spec)
        if "name" not in spec:
            raise OptionError(f"{kind_label(kind)}: expected a 'name' or a 'formula' in the mapping", "name")
        name, options = spec["name"], {key: value for key, value in spec.items() if key != "name"}
    if not isinstance(name, str):
        raise TypeError(f"{kind_label(kind)}: expected a name or a mapping with a name, got {name!r}")
    return (components or _BUILT_INS).get(kind, name).configured(options)

"""The options of a fit, resolved and validated once, before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from cygd.components import Component, Metric, Optimizer, Schedule, constant, resolve
from cygd.network.checks import check_count, check_flag
from cygd.network.early_stopping import EarlyStopping
from cygd.network.threads import choose_threads

AnyComponent = TypeVar("AnyComponent", bound=Component)

CONSTANT = Schedule("constant", constant)


@dataclass(frozen=True, kw_only=True, eq=False)
class FitOptions:
    """How to train: everything that `Network.fit` takes except data and callbacks."""

    optimizer: Optimizer
    epochs: int = 10
    batch_size: int | str = 32  # or "full"
    shuffle: bool = True
    evaluate_every: int = 0  # measure at epoch 0, N, 2 N, ... and at the end; 0: only at the end
    schedule: Schedule = CONSTANT
    clip: Mapping[str, float] | None = None  # {"norm": limit} or {"value": limit}
    stop: EarlyStopping | None = None
    metrics: Sequence[Metric] = ()
    threads: int | None = None  # None: as many as `choose_threads` says; then an int
    state_key: Optimizer | None = None  # the same object as in the last fit: continue with its state

    def __post_init__(self) -> None:
        checked = {
            "epochs": check_count("epochs", self.epochs, 0),
            "shuffle": check_flag("shuffle", self.shuffle),
            "evaluate_every": check_count("evaluate_every", self.evaluate_every, 0),
            "threads": choose_threads(self.threads, "auto"),
            "metrics": tuple(self.metrics),
        }
        if self.batch_size != "full":
            try:
                checked["batch_size"] = check_count("batch_size", self.batch_size, 1)
            except ValueError as error:
                raise ValueError(str(error).replace(", got", ', or "full", got')) from None
        if self.clip is not None:
            _check_clip(self.clip)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def build(
        cls,
        *,
        optimizer: str | Mapping[str, object] | Optimizer = "sgd",
        learning_rate: float | None = None,
        schedule: str | Mapping[str, object] | Schedule | None = None,
        stop: Mapping[str, Any] | EarlyStopping | None = None,
        metrics: Sequence[str | Mapping[str, object] | Metric] = (),
        **options: Any,
    ) -> Self:
        """Return the options that the arguments of `Network.fit` describe."""
        resolved = _resolve("optimizer", optimizer, Optimizer)
        if learning_rate is not None:
            resolved = resolved.configured({"learning_rate": learning_rate})
        if schedule is not None:
            options["schedule"] = _resolve("schedule", schedule, Schedule)
        return cls(
            optimizer=resolved,
            stop=EarlyStopping.from_mapping(stop),
            metrics=[_resolve("metric", metric, Metric) for metric in metrics],
            state_key=optimizer if isinstance(optimizer, Optimizer) else None,
            **options,
        )

    def rows_per_batch(self, n_rows: int) -> int:
        """Return the batch size as a number."""
        return max(n_rows, 1) if self.batch_size == "full" else int(self.batch_size)


def _resolve(kind: str, spec: Any, component_class: type[AnyComponent]) -> AnyComponent:
    component = resolve(kind, spec)
    assert isinstance(component, component_class)
    return component


def _check_clip(clip: object) -> None:
    """Raise a ValueError unless `clip` is {"norm": limit} or {"value": limit}."""
    if not isinstance(clip, Mapping) or len(clip) != 1 or not set(clip) <= {"norm", "value"}:
        raise ValueError(f'clip must be {{"norm": limit}} or {{"value": limit}}, got {clip!r}')
    [(key, limit)] = clip.items()
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit < math.inf:
        raise ValueError(f"clip: {key} must be a finite number above 0, got {limit!r}")

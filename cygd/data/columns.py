"""Which columns of a table are inputs, targets, categories and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cygd.data.table import Table, listed, number
from cygd.errors import CygdError, did_you_mean

if TYPE_CHECKING:
    from cygd.config.sections import DataSection

__all__ = ["Selection", "select"]

Complain = Callable[[str, str, str | None], CygdError]


@dataclass(frozen=True)
class Selection:
    """The names of the columns by what they are for; `target_class` is the target that holds classes."""

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    categorical: frozenset[str]
    target_class: str | None
    sample_weight: str | None
    time: str | None = None

    @property
    def used(self) -> tuple[str, ...]:
        """All columns that the experiment needs."""
        others = (name for name in (self.sample_weight, self.time) if name is not None)
        return tuple(dict.fromkeys((*self.inputs, *self.targets, *others)))


def select(section: DataSection, table: Table, inputs: tuple[str, ...], complain: Complain) -> Selection:
    """Resolve the columns that a data section names.

    Parameters
    ----------
    section : DataSection
        The section.
    table : Table
        The training data.
    inputs : tuple of str
        The names of the inputs where they stand beside the table, as one array.
    complain : callable
        complain(key, message, hint) -> the exception to raise.
    """
    names = Names(table, complain)
    targets = names.of("data.targets", section.targets or ()) or table.targets
    if not targets:
        hint = f"name the column to predict; there are {listed(table.columns)}"
        raise complain("data.targets", "the key 'targets' is missing", hint)
    weight = None
    if section.sample_weight is not None:
        (weight,) = names.of("data.sample_weight", (section.sample_weight,))
        if weight in targets:
            raise complain("data.sample_weight", f"column {weight!r} is a target", None)
    time = None
    if section.split is not None and section.split.time not in (None, True):
        (time,) = names.of("data.split.time", (section.split.time,))
    if section.inputs is not None:
        inputs = names.of("data.inputs", section.inputs)
        for name in inputs:
            if name in targets or name == weight:
                role = "a target" if name in targets else "the sample weight"
                raise complain("data.inputs", f"column {name!r} is {role} as well", None)
    elif not inputs:
        inputs = tuple(name for name in table.columns if name not in (*targets, *table.targets, weight, time))
    if not inputs:
        raise complain("data.inputs", "no column is left for the inputs", None)
    listed_ones = names.of("data.categorical", section.categorical)
    used = (*inputs, *targets)
    categorical = frozenset(
        name
        for name in used
        if name in table.columns
        and (name in listed_ones or name in table.categorical or table.columns[name].categorical)
    )
    classes = [name for name in targets if name in categorical]
    if classes and len(targets) > 1:
        message = f"{len(targets)} targets, of which {classes[0]!r} holds categories"
        hint = "a target of categories stands alone; several answers of yes or no are columns of 0 and 1"
        raise complain("data.targets", message, hint)
    return Selection(inputs, targets, categorical, classes[0] if classes else None, weight, time)


class Names:
    """Finds the columns that an experiment names, by name or, where names were made up, by number."""

    def __init__(self, table: Table, complain: Complain) -> None:
        self.table = table
        self.complain = complain

    def of(self, key: str, references: Iterable[str | int]) -> tuple[str, ...]:
        """Return the names that are meant, each once."""
        found: list[str] = []
        for reference in references:
            name = self.one(key, reference)
            if name in found:
                raise self.complain(key, f"column {name!r} is named twice", None)
            found.append(name)
        return tuple(found)

    def one(self, key: str, reference: str | int) -> str:
        """Return the name that is meant."""
        known = list(self.table.columns)
        if str(reference) in self.table.columns:
            return str(reference)
        if self.table.numbered and isinstance(reference, int) and 0 <= reference < len(known):
            return known[reference]
        hint = did_you_mean(str(reference), known) or f"there are {listed(known)}"
        if all(number(name) is not None for name in known):
            hint = "the first line holds numbers; a file without names is read with header: false"
        elif len(known) == 1 and any(character in known[0] for character in ";\t|"):
            hint = f"the only column is {known[0]!r}; is data.delimiter another character?"
        where = f" in {self.table.where}" if self.table.where else ""
        raise self.complain(key, f"there is no column {reference!r}{where}", hint)

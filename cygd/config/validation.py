"""Validate a document and collect everything that is wrong with it.

`validate_sections` reports every invalid value and continues with a default in its place. The cross-field
checks then run on the result; a check that reads an invalid place reports nothing, because its message would
only be a consequence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

from cygd.config.component_spec import Components
from cygd.config.document import Document
from cygd.config.section import InvalidDefaultError
from cygd.config.sections import ExperimentSection
from cygd.config.validators import Context, ErrorDetails
from cygd.config.yaml.nodes import KeyPath, parse_key, show_key
from cygd.errors import Problem

__all__ = ["Diagnostics", "validate_sections"]


class Diagnostics:
    """The problems of one document, and the paths that are invalid."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._problems = list(document.problems)
        self._invalid_paths: list[KeyPath] = []
        self._suggested: set[KeyPath] = set()  # keys that misspelled ones stand for

    @property
    def problems(self) -> list[Problem]:
        """All problems in the order of the file; those of the command line come last."""
        return sorted(dict.fromkeys(self._problems), key=_position)

    def add(self, error: ErrorDetails) -> None:
        """Add an error and mark its path as invalid."""
        where = self.document.where(error.path, key=error.at_key)
        self._problems.append(Problem(where, show_key(error.path), error.message, error.hint))
        self._invalid_paths.append(error.path)
        if error.suggestion:
            self._suggested.add((*error.path[:-1], error.suggestion))

    def report(self, key: str, message: str, hint: str | None = None, *, needs: Iterable[str] = ()) -> None:
        """Add a problem between several places, unless one of them is invalid.

        Parameters
        ----------
        key : str
            The path of the value to point at, as `model.layers[0].units`.
        message, hint : str
            What is wrong, and what to do about it.
        needs : iterable of str
            The other places that the check has read.
        """
        if not any(self._is_invalid(parse_key(place)) for place in (key, *needs)):
            where = self.document.where(parse_key(key))
            self._problems.append(Problem(where, key, message, hint))

    def require(self, key: str, hint: str) -> None:
        """Report a missing key, unless it is given but invalid or misspelled."""
        path = parse_key(key)
        if path not in self._suggested:
            self.report(key, f"missing key {str(path[-1])!r}", hint)

    def _is_invalid(self, path: KeyPath) -> bool:
        """Return True if a path, something in it or something around it is invalid."""
        return any(all(a == b for a, b in zip(path, bad, strict=False)) for bad in self._invalid_paths)


def validate_sections(
    document: Document, components: Components
) -> tuple[ExperimentSection | None, Diagnostics]:
    """Validate every value by itself.

    Returns
    -------
    sections : ExperimentSection or None
        The valid values, and defaults in place of the others; None if a default is not valid.
    diagnostics : Diagnostics
        What is wrong.
    """
    diagnostics = Diagnostics(document)
    context = Context(components, [], root=ExperimentSection, droppable=document.kept)
    sections = None
    with suppress(InvalidDefaultError):
        sections = ExperimentSection.validate(document.root.plain(), context)
    for error in context.errors:
        diagnostics.add(error)
    return sections, diagnostics


def _position(problem: Problem) -> tuple[bool, int, int, str]:
    """Return the sort key of a problem: its position in the file."""
    place = re.search(r":(\d+):(\d+)$", problem.where)
    line, column = (int(place[1]), int(place[2])) if place else (0, 0)
    return problem.where == "command line", line, column, problem.key

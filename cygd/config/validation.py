"""Collect everything that is wrong with a document.

The sections report every invalid value and continue with a default in its place. The cross-field checks then
run on the result; a check that reads an invalid place reports nothing, because its message would only be a
consequence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cygd.config.document import Document
from cygd.config.validators import ErrorDetails
from cygd.config.yaml.nodes import KeyPath, parse_key
from cygd.errors import Problem


class Diagnostics:
    """The problems of one document, and the paths that are invalid."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._problems = list(document.problems)
        self._invalid_paths: list[KeyPath] = []
        self._suggested: set[KeyPath] = set()  # keys that misspelled ones probably mean

    @property
    def problems(self) -> list[Problem]:
        """All problems in the order of the file; those of the command line come last."""
        return sorted(dict.fromkeys(self._problems), key=_position)

    def add(self, error: ErrorDetails) -> None:
        """Add an error and mark its path as invalid."""
        self._problems.append(self.document.problem(error))
        self._invalid_paths.append(error.path)
        if error.suggestion:
            self._suggested.add((*error.path[:-1], error.suggestion))

    def report(self, key: str, message: str, hint: str | None = None, *, needs: Iterable[str] = ()) -> None:
        """Add a problem at a key, unless the key or a place that the check needs is invalid."""
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


def _position(problem: Problem) -> tuple[bool, int, int, str]:
    """Return the sort key of a problem: its position in the file."""
    place = re.search(r":(\d+):(\d+)$", problem.where)
    line, column = (int(place[1]), int(place[2])) if place else (0, 0)
    return problem.where == "command line", line, column, problem.key

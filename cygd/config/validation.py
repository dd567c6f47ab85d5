"""Document -> sections, with everything that is wrong in one list.

A value has one error at a time, and a section with an error does not come into being. So
whatever is wrong is noted, taken out, and the rest is looked at again, until the rest is sound: then
the checks that compare several places run on it, but for those that would read what was taken out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from cygd.config.component_spec import Components
from cygd.config.document import Document
from cygd.config.sections import ExperimentSection
from cygd.config.validators import Fault, Faulty
from cygd.config.yaml.nodes import KeyPath, parse_key, show_key
from cygd.errors import Problem

__all__ = ["Judgement", "judge"]


class Judgement:
    """The problems of one document, and the places that cannot be relied on."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._problems = list(document.problems)
        self._unusable: list[KeyPath] = []
        self._meant: set[KeyPath] = set()  # keys that a misspelt one beside them stands for

    @property
    def problems(self) -> list[Problem]:
        """All problems, in the order of the file; those of the command line last."""
        return sorted(dict.fromkeys(self._problems), key=_order)

    def note(self, fault: Fault) -> None:
        """Keep what is wrong at a path, and that the place cannot be relied on."""
        where = self.document.where(fault.path, key=fault.key)
        self._problems.append(Problem(where, show_key(fault.path), fault.message, fault.hint))
        self.doubt(fault.doomed)
        meant = re.match(r"did you mean '(\w+)'", fault.hint or "")
        if fault.key and meant:
            self._meant.add((*fault.path[:-1], meant[1]))

    def doubt(self, path: KeyPath) -> None:
        """Remember that a place cannot be relied on."""
        self._unusable.append(path)

    def follows(self, fault: Fault, rest: Any) -> bool:
        """Tell whether a value is missed only because it was wrong, and so taken out of the rest."""
        return fault.path in self._unusable and not _reaches(rest, fault.path)

    def report(self, key: str, message: str, hint: str | None = None, *, needs: Iterable[str] = ()) -> None:
        """Keep what is wrong between several places, unless one of them cannot be relied on.

        Parameters
        ----------
        key : str
            The path of the value to point at, as `model.layers[0].units`.
        message, hint : str
            What is wrong, and what to do.
        needs : iterable of str
            The other places that the check has read.
        """
        if not any(self._tainted(parse_key(place)) for place in (key, *needs)):
            where = self.document.where(parse_key(key))
            self._problems.append(Problem(where, key, message, hint))

    def require(self, key: str, hint: str) -> None:
        """Report a key that must be given, unless it is given wrongly or misspelt."""
        path = parse_key(key)
        if path not in self._meant:
            name = str(path[-1])
            self.report(key, f"the key {name!r} is missing", hint)

    def _tainted(self, path: KeyPath) -> bool:
        return any(all(a == b for a, b in zip(path, bad, strict=False)) for bad in self._unusable)


def judge(document: Document, components: Components) -> tuple[ExperimentSection | None, Judgement]:
    """Check every value by itself.

    Returns
    -------
    sections : ExperimentSection or None
        What is sound of the experiment; None when nothing can be relied on.
    judgement : Judgement
        What is not.
    """
    judgement = Judgement(document)
    plain = document.root.plain()
    while True:
        try:
            return ExperimentSection.read(plain, components), judgement
        except Faulty as error:
            faults = _from_behind(error.faults)
        for fault in faults:
            if judgement.follows(fault, plain):
                judgement.doubt(fault.doomed)
            elif fault.path not in document.kept:
                judgement.note(fault)
        if not [fault for fault in faults if _take_out(plain, fault.doomed)]:
            return None, judgement  # a default is at fault: nothing is left to take out


def _from_behind(faults: Iterable[Fault]) -> list[Fault]:
    """Return faults with those of later items first, so that indices hold."""
    return sorted(faults, key=lambda fault: [(isinstance(s, int), s) for s in fault.path], reverse=True)


def _take_out(plain: Any, path: KeyPath) -> bool:
    """Remove what stands at a path, or the scalar in its way; tell whether there was anything."""
    parent: Any = None
    step: Any = None
    value: Any = plain
    below: Any
    for below in path:
        if not isinstance(value, dict | list):
            break
        if below not in (value if isinstance(value, dict) else range(len(value))):
            return False
        parent, step, value = value, below, value[below]
    if parent is None:
        return False
    if isinstance(parent, list) and path[:2] == ("model", "layers"):
        parent[step] = {}  # the layers behind it keep their numbers
    else:
        del parent[step]
    return True


def _reaches(plain: Any, path: KeyPath) -> bool:
    """Tell whether there is anything at a path."""
    for step in path:
        known = plain if isinstance(plain, dict) else range(len(plain)) if isinstance(plain, list) else ()
        if step not in known:
            return False
        plain = plain[step]
    return True


def _order(problem: Problem) -> tuple[bool, int, int, str]:
    """Return the place of a problem in the order of the file."""
    place = re.search(r":(\d+):(\d+)$", problem.where)
    line, column = (int(place[1]), int(place[2])) if place else (0, 0)
    return problem.where == "command line", line, column, problem.key

"""Read YAML text into a tree of marked nodes, safely.

PyYAML only cuts the text into events here; the nodes are built from them. Its own `compose` was tried: it
drops the place of an alias, so an error cannot name it; it accepts an alias inside its own anchor and rejects
an anchor that is defined again; it recurses without a limit, so 1000 brackets end in a RecursionError; and
its resolvers and constructors follow YAML 1.1 (`010` is eight, `1:30` is ninety) and keep the last of two
equal keys silently. With all that overridden it took as many lines, and 1.6 times as long to read a large
inline data set.

Here nesting is limited while the events come in, values that aliases repeat are counted, and scalars are read
by YAML 1.2 (`scalars`). The pure Python parser is used on purpose: the one in C has other messages and marks,
and is not installed everywhere.
"""

from __future__ import annotations

from typing import Any

import yaml

from cygd.config.yaml.nodes import KeyPath, Mark, Node, show_key
from cygd.config.yaml.scalars import Scalar, read_scalar
from cygd.errors import ConfigError, Problem

__all__ = ["MAX_DEPTH", "MAX_REPEATED", "check_depth", "read_yaml"]

MAX_DEPTH = 64  # an experiment has about six levels
MAX_REPEATED = 100_000  # values that aliases may add
_TEXT_TAGS = (None, "!", "tag:yaml.org,2002:str")


def read_yaml(text: str, mark: Mark, problems: list[Problem]) -> Node | None:
    """Parse one YAML document.

    Parameters
    ----------
    text : str
        The document.
    mark : Mark
        The file. If it has a line, every value is marked with its own line and column; a mark without one
        (the command line) is given to all values.
    problems : list of Problem
        Receives duplicate keys; the rest of the document is read nevertheless.

    Returns
    -------
    Node or None
        None if there is no document in the text.

    Raises
    ------
    ConfigError
        If the text is not valid YAML, or exceeds a limit.
    """
    return _Composer(text, mark, problems).document()


def check_depth(path: KeyPath, mark: Mark) -> None:
    """Raise ConfigError if a value is nested deeper than any experiment needs."""
    if len(path) > MAX_DEPTH:
        raise _error(mark, f"nested more than {MAX_DEPTH} levels deep")


class _Composer:
    """Builds the nodes of one text from its events."""

    def __init__(self, text: str, mark: Mark, problems: list[Problem]) -> None:
        self.source = mark
        self.problems = problems
        self.anchors: dict[str, Node | None] = {}  # None: not yet complete
        self.repeated = 0
        try:
            self.events = yaml.SafeLoader(text)
        except yaml.reader.ReaderError as error:
            raise self._unprintable(error, text) from None

    def document(self) -> Node | None:
        """Return the root of the document."""
        self.next()  # the start of the stream
        if isinstance(self.next(), yaml.StreamEndEvent):
            return None
        root = self.node(self.next(), ())
        self.next()  # the end of the document
        after = self.next()
        if not isinstance(after, yaml.StreamEndEvent):
            raise _error(self.mark(after), "expected one document, got a second one", "remove the line '---'")
        return root

    def next(self) -> Any:
        """Return the next event."""
        try:
            return self.events.get_event()  # type: ignore[no-untyped-call]
        except yaml.MarkedYAMLError as error:
            raise self._syntax_error(error) from None
        except (ValueError, OverflowError):  # an escape like "\UFFFFFFFF" or an absurd %YAML line
            raise _error(self.source, "not valid YAML: an escape or a directive is out of range") from None

    def mark(self, event: Any) -> Mark:
        """Return the place of an event."""
        return self._mark_at(event.start_mark)

    def _mark_at(self, mark: Any) -> Mark:
        if not self.source.line or mark is None:
            return self.source
        return Mark(self.source.source, mark.line + 1, mark.column + 1)

    def node(self, event: Any, path: KeyPath) -> Node:
        """Return the node that an event begins."""
        mark = self.mark(event)
        check_depth(path, mark)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, path, mark)
        if event.anchor:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = Node(self.scalar(event, mark), mark)
        else:
            if event.tag not in (None, "!"):
                raise _error(mark, _forbidden(event.tag))
            node = Node(None, mark)
            build = self.sequence if isinstance(event, yaml.SequenceStartEvent) else self.mapping
            node.value = build(path)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def scalar(self, event: Any, mark: Mark) -> Scalar:
        """Return the value of a scalar; a quoted one is text."""
        if event.tag not in _TEXT_TAGS:
            raise _error(mark, _forbidden(event.tag))
        if not event.implicit[0] or event.tag is not None:
            return str(event.value)
        try:
            return read_scalar(event.value)
        except ValueError as error:
            raise _error(mark, str(error)) from None

    def sequence(self, path: KeyPath) -> list[Node]:
        """Return the items of a list."""
        items: list[Node] = []
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            items.append(self.node(event, (*path, len(items))))
        return items

    def mapping(self, path: KeyPath) -> dict[str, Node]:
        """Return the values of a mapping; keys are text, `<<` merges other mappings in."""
        values: dict[str, Node] = {}
        merged: list[Node] = []
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                hint = "quote it, or is there one '{' or '[' too many?"
                raise _error(self.mark(event), "a key must be text", hint)
            key, mark = str(event.value), self.mark(event)
            value = self.node(self.next(), (*path, key))
            value.key_mark = mark
            if key == "<<" and event.implicit[0]:
                merged.append(value)
            elif key in values:
                self._duplicate(values[key], mark, (*path, key))
            else:
                values[key] = value
        for value in merged:
            self.merge(values, value, path)
        return values

    def merge(self, values: dict[str, Node], other: Node, path: KeyPath) -> None:
        """Add the keys of `<<: *other` that the mapping itself does not have."""
        for source in other.value if isinstance(other.value, list) else [other]:
            if not isinstance(source.value, dict):
                raise _error(other.mark, "'<<' merges mappings only")
            for key, value in source.value.items():
                values.setdefault(key, value)

    def alias(self, event: Any, path: KeyPath, mark: Mark) -> Node:
        """Return a copy of the value that an alias names."""
        if event.anchor not in self.anchors:
            raise _error(
                mark, f"unknown alias '*{event.anchor}'", f"as a text, write '*{event.anchor}' in quotes"
            )
        original = self.anchors[event.anchor]
        if original is None:
            raise _error(mark, f"the alias '*{event.anchor}' contains itself")
        return self.copy(original, path, mark)

    def copy(self, node: Node, path: KeyPath, alias: Mark) -> Node:
        """Copy a tree, within the limits on depth and size."""
        check_depth(path, alias)
        self.repeated += 1
        if self.repeated > MAX_REPEATED:
            raise _error(alias, f"aliases repeat more than {MAX_REPEATED} values")
        value = node.value
        if isinstance(value, dict):
            value = {key: self.copy(child, (*path, key), alias) for key, child in value.items()}
        elif isinstance(value, list):
            value = [self.copy(child, (*path, index), alias) for index, child in enumerate(value)]
        return Node(value, node.mark, node.key_mark)

    def _duplicate(self, first: Node, mark: Mark, path: KeyPath) -> None:
        where = (
            f"the first one is on line {first.key_mark.line}"
            if first.key_mark and first.key_mark.line
            else None
        )
        self.problems.append(Problem(str(mark), show_key(path), f"duplicate key {path[-1]!r}", where))

    def _unprintable(self, error: yaml.reader.ReaderError, text: str) -> ConfigError:
        before = text[: error.position]
        line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
        place = self.source
        if place.line:
            place = Mark(place.source, line + 1, column + 1)
        code = ord(text[error.position])
        return _error(
            place, f"the character U+{code:04X} is not allowed in YAML", f'in a text, write "\\u{code:04X}"'
        )

    def _syntax_error(self, error: yaml.MarkedYAMLError) -> ConfigError:
        message, hint = _explain(error.problem or error.context or "syntax error")
        context = error.context_mark
        if self.source.line and context and error.problem_mark and context.line != error.problem_mark.line:
            message += f" (in the {_kind(error.context)} that begins on line {context.line + 1})"
        return _error(self._mark_at(error.problem_mark or context), f"not valid YAML: {message}", hint)


def _explain(problem: str) -> tuple[str, str | None]:
    """Return a message and a hint for a problem of PyYAML's."""
    message, hint = problem, None
    if r"'\t'" in problem:
        message, hint = "expected spaces, got a tab", "indent with spaces"
    elif problem.startswith("found character"):
        character = problem.removeprefix("found character ").removesuffix(" that cannot start any token")
        message, hint = f"{character} cannot begin a value", "put the text in quotes"
    elif problem == "mapping values are not allowed here":
        message = "a ':' is not allowed here"
        hint = "quote a text that contains ': ', and indent the keys of one mapping alike"
    elif problem == "found unexpected end of stream":
        message = "a quote is not closed"
    elif "'<stream end>'" in problem:
        message, hint = "the text ends too early", "is a bracket or a quote not closed?"
    elif problem.startswith("expected <block end>"):
        message, hint = (
            "the indentation does not match the lines above",
            "indent the keys of one mapping alike",
        )
    elif problem == "could not find expected ':'":
        message = "a ':' is missing"
    elif problem.startswith("expected '<document start>'"):
        message = "the document has ended above"
    return message, hint


def _kind(context: str | None) -> str:
    """Return what PyYAML was reading."""
    kinds = {"sequence": "list", "collection": "list", "mapping": "mapping", "key": "key"}
    return next((kind for word, kind in kinds.items() if word in (context or "")), "text")


def _forbidden(tag: str) -> str:
    return f"the tag {tag.replace('tag:yaml.org,2002:', '!!', 1)!r} is not allowed: values have no tags"


def _error(mark: Mark, message: str, hint: str | None = None) -> ConfigError:
    return ConfigError([Problem(str(mark), "", message, hint)])

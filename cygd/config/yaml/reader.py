"""Read YAML text into a tree of marked nodes, safely.

PyYAML only cuts the text into events here. Its own `compose` was tried: it drops the place of an alias,
accepts an alias inside its own anchor, rejects an anchor that is defined again, recurses without a limit,
follows YAML 1.1 (`010` is eight, `1:30` is ninety) and keeps the last of two equal keys silently. With all
that overridden it took as many lines, and 1.6 times as long to read a large inline data set.

The pure Python parser is used on purpose: the one in C has other messages and marks, and is not installed
everywhere.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from cygd.config.yaml.nodes import KeyPath, Mark, Node, show_key
from cygd.config.yaml.scalars import Scalar, read_scalar
from cygd.errors import ConfigError, Problem

MAX_DEPTH = 64  # an experiment has about six levels
MAX_VALUES = 500_000  # PyYAML takes about 15 us for each
MAX_REPEATED = 100_000  # values that aliases may add, and characters of their texts, in units of 64
MAX_PROBLEMS = 100  # duplicate keys, after which reading stops
MAX_LINE = 1000  # characters of a line that are looked at for a hint
DATA_FILE_HINT = "put the data in a file of its own, such as CSV or .npz"
_TEXT_TAG = "tag:yaml.org,2002:str"
_ALIKE = "indent the keys of one mapping alike"
_QUOTE = "put the text in quotes"
# where a value begins: after a key or a dash
_VALUE = re.compile(r"""(?:^|[\s{,\[])(?:[^\s:{},\[\]'"]+:|-)[ ]+(?=\S)""")
_TEXT = re.compile(r"""(?:\[[^\]\s]*\]|\{[^}\s]*\}|'[^']*'|"[^"]*"|[^\s,\]}])+|[\]},]\S*""")
_WHOLE = re.compile(r"""\[[^\]]*\]|\{[^}]*\}|'[^']*'|"[^"]*\"""")
_INDICATORS = "*&!%@`|>?-]},"  # of YAML, with which an unquoted text cannot begin
_PROBLEMS = (  # a problem of PyYAML's, what to say instead, a hint
    (r".*'\\t'", "expected spaces, got a tab", "indent with spaces"),
    (
        r"(?:found character|expected the node content, but found) ('[^<]+')",
        r"\1 cannot begin a value",
        _QUOTE,
    ),
    (r"expected alphabetic or numeric", "'*' begins an alias and '&' an anchor, which need a name", _QUOTE),
    (r"expected (chomping|a comment or a line)", "'|' and '>' begin a text of several lines", _QUOTE),
    (r"(sequence entries|mapping keys) are not", "'-' and '?' cannot begin a value", _QUOTE),
    (r"mapping values are", "a ':' is not allowed here", f"quote a text that contains ': ', and {_ALIKE}"),
    (r"found unexpected end of stream", "a quote is not closed", None),
    (r".*'<stream end>'", "the text ends too early", "is a bracket or a quote not closed?"),
    (r"expected <block end>", "the indentation does not match the lines above", _ALIKE),
    (r"could not find expected ':'", "a ':' is missing", None),
    (r"(expected ',' or '.'), but got '<scalar>'", r"\1, but got more text", None),
    (r"(expected ',' or '.', but got '.')", r"\1", "is a bracket or a quote not closed?"),
    (r"expected '<document start>'", "the document has ended above", None),
)


def read_yaml(text: str, mark: Mark, problems: list[Problem], max_values: int = MAX_VALUES) -> Node | None:
    """Parse one YAML document; return None if the text has none.

    If the mark has a line, every value is marked with its own line and column; a mark without one (the
    command line) is given to all values. Duplicate keys are added to `problems`, and reading continues.
    """
    return _Composer(text, mark, problems, max_values).document()


def check_depth(path: KeyPath, mark: Mark) -> None:
    """Raise ConfigError if a value is nested deeper than any experiment needs."""
    if len(path) > MAX_DEPTH:
        raise mark.error(f"nested more than {MAX_DEPTH} levels deep")


class _Composer:
    """Builds the nodes of one text from its events."""

    def __init__(self, text: str, mark: Mark, problems: list[Problem], max_values: int) -> None:
        self.source = mark
        self.text = text
        self.problems = problems
        self.anchors: dict[str, Node | None] = {}  # None: not yet complete
        self.repeated = 0
        self.values, self.max_values = 0, max_values
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
            mark = self.mark(after.start_mark)
            raise mark.error("expected one document, got a second one", "remove the line '---'")
        return root

    def next(self) -> Any:
        """Return the next event."""
        try:
            return self.events.get_event()  # type: ignore[no-untyped-call]
        except yaml.MarkedYAMLError as error:
            raise self._syntax_error(error) from None
        except (ValueError, OverflowError):  # an escape like "\UFFFFFFFF" or an absurd %YAML line
            raise self.source.error("not valid YAML: an escape or a directive is out of range") from None

    def mark(self, mark: Any) -> Mark:
        """Return a place of PyYAML's."""
        if not self.source.line or mark is None:
            return self.source
        return Mark(self.source.source, mark.line + 1, mark.column + 1)

    def node(self, event: Any, path: KeyPath) -> Node:
        """Return the node that an event begins."""
        mark = self.mark(event.start_mark)
        check_depth(path, mark)
        self.values += 1
        if self.values > self.max_values:
            raise mark.error(f"expected at most {self.max_values} values, got more", DATA_FILE_HINT)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, path, mark)
        is_scalar = isinstance(event, yaml.ScalarEvent)
        if event.tag not in (None, "!") and not (is_scalar and event.tag == _TEXT_TAG):
            tag = event.tag.replace("tag:yaml.org,2002:", "!!", 1)
            hint = self._quote_hint(event.start_mark)
            raise mark.error(f"the tag {tag!r} is not allowed: values have no tags", hint)
        if event.anchor:
            if is_scalar and not event.value and event.implicit[0]:
                hint = self._quote_hint(event.start_mark)
                raise mark.error(f"the anchor '&{event.anchor}' has no value", hint)
            self.anchors[event.anchor] = None
        if is_scalar:
            node = Node(self.scalar(event, mark), mark)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Node(self.sequence(path), mark)
        else:
            node = Node(self.mapping(path), mark)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def scalar(self, event: Any, mark: Mark) -> Scalar:
        """Return the value of a scalar; a quoted one is text."""
        if not event.implicit[0] or event.tag is not None:
            return str(event.value)
        try:
            return read_scalar(event.value)
        except ValueError as error:
            raise mark.error(str(error)) from None

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
            mark = self.mark(event.start_mark)
            if not isinstance(event, yaml.ScalarEvent):
                raise mark.error("a key must be text", "quote it, or is there one '{' or '[' too many?")
            key = str(event.value)
            value = self.node(self.next(), (*path, key))
            value.key_mark = mark
            if key == "<<" and event.implicit[0]:
                merged.append(value)
            elif key in values:
                if len(self.problems) > MAX_PROBLEMS:
                    raise ConfigError(self.problems)
                first = values[key].key_mark
                hint = f"the first one is on line {first.line}" if first and first.line else None
                self.problems.append(
                    Problem(str(mark), show_key((*path, key)), f"duplicate key {key!r}", hint)
                )
            else:
                values[key] = value
        for value in merged:
            for source in value.value if isinstance(value.value, list) else [value]:
                if not isinstance(source.value, dict):
                    raise value.mark.error("'<<' merges mappings only")
                values |= {key: child for key, child in source.value.items() if key not in values}
        return values

    def alias(self, event: Any, path: KeyPath, mark: Mark) -> Node:
        """Return a copy of the value that an alias names."""
        if event.anchor not in self.anchors:
            hint = f"as a text, write '*{event.anchor}' in quotes"
            raise mark.error(f"unknown alias '*{event.anchor}'", hint)
        original = self.anchors[event.anchor]
        if original is None:
            raise mark.error(f"the alias '*{event.anchor}' contains itself")
        return self.copy(original, path, mark)

    def copy(self, node: Node, path: KeyPath, alias: Mark) -> Node:
        """Copy a tree, within the limits on depth and size."""
        check_depth(path, alias)
        value = node.value
        self.repeated += 1 + (len(value) // 64 if isinstance(value, str) else 0)
        if self.repeated > MAX_REPEATED:
            raise alias.error(f"aliases repeat more than {MAX_REPEATED} values, or as many long texts")
        if isinstance(value, dict):
            value = {key: self.copy(child, (*path, key), alias) for key, child in value.items()}
        elif isinstance(value, list):
            value = [self.copy(child, (*path, index), alias) for index, child in enumerate(value)]
        return Node(value, node.mark, node.key_mark)

    def _unprintable(self, error: yaml.reader.ReaderError, text: str) -> ConfigError:
        before = text[: error.position]
        line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
        place = Mark(self.source.source, line + 1, column + 1) if self.source.line else self.source
        code = f"{ord(text[error.position]):04X}"
        return place.error(f"the character U+{code} is not allowed in YAML", f'in a text, write "\\u{code}"')

    def _quote_hint(self, mark: Any) -> str | None:
        """Return a hint to quote the value at a place, if it is a text that YAML takes for more."""
        start = self.text.rfind("\n", 0, mark.index) + 1
        line = self.text[start : start + MAX_LINE].partition("\n")[0]
        starts = [match.end() for match in _VALUE.finditer(line) if match.end() <= mark.column]
        if not starts and self.source.line:  # a value of the command line has no key
            return None
        text = _TEXT.match(line, starts[-1] if starts else 0)
        if not text or _WHOLE.fullmatch(text[0]) or not (text[0][0] in _INDICATORS or _WHOLE.search(text[0])):
            return None
        return _QUOTE if "'" in text[0] or '"' in text[0] else f"{_QUOTE}: '{text[0]}'"

    def _syntax_error(self, error: yaml.MarkedYAMLError) -> ConfigError:
        message, hint = _explain(error.problem or error.context or "syntax error")
        context, place = error.context_mark, error.problem_mark or error.context_mark
        if place is not None and "tab" not in message:
            hint = self._quote_hint(place) or hint
        if self.source.line and context and error.problem_mark and context.line != error.problem_mark.line:
            message += f" (in the {_kind(error.context)} that begins on line {context.line + 1})"
        return self.mark(place).error(f"not valid YAML: {message}", hint)


def _explain(problem: str) -> tuple[str, str | None]:
    """Return a message and a hint for a problem of PyYAML's."""
    for pattern, message, hint in _PROBLEMS:
        if match := re.match(pattern, problem):
            return match.expand(message), hint
    return problem, None


def _kind(context: str | None) -> str:
    """Return what PyYAML was reading."""
    kinds = {"sequence": "list", "collection": "list", "mapping": "mapping", "key": "key"}
    return next((kind for word, kind in kinds.items() if word in (context or "")), "text")

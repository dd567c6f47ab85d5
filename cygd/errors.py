"""The exceptions of cygd and their messages: what is wrong, where, and often a hint.

Every error that the user can fix derives from `CygdError`; the command line prints it without a traceback and
exits with its `exit_code`.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

# What a terminal would execute, reorder or hide: controls, bidirectional controls, line separators, lone
# surrogates, and the invisible characters of Unicode (Default_Ignorable_Code_Point, without those that choose
# the form of an emoji). Joiners are letters of some scripts and parts of emoji, but hidden in Latin text.
_HIDDEN = (
    r"[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    r"\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    r"|(?<![\u0590-\u1fff\u2190-\ud7ff\uf900-\ufdff\ufe00-\ufe0f\U00010000-\U000dffff])[\u200c\u200d]"
)


_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a formula of a spreadsheet begins


class CygdError(Exception):
    """The base class of all errors of cygd.

    Parameters
    ----------
    message : str
        What is wrong, and where.
    hint : str, optional
        What to do about it, printed on a separate line.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(
    cls: type[BaseException], arguments: tuple[Any, ...], attributes: dict[str, Any]
) -> BaseException:
    """Return a pickled exception; its `args` are not those of its constructor, which pickle would call."""
    error = cls.__new__(cls)
    error.args = arguments
    error.__dict__.update(attributes)
    return error


class Problem(NamedTuple):
    """One error in an experiment: `where key: message`, and a hint.

    `where` is `file:line:column` or `command line`; `key` is the dotted path of the value.
    """

    where: str
    key: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        line = ": ".join(part for part in (f"{self.where} {self.key}".strip(), self.message) if part)
        return f"{line}\n  hint: {self.hint}" if self.hint else line


class ConfigError(CygdError, ValueError):
    """An invalid experiment; `problems` lists all of its errors."""

    def __init__(self, problems: Sequence[Problem] | str, *, hint: str | None = None) -> None:
        if isinstance(problems, str):
            problems = [Problem("", "", problems, hint)]
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DataError(CygdError, ValueError):
    """Data that cannot be read or do not match the experiment; the message names file, row and column.

    Attributes
    ----------
    where : str
        Where the experiment names the unreadable file, `file:line:column key`, or "".
    """

    where = ""


class FormulaError(CygdError, ValueError):
    """An invalid formula."""


class PluginError(CygdError):
    """A plugin that failed to load or to run; the message names it, its origin, the hook and the cause."""


class CheckpointError(CygdError):
    """A saved network or run that cannot be loaded."""


class ExportError(CygdError, ValueError):
    """A model that cannot be exported."""


class RunError(CygdError):
    """A run that failed; `result` is its partial result, `__cause__` the error."""

    exit_code = 1

    def __init__(self, message: str, result: Any = None, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.result = result


class RunInterrupted(KeyboardInterrupt):
    """A KeyboardInterrupt during a run.

    Parameters
    ----------
    directory : Path
        The folder of the run or sweep.
    resume : str
        The command that resumes it.
    """

    def __init__(self, directory: Path, resume: str = "cygd run --resume") -> None:
        super().__init__()
        self.directory = directory
        self.resume = resume

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def did_you_mean(word: str, known: Sequence[str]) -> str | None:
    """Return a hint with the closest known name, or None if none is close.

    A name that differs only in case is the closest.

    Examples
    --------
    >>> did_you_mean("rleu", ["relu", "tanh"])
    "did you mean 'relu'?"
    >>> did_you_mean("H", ["h", "beta"])
    "did you mean 'h'?"
    """
    from difflib import get_close_matches  # imported here because only errors need it

    close = [name for name in known if name.lower() == word.lower() != ""]
    close = close or get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else None


def describe_exception(error: BaseException, file: str | None = None) -> str:
    """Return the type and the message of an exception, and the line of the plugin; without its hint.

    Parameters
    ----------
    error : BaseException
        The exception.
    file : str, optional
        The file of the plugin; the message names its last line in the traceback.

    Examples
    --------
    >>> describe_exception(ValueError("too short"))
    'ValueError: too short'
    >>> describe_exception(SystemExit())
    'SystemExit'
    """
    message = str(getattr(error, "message", error) if hasattr(error, "hint") else error)
    # further lines are a formula with carets
    first, *rest = (f"{type(error).__name__}: {message}" if message else type(error).__name__).split("\n")
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    if file and lines:
        first += f" ({Path(file).name}, line {lines[-1]})"
    return "\n".join([first, *rest])


def hint_of(error: BaseException) -> str | None:
    """Return the hint of an error, or None."""
    hint = getattr(error, "hint", None)
    return hint if isinstance(hint, str) else None


def source_file(function: object) -> str | None:
    """Return the file that defines a Python function, or None."""
    code = getattr(function, "__code__", None)
    return None if code is None else str(code.co_filename)


def format_count(count: int, noun: str) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> format_count(1, "row"), format_count(3, "row")
    ('1 row', '3 rows')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def abbreviate(text: str, length: int = 60) -> str:
    """Return a text with an ellipsis in place of what exceeds `length` characters.

    Examples
    --------
    >>> abbreviate("a long text", 9)
    'a long...'
    """
    return text if len(text) <= length else f"{text[: length - 3]}..."


def escape_controls(text: str, *, one_line: bool = False) -> str:
    r"""Return a text that a terminal and an editor show as it is; hidden characters become escapes.

    Newlines and tabs stay, unless the text is a part of one line, such as the name of a column.

    Examples
    --------
    >>> print(escape_controls("a\x1b[2Jb\u202e"))
    a\x1b[2Jb\u202e
    >>> print(escape_controls("a\nb", one_line=True))
    a\nb
    """
    keep = "" if one_line else "\n\t"
    if text.isascii() and (text if one_line else text.replace("\n", "").replace("\t", "")).isprintable():
        return text
    return _hidden_pattern().sub(
        lambda found: found[0] if found[0] in keep else found[0].encode("unicode_escape").decode(), text
    )


@cache
def _hidden_pattern() -> re.Pattern[str]:
    return re.compile(_HIDDEN)  # slow, and a text of ASCII does not need it


def escape_formula(text: str) -> str:
    """Return a text for a cell of a CSV file, with an apostrophe if a spreadsheet would run it as a formula.

    Examples
    --------
    >>> escape_formula("=1+1"), escape_formula("a=1")
    ("'=1+1", 'a=1')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text

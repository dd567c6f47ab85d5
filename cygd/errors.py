"""What can go wrong, as a user meets it: one clear message, the place, and often a hint.

Every error that is the user's to mend derives from `CygdError`; the command line prints it without
a traceback and exits with its `exit_code`.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

__all__ = [
    "CheckpointError",
    "ConfigError",
    "CygdError",
    "DataError",
    "FormulaError",
    "PluginError",
    "Problem",
    "RunError",
    "RunInterrupted",
    "describe_exception",
    "did_you_mean",
    "format_count",
    "hint_of",
    "source_file",
]


class CygdError(Exception):
    """The base of all errors of cygd.

    Parameters
    ----------
    message : str
        What is wrong, and where.
    hint : str, optional
        What to do about it; printed on a line of its own.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an experiment: `where key: message`, and a hint.

    `where` is `file:line:column`, or `command line`; `key` the dotted path of the value.
    """

    where: str
    key: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        text = ": ".join(part for part in (f"{self.where} {self.key}".strip(), self.message) if part)
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class ConfigError(CygdError, ValueError):
    """An experiment that cannot be run; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem] | str, *, hint: str | None = None) -> None:
        if isinstance(problems, str):
            problems = [Problem("", "", problems, hint)]
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DataError(CygdError, ValueError):
    """Data that cannot be read or does not fit, naming file, row and column.

    Attributes
    ----------
    where : str
        Where an experiment names the file that cannot be read, `file:line:column key`; "" if nowhere.
    """

    where = ""


class FormulaError(CygdError, ValueError):
    """A formula that cannot be understood."""


class PluginError(CygdError):
    """A plugin that cannot be loaded or that failed, naming it, its origin, the hook and the cause."""


class CheckpointError(CygdError):
    """A stored network or run that cannot be read back."""


class RunError(CygdError):
    """A run that failed; `result` is what it left behind, and `__cause__` what happened."""

    exit_code = 1

    def __init__(self, message: str, result: Any = None, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.result = result


class RunInterrupted(KeyboardInterrupt):
    """A KeyboardInterrupt that reached a run.

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


def did_you_mean(word: str, known: Sequence[str]) -> str | None:
    """Return a hint with the known name nearest to a word, or None when none is near.

    One that differs in capital letters alone is nearest.

    Examples
    --------
    >>> did_you_mean("rleu", ["relu", "tanh"])
    "did you mean 'relu'?"
    >>> did_you_mean("H", ["h", "beta"])
    "did you mean 'h'?"
    """
    near = [name for name in known if name.lower() == word.lower() != ""]
    near = near or get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else None


def describe_exception(error: BaseException, file: str | None = None) -> str:
    """Say what was raised, and in which line of the plugin; its hint, if it has one, is left to the caller.

    Parameters
    ----------
    error : BaseException
        What was raised.
    file : str, optional
        The file of the plugin; its last line on the way to the error is named.

    Examples
    --------
    >>> describe_exception(ValueError("too short"))
    'ValueError: too short'
    >>> describe_exception(SystemExit())
    'SystemExit'
    """
    said = str(getattr(error, "message", error) if hasattr(error, "hint") else error)
    # of a formula, a picture with carets follows
    text, *picture = (f"{type(error).__name__}: {said}" if said else type(error).__name__).split("\n")
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    if file and lines:
        text += f" ({Path(file).name}, line {lines[-1]})"
    return "\n".join([text, *picture])


def hint_of(error: BaseException) -> str | None:
    """Return the hint of an error that has one."""
    hint = getattr(error, "hint", None)
    return hint if isinstance(hint, str) else None


def source_file(function: object) -> str | None:
    """Return the file in which a function is written, if it is written in Python."""
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

"""Detect a script that would start its sweep again in each of its workers.

A spawned process imports the script of its parent, so the script has to start processes below
`if __name__ == "__main__":` only. What is missing there is reported once, before a worker starts; a worker
whose script cannot be judged by its text ends as soon as the script reaches the sweep.
"""

from __future__ import annotations

import ast
import multiprocessing
import os
import sys
from pathlib import Path

from cygd.errors import CygdError

WORKER_NAME = "cygd-sweep-worker"
EXIT_CODE = 86  # of a worker whose script starts a sweep
CONDITIONS = {"__name__", "current_process"}  # names in the condition of a guard


def check_main_guard() -> None:
    """Raise a CygdError if the workers of a sweep started here would start it again."""
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):  # this process is importing the script of its parent
        if process.name == WORKER_NAME:
            os._exit(EXIT_CODE)
        raise missing_guard()
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is None:  # a notebook, or `python -c`: the workers import nothing
        return
    if main.__spec__ is None and not Path(file).is_file():
        raise CygdError(
            f"the workers of a sweep import the running script, and {file!r} is not a file",
            hint="save the script in a file",
        )
    line = _unguarded_line(file)
    if line:
        raise missing_guard(line)


def missing_guard(line: int = 0) -> CygdError:
    """Return the error for a script without the guard; `line` is the one that starts the sweep."""
    script = str(getattr(sys.modules["__main__"], "__file__", "the script"))
    where = f"{script}:{line}" if line else script
    return CygdError(
        f"{where}: the workers of a sweep import this script, which would start the sweep again",
        hint='put what the script does below `if __name__ == "__main__":`',
    )


def _unguarded_line(file: str) -> int:
    """Return the line of the running script that has led here if no condition guards it, else 0."""
    frame = sys._getframe()
    while frame.f_back is not None and (frame.f_code.co_filename, frame.f_code.co_name) != (file, "<module>"):
        frame = frame.f_back
    if frame.f_code.co_filename != file:  # another thread than the one of the script
        return 0
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return 0
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and _is_guard(node.test)]
    return 0 if any(node.lineno <= frame.f_lineno for node in guards) else frame.f_lineno


def _is_guard(condition: ast.expr) -> bool:
    names = {getattr(node, "id", getattr(node, "attr", None)) for node in ast.walk(condition)}
    return not names.isdisjoint(CONDITIONS)

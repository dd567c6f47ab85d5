"""Loggers: what a run tells people and files, by the same hooks that every plugin has.

`LOGGERS` is the table of the built-in ones; a logger of one's own is a `Logger` with a factory.
"""

from __future__ import annotations

from cygd.components.loggers import Logger
from cygd.tracking.loggers.console import Console
from cygd.tracking.loggers.csv import Csv
from cygd.tracking.loggers.jsonl import Jsonl
from cygd.tracking.loggers.weight_hashes import Hashes, read_hashes

__all__ = ["LOGGERS", "Console", "Csv", "Hashes", "Jsonl", "read_hashes"]


LOGGERS: tuple[Logger, ...] = (
    Logger("console", Console, summary="a progress bar on a terminal, plain lines elsewhere"),
    Logger("csv", Csv, summary="metrics.csv, which every run writes"),
    Logger("jsonl", Jsonl, summary="metrics.jsonl, one object for each epoch"),
)

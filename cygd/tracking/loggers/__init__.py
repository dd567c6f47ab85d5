"""Loggers: what a run tells people and files, by the same hooks that every plugin has.

`LOGGERS` is the table of the built-in ones; a logger of one's own is a `Logger` with a factory.
"""

from __future__ import annotations

from cygd.components.loggers import Logger
from cygd.tracking.loggers.console import ConsoleLogger
from cygd.tracking.loggers.csv import CsvLogger
from cygd.tracking.loggers.jsonl import JsonlLogger
from cygd.tracking.loggers.weight_hashes import WeightHashLogger, read_weight_hashes

__all__ = ["LOGGERS", "ConsoleLogger", "CsvLogger", "JsonlLogger", "WeightHashLogger", "read_weight_hashes"]


LOGGERS: tuple[Logger, ...] = (
    Logger("console", ConsoleLogger, summary="a progress bar on a terminal, plain lines elsewhere"),
    Logger("csv", CsvLogger, summary="metrics.csv, which every run writes"),
    Logger("jsonl", JsonlLogger, summary="metrics.jsonl, one object for each epoch"),
)

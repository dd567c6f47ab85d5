"""Loggers: they write what a run reports to the terminal and to files, through the hooks that plugins use.

`LOGGERS` is the table of built-in loggers; a plugin adds a `Logger` with a factory.
"""

from __future__ import annotations

from cygd.components.loggers import Logger
from cygd.tracking.loggers.console import ConsoleLogger
from cygd.tracking.loggers.csv import CsvLogger
from cygd.tracking.loggers.jsonl import JsonlLogger
from cygd.tracking.loggers.mlflow import MlflowLogger
from cygd.tracking.loggers.sqlite import SqliteLogger
from cygd.tracking.loggers.tensorboard import TensorboardLogger
from cygd.tracking.loggers.wandb import WandbLogger
from cygd.tracking.loggers.weight_hashes import WeightHashLogger, read_weight_hashes

__all__ = [
    "LOGGERS",
    "ConsoleLogger",
    "CsvLogger",
    "JsonlLogger",
    "MlflowLogger",
    "SqliteLogger",
    "TensorboardLogger",
    "WandbLogger",
    "WeightHashLogger",
    "read_weight_hashes",
]


LOGGERS: tuple[Logger, ...] = (
    Logger("console", ConsoleLogger, summary="a progress bar on a terminal, plain lines elsewhere"),
    Logger("csv", CsvLogger, summary="metrics.csv, which every run writes"),
    Logger("jsonl", JsonlLogger, summary="metrics.jsonl, one object for each epoch"),
    Logger("sqlite", SqliteLogger, summary="an SQLite database that many runs share"),
    Logger("tensorboard", TensorboardLogger, summary="event files for TensorBoard (extra: tensorboard)"),
    Logger("mlflow", MlflowLogger, summary="a store or server of MLflow (extra: mlflow)"),
    Logger("wandb", WandbLogger, summary="Weights & Biases (extra: wandb)"),
)

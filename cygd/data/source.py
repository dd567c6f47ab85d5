"""Data sources: where samples come from. Every built-in source is a row of `DATA_SOURCES`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from cygd.components import Component
from cygd.components.base import declared_by
from cygd.components.registry import Kind
from cygd.data.dataset import Dataset
from cygd.data.memory import MEMORY_HINT
from cygd.data.sources.arrays import load_inline, load_npy, load_npz
from cygd.data.sources.csv import load_csv
from cygd.data.sources.frame import load_frame
from cygd.data.sources.parquet import load_parquet
from cygd.data.sources.paths import display_path, format_files, glob_files
from cygd.data.sources.pipes import STDIN, is_pipe
from cygd.data.sources.sklearn_datasets import SKLEARN_DATASETS, load_sklearn
from cygd.data.sources.svmlight import load_svmlight
from cygd.data.sources.synthetic import SYNTHETIC_KINDS, load_synthetic
from cygd.data.sources.table_blocks import TableBlocks
from cygd.data.table import Table
from cygd.errors import CygdError, DataError, PluginError, describe_exception

WORD_OPTIONS = ("missing_values", "units")  # lists of words, which are never files


@dataclass(frozen=True, eq=False, repr=False)
class DataSource(Component):
    """A function that loads the samples of an experiment.

    Parameters
    ----------
    name : str
        The value of `source:` in an experiment.
    load : callable
        load(folder, **options) -> `cygd.Dataset`; relative paths start from `folder` (a Path). Its keyword
        parameters with their defaults are the options; an integer option is annotated int.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cygd.data import Dataset
    >>> def line(folder, rows: int = 3):
    ...     return Dataset(range(rows), range(rows))
    >>> DataSource("line", line).configured({"rows": 5}).read(Path()).x.shape
    (5, 1)
    """

    kind: ClassVar[str] = "data_source"
    _reserved: ClassVar[
        tuple[str, ...]
    ] = ()  # `name` may be an option: experiments give the name as `source`

    load: Callable[..., Any]
    parameters: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._declare(declared_by(self, "load", self.load, ("folder",)))

    def read(self, folder: Path) -> Dataset | Table:
        """Load the samples.

        Raises
        ------
        DataError
            If the data cannot be read.
        PluginError
            If the source itself fails, or returns something else.
        """
        try:
            data = self.load(folder, **self.parameters)
        except CygdError:
            raise
        except MemoryError:
            files = [display_path(file) for file in self.files(folder)]
            where = format_files(files) if files else f"{self.name} data"
            raise DataError(f"{where}: the data do not fit into memory", hint=MEMORY_HINT) from None
        except Exception as error:
            raise PluginError(f"{self}: load failed: {describe_exception(error)}") from error
        if not isinstance(data, Dataset | Table):
            hint = "is a `return` missing?" if data is None else None
            kind = "None" if data is None else type(data).__name__
            raise PluginError(f"{self}: expected a cygd.Dataset from load, got {kind}", hint=hint)
        return data

    def read_blocks(self, folder: Path) -> TableBlocks | None:
        """Return the rows of the files in blocks, or None if the source can only read them at once."""
        readers = BLOCK_READERS.get(self.name) if self.tier == "built-in" else None
        return None if readers is None else readers()(folder, **self.parameters)

    def files(self, folder: Path) -> list[Path]:
        """Return the files that the options name."""
        files = []
        for option, value in self.parameters.items():
            if option in WORD_OPTIONS:
                continue
            for name in value if isinstance(value, list | tuple) else [value]:
                if isinstance(name, str) and name and "\0" not in name:
                    path = STDIN if name == "-" else folder / name
                    # isfile: False for a name that is too long
                    is_source = os.path.isfile(path) or (  # noqa: PTH113
                        self.tier == "built-in" and is_pipe(path)
                    )
                    files += [path] if is_source else glob_files(folder, name)
        return files


DATA_SOURCES: tuple[DataSource, ...] = (
    DataSource("inline", load_inline, summary="x and y in the experiment itself"),
    DataSource(
        "csv",
        load_csv,
        summary="columns of a text file, plain or .gz",
        bounds={
            "decimal": ". | ,",
            "skip_rows": "[0, 4294967295]",
            "skip_footer": "[0, 4294967295]",
        },
    ),
    DataSource("parquet", load_parquet, summary="columns of a Parquet file (extra: parquet)"),
    DataSource(
        "svmlight",
        load_svmlight,
        summary="a label and the nonzero features, in the LIBSVM format",
        bounds={"features": "[0, 4294967295]", "first_index": "[0, 1]"},
    ),
    DataSource("npy", load_npy, summary="x and y from two .npy files, memory-mapped"),
    DataSource("npz", load_npz, summary="the arrays x and y of an .npz file"),
    DataSource(
        "sklearn",
        load_sklearn,
        summary="a data set bundled with scikit-learn (extra: sklearn)",
        bounds={"name": " | ".join(SKLEARN_DATASETS)},
    ),
    DataSource(
        "synthetic",
        load_synthetic,
        summary="a problem drawn from a seed",
        bounds={
            "kind": " | ".join(SYNTHETIC_KINDS),
            "samples": "[1, 4294967295]",
            "noise": "[0, inf)",
            "seed": "[0, 9223372036854775807]",
            "inputs": "[1, inf)",
        },
    ),
)


def _csv_blocks() -> Callable[..., TableBlocks]:
    from cygd.data.sources.csv_blocks import csv_blocks

    return csv_blocks


def _parquet_blocks() -> Callable[..., TableBlocks]:
    from cygd.data.sources.parquet_blocks import parquet_blocks

    return parquet_blocks


# imported on first use: a run reads its data at once
BLOCK_READERS = {"csv": _csv_blocks, "parquet": _parquet_blocks}

# of files that are not text files of columns
SUFFIXES = {
    ".npy": "npy",
    ".npz": "npz",
    ".parquet": "parquet",
    ".svm": "svmlight",
    ".svmlight": "svmlight",
    ".libsvm": "svmlight",
}

# not a choice of an experiment in YAML
FRAME = DataSource("frame", load_frame, summary="a data frame that a program passes to cygd.run")

KIND = Kind("data_source", DataSource, "cygd_data_sources", (*DATA_SOURCES, FRAME))


def source_of_file(path: Path) -> str:
    """Return the name of the source that reads a file, by its suffix before .gz.

    Examples
    --------
    >>> source_of_file(Path("a.svm.gz")), source_of_file(Path("a.tsv"))
    ('svmlight', 'csv')
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    return SUFFIXES.get(suffixes[-1] if suffixes else "", "csv")

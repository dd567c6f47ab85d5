"""Data sources: where samples come from. A built-in one is a row of `DATA_SOURCES`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from cygd.components import Component
from cygd.components.base import declared_by
from cygd.components.registry import Kind
from cygd.data.dataset import Dataset
from cygd.data.sources.arrays import load_inline, load_npy, load_npz
from cygd.data.sources.csv import load_csv
from cygd.data.sources.parquet import load_parquet
from cygd.data.sources.paths import matching
from cygd.data.sources.sklearn_datasets import BUNDLED, load_sklearn
from cygd.data.sources.svmlight import load_svmlight
from cygd.data.sources.synthetic import KINDS, load_synthetic
from cygd.data.table import Table
from cygd.errors import CygdError, PluginError

__all__ = ["DATA_SOURCES", "KIND", "DataSource", "fingerprint"]


@dataclass(frozen=True, eq=False, repr=False)
class DataSource(Component):
    """A function that gives the samples of an experiment.

    Parameters
    ----------
    name : str
        What an experiment writes behind `source:`.
    load : callable
        load(folder, **options) -> `cygd.Dataset`, where relative paths start from `folder` (a Path).
        Its keyword parameters with their defaults are the options; one that counts is annotated int.

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
    _reserved: ClassVar[tuple[str, ...]] = ()  # an experiment names it behind `source:`

    load: Callable[..., Any]
    parameters: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._declare(declared_by(self, "load", self.load, ("folder",)))

    def read(self, folder: Path) -> Dataset | Table:
        """Load the samples.

        Raises
        ------
        DataError
            For data that cannot be read.
        PluginError
            Where the source itself fails, or returns something else.
        """
        try:
            data = self.load(folder, **self.parameters)
        except CygdError:
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise PluginError(f"{self}: load failed: {what}") from error
        if data is None:
            raise PluginError(f"{self}: load returned None", hint="is a `return` missing?")
        if not isinstance(data, Dataset | Table):
            raise PluginError(f"{self}: load returned {type(data).__name__}, not a cygd.Dataset")
        return data

    def files(self, folder: Path) -> list[Path]:
        """Return the files that the options name."""
        values = [value for option in self.parameters.values() for value in texts(option)]
        found = []
        for value in values:
            if value and "\0" not in value:
                found += [folder / value] if (folder / value).is_file() else matching(folder, value)
        return found


def texts(option: object) -> Iterable[str]:
    """Return an option's text, or the texts in its list."""
    if isinstance(option, str):
        return (option,)
    return (item for item in option if isinstance(item, str)) if isinstance(option, list | tuple) else ()


def fingerprint(sources: Iterable[DataSource], folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that configured data sources name, by its path."""
    found = {}
    for path in (path for source in sources for path in source.files(folder)):
        with path.open("rb") as file:
            found[str(path)] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


DATA_SOURCES: tuple[DataSource, ...] = (
    DataSource("inline", load_inline, summary="x and y written in the experiment"),
    DataSource(
        "csv",
        load_csv,
        summary="columns of a text file, plain or .gz",
        bounds={"decimal": ". | ,"},
    ),
    DataSource("parquet", load_parquet, summary="columns of a Parquet file (extra: parquet)"),
    DataSource(
        "svmlight",
        load_svmlight,
        summary="a label and the features that are not 0, as LIBSVM writes them",
        bounds={"features": "[0, 4294967295]", "first_index": "[0, 1]"},
    ),
    DataSource("npy", load_npy, summary="x and y from two .npy files, memory-mapped"),
    DataSource("npz", load_npz, summary="the arrays x and y of an .npz file"),
    DataSource(
        "sklearn",
        load_sklearn,
        summary="a data set that scikit-learn brings along (extra: sklearn)",
        bounds={"name": " | ".join(BUNDLED)},
    ),
    DataSource(
        "synthetic",
        load_synthetic,
        summary="a problem drawn from a seed",
        bounds={
            "kind": " | ".join(KINDS),
            "samples": "[1, 4294967295]",
            "noise": "[0, inf)",
            "seed": "[0, 9223372036854775807]",
            "inputs": "[1, inf)",
        },
    ),
)

KIND = Kind("data_source", DataSource, "cygd_data_sources", DATA_SOURCES)

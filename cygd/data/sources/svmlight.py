"""The svmlight source: text with a label and the features that are not 0, `1 3:0.5 7:2`, as LIBSVM has it."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np

from cygd.data.dataset import Dataset
from cygd.data.sources.arrays import dataset
from cygd.data.sources.paths import resolve_path
from cygd.data.sources.text_io import opened
from cygd.data.table import number
from cygd.errors import DataError

__all__ = ["load_svmlight"]

MOST = 2**32  # values, 32 GB: what is more was hardly meant


def load_svmlight(
    folder: Path, *, path: str, features: int = 0, first_index: int = 1, classes: bool = False
) -> Dataset:
    """Read a file of sparse rows as dense ones.

    Parameters
    ----------
    folder : Path
        Where a relative path starts from.
    path : str
        The file; one whose name ends in .gz is unpacked.
    features : int
        How many features there are; 0 is as many as the highest index says.
    first_index : int
        The index of the first feature, 1 or 0.
    classes : bool
        Whether the labels are class numbers.

    Raises
    ------
    DataError
        Where the file cannot be read, naming the line.
    """
    file = resolve_path(folder, path, "path")
    labels, rows, columns, values = array("d"), array("q"), array("q"), array("d")
    with opened(file) as text:
        for line, record in enumerate(text, 1):
            words = record.partition("#")[0].split()
            if not words:
                continue
            for index, value in pairs(words[1:], f"{file}:{line}", first_index):
                if features and index >= features:
                    there = f"feature {index + first_index}, and data.features says {features}"
                    raise DataError(f"{file}:{line}: there is a {there}")
                rows.append(len(labels))
                columns.append(index)
                values.append(value)
            labels.append(label(words[0], f"{file}:{line}"))
    if not labels:
        raise DataError(f"{file} is empty")
    width = features or max(columns, default=0) + 1
    if width * len(labels) > MOST:
        sizes = f"{len(labels)} rows of {width} features"
        raise DataError(f"{file} has {sizes}, too many to hold the zeros between them as well")
    x = np.zeros((len(labels), width))
    x[np.frombuffer(rows, np.int64), np.frombuffer(columns, np.int64)] = np.frombuffer(values)
    named = dataset(x, np.array(labels), classes, f"{file}: x", f"{file}: y")
    return Dataset(named.x, named.y, [f"x{i + first_index}" for i in range(width)], ["y"], named.classes)


def pairs(words: list[str], where: str, first: int) -> list[tuple[int, float]]:
    """Return the features of a row: index from 0, and value."""
    found: dict[int, float] = {}
    for word in words:
        key, colon, text = word.partition(":")
        if key == "qid":
            continue
        value = number(text)
        if not colon or not key.isdecimal() or value is None:
            raise DataError(f"{where}: {word!r} is no feature, which is INDEX:VALUE")
        index = int(key) - first
        if index < 0:
            raise DataError(f"{where}: feature 0, but they count from 1", hint="say data.first_index: 0")
        if index in found:
            raise DataError(f"{where}: feature {key} stands there twice")
        found[index] = value
    return list(found.items())


def label(word: str, where: str) -> float:
    """Return the label of a row."""
    value = number(word)
    if value is None:
        raise DataError(f"{where}: the label {word!r} is not a number")
    return value

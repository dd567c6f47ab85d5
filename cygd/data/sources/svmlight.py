"""The svmlight source: text lines of a label and the nonzero features, `1 3:0.5 7:2`, as in LIBSVM."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np

from cygd.data.dataset import Dataset
from cygd.data.memory import check_table_size
from cygd.data.numbers import parse_number
from cygd.data.sources.arrays import make_dataset
from cygd.data.sources.paths import resolve_path
from cygd.errors import DataError, format_count

CHECK_ROWS = 4096  # after which the size is checked
MAX_VALUES = 2**32  # of the dense array: 32 GB


def load_svmlight(
    folder: Path,
    *,
    path: str,
    features: int = 0,  # 0: the highest index in the file
    first_index: int = 1,  # the index of the first feature, 1 or 0
    classes: bool = False,  # whether the labels are class numbers
) -> Dataset:
    """Read a file of sparse rows as a dense array."""
    from cygd.data.sources.text_io import open_text  # imported here: few runs read texts

    file = resolve_path(folder, path, "path")
    labels, rows, columns, values = array("d"), array("q"), array("q"), array("d")
    with open_text(file) as text:
        for line_number, line in enumerate(text, 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            where = f"{file}:{line_number}"
            for index, value in parse_features(words[1:], where, first_index).items():
                if features and index >= features:
                    message = f"expected {features} features (data.features)"
                    raise DataError(f"{where}: {message}, got feature {index + first_index}")
                rows.append(len(labels))
                columns.append(index)
                values.append(value)
            label = parse_number(words[0])
            if label is None:
                raise DataError(f"{where}: expected a number as the label, got {words[0]!r}")
            labels.append(label)
            if not len(labels) % CHECK_ROWS:
                check_table_size(24 * len(values) + 8 * len(labels), str(file), len(labels))
    if not labels:
        raise DataError(f"{file} is empty")
    width = features or max(columns, default=0) + 1
    if width * len(labels) > MAX_VALUES:
        raise DataError(
            f"{file}: {format_count(len(labels), 'row')} of {width} features do not fit into a dense array"
        )
    check_table_size(8 * width * len(labels), str(file), len(labels))
    x = np.zeros((len(labels), width))
    x[np.frombuffer(rows, np.int64), np.frombuffer(columns, np.int64)] = np.frombuffer(values)
    data = make_dataset(x, np.array(labels), classes, f"{file}: x", f"{file}: y")
    return Dataset(data.x, data.y, [f"x{i + first_index}" for i in range(width)], ["y"], data.classes)


def parse_features(words: list[str], where: str, first_index: int) -> dict[int, float]:
    """Return the values of a row's features by their index, from 0."""
    values: dict[int, float] = {}
    for word in words:
        key, colon, text = word.partition(":")
        if key == "qid":
            continue
        value = parse_number(text)
        if not colon or not key.isdecimal() or value is None:
            raise DataError(f"{where}: expected INDEX:VALUE, got {word!r}")
        index = int(key) - first_index
        if index < 0:
            hint = "set data.first_index: 0"
            raise DataError(f"{where}: expected feature indices from 1, got 0", hint=hint)
        if index in values:
            raise DataError(f"{where}: duplicate feature {key}")
        values[index] = value
    return values

"""What all values of a column decide about each of them: whether words are numbers, and numbers labels.

Counting needs no more of a column than a part of its rows at a time, so that a file that does not fit into
memory is read, block by block, as if it were one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cygd.data.known_labels import boolean_word
from cygd.data.numbers import PLACEHOLDERS, infinity_or_nan


class ColumnKind(NamedTuple):
    """The kind of a column."""

    is_categorical: bool = False  # more values are texts than numbers
    has_booleans: bool = False  # True and False are 1 and 0
    is_boolean: bool = False  # and there are no other numbers
    has_numbers: bool = True


@dataclass
class KindCounter:
    """Counts the numbers and texts of a column, part by part."""

    n_numbers: int = 0
    n_texts: int = 0  # of which True and False are booleans
    has_other_texts: bool = False  # than True and False
    has_words: bool = False  # that are not a number in any column

    def add(
        self,
        numbers: npt.NDArray[np.floating[Any]],
        codes: npt.NDArray[np.integer[Any]] | None,
        strings: Sequence[str],
    ) -> None:
        """Count the values of some rows: numbers, NaN elsewhere, and codes of strings, -1 elsewhere."""
        self.n_numbers += int(np.count_nonzero(~np.isnan(numbers)))
        if codes is None:
            return
        counts = np.bincount(codes[codes >= 0], minlength=len(strings)).tolist()
        for text, count in zip(strings, counts, strict=False):
            if not count:
                continue
            self.has_words |= infinity_or_nan(text) is None
            if is_text(text):
                self.n_texts += count
                self.has_other_texts |= boolean_word(text) is None

    @property
    def kind(self) -> ColumnKind:
        """The kind of the column whose values were counted."""
        has_booleans = self.n_texts > 0 and not self.has_other_texts
        is_categorical = self.n_texts > self.n_numbers if self.n_numbers else self.has_words
        is_boolean = has_booleans and not self.n_numbers
        return ColumnKind(is_categorical and not has_booleans, has_booleans, is_boolean, self.n_numbers > 0)


def is_text(text: str) -> bool:
    """Return True for a string that is neither a number nor a word that may mean a missing value."""
    return text not in PLACEHOLDERS and infinity_or_nan(text) is None

"""The preprocessing of a row in C: gaps, categories and scaling, in double as in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cygd.data import InputColumn, Preprocessing
from cygd.export.c99.literals import number_rows, real_literal, text_literal
from cygd.export.raw_rows import has_text_labels

NEVER = real_literal(float("nan"))

PLAIN_LOOP = """\
    for (i = 0; i < @P@_INPUTS; i++) {
        x[i] = (real)row[i];
        if (!(x[i] - x[i] == 0)) {
            status = row[i] == row[i] ? @P@_NOT_FINITE : @P@_MISSING;
            break;
        }
    }
"""
LOOP = """\
    for (i = 0; i < @P@_INPUTS && status == 0; i++) {
        double value = row[i];
@MISSING@        if (value != value) value = COLUMNS[i].fill;
        if (value != value) {
            status = @P@_MISSING;
@LABELS@        } else {
            *next = (real)((value - COLUMNS[i].shift) / COLUMNS[i].scale);
            if (!(*next - *next == 0)) status = @P@_NOT_FINITE;
            next++;
        }
    }
"""
MISSING = """\
        for (k = 0; k < @N@; k++)
            if (value == MISSING[k]) value = NAN;
"""
LABELS = """\
        } else if (COLUMNS[i].labels) {
            int found = 0;
            for (k = 0; k < COLUMNS[i].labels; k++) {
                const int is_label = value == (COLUMNS[i].values ? COLUMNS[i].values[k] : k);
                *next++ = (real)is_label;
                found |= is_label;
            }
            if (!found) status = @P@_UNKNOWN;
"""
LABEL_FUNCTION = """
double @p@_label(int column, const char *label) {
    int k;
    if (column < 0 || column >= @P@_INPUTS || !COLUMNS[column].texts) return -1;
    if (!label || !label[0]) return NAN;
    for (k = 0; k < COLUMNS[column].labels; k++)
        if (strcmp(COLUMNS[column].texts[k], label) == 0) return k;
    return -1;
}
"""


@dataclass(frozen=True)
class PreprocessingCode:
    """Preprocessing in C, with @P@ for the prefix of macros and @p@ for that of functions."""

    tables: str
    statements: str  # from `row` to `x`, with an int `status`
    label_function: str  # or "" without columns of texts
    uses_k: bool


def preprocessing_code(preprocessing: Preprocessing) -> PreprocessingCode:
    """Return the tables and statements of a preprocessing."""
    columns, missing = preprocessing.columns, preprocessing.cell_format.missing_numbers
    if not missing and all(_is_plain(column) for column in columns):
        return PreprocessingCode("", PLAIN_LOOP, "", uses_k=False)
    texts = [has_text_labels(column) for column in columns]
    labels = [column.categories is not None for column in columns]
    tables = [_labels_table(i, column) for i, column in enumerate(columns) if column.categories is not None]
    fields = "double shift, scale, fill;"
    if any(labels):
        fields += "\n    int labels;            /* categories, or 0 for a number */"
        fields += (
            "\n    const double *values;  /* of categories that are numbers; others are counted from 0 */"
        )
    if any(texts):
        fields += "\n    const char *const *texts;"
    rows = ",\n".join(
        f"    {{{', '.join(_column_entry(i, column, any(labels), any(texts)))}}}"
        for i, column in enumerate(columns)
    )
    tables.append(f"static const struct {{\n    {fields}\n}} COLUMNS[{len(columns)}] = {{\n{rows}}};")
    if missing:
        numbers = number_rows(np.array(missing, np.float64))
        tables.append(
            f"/* numbers that stand for a missing value */\n"
            f"static const double MISSING[{len(missing)}] = {numbers};"
        )
    statements = LOOP.replace("@MISSING@", MISSING.replace("@N@", str(len(missing))) if missing else "")
    statements = statements.replace("@LABELS@", LABELS if any(labels) else "")
    return PreprocessingCode(
        "\n\n".join(tables),
        statements,
        LABEL_FUNCTION if any(texts) else "",
        uses_k=bool(missing) or any(labels),
    )


def _is_plain(column: InputColumn) -> bool:
    return column.categories is None and column.fill is None and (column.shift, column.scale) == (0, 1)


def _labels_table(index: int, column: InputColumn) -> str:
    assert column.categories is not None
    count = len(column.categories)
    if has_text_labels(column):
        texts = ",\n    ".join(text_literal(str(label)) for label in column.categories)
        return f"static const char *const LABELS_{index}[{count}] = {{\n    {texts}}};"
    return f"static const double VALUES_{index}[{count}] = {number_rows(np.array(column.categories, float))};"


def _column_entry(index: int, column: InputColumn, has_labels: bool, has_texts: bool) -> list[str]:
    is_text = has_text_labels(column)
    fill = NEVER
    if column.fill is not None:
        fill = real_literal(
            float(column.categories.index(column.fill))
            if is_text and column.categories
            else float(column.fill)
        )
    entry = [real_literal(float(column.shift)), real_literal(float(column.scale)), fill]
    if has_labels:
        entry += [str(len(column.categories or ()))]
        entry += [f"VALUES_{index}" if column.categories is not None and not is_text else "0"]
    if has_texts:
        entry += [f"LABELS_{index}" if is_text else "0"]
    return entry

"""The header and the source file of a model in C99."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import numpy as np

from cygd.errors import ExportError
from cygd.export.c99.activations import activation_code
from cygd.export.c99.library import WORD, needed
from cygd.export.c99.literals import comment_text, identifier, number_rows, real_literal, text_literal
from cygd.export.c99.preprocessing import preprocessing_code
from cygd.export.description import describe_activation
from cygd.export.protocols import TrainedModel
from cygd.export.raw_rows import has_text_labels

MAX_PACKED_OUTPUTS = 16  # of a single layer whose sums run along the inputs, as in the core
C_TYPE = {"float32": "float", "float64": "double"}
MACROS = {
    "float32": {
        "MANTISSA_BITS": "23",
        "SIGN_BIT": "((bits_t)1 << 31)",
        "EXPONENT_ONE": "((bits_t)127 << 23)",
        "LN2_HI": "0.69314575f",
        "LN2_LO": "1.4286068e-06f",
        "SQRT": "sqrtf",
    },
    "float64": {
        "MANTISSA_BITS": "52",
        "SIGN_BIT": "((bits_t)1 << 63)",
        "EXPONENT_ONE": "((bits_t)1023 << 52)",
        "LN2_HI": "0.6931471805598903",
        "LN2_LO": "5.497923018708371e-14",
        "SQRT": "sqrt",
    },
}

LABEL_DECLARATION = """
/* The number that stands for a label of a column in a row: NaN for NULL and for an empty text, -1 for a
 * label that training did not have. */
double @p@_label(int column, const char *label);
"""


class CModel:
    """The texts of a model in C.

    Parameters
    ----------
    model : TrainedModel
    stem : str
        The name of the two files without suffix, from which the names of the functions are made.
    """

    def __init__(self, model: TrainedModel, stem: str) -> None:
        self.model, self.network, self.preprocessing = model, model.network, model.preprocessing
        self.stem, self.prefix = stem, identifier(stem)
        self.macro = self.prefix.upper()
        self.dtype = self.network.dtype
        self.real = C_TYPE[str(self.dtype)]
        self.activations = [
            activation_code(activation, index, self.dtype)
            for index, activation in enumerate(self.network.activations)
        ]
        self.preparation = preprocessing_code(self.preprocessing)

    # -- header ---------------------------------------------------------------------------------------

    def header(self) -> str:
        """Return the content of the .h file."""
        names = self.preprocessing
        values = {
            "TITLE": f"{self.prefix}.h: {self._title()}",
            "ABOUT": self._about(),
            "COLUMNS": "\n".join(self._column_comments()),
            "INPUTS": str(len(names.inputs)),
            "OUTPUTS": str(self.network.n_outputs),
            "CLASSES": str(len(names.classes)),
            "MACROS": f"#define {self.macro}_CLASSES {len(names.classes)}\n" if names.classes else "",
            "CLASS_NAMES": (
                f"extern const char *const {self.prefix}_classes[{self.macro}_CLASSES];\n"
                if names.classes
                else ""
            ),
            "LABEL": self._label_declaration(),
            "MEANING": comment_text(self._outputs()),
            "RETURNS": self._returns(),
            "REAL": self.real,
            "STACK": str(self._stack_bytes()),
        }
        return self._fill(_text("header"), values)

    def _title(self) -> str:
        sizes = [self.network.n_inputs, *[layer.units for layer in self.network.layers]]
        return f"a network of {'-'.join(map(str, sizes))} units in {self.real}"

    def _about(self) -> str:
        lines = [f"{key}: {value}" for key, value in self.model.provenance.items()]
        targets = ", ".join(map(repr, self.preprocessing.targets))
        lines.append(f"predicts: {targets}")
        return "\n".join(f" * {comment_text(line)}" for line in lines)

    def _column_comments(self) -> list[str]:
        comments, missing = [], self.preprocessing.cell_format.missing_numbers
        for index, column in enumerate(self.preprocessing.columns):
            if column.categories is None:
                meaning = "a number"
            elif has_text_labels(column):
                shown = ", ".join(map(repr, column.categories[:4]))
                more = ", ..." if len(column.categories) > 4 else ""
                meaning = f"the number that {self.prefix}_label({index}, TEXT) returns for {shown}{more}"
            else:
                meaning = f"one of the numbers {', '.join(map(str, column.categories))}"
            gap = "" if column.fill is None else f"; {column.fill!r} in place of NaN"
            comments.append(f" *   {index:<3} {comment_text(f'{column.column}: {meaning}{gap}')}")
        if missing:
            comments.append(f" * where {', '.join(map(real_literal, missing))} is read as NaN.")
        return comments

    def _label_declaration(self) -> str:
        if not self.preparation.label_function:
            return ""
        return LABEL_DECLARATION

    def _outputs(self) -> str:
        classes = self.preprocessing.classes
        if not classes:
            return f"the targets {', '.join(map(repr, self.preprocessing.targets))}"
        if self.network.n_outputs > 1:
            return "the outputs of the classes, in their order"
        return f"the output of the class {classes[1]!r}"

    def _returns(self) -> str:
        if not self.preprocessing.classes:
            return "0"
        if self.network.n_outputs > 1:
            return "the number of the class with the largest output"
        return "the number of the class: 1 if the output, the probability of the second one, is above 1/2"

    def _stack_bytes(self) -> int:
        widest = max(layer.units for layer in self.network.layers)
        size = self.dtype.itemsize * (len(self.preprocessing.features) + 2 * widest + 64)
        return size + 256  # of the registers and local variables of the functions

    # -- source ---------------------------------------------------------------------------------------

    def source(self) -> str:
        """Return the content of the .c file."""
        formulas = [code.definition for code in self.activations if code.definition]
        predict = self._predict()
        tables = [self.preparation.tables, *self._weights(), *self._names()]
        body = "\n\n".join(part for part in [*formulas, *tables, predict] if part)
        body += self.preparation.label_function
        library = needed(WORD.findall(body), str(self.dtype))
        text = "\n\n".join([*library, body])
        return self._fill("\n".join([self._preamble(text), "", text, ""]), {})

    def _preamble(self, text: str) -> str:
        """Return the includes, types and macros, and the fused multiply-add."""
        dtype = str(self.dtype)
        info = np.finfo(self.dtype)
        macros = MACROS[dtype] | {
            "REAL_MAX": real_literal(info.max),
            "REAL_MIN": real_literal(info.smallest_normal),
        }
        used = set(WORD.findall(text))
        defined = [f"#define {name} {value}" for name, value in macros.items() if name in used]
        lines = [
            f"/* {comment_text(f'{self.prefix}.c: {self._title()}')}. {self.prefix}.h describes it.\n"
            " * The operations are those of cygd's kernels, in their order, and so are the bits. */",
            f'#include "{self.stem}.h"\n',
            "#include <float.h>\n#include <math.h>\n#include <stdint.h>\n#include <string.h>\n",
            f"typedef {self.real} real;",
        ]
        lines += [f"typedef uint{8 * self.dtype.itemsize}_t bits_t;"] if "bits_t" in used else []
        lines += [*defined, ""]
        lines += [_text("preamble").rstrip(), _text(f"fma_{dtype}").rstrip()]
        return "\n".join(lines)

    def _weights(self) -> list[str]:
        """Return the arrays of the parameters."""
        arrays = []
        for index, (w, b) in enumerate(zip(self.network.weights, self.network.biases, strict=True)):
            values = w.T if self.is_packed else w
            shape = " x ".join(map(str, values.shape))
            arrays.append(f"/* {shape} */\nstatic const real W{index}[{w.size}] = {number_rows(values)};")
            if b is not None:
                arrays.append(f"static const real B{index}[{b.size}] = {number_rows(b)};")
        return arrays

    @property
    def is_packed(self) -> bool:
        """Whether sums run along the inputs: in a network of one layer with few outputs, as in the core."""
        width = 64 // self.dtype.itemsize
        n_inputs, n_outputs = self.network.n_inputs, self.network.n_outputs
        is_single = len(self.network.layers) == 1 and n_outputs <= MAX_PACKED_OUTPUTS
        return is_single and (n_outputs == 1 or n_inputs >= width)

    def _names(self) -> list[str]:
        lists = [("columns", "INPUTS", self.preprocessing.inputs)]
        lists += [("classes", "CLASSES", tuple(map(str, self.preprocessing.classes)))]
        return [
            f"const char *const {self.prefix}_{name}[{self.macro}_{size}] = {{\n    "
            + ",\n    ".join(map(text_literal, texts))
            + "};"
            for name, size, texts in lists
            if texts
        ]

    def _predict(self) -> str:
        """Return the function `predict`."""
        layers = []
        sizes = [self.network.n_inputs, *[layer.units for layer in self.network.layers]]
        for index, (layer, code) in enumerate(zip(self.network.layers, self.activations, strict=True)):
            x, h = ("x" if index == 0 else "ba"[index % 2]), "ab"[index % 2]
            bias = f"B{index}" if layer.has_bias else "0"
            dense = "dense_dots" if self.is_packed else "dense"
            activation = describe_activation(self.network.activations[index])
            name = activation.get("formula") or activation["name"]
            layers.append(f"    /* layer {index}: {comment_text(str(name))} */")
            layers.append(f"    {dense}({x}, W{index}, {bias}, {h}, {sizes[index]}, {sizes[index + 1]});")
            if code.statement:
                statement = re.sub(r"\bh\b(?!\()", h, code.statement)
                layers.append(f"    {re.sub(r'(?<=[ (])n(?=[;)])', str(sizes[index + 1]), statement)}")
        result = "ab"[(len(self.network.layers) - 1) % 2]
        buffers = ["a"] if len(self.network.layers) == 1 else ["a", "b"]
        widest = max(sizes[1:])
        declared = ", ".join(f"{name}[{widest}]" for name in buffers)
        values = {
            "FEATURES": str(sizes[0]),
            "BUFFERS": declared,
            "NEXT": ", *next = x" if self.preparation.tables else "",
            "K": ", k" if self.preparation.uses_k else "",
            "PREPARE": self.preparation.statements.rstrip("\n"),
            "LAYERS": "\n".join(layers),
            "STORE": self._store(result),
            "RESULT": self._result(),
            "REAL": self.real,
            "TARGETS": self._target_tables(),
        }
        return self._fill(_text("predict").rstrip(), values)

    def _target_tables(self) -> str:
        if not self.preprocessing.target_scale:
            return ""
        shift, scale = self.preprocessing.target_shift, self.preprocessing.target_scale
        tables = [
            f"static const double {name}[{len(values)}] = {number_rows(np.array(values))};\n\n"
            for name, values in (("TARGET_SHIFT", shift), ("TARGET_SCALE", scale))
        ]
        return "/* of the targets: y = scale output + shift */\n" + "".join(tables)

    def _store(self, result: str) -> str:
        value = f"{result}[j]"
        if self.preprocessing.target_scale:
            value = f"({self.real})({result}[j] * TARGET_SCALE[j] + TARGET_SHIFT[j])"
        return f"    for (j = 0; j < {self.macro}_OUTPUTS; j++) y[j] = {value};"

    def _result(self) -> str:
        if not self.preprocessing.classes:
            return "    return 0;"
        if self.network.n_outputs == 1:
            return f"    return y[0] > {real_literal(self.dtype.type(0.5))};"
        return (
            f"    i = 0;\n    for (j = 1; j < {self.macro}_OUTPUTS; j++)\n        if (y[j] > y[i]) i = j;\n"
            "    return i;"
        )

    def _fill(self, text: str, values: dict[str, str]) -> str:
        values = {**values, "P": self.macro, "p": self.prefix, "PREFIX": self.macro}
        for _ in range(2):  # values hold placeholders, too
            text = re.sub(r"@([A-Za-z_]+)@", lambda match: values.get(match[1], match[0]), text)
        return text


def _text(name: str) -> str:
    return resources.files("cygd.export.c99").joinpath(f"{name}.c.txt").read_text(encoding="utf-8")


def c_model(model: TrainedModel, path: Path) -> CModel:
    """Return the texts of a model whose files have the name of a path."""
    stem = path.stem if path.suffix.lower() in (".c", ".h") else path.name
    if re.search(r'["\\\x00-\x1f]', stem):
        raise ExportError(f"expected a file name that C can include, without quotes, got {stem!r}")
    return CModel(model, stem)

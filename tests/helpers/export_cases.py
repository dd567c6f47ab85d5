"""Models, formulas and rows for the tests of exported models, and the C compilers of the machine."""

import random
import shutil
import subprocess
from pathlib import Path

import numpy as np

from cygd import Model, Network
from cygd.components.activations import ACTIVATIONS
from cygd.components.formula import compile_activation
from cygd.data import InputColumn, Preprocessing
from cygd.errors import FormulaError
from cygd.export.c99.compiled import CompiledModel, compile_library

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(path.stem for path in (ROOT / "experiments").glob("*.yaml"))
BUILT_INS = [activation.name for activation in ACTIVATIONS]
DTYPES = ("float32", "float64")

# formulas with every instruction that the compiler emits for a value
CHOSEN = [
    {"formula": "h * sigmoid(beta * h)", "beta": 1.3, "trainable": ["beta"]},
    {"formula": "where(h < t, a * h, h * cos(a) + log(b))", "t": 0.2, "a": 0.5, "b": 2.0, "trainable": ["a"]},
    {"formula": "h * tanh(log1p(exp(h)))"},
    {"formula": "(sqrt(h**2 + 1) - 1) / 2 + h"},
    {"formula": "h + sqrt(h * h + 4)"},
    {"formula": "log(cosh(h))"},
    {"formula": "maximum(0, minimum(1, (h + 1) / 2))"},
    {"formula": "where(h <= 1, where(h == 0, 1 / 3, h**3 / (1 + abs(h**3))), sin(pi * h) - e)"},
    {"formula": "erfc(h) + erf(h / 2) * h"},
    {"formula": "where(h < 0, expm1(h), arctan(h))"},
    {"formula": "sign(h) * log1p(abs(h)) + softplus(-h)"},
    {"formula": "tan(h / 100) + sinh(h / 50) + abs(h)**1.5"},
    {"formula": "exp(exp(-abs(h))) / (1 + h * h)"},
]  # fmt: skip
FUNCTIONS = "sin cos tanh arctan sigmoid softplus erf erfc abs sinh exp expm1 log1p sqrt log sign cosh"
NAMES = FUNCTIONS.split()


def random_formulas(count, seed=0):
    """Return formulas drawn from a grammar, which are finite where a formula must be."""
    draw = random.Random(seed)

    def expression(depth):
        kind = draw.random()
        if depth == 0:
            return draw.choice(["h", "h", "h", "0.5", "2", "pi"])
        if kind < 0.4:
            return f"{draw.choice(NAMES)}({expression(depth - 1)})"
        if kind < 0.8:
            return f"({expression(depth - 1)} {draw.choice('+-*/')} {expression(depth - 1)})"
        parts = [expression(depth - 1) for _ in range(4)]
        if kind < 0.9:
            return f"{draw.choice(['maximum', 'minimum'])}({parts[0]}, {parts[1]})"
        return f"where({parts[0]} < {parts[1]}, {parts[2]}, {parts[3]})"

    found = []
    while len(found) < count:
        formula = expression(draw.choice([2, 3, 4]))
        try:
            compile_activation(formula)
            single_unit({"formula": formula}, "float64")
        except FormulaError:
            continue
        found.append({"formula": formula})
    return found


def columns(n_inputs, n_outputs=1):
    """Return the preprocessing of plain numbers."""
    return Preprocessing(
        tuple(InputColumn(f"c{i}") for i in range(n_inputs)), tuple(f"y{i}" for i in range(n_outputs))
    )


def model_of(network, preprocessing=None):
    return Model(network, preprocessing or columns(network.n_inputs, network.n_outputs))


def single_unit(activation, dtype):
    """Return a network whose output is f(x)."""
    layer = {"units": 1, "activation": activation, "bias": False, "weights": [[1.0]]}
    return Network(1, [layer], dtype=dtype)


def random_network(sizes, dtype, activation="tanh", seed=0):
    """Return a network with random parameters; each layer but the first has a bias."""
    layers = [
        {
            "units": units,
            "activation": activation if index < len(sizes) - 2 else "identity",
            "bias": index > 0,
        }
        for index, units in enumerate(sizes[1:])
    ]
    network = Network(sizes[0], layers, dtype=dtype)
    network.parameters[...] = np.random.default_rng(seed).normal(0, 0.3, network.parameters.shape)
    return network


def net_inputs(dtype, seed=0):
    """Return net inputs of all sizes, (n, 1)."""
    rng = np.random.default_rng(seed)
    edges = [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 90.0, -110.0, 6e4, 1e9, -1e20, 1e-40, -1e-30]
    drawn = [rng.normal(0, scale, 150) for scale in (1e-3, 0.5, 1, 3, 10, 50)]
    return np.concatenate([*drawn, edges])[:, None].astype(dtype)


def compiled(model, folder, command=("gcc",), flags=("-O2", "-mfma"), name="m"):
    """Export a model to C, compile it without a warning, and load it."""
    source, _ = model.export(folder / f"{name}.c")
    library = folder / f"{name}-{abs(hash((*command, *flags)))}.so"
    strict = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fPIC", "-shared"]
    compile_library(source, library, command, [*strict, *flags])
    return CompiledModel(model, library, name)


def has_compiler(name):
    return shutil.which(name) is not None


def run_checked(*words, **options):
    """Run a program and return what it prints."""
    done = subprocess.run([str(word) for word in words], capture_output=True, check=False, **options)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


# columns of every kind, with names that C must escape
MIXED = Preprocessing(
    (
        InputColumn("length, mm", shift=4.5, scale=0.25),
        InputColumn("gap", fill=2.5, shift=1.0, scale=3.0),
        InputColumn('kind "*//*/ ??=', categories=("a\\", "b?", "ü"), fill="b?"),
        InputColumn("cylinders", categories=(4, 6, 8)),
        InputColumn("either", categories=(1, "one")),
    ),
    ("class",),
    ('no "', "@P@\n", "ü"),
    cells={"missing_values": ["-999"]},
)


def mixed_model(dtype="float64"):
    return Model(Network(10, [(5, "tanh"), (3, "softmax")], dtype=dtype, seed=2), MIXED)
